"""What events look like: learnt from samples, merged in any order, drafted as a schema.

A shape counts, by the path (`rapport_common.paths`) of each property, with `[]` for what is in a
list (`properties.products[].price`), how often it was there (`seen`), with values of which types
(`string`, `integer`, …), formats (`format:…`) and guesses of personal data (`pii:…`). Counts are
added, so that pieces learnt by several processes come to the same in any order.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from rapport_common.paths import names_of, path_of
from rapport_ingest.domain.moments import parse_moment
from rapport_ingest.domain.personal import by_name, by_value

OTHER = "(other)"
"""Stands for names beyond the bounds, of events and of properties."""

MAX_PATHS = 200
MAX_DEPTH = 5
MAX_KEY = 100
MAX_ELEMENTS = 10
MAX_STRING = 200
MAX_EXAMPLE_BYTES = 4096

Shape = dict[str, dict[str, int]]
Example = dict[str, Any]
"""`{"at": RFC 3339 with microseconds, "properties": …, "traits": …}`, personal data masked."""

_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", dict: "object"}
_TYPES |= {list: "array", type(None): "null"}
_DATE_LENGTH = 10


@dataclass(slots=True)
class Learnt:
    """What was learnt of one event name in a while; `samples` of `events` were looked at."""

    events: int
    samples: int
    first_seen: datetime
    last_seen: datetime
    shape: Shape = field(default_factory=dict)
    example: Example | None = None


def merged(one: Learnt, other: Learnt) -> Learnt:
    """Both together, whichever came first."""
    return Learnt(
        one.events + other.events,
        one.samples + other.samples,
        min(one.first_seen, other.first_seen),
        max(one.last_seen, other.last_seen),
        _merged_shapes(one.shape, other.shape),
        max(one.example, other.example, key=_order),
    )


def _order(example: Example | None) -> tuple[str, bytes]:
    return ("", b"") if example is None else (example["at"], msgspec.json.encode(example))


def _merged_shapes(one: Shape, other: Shape) -> Shape:
    """Sums by path and count. Of too many paths the first in the alphabet stay: those that are
    among the first of all are so in every part too, so the order of merging does not tell.
    """
    sums: Shape = {path: dict(counts) for path, counts in one.items()}
    for path, counts in other.items():
        into = sums.setdefault(path, {})
        for name, count in counts.items():
            into[name] = into.get(name, 0) + count
    return {path: sums[path] for path in sorted(sums)[:MAX_PATHS]}


def learn(shape: Shape, fields: Mapping[str, Any]) -> None:
    """Count what is in one event into a shape."""
    for root, value in _roots(fields):
        _learn(shape, root, value, 0, (root, root))


def _roots(fields: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    context = fields.get("context")
    traits = fields.get("traits") or (context.get("traits") if isinstance(context, dict) else None)
    pairs = (("properties", fields.get("properties")), ("traits", traits))
    return [(root, value) for root, value in pairs if isinstance(value, dict)]


def _learn(shape: Shape, path: str, value: Any, depth: int, place: tuple[str, str]) -> None:
    root, name = place
    counts = shape.get(path)
    if counts is None:
        if len(shape) >= MAX_PATHS:
            return
        counts = shape[path] = {}
    kind = _TYPES.get(type(value), "string")
    counts["seen"] = counts.get("seen", 0) + 1
    counts[kind] = counts.get(kind, 0) + 1
    guess = by_name(name, root) or by_value(value)
    if guess is not None and value is not None:
        counts[f"pii:{guess}"] = counts.get(f"pii:{guess}", 0) + 1
    if kind == "string" and is_moment(value):
        counts["format:date-time"] = counts.get("format:date-time", 0) + 1
    if depth >= MAX_DEPTH:
        return
    if isinstance(value, dict):
        for key, one in value.items():
            _learn(shape, f"{path}.{_shown(key)}", one, depth + 1, (root, key))
    elif isinstance(value, list):
        for one in value[:MAX_ELEMENTS]:
            _learn(shape, f"{path}[]", one, depth + 1, (root, ""))


def is_moment(value: str) -> bool:
    """Whether a text is an RFC 3339 time with its offset."""
    if len(value) <= _DATE_LENGTH or value[4] != "-" or value[_DATE_LENGTH] not in "Tt":
        return False
    if not (value[-1] in "Zz" or value[-6] in "+-"):
        return False
    try:
        parse_moment(value)
    except ValueError:
        return False
    return True


def _shown(key: str) -> str:
    """A name as it stands in a path; brackets stand for lists there."""
    return OTHER if len(key) > MAX_KEY or "[" in key or not key else path_of(key)


def example_of(fields: Mapping[str, Any], at: str) -> Example | None:
    """A sample fit to be shown: cut to 4 KB, and `(email)` in place of what may be personal."""
    for text, elements in ((MAX_STRING, 3), (40, 1)):
        found: Example = {"at": at}
        for root, value in _roots(fields):
            found[root] = _masked(value, text, elements, (0, root, "", None))
        if len(msgspec.json.encode(found)) <= MAX_EXAMPLE_BYTES:
            return found
    return None


_Place = tuple[int, str, str, str | None]
"""Depth, root, name, and what the object around it was guessed to be."""


def _masked(value: Any, text: int, elements: int, place: _Place) -> Any:
    depth, root, name, around = place
    guess = around or by_name(name, root)
    if isinstance(value, dict):
        if depth >= MAX_DEPTH:
            return {}
        return {
            key[:MAX_KEY]: _masked(one, text, elements, (depth + 1, root, key, guess))
            for key, one in value.items()
        }
    if isinstance(value, list):
        inner = (depth + 1, root, "", guess)
        return [_masked(one, text, elements, inner) for one in value[:elements]]
    if value is None or isinstance(value, bool):
        return value
    if (guess := guess or by_value(value)) is not None:
        return f"({guess})"
    return value[:text] + "…" if isinstance(value, str) and len(value) > text else value


def is_masked(value: Any) -> bool:
    """Whether a value of an example is not what was sent."""
    return isinstance(value, str) and (value.endswith("…") or (value[:1] + value[-1:]) == "()")


def described(shape: Shape) -> list[dict[str, Any]]:
    """A shape as people read it: path, how often seen, types, formats, personal data."""
    rows = []
    for path, counts in sorted(shape.items()):
        names = sorted(counts)
        rows.append(
            {
                "path": path,
                "seen": counts.get("seen", 0),
                "types": [one for one in names if one in _TYPES.values()],
                "formats": [one[7:] for one in names if one.startswith("format:")],
                "pii": [one[4:] for one in names if one.startswith("pii:")],
            }
        )
    return rows


def drafted(shape: Shape, root: str) -> dict[str, Any]:
    """A JSON Schema of what was seen: types as seen, required what was never missing."""
    schema = _drafted(shape, root)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _drafted(shape: Shape, path: str) -> dict[str, Any]:
    counts = shape.get(path, {"object": 0})
    types = sorted(counts.keys() & set(_TYPES.values()))
    if "number" in types and "integer" in types:
        types.remove("integer")
    schema: dict[str, Any] = {"type": types[0] if len(types) == 1 else types}
    if counts.get("format:date-time") and counts["format:date-time"] == counts.get("string"):
        schema["format"] = "date-time"
    if f"{path}[]" in shape:
        schema["items"] = _drafted(shape, f"{path}[]")
    inner = {name: one for name, one in _below(shape, path).items() if name != OTHER}
    if inner:
        schema["properties"] = {name: _drafted(shape, one) for name, one in inner.items()}
        whole = counts.get("object")
        always = [name for name, one in inner.items() if shape[one].get("seen") == whole]
        if always:
            schema["required"] = always
    return schema


def _below(shape: Shape, path: str) -> dict[str, str]:
    """The members of what is at a path, each with its own path as it stands in the shape."""
    found = {}
    for one in shape:
        if one.startswith(f"{path}."):
            way = names_of(one.removeprefix(f"{path}."))
            if len(way) == 1 and "[" not in way[0]:
                found[way[0]] = one
    return dict(sorted(found.items()))
