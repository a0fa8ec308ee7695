"""Mautic: a list of filters with `glue`; each `or` begins another group, of which one is enough.

As its REST API gives them (`GET /api/segments/ID`, `list.filters`).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from rapport_segment.domain.importing.parts import (
    EVERYBODY,
    Reader,
    Rule,
    all_of,
    any_of,
    not_,
    relative,
    word,
)

_KEYS = ("glue", "field", "object", "type", "operator", "properties", "filter", "display")
_ABOUT = (
    *("id", "name", "publicName", "alias", "description", "category", "isPublished", "isGlobal"),
    *("isPreferenceCenter", "dateAdded", "createdBy", "createdByUser", "dateModified"),
    *("modifiedBy", "modifiedByUser", "checkedOut", "checkedOutBy", "checkedOutByUser"),
)
"""What an answer of its API says of a list besides whom it holds."""

_PLAIN = frozenset(
    {"text", "textarea", "html", "email", "tel", "url", "number", "boolean", "select"}
    | {"lookup", "country", "region", "timezone", "locale", "multiselect", "date", "datetime"}
)
_OPS = {
    "=": "eq",
    "gt": "gt",
    "gte": "gte",
    "lt": "lt",
    "lte": "lte",
    "startsWith": "starts_with",
    "contains": "contains",
    "regexp": "matches",
}
_NEGATED = {"!=": "=", "!like": "like", "!in": "in", "!regexp": "regexp", "!between": "between"}
_BOTH_ENDS = 2


def read(document: Mapping[str, Any], reader: Reader) -> Rule:
    """The rule of a list's filters."""
    root = ""
    inner = reader.inside(document, "list", "filters")
    if inner is not None:
        document, root = inner, "list."
    reader.only(document, root.rstrip(".") or "definition", "filters", *_ABOUT)
    place = f"{root}filters"
    reader.note("texts are compared with their case here, and not as a database of Mautic's is set")
    groups: list[list[Rule]] = []
    for index, one in enumerate(reader.listed(document.get("filters"), place)):
        path = f"{place}[{index}]"
        reader.enter(path, 1)
        given = reader.mapping(one, path)
        if word(given.get("glue")) not in {"and", "or"}:
            reader.refuse(f"{path}.glue", "must be and, or")
        if given.get("glue") == "or" or not groups:
            groups.append([])
        groups[-1].append(_filter(given, path, reader))
    return any_of([all_of(group) for group in groups] or [EVERYBODY])


def _filter(given: Mapping[str, Any], path: str, reader: Reader) -> Rule:
    reader.only(given, path, *_KEYS)
    name = reader.text(given.get("field"), f"{path}.field")
    if given.get("object", "lead") != "lead":
        return reader.unknown(f"{path}.object", f"'{name[:40]}' of the object", given.get("object"))
    kind, operator = str(given.get("type")), str(given.get("operator"))
    properties = given.get("properties")
    inner = properties if isinstance(properties, Mapping) else {}
    reader.only(inner, f"{path}.properties", "filter", "display")
    value = inner.get("filter", given.get("filter"))
    plain = _NEGATED.get(operator, operator)
    if kind == "leadlist":
        rule = _lists(plain, value, path, reader)
    elif kind == "tags":
        rule = _tags(plain, value, path, reader)
    elif kind in _PLAIN:
        rule = _compared(_Field(name, kind), plain, value, path, reader)
    else:
        return reader.unknown(f"{path}.type", f"'{name[:40]}' of the type", kind)
    # There a value that is missing is another one; so it is under `not` here.
    return not_(rule) if plain != operator else rule


def _lists(operator: str, value: object, path: str, reader: Reader) -> Rule:
    if operator != "in":
        return reader.unknown(f"{path}.operator", "of lists the operator", operator)
    ids = reader.listed(value, f"{path}.filter")
    return any_of([reader.member(one, f"{path}.filter") for one in ids] or [EVERYBODY])


def _tags(operator: str, value: object, path: str, reader: Reader) -> Rule:
    if operator != "in":
        return reader.unknown(f"{path}.operator", "of tags the operator", operator)
    reader.note("tags: by what stands in them in the definition, which may be ids of Mautic's")
    names = reader.listed(value, f"{path}.filter")
    return any_of(
        [reader.compared("tags", "contains", reader.scalar(one, f"{path}.filter")) for one in names]
        or [EVERYBODY]
    )


class _Field(NamedTuple):
    """A field of a contact, and of which type it is there."""

    name: str
    kind: str


def _compared(field: _Field, operator: str, value: object, path: str, reader: Reader) -> Rule:
    name, kind = field
    place = f"{path}.filter"
    if operator in {"empty", "!empty"}:
        return reader.compared(name, "exists" if operator == "!empty" else "not_exists")
    if operator == "in":
        return reader.compared(name, "in", reader.listed(value, place))
    if operator == "between":
        ends = value if isinstance(value, list) and len(value) == _BOTH_ENDS else []
        if not ends:
            return reader.refuse(place, "must be two values")
        least, most = (reader.scalar(one, place) for one in ends)
        return all_of([reader.compared(name, "gte", least), reader.compared(name, "lte", most)])
    if operator == "like":
        text = reader.text(value, place)
        if "%" in text or "_" in text:
            return reader.refuse(place, "like with a placeholder is not supported: use regexp")
        return reader.compared(name, "contains", text)
    if operator not in _OPS:
        return reader.unknown(f"{path}.operator", "the operator", operator)
    if kind in {"date", "datetime"} and isinstance(value, str):
        return _date(name, operator, value, path, reader)
    wanted = reader.scalar(value, place)
    if kind == "boolean" and str(wanted) in {"0", "1"}:
        wanted = str(wanted) == "1"
    return reader.compared(name, _OPS[operator], wanted)


def _date(name: str, operator: str, value: str, path: str, reader: Reader) -> Rule:
    beside_now = relative(value)
    if beside_now is None:
        if value[:1].isdigit():
            return reader.compared(name, _OPS[operator], value)
        return reader.unknown(f"{path}.filter", "the date", value)
    if operator not in {"gt", "gte", "lt", "lte"}:
        return reader.unknown(f"{path}.operator", "beside now the operator", operator)
    reader.note(f"'{value}' is so long from the very instant here, and not from midnight")
    return reader.compared(name, _OPS[operator], {"now": beside_now})
