"""Customer.io: filters of its App API, of `and`, `or`, `not`, `segment` and `attribute`.

As documented at docs.customer.io/integrations/api/app, "Search for customers".
"""

from collections.abc import Mapping
from typing import Any

from rapport_segment.domain.importing.parts import (
    EVERYBODY,
    Reader,
    Rule,
    all_of,
    any_of,
    not_,
)


def read(document: Mapping[str, Any], reader: Reader) -> Rule:
    """The rule of a filter, also where it stands in `filter`."""
    inner = document.get("filter")
    if isinstance(inner, Mapping):
        reader.only(document, "definition", "filter")
        return _node(inner, "filter", reader, 1)
    return _node(document, "", reader, 1)


def _node(node: object, path: str, reader: Reader, depth: int) -> Rule:
    reader.enter(path or "definition", depth)
    found = reader.mapping(node, path or "definition")
    if len(found) != 1:
        return reader.refuse(
            path or "definition", "must have just one of and, or, not, segment, attribute"
        )
    [(kind, inner)] = found.items()
    below = f"{path}.{kind}" if path else str(kind)
    if kind in {"and", "or"}:
        rules = [
            _node(child, f"{below}[{index}]", reader, depth + 1)
            for index, child in enumerate(reader.listed(inner, below))
        ] or [EVERYBODY]
        return all_of(rules) if kind == "and" else any_of(rules)
    if kind == "not":
        return not_(_node(inner, below, reader, depth + 1))
    if kind == "segment":
        given = reader.mapping(inner, below)
        reader.only(given, below, "id")
        return reader.member(given.get("id"), f"{below}.id")
    if kind == "attribute":
        return _attribute(reader.mapping(inner, below), below, reader)
    return reader.unknown(path or "definition", "a filter by", kind)


def _attribute(given: Mapping[str, Any], path: str, reader: Reader) -> Rule:
    reader.only(given, path, "field", "operator", "value")
    name = reader.text(given.get("field"), f"{path}.field")
    operator = given.get("operator")
    if operator == "exists":
        return reader.compared(name, "exists")
    if operator == "eq":
        return reader.compared(name, "eq", reader.scalar(given.get("value"), f"{path}.value"))
    return reader.unknown(f"{path}.operator", "the operator", operator)
