"""Klaviyo's conditions on metrics, which are events of a name: how often, or how much in sum."""

from collections.abc import Mapping
from typing import Any

from rapport_common.paths import path_of
from rapport_segment.domain.importing.events import RANGE, Happened, condition, number
from rapport_segment.domain.importing.parts import Reader, Rule, not_, word

NUMBERS = {
    "equals": "eq",
    "greater-than": "gt",
    "greater-than-or-equal": "gte",
    "less-than": "lt",
    "less-than-or-equal": "lte",
}
_OPS = {
    "string": {"equals": "eq", "not-equals": "ne", "contains": "contains", "in": "in"}
    | {"starts-with": "starts_with"},
    "numeric": {**NUMBERS, "not-equals": "ne"},
    "boolean": {"equals": "eq"},
    # Of a list one element is enough.
    "list": {"contains": "contains", "contains-any": "in"},
    "existence": {"is-set": "exists", "not-set": "not_exists"},
}
_VALUES = {"string": str, "numeric": int | float, "boolean": bool, "list": str}
"""What is compared with, by its type."""

_VALUE = "$value"
"""Where its events have what they are worth."""


def metric(given: Mapping[str, Any], path: str, reader: Reader) -> Rule:
    """How often there were events of a metric, or what they were worth."""
    known = ("metric_id", "measurement", "measurement_filter", "timeframe_filter", "metric_filters")
    reader.only(given, path, "type", *known)
    name = reader.event(word(given.get("metric_id")), f"{path}.metric_id")
    within = _timeframe(given.get("timeframe_filter"), f"{path}.timeframe_filter", reader)
    filters = reader.objects(given.get("metric_filters"), f"{path}.metric_filters")
    where = [_filter(one, place, reader) for place, one in filters]
    happened = Happened(name, where, within)
    place = f"{path}.measurement_filter"
    asked = reader.mapping(given.get("measurement_filter"), place)
    reader.only(asked, place, "type", "operator", "value")
    if asked.get("type", "numeric") != "numeric":
        return reader.unknown(f"{place}.type", "a measurement of type", asked.get("type"))
    operator, wanted = str(asked.get("operator")), asked.get("value")
    plain = "equals" if operator == "not-equals" else operator
    if plain not in NUMBERS:
        return reader.unknown(f"{place}.operator", "the operator", operator)
    amount = number(wanted, f"{place}.value", reader)
    if given.get("measurement") == "count":
        rule = happened.counted(NUMBERS[plain], amount)
    elif given.get("measurement") == "sum":
        reader.note("sum: of the property `value`, unless `fields` has another for `$value`")
        rule = happened.summed(reader.trait(_VALUE, "value"), NUMBERS[plain], amount)
    else:
        return reader.unknown(f"{path}.measurement", "the measurement", given.get("measurement"))
    return not_(rule) if plain != operator else rule


def _timeframe(told: object, path: str, reader: Reader) -> Rule | None:
    if told is None:
        return None
    given = reader.mapping(told, path)
    operator = str(given.get("operator"))
    if operator == "alltime":
        reader.only(given, path, "type", "operator")
        return None
    if operator == "in-the-last":
        reader.only(given, path, "type", "operator", "quantity", "unit")
        return {"last": reader.length(given.get("quantity"), given.get("unit"), path)}
    if operator in {"before", "after"}:
        # Its documentation calls it `value`, and what it answers `date`.
        called = "date" if "date" in given else "value"
        reader.only(given, path, "type", "operator", called)
        return {operator: reader.text(given.get(called), f"{path}.{called}")}
    if operator in {"between", "between-static"} and "unit" not in given:
        # It answers `between-static`, with dates; `between` with a unit is so long ago.
        reader.only(given, path, "type", "operator", "start", "end")
        reader.note(RANGE)
        ends = {"after": "start", "before": "end"}
        return {ours: reader.text(given.get(one), f"{path}.{one}") for ours, one in ends.items()}
    reader.unknown(f"{path}.operator", "of a timeframe the operator", operator)
    return None


def _filter(given: Mapping[str, Any], path: str, reader: Reader) -> Rule:
    reader.only(given, path, "property", "filter")
    name = path_of(reader.text(given.get("property"), f"{path}.property"))
    asked = reader.mapping(given.get("filter"), f"{path}.filter")
    kind, operator = word(asked.get("type")), str(asked.get("operator"))
    op = _OPS.get(kind, {}).get(operator)
    if op is None:
        return reader.unknown(f"{path}.filter", f"of type {kind[:20]} the operator", operator)
    if kind == "existence":
        reader.only(asked, f"{path}.filter", "type", "operator")
        return condition(name, op)
    reader.only(asked, f"{path}.filter", "type", "operator", "value")
    place, value = f"{path}.filter.value", asked.get("value")
    if op == "in":
        several = reader.listed(value, place)
        return condition(name, op, [typed(kind, one, place, reader) for one in several])
    return condition(name, op, typed(kind, value, place, reader))


def typed(kind: str, value: object, path: str, reader: Reader) -> Any:
    """What a filter compares with, which is of its type."""
    if isinstance(value, _VALUES[kind]) and isinstance(value, bool) == (kind == "boolean"):
        return value
    return reader.refuse(path, f"must be a {kind} value")
