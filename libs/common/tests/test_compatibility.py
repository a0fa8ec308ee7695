"""What was released stays readable: a version gains optional fields, and nothing else."""

import json
import sys
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest

from rapport_common.events import generate
from rapport_common.events.compatibility import breaks


class Tree(msgspec.Struct):
    name: str
    below: list["Tree"] = []


class Later(msgspec.Struct):
    name: int
    below: list["Later"] = []


def schema(record: Any) -> dict[str, Any]:
    (found,), defs = msgspec.json.schema_components([record], ref_template="#/$defs/{name}")
    return {**found, "$defs": defs}


def made(name: str, *fields: Any, **more: Any) -> Any:
    return msgspec.defstruct(name, fields, frozen=True, **more)


def many(one: Any) -> Any:
    return list.__class_getitem__(one)


INNER = made("Inner", ("x", int), ("y", int, 0))
ARRAY = made("Array", ("x", int, 0), array_like=True)
BASE: list[Any] = [
    ("workspace", str),
    ("kind", Literal["a", "b"]),
    ("inner", INNER),
    ("maybe", INNER | None, None),
    ("many", many(INNER), []),
    ("named", dict[str, int], {}),
    ("places", ARRAY, ARRAY()),
    ("count", int, 0),
]
RELEASED = schema(made("Record", *BASE, kw_only=True))


def changed(name: str, *field: Any) -> list[Any]:
    """The fields with one of them as given; without it when nothing is."""
    return [(name, *field) if one[0] == name else one for one in BASE if field or one[0] != name]


WIDER = made("Wider", ("x", int), ("y", int, 0), ("z", str | None, None))
LONGER = made("Longer", ("x", int, 0), ("y", int, 0), array_like=True)


@pytest.mark.parametrize(
    "fields",
    [
        BASE,
        [*BASE, ("more", str | None, None)],
        changed("inner", WIDER),
        changed("maybe", WIDER | None, None),
        changed("maybe", made("Other", ("x", int), ("y", int, 0)) | None, None),
        changed("many", many(WIDER), []),
        changed("places", LONGER, LONGER()),
        changed("kind", Literal["b", "a"]),
        list(reversed(BASE)),
    ],
)
def test_optional_fields_may_be_added(fields: list[Any]) -> None:
    assert breaks(RELEASED, schema(made("Renamed", *fields, kw_only=True))) == []


NARROWER = made("Narrower", ("x", int))
STRICTER = made("Stricter", ("x", int), ("y", int))
SHORTER = made("Shorter", array_like=True)


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ([*BASE, ("more", str)], "/more: it is required"),
        (changed("workspace"), "/workspace: it is gone"),
        (changed("count"), "/count: it is gone"),
        (changed("workspace", str, ""), "/workspace: it is not required"),
        (changed("count", int), "/count: it is required"),
        (changed("count", str, ""), "/count: type was integer, is string"),
        (changed("count", int, 1), "/count: its default was 0, is 1"),
        (changed("count", int | None, 0), "/count"),
        (changed("kind", Literal["a", "b", "c"]), "/kind: was one of"),
        (changed("kind", Literal["a"]), "/kind: was one of"),
        (changed("inner", NARROWER), "/inner/y: it is gone"),
        (changed("inner", STRICTER), "/inner/y: it is required"),
        (changed("maybe", NARROWER | None, None), "/maybe: what it may be has changed"),
        (changed("maybe", INNER | str | None, None), "/maybe: it may be what it could not be"),
        (changed("many", many(NARROWER), []), "/many/*/y: it is gone"),
        (changed("many", list[Any], []), "/many: items was"),
        (changed("named", dict[str, str], {}), "/named/*: type was integer, is string"),
        (changed("named", dict[str, Any], {}), "/named"),
        (changed("places", SHORTER, SHORTER()), "/places: it has 0 elements, and had 1"),
    ],
)
def test_any_other_change_is_a_new_version(fields: list[Any], where: str) -> None:
    found = breaks(RELEASED, schema(made("Record", *fields, kw_only=True)))
    assert any(line.startswith(where) for line in found), found


def test_a_record_may_hold_itself() -> None:
    assert breaks(schema(Tree), schema(Tree)) == []
    assert breaks(schema(Tree), schema(Later)) == ["/name: type was string, is integer"]


def test_what_is_released_is_not_broken() -> None:
    assert generate.broken() == []
    assert sorted(generate.released().glob("*.json"))


def test_a_broken_release_fails_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate, "REPOSITORY", tmp_path)
    monkeypatch.setattr(generate, "LIBRARY", tmp_path / "libs/common")
    monkeypatch.setattr(sys, "argv", ["generate", "--release"])
    assert generate.main() == 0
    kept = generate.released() / "segment.membership.v1.json"
    document = json.loads(kept.read_text())
    document["$defs"]["Membership"]["properties"]["former"] = {"type": "string"}
    kept.write_text(json.dumps(document))
    (generate.released() / "gone.v1.json").write_text("{}")
    for argument in ("--check", "--release"):
        monkeypatch.setattr(sys, "argv", ["generate", argument])
        assert generate.main() == 1
        assert capsys.readouterr().err.splitlines() == [
            "gone.v1: it was released, and is not in the registry any more",
            f"segment.membership.v1/former: it is gone: {generate.INSTEAD}",
        ]
    assert json.loads(kept.read_text()) == document
