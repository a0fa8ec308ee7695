"""Whether a definition makes sense; what does not, is said with its place."""

import re

from rapport_common.paths import names_of
from rapport_common.zones import ADVICE, UnknownZoneError, known_zone
from rapport_profile.domain.computed.definition import (
    MAX_CONDITIONS,
    MAX_DAYS,
    MAX_SELECTORS,
    MAX_TEXT,
    MAX_VALUES,
    Condition,
    Definition,
    Selector,
    Value,
    Window,
    takes_value,
)

NAME = r"^[a-z][a-z0-9_]{0,62}$"
_NAME = re.compile(NAME)
_STEP = re.compile(r"[^\[\]\x00]{1,100}(\[\])?")
MAX_STEPS = 8

_WITH_VALUE = frozenset({"sum", "average", "min", "max", "distinct", "list", "most_frequent"})
_WITHOUT_VALUE = frozenset({"count", "streak", "share", "median_gap"})
_KINDS = {
    "sum": {"number", "money"},
    "average": {"number", "money"},
    "min": {"number", "money", "time"},
    "max": {"number", "money", "time"},
    "first": {"number", "text", "time"},
    "last": {"number", "text", "time"},
    "distinct": {"text", "number"},
    "list": {"text", "number"},
    "most_frequent": {"text", "number"},
}
_WITHOUT_WINDOW = frozenset({"streak", "median_gap"})
_TAKEN = frozenset(
    {"events", "orders", "revenue", "first_order_at", "last_order_at", "first_seen_at"}
    | {"last_seen_at", "open_cases", "shipped"}
)
"""The aggregates that everybody has, and an address of the API."""


class DefinitionError(ValueError):
    """A definition that can't be; `where` names the part, such as `events.0.where.1.op`."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(message)
        self.where = where


def check_name(name: str) -> None:
    """DefinitionError for what is no name, or is the name of an aggregate that everybody has."""
    if not _NAME.fullmatch(name):
        raise DefinitionError("name", "is a word: a-z, 0-9 and '_', at most 63, a letter first")
    if name in _TAKEN:
        raise DefinitionError("name", f"'{name}' is taken by what everybody has already")


def check(one: Definition) -> None:
    """DefinitionError says what can't be, and where."""
    if not 1 <= len(one.events) <= MAX_SELECTORS:
        raise DefinitionError("events", f"has 1 to {MAX_SELECTORS} selectors of events")
    for place, selector in enumerate(one.events):
        _check_selector(f"events.{place}", one, selector)
    _check_value(one)
    if one.window is not None:
        _check_window(one, one.window)
    _check_dates(one)
    if one.aggregate != "streak" and one.unit != "day":
        raise DefinitionError("unit", "is of a streak only")
    try:
        known_zone(one.zone)
    except UnknownZoneError as error:
        raise DefinitionError("zone", f"is no time zone: {ADVICE}") from error


def _check_value(one: Definition) -> None:
    if one.aggregate in _WITHOUT_VALUE and takes_value(one):
        raise DefinitionError("value", f"a {one.aggregate} has none: it goes by the events alone")
    if one.value is not None:
        _check_source("value", one, one.value)
    if one.aggregate in _WITH_VALUE and one.value is None:
        for place, some in enumerate(one.events):
            if some.value is None:
                message = f"a {one.aggregate} needs a value: here or in the definition"
                raise DefinitionError(f"events.{place}.value", message)
    kinds = _KINDS.get(one.aggregate, {"number"})
    if one.kind not in kinds and takes_value(one):
        known = ", ".join(sorted(kinds))
        raise DefinitionError("kind", f"of a {one.aggregate} is one of: {known}")


def _check_selector(where: str, one: Definition, selector: Selector) -> None:
    if not 1 <= len(selector.event) <= MAX_TEXT or "\0" in selector.event:
        raise DefinitionError(f"{where}.event", f"is an event's name, 1 to {MAX_TEXT} characters")
    if len(selector.where) > MAX_CONDITIONS:
        raise DefinitionError(f"{where}.where", f"has at most {MAX_CONDITIONS} conditions")
    for place, condition in enumerate(selector.where):
        _check_condition(f"{where}.where.{place}", condition)
    if selector.value is not None:
        _check_source(f"{where}.value", one, selector.value)
    if selector.minus and one.aggregate not in {"count", "sum"}:
        raise DefinitionError(f"{where}.minus", "is of a count or a sum only")
    if selector.part and one.aggregate != "share":
        raise DefinitionError(f"{where}.part", "is of a share only")


def _check_dates(one: Definition) -> None:
    dated = [place for place, some in enumerate(one.events) if some.dated == "order"]
    if not dated:
        return
    where = f"events.{dated[0]}.dated"
    if one.aggregate not in {"count", "sum"} or one.window is None:
        raise DefinitionError(where, "by its order only in a window, of a count or a sum")
    if len(dated) == len(one.events):
        raise DefinitionError(where, "by its order needs another selector that takes the orders")


def _check_condition(where: str, one: Condition) -> None:
    _check_path(f"{where}.property", one.property)
    place = f"{where}.value"
    if one.op in {"exists", "not_exists"}:
        if one.value is not None:
            raise DefinitionError(place, f"{one.op} takes no value")
        return
    if one.value is None:
        raise DefinitionError(place, f"{one.op} needs a value")
    if (one.op == "in") != isinstance(one.value, tuple):
        raise DefinitionError(place, "is a list for in, and one value for all others")
    values = one.value if isinstance(one.value, tuple) else (one.value,)
    if not 1 <= len(values) <= MAX_VALUES:
        raise DefinitionError(place, f"has 1 to {MAX_VALUES} values")
    if any(isinstance(some, str) and len(some) > MAX_TEXT for some in values):
        raise DefinitionError(place, f"a text has at most {MAX_TEXT} characters")
    if one.op in {"gt", "gte", "lt", "lte"} and isinstance(one.value, bool):
        raise DefinitionError(place, f"must be a number or a text for {one.op}")


def _check_source(where: str, one: Definition, value: Value) -> None:
    given = [some for some in (value.property, value.text, value.time) if some is not None]
    if len(given) != 1:
        raise DefinitionError(where, "has one of: property, text, time")
    if value.property is not None:
        _check_path(f"{where}.property", value.property)
    elif one.kind != "text":
        raise DefinitionError(where, "a given text, or a part of the time, has the kind text")
    if value.text is not None and not 1 <= len(value.text) <= MAX_TEXT:
        raise DefinitionError(f"{where}.text", f"has 1 to {MAX_TEXT} characters")


def _check_path(where: str, path: str) -> None:
    steps = names_of(path)
    if len(steps) > MAX_STEPS or not all(map(_STEP.fullmatch, steps)):
        message = f"is a path of at most {MAX_STEPS} names: total, address.city, products[].price"
        raise DefinitionError(where, message)


def _check_window(one: Definition, window: Window) -> None:
    if (window.days is None) == (window.this is None):
        raise DefinitionError("window", "has one of: days, this")
    if window.days is not None and not 1 <= window.days <= MAX_DAYS:
        raise DefinitionError("window.days", f"is 1 to {MAX_DAYS}")
    if one.aggregate in _WITHOUT_WINDOW:
        raise DefinitionError("window", f"a {one.aggregate} has none: all events count")
