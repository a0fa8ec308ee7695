r"""Changes to events that an operator declares as data: rename, drop, hash, cast, default.

A path is dotted and goes through objects, and with `[]` through each element of an array:
`traits.mail`, `properties.products[].price`. A dot in a name has a backslash before it:
`traits.site\.name`. Names with brackets in them can't be reached.
What is not there is not changed. The changes are made in the order in which they are declared, each
of them once: renaming a to b and then b to a leaves a where it was.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal, NoReturn, assert_never

import msgspec

from rapport_common.errors import InvalidRequestError
from rapport_common.events.contact import normal_email
from rapport_common.events.identifiers import is_placeholder, normal_identifier
from rapport_common.paths import names_of
from rapport_ingest.domain.casting import Cast, cast
from rapport_ingest.domain.reading import digits
from rapport_ingest.domain.salvage import deeper_than
from rapport_ingest.domain.set_once import ONCE

__all__ = ["Cast", "Operation", "Transform", "TransformError", "Transformer", "compile_transforms"]

Operation = Literal["rename", "drop", "hash", "cast", "default"]

MAX_TRANSFORMS = 100
MAX_PATH = 512
MAX_STEPS = 16
MAX_DEFAULT_BYTES = 1024
MAX_DEFAULT_DEPTH = 8

OBJECTS = frozenset({"properties", "traits", "context"})
IDENTIFIERS = frozenset({"userId", "anonymousId", "previousId", "groupId"})
TIMES = frozenset({"timestamp", "originalTimestamp"})
FIELDS = OBJECTS | IDENTIFIERS | TIMES | {"event", "name"}
"""What may be changed. Not `messageId`, which tells copies apart, nor `type` and `sentAt`; the
workspace and the source are no fields of an event at all."""

PERSONAL = IDENTIFIERS | {"traits.email", "context.traits.email"}
"""No default for these: it would make one person of all who have none."""

_EACH = "[]"
_TRAITS = "traits."
_STEP = re.compile(r"([^\[\]\x00]+)(\[\])?")
_HASH = re.compile(r"[0-9a-f]{64}")

Steps = tuple[str, ...]
Change = Callable[[dict[str, Any]], None]


class Transform(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """One change of the field at `path` (dotted: `traits.mail`), for all events or those named.

    `rename` needs `to`, `cast` needs `type`, `default` needs `value`.
    """

    op: Operation
    path: str
    event: str | None = None
    to: str | None = None
    type: Cast | None = None
    value: Any = None


MAX_GROWTH = 32 * 1024
"""Bytes that one default may add to an event, which may have no more of them in all. A default in
each of ten thousand elements would fill the memory before anybody could measure the event."""


class TransformError(Exception):
    """The value at `path` can't be changed as declared."""

    def __init__(self, path: str, reason: str, code: str = "transform_failed") -> None:
        super().__init__(reason)
        self.path = path
        self.reason = reason
        self.code = code


Transformer = Callable[[dict[str, Any]], dict[str, Any]]
"""Changes a decoded event in place and gives it back; TransformError when it can't."""


def _grown(path: str) -> TransformError:
    reason = f"The source's default for it would add more than {MAX_GROWTH} bytes to the event."
    return TransformError(path, reason, "event_too_large")


def compile_transforms(
    transforms: Sequence[Transform], naming: Iterable[str] = ()
) -> Transformer | None:
    """The changes as one function, in their order; None when there are none.

    `naming` are the fields by which the source names people, beside those that always may.

    InvalidRequestError names the part of the declaration that is wrong: `transforms[2].to`.
    """
    if not transforms:
        return None
    if len(transforms) > MAX_TRANSFORMS:
        _bad("transforms", f"{MAX_TRANSFORMS} changes are the most; these are {len(transforms)}.")
    personal = PERSONAL.union(naming)
    # What is renamed to such a field later is one already.
    for one in reversed(transforms):
        if one.op == "rename" and one.to is not None and _holds(one.to, personal):
            personal |= {one.path}
    personal |= {_in_once(one) for one in personal if one.startswith(_TRAITS)}
    compiled = [
        (one.event, _Declaration(each, f"transforms[{index}]", personal).change())
        for index, one in enumerate(transforms)
        for each in _also_once(one)
    ]

    def transform(fields: dict[str, Any]) -> dict[str, Any]:
        for event, change in compiled:
            if event is None or event == (fields.get("event") or fields.get("name")):
                change(fields)
        return fields

    return transform


def _also_once(one: Transform) -> Iterator[Transform]:
    """A change; and that of the same trait where it is said only for the case that no other is."""
    yield one
    path, to = one.path, one.to
    if not path.startswith(_TRAITS) or one.op == "default" or path.split(".")[1] == ONCE:
        return
    if to is not None and to.startswith(_TRAITS):
        to = _in_once(to)
    yield msgspec.structs.replace(one, path=_in_once(path), to=to)


def _in_once(path: str) -> str:
    return f"{_TRAITS}{ONCE}.{path.removeprefix(_TRAITS)}"


def _holds(path: str, fields: Iterable[str]) -> bool:
    """Whether one of the fields is at a path, or below it."""
    return any(one == path or one.startswith(f"{path}.") for one in fields)


@dataclass(frozen=True, slots=True)
class _Declaration:
    """A change as it was declared, and where: what is wrong with it is said with its place."""

    transform: Transform
    place: str
    personal: frozenset[str]

    def change(self) -> Change:
        """The change as a function. InvalidRequestError when it makes no sense."""
        one = self.transform
        if one.event is not None and not 0 < len(one.event) <= MAX_PATH:
            _bad(f"{self.place}.event", f"A name has 1 to {MAX_PATH} characters.")
        self._check_parts()
        steps = self._steps(one.path, "path")
        match one.op:
            case "rename":
                return self._rename(steps)
            case "drop":
                return self._drop(steps)
            case "hash":
                return self._hash(steps)
            case "cast":
                return self._cast(steps)
            case "default":
                return self._default(steps)
            case _:
                assert_never(one.op)

    def _check_parts(self) -> None:
        one = self.transform
        for op, part, value in (
            ("rename", "to", one.to),
            ("cast", "type", one.type),
            ("default", "value", one.value),
        ):
            if (value is not None) != (one.op == op):
                need = "needs" if value is None else "has no"
                _bad(f"{self.place}.{part}", f"A {one.op} {need} `{part}`.")

    def _steps(self, path: str, part: str) -> Steps:
        """`properties.products[].price` as ("properties", "products", "[]", "price")."""
        place = f"{self.place}.{part}"
        matches = [_STEP.fullmatch(one) for one in names_of(path)]
        steps = tuple(step for one in matches if one is not None for step in one.groups() if step)
        declared = path.replace(f".{ONCE}.", ".", 1)
        many = len(steps) - (ONCE in steps) > MAX_STEPS
        if None in matches or len(declared) > MAX_PATH or many:
            _bad(place, "A path looks like traits.email or properties.products[].price.")
        if steps[0] not in FIELDS:
            _bad(place, f"A path begins with one of {', '.join(sorted(FIELDS))}.")
        if len(steps) > 1 and (steps[0] not in OBJECTS or steps[1] == _EACH):
            _bad(place, f"There is nothing below {steps[0]}{'[]' * (steps[1] == _EACH)}.")
        if steps[0] in OBJECTS and len(steps) == 1 and self.transform.op != "drop":
            _bad(place, f"Name a field of {steps[0]}: a {self.transform.op} can't take it whole.")
        return steps

    def _rename(self, steps: Steps) -> Change:
        place = f"{self.place}.to"
        target = self._steps(self.transform.to or "", "to")
        self._check_last(steps, "path")
        self._check_last(target, "to")
        shared, source = _split(steps)
        shared_by_target, target = _split(target)
        if shared != shared_by_target:
            _bad(place, "Inside an array a field can only be renamed within the same element.")
        if source == target:
            _bad(place, "That is the name it has already.")

        def rename(fields: dict[str, Any]) -> None:
            for holder in _reached(fields, shared):
                for parent in _reached(holder, source[:-1]):
                    if isinstance(parent, dict) and source[-1] in parent:
                        self._put(holder, target, parent.pop(source[-1]))

        return rename

    def _drop(self, steps: Steps) -> Change:
        self._check_last(steps, "path")

        def drop(fields: dict[str, Any]) -> None:
            for parent in _reached(fields, steps[:-1]):
                if isinstance(parent, dict):
                    parent.pop(steps[-1], None)

        return drop

    def _hash(self, steps: Steps) -> Change:
        if steps[0] in TIMES:
            _bad(f"{self.place}.path", "A hash is no time: such an event could not be accepted.")
        names = self.transform.path in self.personal
        return self._replace(steps, _named_hash if names else hashed, "hashed")

    def _cast(self, steps: Steps) -> Change:
        wanted = self.transform.type or "string"
        return self._replace(steps, lambda value: cast(value, wanted), f"read as {wanted}")

    def _replace(self, steps: Steps, new: Callable[[Any], Any], verb: str) -> Change:
        """A change of each value at a path that is there and not null."""
        path = self.transform.path

        def replace(fields: dict[str, Any]) -> None:
            for parent, key in _slots(fields, steps):
                try:
                    parent[key] = new(parent[key])
                except ValueError:
                    # Without the value: it may be personal, and this goes into logs and answers.
                    kind = _KINDS.get(type(parent[key]), "value")
                    raise TransformError(path, f"This {kind} can't be {verb}.") from None

        return replace

    def _default(self, steps: Steps) -> Change:
        self._check_last(steps, "path")
        if _holds(self.transform.path, self.personal):
            reason = "A default here would make one person of all who have none."
            _bad(f"{self.place}.path", reason)
        encoded = msgspec.json.encode(self.transform.value)
        if (
            len(encoded) > MAX_DEFAULT_BYTES
            or b"\\u0000" in encoded
            or deeper_than(encoded, MAX_DEFAULT_DEPTH)
        ):
            reason = (
                f"At most {MAX_DEFAULT_BYTES} bytes of JSON, {MAX_DEFAULT_DEPTH} levels, no NUL."
            )
            _bad(f"{self.place}.value", reason)
        shared, rest = _split(steps)

        def default(fields: dict[str, Any]) -> None:
            grown = 0
            for holder in _reached(fields, shared):
                if isinstance(holder, dict) and not any(_slots(holder, rest)):
                    grown += len(encoded)
                    if grown > MAX_GROWTH:
                        raise _grown(self.transform.path)
                    # A copy each time: later changes may go into it.
                    self._put(holder, rest, msgspec.json.decode(encoded))

        return default

    def _check_last(self, steps: Steps, part: str) -> None:
        if steps[-1] == _EACH:
            _bad(f"{self.place}.{part}", f"A {self.transform.op} takes a field, not elements.")

    def _put(self, holder: Any, steps: Steps, value: Any) -> None:
        """Set a field, and make the objects on the way to it."""
        for index, step in enumerate(steps[:-1]):
            if holder.get(step) is None:
                holder[step] = {}
            holder = holder[step]
            if not isinstance(holder, dict):
                way = ".".join(steps[: index + 1])
                raise TransformError(self.transform.to or self.transform.path, f"{way}: no object.")
        holder[steps[-1]] = value


_KINDS = {
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    dict: "object",
    list: "array",
}


def hashed(value: Any) -> str:
    """The SHA-256 of a text in its normal form, lower-cased, in hex digits; ValueError for others.

    An address is hashed in the form in which addresses are compared. A number is hashed as it
    stands in JSON. What is 64 hex digits already stays, so that a replay does not hash a hash.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError  # noqa: TRY004 - one error for all that can't be changed
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    text = normal_email(text) if "@" in text else normal_identifier(text).lower()
    if _HASH.fullmatch(text):
        return text
    return sha256(text.encode()).hexdigest()


def _named_hash(value: Any) -> Any:
    """The hash of an identifier; what names nobody stays as it is, or its hash would name one."""
    text = digits(value)
    return value if isinstance(text, str) and is_placeholder(text) else hashed(text)


def _split(steps: Steps) -> tuple[Steps, Steps]:
    """The way to the elements of the innermost array, and the way from there."""
    cut = max((index + 1 for index, one in enumerate(steps) if one == _EACH), default=0)
    return steps[:cut], steps[cut:]


def _reached(value: Any, steps: Steps) -> list[Any]:
    """What is at the end of a way: nothing, one value, or one for each element."""
    reached = [value]
    for step in steps:
        if step == _EACH:
            reached = [each for one in reached if isinstance(one, list) for each in one]
        else:
            reached = [one[step] for one in reached if isinstance(one, dict) and step in one]
    return reached


def _slots(fields: dict[str, Any], steps: Steps) -> Iterator[tuple[Any, Any]]:
    """(object, name) or (array, index) of each value at a path that is not null."""
    for parent in _reached(fields, steps[:-1]):
        if steps[-1] == _EACH:
            if isinstance(parent, list):
                yield from ((parent, index) for index, one in enumerate(parent) if one is not None)
        elif isinstance(parent, dict) and parent.get(steps[-1]) is not None:
            yield parent, steps[-1]


def _bad(place: str, reason: str) -> NoReturn:
    raise InvalidRequestError(f"{place}: {reason}", details={"field": place})
