"""A service has the same files as every other, one name everywhere, and stands alone."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from tests.arch.reading import Facts, facts_of

from rapport_common.db import head
from rapport_common.events.topics import SERVICES
from rapport_common.migrations import alembic_config

LIBRARIES = {"rapport_common", "rapport_cli", "rapport_keys", "rapport_local"}
BAGS = {"utils", "util", "helpers", "helper", "core", "base", "constants", "common", "misc"}
FILES = ("README.md", "alembic.ini", "migrations/env.py", "migrations/script.py.mako", "tests")


def test_every_list_of_services_is_the_same(
    services: list[str], config: dict[str, Any], compose: dict[str, Any]
) -> None:
    linted = set(config["tool"]["importlinter"]["root_packages"]) - LIBRARIES
    in_compose = {
        name
        for name, service in compose["services"].items()
        if isinstance(service.get("build"), dict)
    }
    assert linted == {f"rapport_{name}" for name in services}
    assert in_compose == set(services)
    assert set(SERVICES) == set(services)


def test_mypy_looks_at_every_package(root: Path, config: dict[str, Any]) -> None:
    known = {
        Path(path).relative_to("$MYPY_CONFIG_FILE_DIR")
        for path in config["tool"]["mypy"]["mypy_path"]
    }
    on_disk = {path.parent.relative_to(root) / "src" for path in root.glob("*/*/pyproject.toml")}
    assert known == on_disk


def test_a_package_is_named_after_its_folder(root: Path) -> None:
    for path in root.glob("*/*/pyproject.toml"):
        project = tomllib.loads(path.read_text())["project"]
        assert project["name"] == f"rapport-{path.parent.name}"
        assert (path.parent / f"src/rapport_{path.parent.name}/py.typed").exists(), path


def test_every_service_has_the_same_files(root: Path, services: list[str]) -> None:
    missing = [
        str(path.relative_to(root))
        for name in services
        for path in (root / "services" / name / one for one in FILES)
        if not path.exists()
    ]
    assert not missing, f"missing: {', '.join(missing)}"


def test_no_file_is_a_bag(root: Path, python_files: list[Path]) -> None:
    names = {path: path.relative_to(root).with_suffix("").parts for path in python_files}
    # libs/common is the folder of rapport_common, which the design names.
    bags = [
        str(path.relative_to(root))
        for path, parts in names.items()
        if BAGS & set(parts[2:] if parts[0] == "libs" else parts)
    ]
    assert not bags, f"name it after what is in it: {', '.join(bags)}"


def test_nothing_in_a_service_names_another_service(
    root: Path, facts: dict[Path, Facts], services: list[str]
) -> None:
    """Tests, migrations and run-time imports included: lint sees none of these."""
    found = [
        f"{path.relative_to(root)} imports {other}"
        for name in services
        for path, one in facts.items()
        if path.is_relative_to(root / "services" / name)
        for other in packages(one)
        if other.startswith("rapport_") and other not in {f"rapport_{name}", "rapport_common"}
    ]
    assert not found, "\n".join(found)


def packages(facts: Facts) -> set[str]:
    """Top-level packages that a file imports, by statement or by import_module("...")."""
    return {name.partition(".")[0] for name in facts.imports | facts.named}


def test_an_import_is_seen_in_each_form() -> None:
    code = "import a.b\nfrom c.d import e\nimport_module('f.g')\ni.importorskip('h')\n"
    assert packages(facts_of(code)) == {"a", "c", "f", "h"}


def test_every_target_of_make_is_described(root: Path) -> None:
    makefile = (root / "Makefile").read_text()
    targets = re.findall(r"^\.PHONY: (\S+)$", makefile, re.MULTILINE)
    described = re.findall(r"^([a-z][a-z-]*):.*## \S", makefile, re.MULTILINE)
    assert targets
    assert targets == described


@pytest.mark.parametrize("service", SERVICES)
def test_the_newest_migration_is_known_by_its_file_name(root: Path, service: str) -> None:
    """A service checks its schema by the names of the files, without importing alembic."""
    folder = root / "services" / service
    script = ScriptDirectory.from_config(alembic_config(folder))
    assert script.get_current_head() == head(folder)


def test_routes_are_not_made_anew(root: Path, facts: dict[Path, Facts]) -> None:
    """A service starts in a seventh of the time, see `add_routes`."""
    found = [
        str(path.relative_to(root))
        for path, one in facts.items()
        if "src" in path.relative_to(root).parts and "include_router" in one.attributes
    ]
    assert not found, f"use `rapport_common.routes.add_routes`: {', '.join(found)}"
