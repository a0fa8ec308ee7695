"""What a package imports it declares, and what is declared is in the lock, with hashes."""

import re
import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from tests.arch.reading import Facts

# A service may use what rapport_common, which it declares, brings.
SHARED = "libs/common"
MEMBERS = (
    "libs/common",
    "libs/cli",
    "libs/keys",
    "deploy/local",
    *(f"services/{name}" for name in ("ingest", "profile", "segment", "campaign", "feedback")),
)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[<>=!~;(]", name.strip())[0]).lower()


def declared(member: Path) -> set[str]:
    project = tomllib.loads((member / "pyproject.toml").read_text())["project"]
    return {normal(name) for name in project["dependencies"]}


def sources(member: Path, facts: dict[Path, Facts]) -> list[Path]:
    """What runs in production: rapport_common.testing is for those who have pytest."""
    code = [path for path in facts if path.is_relative_to(member / "src")]
    return [path for path in code if "testing" not in path.parts]


def imported(member: Path, facts: dict[Path, Facts]) -> set[str]:
    """The distributions behind the top-level packages that a member's sources import."""
    imports = [name for path in sources(member, facts) for name in facts[path].imports]
    names = {name.partition(".")[0] for name in imports}
    own = f"rapport_{member.name}"
    foreign = names - set(sys.stdlib_module_names) - {own}
    return {normal(providers().get(name, [name])[0]) for name in foreign}


@cache
def providers() -> Mapping[str, list[str]]:
    """The distributions that bring each package: the metadata of all is read for it."""
    return packages_distributions()


@pytest.mark.parametrize("member", MEMBERS)
def test_imports_are_declared(root: Path, facts: dict[Path, Facts], member: str) -> None:
    allowed = declared(root / member)
    if "rapport-common" in allowed:
        allowed |= declared(root / SHARED)
    # Starlette is FastAPI's own foundation, and its types are FastAPI's.
    undeclared = imported(root / member, facts) - allowed - {"starlette"}
    assert not undeclared, f"add to {member}/pyproject.toml: {', '.join(sorted(undeclared))}"


def pins(path: Path) -> dict[str, list[str]]:
    """Each locked package and its lines, hashes included."""
    found: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        if re.match(r"[A-Za-z0-9]", line):
            found[normal(line)] = []
        elif found:
            found[next(reversed(found))].append(line)
    return found


@pytest.mark.parametrize("lock", ["requirements.lock", "data.lock"])
def test_every_pin_has_hashes_and_no_address(root: Path, lock: str) -> None:
    unhashed = [
        name for name, lines in pins(root / lock).items() if "--hash=sha256:" not in lines[0]
    ]
    assert not unhashed
    assert "://" not in (root / lock).read_text()


def test_what_is_wanted_is_locked(root: Path) -> None:
    wanted = {
        normal(line)
        for name in ("requirements.in", "dev.in")
        for line in (root / name).read_text().splitlines()
        if line and not line.startswith("#") and 'python_version < "3.11"' not in line
    }
    wanted |= {name for member in MEMBERS for name in declared(root / member)}
    missing = {name for name in wanted if not name.startswith("rapport-")} - pins(
        root / "requirements.lock"
    ).keys()
    assert not missing, f"run make lock: {', '.join(sorted(missing))}"


def test_what_is_overridden_is_pinned(root: Path) -> None:
    """`rapport_common.bounded` and ingest's edge are inside it: a new one comes by a decision."""
    wanted = (root / "requirements.in").read_text()
    for name in ("uvicorn", "httptools"):
        assert re.search(rf"^{name}==\d", wanted, re.MULTILINE), f"pin {name} in requirements.in"


@pytest.mark.parametrize("member", MEMBERS)
def test_test_helpers_stay_in_tests(root: Path, facts: dict[Path, Facts], member: str) -> None:
    files = sources(root / member, facts)
    assert not [path for path in files if "rapport_common.testing" in path.read_text()]
