"""Notifuse's conditions on a contact's timeline: how often there were events of a kind."""

from collections.abc import Mapping
from typing import Any

from rapport_common.paths import path_of
from rapport_segment.domain.importing.events import RANGE, Happened, condition, number
from rapport_segment.domain.importing.parts import Reader, Rule, word

CONTAINS = "contains: capitals count here, and % and _ stand for themselves"
"""A note."""

_MAILS = {
    "email.sent": "Email Sent",
    "email.opened": "Email Opened",
    "email.clicked": "Email Link Clicked",
}
"""What it tells of its mails, and what is told of ours."""

_OWN = ("email.", "list.", "segment.", "contact.", "web.", "message_history.")
"""So begin the kinds that it makes itself; all others are of the shop's events."""

_CUSTOM = "custom_event."
"""So begin those, before their names; not in definitions that are older than this."""

_COUNTS = {"at_least": "gte", "at_most": "lte", "exactly": "eq"}
_WINDOWS = {
    "before_date": ("before",),
    "after_date": ("after",),
    "in_date_range": ("after", "before"),
}
_OPS = {
    "equals": "eq",
    "not_equals": "ne",
    "contains": "contains",
    "gt": "gt",
    "gte": "gte",
    "lt": "lt",
    "lte": "lte",
    "is_set": "exists",
    "is_not_set": "not_exists",
}


def timeline(leaf: Mapping[str, Any], path: str, reader: Reader) -> Rule:
    """How often something happened."""
    reader.only(leaf, path, "source", "contact_timeline")
    place = f"{path}.contact_timeline"
    given = reader.mapping(leaf.get("contact_timeline"), place)
    frame = ("timeframe_operator", "timeframe_values")
    reader.only(given, place, "kind", "count_operator", "count_value", *frame, "filters")
    filters = reader.objects(given.get("filters"), f"{place}.filters")
    happened = Happened(
        _event(given.get("kind"), f"{place}.kind", reader),
        [_filter(one, at, reader) for at, one in filters],
        _timeframe(given, place, reader),
    )
    times = number(given.get("count_value"), f"{place}.count_value", reader)
    operator = word(given.get("count_operator"))
    if operator not in _COUNTS:
        return reader.unknown(f"{place}.count_operator", "the operator", operator)
    return happened.counted(_COUNTS[operator], times)


def _event(kind: object, path: str, reader: Reader) -> str:
    told = reader.text(kind, path)
    name = told if told in reader.events else reader.text(told.removeprefix(_CUSTOM), path)
    return reader.event(name, path, _MAILS.get(told) or (None if told.startswith(_OWN) else name))


def _timeframe(given: Mapping[str, Any], path: str, reader: Reader) -> Rule | None:
    operator = given.get("timeframe_operator") or "anytime"
    place, told = f"{path}.timeframe_values", given.get("timeframe_values") or []
    values = told if isinstance(told, list) else [told]
    if operator == "anytime":
        if values:
            reader.refuse(place, "belongs to another timeframe_operator")
        return None
    if operator == "in_the_last_days":
        days = reader.days(values[0] if len(values) == 1 else None, place)
        return {"last": days}
    sides = _WINDOWS.get(word(operator))
    if sides is None:
        reader.unknown(f"{path}.timeframe_operator", "the timeframe", operator)
        return None
    if len(values) != len(sides):
        reader.refuse(place, f"must be {len(sides)} of them")
        return None
    if len(sides) > 1:
        reader.note(RANGE)
    return {side: reader.text(one, place) for side, one in zip(sides, values, strict=True)}


def _filter(given: Mapping[str, Any], path: str, reader: Reader) -> Rule:
    name = field_name(given, path, reader)
    operator = word(given.get("operator"))
    if operator not in _OPS:
        return reader.unknown(f"{path}.operator", "of an event the operator", operator)
    values = field_values(given, path, reader)
    if operator in {"is_set", "is_not_set"}:
        return condition(name, _OPS[operator])
    if len(values) != 1:
        return reader.refuse(path, "must have one value")
    if operator == "contains":
        reader.note(CONTAINS)
    return condition(name, _OPS[operator], values[0])


def field_name(given: Mapping[str, Any], path: str, reader: Reader) -> str:
    """The field that a filter asks of, as a path."""
    known = ("field_name", "field_type", "operator", "string_values", "number_values", "json_path")
    reader.only(given, path, *known)
    name = reader.text(given.get("field_name"), f"{path}.field_name")
    below = given.get("json_path") or []
    if isinstance(below, list) and all(isinstance(one, str) and one for one in below):
        if any(one.isdecimal() for one in below):
            reader.refuse(f"{path}.json_path", "leads into a list, which a rule can't")
        return path_of(name, *below)
    reader.refuse(f"{path}.json_path", "must be a list of names")
    return name


def field_values(given: Mapping[str, Any], path: str, reader: Reader) -> list[Any]:
    """The values that a filter compares with."""
    texts, numbers = given.get("string_values") or [], given.get("number_values") or []
    if not isinstance(texts, list) or not isinstance(numbers, list) or (texts and numbers):
        reader.refuse(path, "must have string_values or number_values")
        return []
    if given.get("field_type", "number") != "number" and numbers:
        reader.refuse(f"{path}.number_values", "belongs to fields of type number")
    if given.get("field_type") == "number" and texts:
        reader.refuse(f"{path}.string_values", "belongs to fields of another type than number")
    if not all(isinstance(one, str) for one in texts):
        reader.refuse(f"{path}.string_values", "must be texts")
    return [*texts, *(reader.amount(one, f"{path}.number_values") for one in numbers)]
