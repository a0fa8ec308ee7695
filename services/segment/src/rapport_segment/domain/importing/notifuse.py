"""Notifuse: a tree of `branch` (`and`, `or`) and `leaf`, each leaf of one source.

As its API takes it (`/api/segments.create`, `tree`).
"""

from collections.abc import Mapping
from typing import Any

from rapport_segment.domain.importing.notifuse_timelines import (
    CONTAINS,
    field_name,
    field_values,
    timeline,
)
from rapport_segment.domain.importing.parts import (
    EVERYBODY,
    Reader,
    Rule,
    all_of,
    any_of,
    not_,
    word,
)

_OPS = {
    "equals": "eq",
    "contains": "contains",
    "gt": "gt",
    "gte": "gte",
    "lt": "lt",
    "lte": "lte",
    "before_date": "lt",
    "after_date": "gt",
    "in_array": "contains",
}
_NEGATED = {"not_equals": "equals", "not_contains": "contains"}
_DAYS = {"in_the_last_days": False, "not_in_the_last_days": True}
_RANGES = {"in_date_range": False, "not_in_date_range": True}
_BOTH_ENDS = 2


def read(document: Mapping[str, Any], reader: Reader) -> Rule:
    """The rule of a tree, also where it stands in `tree`."""
    inner = reader.inside(document, "tree", "kind", "branch", "leaf")
    if inner is not None:
        return _node(inner, "tree", reader, 1)
    return _node(document, "definition", reader, 1)


def _node(node: object, path: str, reader: Reader, depth: int) -> Rule:
    reader.enter(path, depth)
    found = reader.mapping(node, path)
    reader.only(found, path, "kind", "branch", "leaf")
    if found.get("kind") == "branch":
        place = f"{path}.branch"
        branch = reader.mapping(found.get("branch"), place)
        reader.only(branch, place, "operator", "leaves")
        rules = [
            _node(child, f"{place}.leaves[{index}]", reader, depth + 1)
            for index, child in enumerate(reader.listed(branch.get("leaves"), f"{place}.leaves"))
        ] or [EVERYBODY]
        if branch.get("operator") == "and":
            return all_of(rules)
        if branch.get("operator") == "or":
            return any_of(rules)
        return reader.unknown(f"{place}.operator", "the operator", branch.get("operator"))
    if found.get("kind") == "leaf":
        place = f"{path}.leaf"
        return _leaf(reader.mapping(found.get("leaf"), place), place, reader)
    return reader.unknown(f"{path}.kind", "the kind", found.get("kind"))


def _leaf(leaf: Mapping[str, Any], path: str, reader: Reader) -> Rule:
    source = word(leaf.get("source"))
    if source == "contact_timeline":
        return timeline(leaf, path, reader)
    if source == "custom_events_goals":
        message = f"{source}: here events have no goals; ask of the events that reach them"
        return reader.refuse(path, message)
    if source == "contact_lists":
        return _list(leaf, path, reader)
    if source != "contacts":
        return reader.unknown(f"{path}.source", "the source", source)
    reader.only(leaf, path, "source", "contact")
    place = f"{path}.contact"
    contact = reader.mapping(leaf.get("contact"), place)
    reader.only(contact, place, "filters")
    rules = []
    for index, one in enumerate(reader.listed(contact.get("filters"), f"{place}.filters")):
        below = f"{place}.filters[{index}]"
        reader.enter(below, 1)
        rules.append(_filter(reader.mapping(one, below), below, reader))
    return all_of(rules or [EVERYBODY])


def _list(leaf: Mapping[str, Any], path: str, reader: Reader) -> Rule:
    reader.only(leaf, path, "source", "contact_list")
    place = f"{path}.contact_list"
    given = reader.mapping(leaf.get("contact_list"), place)
    reader.only(given, place, "operator", "list_id")
    rule = reader.member(given.get("list_id"), f"{place}.list_id")
    if given.get("operator") == "in":
        return rule
    if given.get("operator") == "not_in":
        return not_(rule)
    return reader.unknown(f"{place}.operator", "the operator", given.get("operator"))


def _filter(given: Mapping[str, Any], path: str, reader: Reader) -> Rule:
    name = field_name(given, path, reader)
    operator = str(given.get("operator"))
    if operator in {"is_set", "is_not_set"}:
        return reader.compared(name, "exists" if operator == "is_set" else "not_exists")
    values = field_values(given, path, reader)
    if operator in _RANGES:
        return _range(name, values, path, reader, negated=_RANGES[operator])
    if len(values) != 1:
        return reader.refuse(path, "must have one value")
    if operator in _DAYS:
        # What is yet to come is in the last days there, and what is not there is in none.
        rule = reader.compared(name, "gt", {"now": f"-{reader.days(values[0], path)}"})
        return not_(rule) if _DAYS[operator] else rule
    plain = _NEGATED.get(operator, operator)
    if plain not in _OPS:
        return reader.unknown(f"{path}.operator", "the operator", operator)
    if plain == "contains":
        reader.note(CONTAINS)
    rule = reader.compared(name, _OPS[plain], values[0])
    return _negation(name, rule, reader) if plain != operator else rule


def _negation(name: str, rule: Rule, reader: Reader) -> Rule:
    """The opposite, as of SQL: what is not there fits neither."""
    return all_of([reader.compared(name, "exists"), not_(rule)])


def _range(name: str, values: list[Any], path: str, reader: Reader, *, negated: bool) -> Rule:
    if len(values) != _BOTH_ENDS:
        return reader.refuse(path, "must have two values")
    least, most = values
    rule = all_of([reader.compared(name, "gte", least), reader.compared(name, "lte", most)])
    return _negation(name, rule, reader) if negated else rule
