"""Where the command line finds services and secrets."""

import json
from pathlib import Path

import pytest

from rapport_cli.config import Config, find_home
from rapport_cli.errors import CliError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("PORT_BASE", "SECRET", "TOKEN", "WORKSPACE", "MAILDIR", "INGEST_URL"):
        monkeypatch.delenv(f"RAPPORT_{name}", raising=False)
    monkeypatch.setenv("RAPPORT_HOME", str(tmp_path))
    return tmp_path


def test_defaults(home: Path) -> None:
    config = Config.from_environment()
    assert config.url("ingest") == "http://127.0.0.1:8100"
    assert config.url("feedback") == "http://127.0.0.1:8104"
    assert (config.workspace, config.secret, config.maildir) == ("demo", None, home / "mail")


def test_what_the_local_runtime_left_is_used(home: Path) -> None:
    (home / "stack.json").write_text(json.dumps({"ports": {"base": 9100}}))
    (home / "credentials.json").write_text(json.dumps({"secret": "s", "workspace": "acme"}))
    config = Config.from_environment()
    assert config.url("segment") == "http://127.0.0.1:9102"
    assert (config.secret, config.workspace) == ("s", "acme")


def test_the_environment_wins(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "stack.json").write_text(json.dumps({"ports": {"base": 9100}}))
    monkeypatch.setenv("RAPPORT_PORT_BASE", "7000")
    monkeypatch.setenv("RAPPORT_INGEST_URL", "https://events.example.com")
    config = Config.from_environment()
    assert config.url("ingest") == "https://events.example.com"
    assert config.url("profile") == "http://127.0.0.1:7001"


def test_a_ready_token_is_only_for_its_own_workspace(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAPPORT_TOKEN", "ready")
    assert Config.from_environment().token == "ready"
    assert Config.from_environment("other").token is None


def test_bad_settings_are_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "credentials.json").write_text("{")
    with pytest.raises(CliError, match="credentials"):
        Config.from_environment()
    (home / "credentials.json").unlink()
    monkeypatch.setenv("RAPPORT_PORT_BASE", "eighty")
    with pytest.raises(CliError, match="RAPPORT_PORT_BASE is 'eighty'"):
        Config.from_environment()


def test_the_home_is_looked_for_upwards(tmp_path: Path) -> None:
    (tmp_path / ".rapport").mkdir()
    deep = tmp_path / "services" / "profile"
    deep.mkdir(parents=True)
    assert find_home(None, deep) == tmp_path / ".rapport"
    assert find_home("/elsewhere", deep) == Path("/elsewhere")
