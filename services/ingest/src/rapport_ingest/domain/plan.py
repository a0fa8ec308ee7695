"""Tracking plans: JSON Schemas per event name and version, and what breaks them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NoReturn

import msgspec
from jsonschema_rs import (
    Draft7Validator,
    Draft201909Validator,
    Draft202012Validator,
    ReferencingError,
    RegexOptions,
    ValidationError,
)

from rapport_common.errors import InvalidRequestError
from rapport_common.events.envelope import EventType
from rapport_common.paths import path_of
from rapport_common.wording import plain

MAX_ENTRIES = 1000
MAX_SCHEMA_BYTES = 64 * 1024
MAX_SCHEMA_DEPTH = 32
MAX_PARTS = 2000
"""So many parts an event may be checked against, each reference counted as all it refers to: a
few short definitions that refer to each other twice would otherwise take hours."""

MAX_VIOLATIONS = 20
MAX_MESSAGE = 300
MAX_NAME_BYTES = 2000
"""Names are part of an index, whose entries Postgres limits to 2,704 bytes."""

_DRAFTS: dict[str, type[Draft7Validator | Draft201909Validator | Draft202012Validator]] = {
    "https://json-schema.org/draft/2020-12/schema": Draft202012Validator,
    "https://json-schema.org/draft/2019-09/schema": Draft201909Validator,
    "http://json-schema.org/draft-07/schema": Draft7Validator,
}
_LATEST = "https://json-schema.org/draft/2020-12/schema"
_REFUSED = {"$dynamicRef", "$recursiveRef", "$dynamicAnchor", "$recursiveAnchor", "$anchor", "$id"}

# Automata instead of backtracking: linear in the text, whatever the pattern.
_PATTERNS = RegexOptions(size_limit=1 << 20, dfa_size_limit=1 << 20)

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_Validator = Draft7Validator | Draft201909Validator | Draft202012Validator


@dataclass(frozen=True, slots=True)
class PlannedEvent:
    """One entry of a plan: the JSON Schema (draft 2020-12) of an event's properties or traits."""

    type: EventType
    name: str
    version: str
    schema: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Violation:
    """What is wrong with an event: `path` is the field, `rule` the schema's keyword.

    `way`: the names, and places in lists, that lead to the value that the rule is about.
    """

    path: str
    rule: str
    message: str
    way: tuple[str, ...] = ()


@dataclass(slots=True)
class _Entry:
    """A schema, compiled when the first event needs it: a large plan costs its reader nothing."""

    schema: dict[str, Any]
    validator: _Validator | None = field(default=None)


def part_of(kind: EventType) -> str:
    """The field of an event that its schema describes."""
    return "traits" if kind in {"identify", "group"} else "properties"


class Plan:
    """A source's schemas, compiled; events of other names and types are unplanned."""

    def __init__(self, entries: Sequence[PlannedEvent]) -> None:
        """The newest version of an event is the last one."""
        self._entries: dict[tuple[EventType, str], dict[str | None, _Entry]] = {}
        for one in entries:
            versions = self._entries.setdefault((one.type, one.name), {})
            versions[one.version] = versions[None] = _Entry(one.schema)

    def check(
        self, kind: EventType, name: str | None, version: str | None, payload: dict[str, Any]
    ) -> list[Violation] | None:
        """What is wrong with the event, [] when nothing is; None: the event is not planned.

        Without a version the newest one counts. At most 20 violations are looked for.
        """
        versions = self._entries.get((kind, name or ""))
        entry = versions.get(version) if versions is not None else None
        if entry is None:
            return None
        validator = entry.validator
        if validator is None:
            try:
                validator = entry.validator = _compiled(entry.schema)
            except (ValidationError, ReferencingError, ValueError, LookupError):
                # It was good when it was stored, under another version of the validator.
                return [Violation(part_of(kind), "schema", "The plan's schema can't be used.")]
        if validator.is_valid(payload):
            return []
        found = islice(validator.iter_errors(payload), MAX_VIOLATIONS)
        return [_violation(part_of(kind), one) for one in found]


def _compiled(schema: dict[str, Any]) -> _Validator:
    """Formats are checked; nothing is fetched, neither by network nor from files."""
    draft = _DRAFTS[str(schema.get("$schema", _LATEST)).rstrip("#")]
    return draft(
        schema,
        offline=True,
        pattern_options=_PATTERNS,
        validate_formats=True,
        ignore_unknown_formats=False,
        # Messages go into logs and answers; the value may be personal.
        mask="The value",
    )


def _violation(part: str, error: ValidationError) -> Violation:
    rule = error.kind.name
    path = _dotted(part, error.instance_path)
    if rule == "required":
        path = f"{path}.{path_of(error.kind.as_dict()['property'])}"
    message = error.message
    way = (part, *map(str, error.instance_path))
    return Violation(path[:MAX_MESSAGE], rule, message[:MAX_MESSAGE], way)


def _dotted(start: str, steps: Iterable[str | int]) -> str:
    """`properties.products[0].price`."""
    named = (f"[{one}]" if isinstance(one, int) else f".{path_of(one)}" for one in steps)
    return start + "".join(named)


def check_entries(entries: Sequence[PlannedEvent], place: str = "events") -> None:
    """InvalidRequestError that says where, unless each schema can be used."""
    if len(entries) > MAX_ENTRIES:
        _bad(place, f"{MAX_ENTRIES} schemas are the most; these are {len(entries)}.")
    seen: set[tuple[str, str, str]] = set()
    for index, one in enumerate(entries):
        here = f"{place}[{index}]"
        named = one.type in {"track", "page", "screen"}
        if one.type == "track" and not one.name:
            _bad(f"{here}.name", "A track event has a name.")
        if _UNSTORABLE.search(one.name + one.version):
            _bad(here, "Neither NUL nor half a surrogate pair can be stored.")
        if (one.name and not named) or len(one.name.encode()) > MAX_NAME_BYTES:
            _bad(f"{here}.name", f"No name of an event of type {one.type}.")
        if (key := (one.type, one.name, one.version)) in seen:
            _bad(here, "This type, name and version is in the plan twice.")
        seen.add(key)
        _check_schema(one.schema, f"{here}.schema")


def _check_schema(schema: dict[str, Any], place: str) -> None:
    try:
        encoded = msgspec.json.encode(schema)
    except UnicodeEncodeError as error:
        _bad(place, f"A text in it can't be stored: {plain(error)}.")
    if len(encoded) > MAX_SCHEMA_BYTES:
        _bad(place, f"{len(encoded)} bytes; {MAX_SCHEMA_BYTES} is the most.")
    if b"\\u0000" in encoded:
        _bad(place, "The NUL character can't be stored.")
    if str(schema.get("$schema", _LATEST)).rstrip("#") not in _DRAFTS:
        _bad(f"{place}.$schema", f"One of {', '.join(_DRAFTS)}.")
    if _Weigher(schema, place).weight(schema, place, 0, ()) > MAX_PARTS:
        _bad(place, f"More than {MAX_PARTS} parts, each reference counted as what it refers to.")
    try:
        _compiled(schema)
    except (ReferencingError, ValueError) as error:  # most are a ValidationError, with its place
        where = _dotted(place, getattr(error, "instance_path", ()))
        _bad(where, getattr(error, "message", str(error))[:MAX_MESSAGE])


class _Weigher:
    """Counts the parts of a schema, and refuses references that lead out of it or in circles."""

    def __init__(self, root: dict[str, Any], place: str) -> None:
        self._root = root
        self._place = place
        self._known: dict[str, int] = {}

    def weight(self, node: Any, place: str, depth: int, way: tuple[str, ...]) -> int:
        if depth > MAX_SCHEMA_DEPTH:
            _bad(place, f"Nested deeper than {MAX_SCHEMA_DEPTH} levels.")
        if isinstance(node, list):
            pairs = [(f"{place}[{index}]", one) for index, one in enumerate(node)]
        elif isinstance(node, dict):
            pairs = [(f"{place}.{key}", one) for key, one in node.items() if key != "enum"]
            pairs += [(f"{place}.enum", one) for one in [node.get("enum")] if isinstance(one, dict)]
            self._check_keywords(node, place, depth)
        else:
            return 0
        total = 1 + sum(self.weight(one, where, depth + 1, way) for where, one in pairs)
        if isinstance(node, dict) and isinstance(node.get("$ref"), str):
            total += self._target(node["$ref"], f"{place}.$ref", depth, way)
        return min(total, MAX_PARTS + 1)

    def _check_keywords(self, node: dict[str, Any], place: str, depth: int) -> None:
        for key in sorted(_REFUSED & node.keys()):
            if isinstance(node[key], str) and not (key == "$id" and depth == 0):
                _bad(f"{place}.{key}", "References are JSON pointers into the same schema only.")

    def _target(self, reference: str, place: str, depth: int, way: tuple[str, ...]) -> int:
        if reference in way or reference == "#":
            _bad(place, "A schema can't contain itself.")
        if reference not in self._known:
            node = self._find(reference, place)
            self._known[reference] = self.weight(node, place, depth + 1, (*way, reference))
        return self._known[reference]

    def _find(self, reference: str, place: str) -> Any:
        if not reference.startswith("#/"):
            _bad(place, "A reference looks like #/$defs/address; nothing else is fetched.")
        node: Any = self._root
        for step in reference[2:].split("/"):
            key = step.replace("~1", "/").replace("~0", "~")
            if isinstance(node, dict) and key in node:
                node = node[key]
            elif (
                isinstance(node, list) and key.isascii() and key.isdigit() and int(key) < len(node)
            ):
                node = node[int(key)]
            else:
                _bad(place, "There is nothing at this place of the schema.")
        return node


@dataclass(frozen=True, slots=True)
class Difference:
    """What a new plan changes, as (type, name, version)."""

    added: list[tuple[str, str, str]]
    changed: list[tuple[str, str, str]]
    removed: list[tuple[str, str, str]]

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


def difference(old: Sequence[PlannedEvent], new: Sequence[PlannedEvent]) -> Difference:
    """What becomes of the old plan when the new one takes its place."""
    before = {(one.type, one.name, one.version): one.schema for one in old}
    after = {(one.type, one.name, one.version): one.schema for one in new}
    return Difference(
        added=[key for key in after if key not in before],
        changed=[key for key in after if key in before and before[key] != after[key]],
        removed=[key for key in before if key not in after],
    )


def _bad(place: str, reason: str) -> NoReturn:
    raise InvalidRequestError(f"{place}: {reason}", details={"field": place})
