"""What a package imports it declares, and what is declared is in the lock, with hashes."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

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


def sources(member: Path) -> list[Path]:
    """What runs in production: rapport_common.testing is for those who have pytest."""
    return [path for path in (member / "src").rglob("*.py") if "testing" not in path.parts]


def imported(member: Path) -> set[str]:
    """The distributions behind the top-level packages that a member's sources import."""
    providers = packages_distributions()
    names: set[str] = set()
    for path in sources(member):
        for node in ast.walk(ast.parse(path.read_text(), filename=str(path))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.partition(".")[0])
    own = f"rapport_{member.name}"
    foreign = names - set(sys.stdlib_module_names) - {own}
    return {normal(providers.get(name, [name])[0]) for name in foreign}


@pytest.mark.parametrize("member", MEMBERS)
def test_imports_are_declared(root: Path, member: str) -> None:
    allowed = declared(root / member)
    if "rapport-common" in allowed:
        allowed |= declared(root / SHARED)
    # Starlette is FastAPI's own foundation, and its types are FastAPI's.
    undeclared = imported(root / member) - allowed - {"starlette"}
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
def test_test_helpers_stay_in_tests(root: Path, member: str) -> None:
    users = [
        str(path) for path in sources(root / member) if "rapport_common.testing" in path.read_text()
    ]
    assert not users
