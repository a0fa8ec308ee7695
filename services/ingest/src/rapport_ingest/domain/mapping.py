"""From a row, a webhook's body or a device's message to an event: a mapping declared as data.

A path (`rapport_common.paths`) names a value of the row: a column's exact name (which may hold dots
and spaces), else a way into nested objects and lists (`customer.email`, `items.0.sku`); `.` is the
whole row. A cell
that is empty, blank or null is missing, and a missing value leaves its field out of the event.
"""

from collections.abc import Callable, Sequence
from collections.abc import Mapping as Row
from datetime import UTC, tzinfo
from decimal import Decimal
from string import Formatter
from typing import Any

import msgspec

from rapport_common.errors import InvalidRequestError
from rapport_common.events.envelope import EventType
from rapport_common.paths import element_at, names_of, path_of
from rapport_common.wording import plain
from rapport_common.zones import UnknownZoneError, known_zone
from rapport_ingest.domain.casting import Cast, Decimals, cast, exact, number
from rapport_ingest.domain.layouts import layout_problem

TEXTS = frozenset({"messageId", "userId", "anonymousId", "previousId", "groupId", "event", "name"})
TIMES = frozenset({"timestamp", "originalTimestamp", "sentAt"})
OBJECTS = frozenset({"properties", "traits", "context"})
NEEDED = {"track": "event", "alias": "previousId", "group": "groupId"}
MAX_FIELDS = 500
MAX_PATH = 512
MAX_DEPTH = 16
MAX_GROUP = 1000
MAX_FACTORS = 4
WHOLE = "."


class Field(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Where one field of the event comes from: exactly one of path, template, value and sum.

    `template` puts values between its own characters (`{store}-{till}`, `{{` is a brace) and is
    missing when one of them is. `value` is a constant. `sum` adds up the product of these paths
    over the rows of an event. `type` casts (see `casting.cast`), `layout` is strptime's.
    Without a type, ids and names become strings and times datetimes.
    """

    path: str | None = None
    template: str | None = None
    value: Any = None
    sum: tuple[str, ...] = ()
    type: Cast | None = None
    layout: str | None = None


class Mapping(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """How an event is made of a row.

    `fields` maps a dotted path of the event (`userId`, `traits.email`, `properties.total`,
    `messageId`) to a path of the row, or to a Field. `event` is the name of a track event, in
    which `{column}` stands for a value of the row. Consecutive rows with the same value of
    `group_by` (a path or a template) become one event, each adding an object made by `lines` to
    `properties.products`; of such rows the first that has a value for a field gives it.
    `decimals` and `timezone` (an IANA name) are how numbers and times are written.
    """

    type: EventType = "track"
    event: str | None = None
    fields: dict[str, str | Field] = {}
    group_by: str | None = None
    lines: dict[str, str | Field] = {}
    decimals: Decimals = "."
    timezone: str | None = None


class MappingError(Exception):
    """The row can't become an event; `path` is the field of the event."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(reason)
        self.path = path
        self.reason = reason


Getter = Callable[[Row[str, Any]], Any]
"""A value of the row, None when it is missing; ValueError when it can't be cast."""


def mapping_of(value: Any) -> Mapping:
    """A checked mapping from JSON values; InvalidRequestError names the field."""
    try:
        found = msgspec.convert(value, Mapping)
    except msgspec.ValidationError as error:
        message = f"mapping: {plain(error)}"
        raise InvalidRequestError(message, details={"path": "mapping"}) from error
    Mapper(found)
    return found


def apply(mapping: Mapping, row: Row[str, Any]) -> dict[str, Any]:
    """The event in Segment's shape; MappingError says which field can't be made."""
    return Mapper(mapping).event([row])


class Mapper:
    """A mapping made ready for many rows. InvalidRequestError says what is wrong with it."""

    def __init__(self, mapping: Mapping) -> None:
        _check(mapping)
        self._mapping = mapping
        self._zone = _zone(mapping.timezone)
        self._name = self._named(mapping.event) if mapping.event is not None else None
        self._key = self._grouping(mapping.group_by) if mapping.group_by is not None else None
        # Shallow ones first: `properties` may be an object that `properties.total` goes into.
        ordered = sorted(mapping.fields.items(), key=lambda one: len(names_of(one[0])))
        self._fields = [
            (target, names_of(target), self._getter(target, source, "fields"))
            for target, source in ordered
            if not _is_sum(source)
        ]
        self._sums = [
            (target, names_of(target), source.sum)
            for target, source in ordered
            if isinstance(source, Field) and source.sum
        ]
        self._lines = [
            (target, names_of(target), self._getter(target, source, "lines"))
            for target, source in mapping.lines.items()
        ]

    @property
    def groups(self) -> bool:
        """Whether consecutive rows belong together."""
        return self._key is not None

    def key(self, row: Row[str, Any]) -> str | None:
        """What rows of the same event have in common; None when it is missing."""
        return None if self._key is None else self._key(row)

    def event(self, rows: Sequence[Row[str, Any]]) -> dict[str, Any]:
        """The event of one row, or of the rows of one group; MappingError."""
        if len(rows) > MAX_GROUP:
            reason = f"{len(rows)} rows belong to one event; {MAX_GROUP} is the most."
            raise MappingError("properties.products", reason)
        try:
            ungrouped = self._key is not None and self.key(rows[0]) is None
        except ValueError as error:
            raise MappingError("group_by", f"{error}.") from error
        if ungrouped:
            raise MappingError("group_by", f"The row has no '{self._mapping.group_by}'.")
        event: dict[str, Any] = {"type": self._mapping.type}
        if self._name is not None:
            event["event"] = self._name(rows[0])
        for target, way, getter in self._fields:
            value = _first(target, getter, rows)
            if value is not None:
                _put(event, target, way, value)
        for target, way, paths in self._sums:
            _put(event, target, way, self._sum(target, paths, rows))
        if self._lines:
            _put(event, "properties.products", ("properties", "products"), self._products(rows))
        return event

    def _products(self, rows: Sequence[Row[str, Any]]) -> list[dict[str, Any]]:
        products = []
        for number_, row in enumerate(rows):
            product: dict[str, Any] = {}
            for target, way, getter in self._lines:
                where = f"properties.products[{number_}].{target}"
                value = _first(where, getter, [row])
                if value is not None:
                    _put(product, where, way, value)
            products.append(product)
        return products

    def _sum(self, target: str, paths: Sequence[str], rows: Sequence[Row[str, Any]]) -> int | float:
        total = Decimal(0)
        for row in rows:
            product = Decimal(1)
            for path in paths:
                cell = find(row, path)
                if cell is None:
                    raise MappingError(target, f"A row has no '{path}' to add up.")
                product *= _cast(target, lambda one: exact(one, self._mapping.decimals), cell)
            total += product
        return _cast(target, number, total)  # type: ignore[no-any-return]

    def _getter(self, target: str, source: str | Field, part: str) -> Getter:
        field = Field(path=source) if isinstance(source, str) else source
        if field.path is not None:
            path = field.path
            found: Getter = lambda row: find(row, path)  # noqa: E731 - one of three forms
        elif field.template is not None:
            found = template(field.template, f"mapping.{part}.{target}.template")
            if target == "messageId":
                found = self._all(field.template, found)
        else:
            found = lambda _row: field.value  # noqa: E731 - one of three forms
        kind = field.type or ("datetime" if field.layout else None)
        if kind is None and part == "fields":
            kind = "string" if target in TEXTS else "datetime" if target in TIMES else None
        if kind is None:
            return found
        return self._casting(found, kind, field.layout)

    def _casting(self, found: Getter, kind: Cast, layout: str | None) -> Getter:
        decimals, zone = self._mapping.decimals, self._zone

        def casting(row: Row[str, Any]) -> Any:
            value = found(row)
            if value is None:
                return None
            return cast(value, kind, decimals=decimals, zone=zone, layout=layout)

        return casting

    def _named(self, event: str) -> Callable[[Row[str, Any]], str]:
        named = self._all(event, template(event, "mapping.event"))

        def name(row: Row[str, Any]) -> str:
            return _cast("event", named, row)  # type: ignore[no-any-return]

        return name

    def _all(self, pattern: str, found: Getter) -> Getter:
        """Without one of its values an id or a name would be another one's: no event then."""

        def whole(row: Row[str, Any]) -> Any:
            value = found(row)
            if value is None:
                message = f"the row has not all of '{pattern}'"
                raise ValueError(message)
            return value

        return whole

    def _grouping(self, pattern: str) -> Getter:
        if "{" in pattern:
            return template(pattern, "mapping.group_by")
        return self._casting(lambda row: find(row, pattern), "string", None)


def find(row: Row[str, Any], path: str) -> Any:
    """The value at a path of the row; None when it is missing, empty or blank."""
    value = element_at(row, path) if path != WHOLE else _present(row)
    if isinstance(value, str) and (not value or value.isspace()):
        return None
    return value


def _present(row: Row[str, Any]) -> dict[str, Any]:
    return {name: value for name in row if (value := find(row, name)) is not None}


def template(pattern: str, where: str) -> Getter:
    """A text with the row's values in it; InvalidRequestError when it can't be read."""
    try:
        pieces = [(text, name, more, turn) for text, name, more, turn in Formatter().parse(pattern)]
    except ValueError as error:
        raise _invalid(where, f"'{pattern}' is no template: {error}") from error
    if any(name == "" or more or turn for _, name, more, turn in pieces):
        raise _invalid(where, f"'{pattern}': between braces stands the name of a column, no more")

    def filled(row: Row[str, Any]) -> str | None:
        found = []
        for text, name, _, _ in pieces:
            found.append(text)
            if name is not None:
                value = find(row, name)
                if value is None:
                    return None
                found.append(cast(value, "string"))
        return "".join(found)

    return filled


def _first(target: str, getter: Getter, rows: Sequence[Row[str, Any]]) -> Any:
    for row in rows:
        value = _cast(target, getter, row)
        if value is not None:
            return value
    return None


def _cast(target: str, change: Callable[[Any], Any], value: Any) -> Any:
    try:
        return change(value)
    except ValueError as error:
        raise MappingError(target, f"{target}: {error}.") from error


def _put(event: dict[str, Any], target: str, way: Sequence[str], value: Any) -> None:
    """Set a field, without touching objects of the row that are in the event already."""
    node = event
    for key in way[:-1]:
        inner = node.get(key, {})
        if not isinstance(inner, dict):
            raise MappingError(target, f"{target}: '{key}' is no object.")
        node[key] = inner = dict(inner)
        node = inner
    node[way[-1]] = value


def _is_sum(source: str | Field) -> bool:
    return isinstance(source, Field) and bool(source.sum)


def _zone(name: str | None) -> tzinfo:
    if name is None:
        return UTC
    try:
        return known_zone(name)
    except UnknownZoneError as error:
        raise _invalid("mapping.timezone", f"{error}") from error


def _check(mapping: Mapping) -> None:
    """InvalidRequestError for a mapping that could never make a good event."""
    for part, fields in (("fields", mapping.fields), ("lines", mapping.lines)):
        if len(fields) > MAX_FIELDS:
            raise _invalid(f"mapping.{part}", f"{len(fields)} fields; {MAX_FIELDS} is the most")
        for target, source in fields.items():
            _check_target(target, f"mapping.{part}.{target}", fields)
            _check_source(source, f"mapping.{part}.{target}", line=part == "lines")
    for target in mapping.fields:
        _check_place(target)
    if bool(mapping.lines) != (mapping.group_by is not None):
        raise _invalid("mapping.group_by", "group_by and lines need each other")
    needed = NEEDED.get(mapping.type)
    if (
        needed is not None
        and needed not in mapping.fields
        and not (needed == "event" and mapping.event)
    ):
        raise _invalid(f"mapping.fields.{needed}", f"a {mapping.type} event needs {needed}")
    if mapping.event is not None and (mapping.type != "track" or "event" in mapping.fields):
        raise _invalid("mapping.event", "only a track event has a name, and only one")


def _check_target(target: str, where: str, fields: Row[str, Any]) -> None:
    way = names_of(target)
    if not all(way) or len(target) > MAX_PATH or len(way) > MAX_DEPTH or "\0" in target:
        raise _invalid(where, "a field is named by a dotted path, such as traits.email")
    for length in range(1, len(way)):
        outer = path_of(*way[:length])
        if outer in fields and (length > 1 or outer not in OBJECTS):
            raise _invalid(where, f"'{outer}' is mapped too, and one would hide the other")


def _check_place(target: str) -> None:
    head, *inner = names_of(target)
    if (head in OBJECTS) or (head in TEXTS | TIMES and not inner):
        return
    known = ", ".join(sorted(TEXTS | TIMES))
    message = f"no field of an event: it is one of {known}, or in properties, traits or context"
    raise _invalid(f"mapping.fields.{target}", message)


def _check_source(source: str | Field, where: str, *, line: bool) -> None:
    field = Field(path=source) if isinstance(source, str) else source
    given = [field.path is not None, field.template is not None, field.value is not None]
    if sum(given) + bool(field.sum) != 1:
        raise _invalid(where, "give one of path, template, value and sum")
    if field.sum and (line or len(field.sum) > MAX_FACTORS):
        raise _invalid(where, f"a sum is of up to {MAX_FACTORS} factors, and not in a line")
    if field.layout:
        if field.type not in {None, "datetime"}:
            raise _invalid(where, "only a datetime has a layout")
        if (problem := layout_problem(field.layout)) is not None:
            raise _invalid(f"{where}.layout", problem)
    texts = [field.path, field.template, field.layout, *field.sum]
    if any(one == "" or len(one) > MAX_PATH or "\0" in one for one in texts if one is not None):
        raise _invalid(where, f"paths and templates have 1 to {MAX_PATH} characters, and no NUL")


def _invalid(where: str, reason: str) -> InvalidRequestError:
    return InvalidRequestError(f"{where}: {reason}.", details={"path": where})
