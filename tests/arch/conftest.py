"""What the checks of the structure share: where things are, and the report of sizes."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.arch.reading import Facts, read

ROOT = Path(__file__).resolve().parents[2]
SIZES = pytest.StashKey[str]()


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def services() -> list[str]:
    """The services on disk: each folder with a pyproject.toml."""
    return sorted(path.parent.name for path in ROOT.glob("services/*/pyproject.toml"))


@pytest.fixture(scope="session")
def config() -> dict[str, Any]:
    """The root pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="session")
def compose() -> dict[str, Any]:
    """docker-compose.yml as written, anchors resolved."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


@pytest.fixture(scope="session")
def python_files() -> list[Path]:
    """Every Python file of the repository."""
    folders = ("libs", "services", "deploy", "tests")
    return sorted(path for folder in folders for path in _walk(ROOT / folder))


@pytest.fixture(scope="session")
def facts(python_files: list[Path]) -> dict[Path, Facts]:
    """What each Python file of the repository consists of."""
    return read(python_files)


def _walk(folder: Path) -> Iterator[Path]:
    hidden = (part.startswith(".") for part in folder.parts[len(ROOT.parts) :])
    if any(hidden):
        return
    for path in folder.iterdir():
        if path.is_dir():
            yield from _walk(path)
        elif path.suffix == ".py":
            yield path


@pytest.fixture
def report_sizes(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """Lines put into this list are shown at the end of the run."""
    lines: list[str] = []
    yield lines
    request.config.stash[SIZES] = "; ".join(lines)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    sizes = config.stash.get(SIZES, None)
    if sizes:
        terminalreporter.write_line(sizes)
