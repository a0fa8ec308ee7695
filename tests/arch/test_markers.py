"""What needs a server is told in three places; they say the same, or tests would run nowhere."""

import re
import tomllib
from pathlib import Path

import conftest

ROOT = Path(__file__).parents[2]


def _left_out(path: str) -> set[str]:
    """The marks of the expression that chooses the tests without servers."""
    found = re.search(r"NO_SERVERS :?= \"?(not [^\"\n]+)", (ROOT / path).read_text())
    assert found, path
    return {one.removeprefix("not ") for one in found[1].split(" and ")}


def test_all_agree_on_the_marks_of_servers() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    declared = {
        one.partition(":")[0] for one in settings["tool"]["pytest"]["ini_options"]["markers"]
    }
    declared -= {"long"}  # says how long, not what it needs
    assert _left_out("Makefile") == declared
    assert _left_out("deploy/isolated_tests.py") == declared
    assert declared == conftest.SERVERS
