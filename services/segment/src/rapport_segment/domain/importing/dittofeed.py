"""Dittofeed: `{"entryNode": …, "nodes": […]}`, a graph of nodes that name their children.

As in its `packages/isomorphic-lib/src/types.ts`, `SegmentDefinition`.
"""

from collections.abc import Mapping
from typing import Any

from rapport_segment.domain.importing.parts import (
    EVENTS,
    EVERYBODY,
    Reader,
    Rule,
    all_of,
    any_of,
    word,
)

_EVENTS = {"Performed", "LastPerformed", "KeyedPerformed", "Email", "Broadcast"}
_PARTS = 100


def read(document: Mapping[str, Any], reader: Reader) -> Rule:
    """The rule of a definition, also where it stands in `definition`."""
    document, root = _inner(document)
    reader.only(document, root.rstrip(".") or "definition", "entryNode", "nodes")
    nodes: dict[str, tuple[str, Mapping[str, Any]]] = {}
    listed = document.get("nodes") or []
    for index, node in enumerate(listed if isinstance(listed, list) else []):
        place = f"{root}nodes[{index}]"
        found = reader.mapping(node, place)
        nodes[word(found.get("id"))] = (place, found)
    return _Graph(reader, nodes).node(f"{root}entryNode", document.get("entryNode"), 1)


def _inner(document: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    inner = document.get("definition")
    return (inner, "definition.") if isinstance(inner, Mapping) else (document, "")


class _Graph:
    """The nodes of a definition, by their ids."""

    def __init__(self, reader: Reader, nodes: Mapping[str, tuple[str, Mapping[str, Any]]]) -> None:
        self._reader = reader
        self._nodes = nodes

    def node(self, path: str, node: object, depth: int) -> Rule:
        reader = self._reader
        reader.enter(path, depth)
        found = reader.mapping(node, path)
        kind = word(found.get("type"))
        if kind in {"And", "Or"}:
            reader.only(found, path, "type", "id", "children")
            children = reader.listed(found.get("children"), f"{path}.children")
            rules = [
                self._child(f"{path}.children[{index}]", child, depth + 1)
                for index, child in enumerate(children)
            ] or [EVERYBODY]
            return all_of(rules) if kind == "And" else any_of(rules)
        if kind == "Trait":
            reader.only(found, path, "type", "id", "path", "operator")
            name = reader.text(found.get("path"), f"{path}.path")
            return self._trait(f"{path}.operator", name, found.get("operator"))
        if kind == "RandomBucket":
            return self._bucket(path, found)
        if kind == "Everyone":
            reader.only(found, path, "type", "id")
            return EVERYBODY
        if kind in _EVENTS:
            return reader.refuse(path, f"{kind}: {EVENTS}")
        return reader.unknown(path, "a node of type", kind)

    def _child(self, path: str, child: object, depth: int) -> Rule:
        place, node = self._nodes.get(word(child), ("", None))
        if node is None:
            return self._reader.refuse(path, "names a node that is not there")
        return self.node(place, node, depth)

    def _bucket(self, path: str, node: Mapping[str, Any]) -> Rule:
        reader = self._reader
        reader.only(node, path, "type", "id", "percent")
        reader.note("RandomBucket: as many people as there, and others: each platform draws anew")
        share = node.get("percent")
        if not isinstance(share, int | float) or isinstance(share, bool) or not 0 < share <= 1:
            return reader.refuse(f"{path}.percent", "must be more than 0 and at most 1")
        name = reader.text(node.get("id"), f"{path}.id")
        return {"bucket": name, "from": 0, "to": round(share * _PARTS, 2)}

    def _trait(self, path: str, name: str, operator: object) -> Rule:
        reader = self._reader
        given = reader.mapping(operator, path)
        kind = word(given.get("type"))
        if kind in {"Exists", "NotExists"}:
            reader.only(given, path, "type")
            return reader.compared(name, "exists" if kind == "Exists" else "not_exists")
        if kind == "Within":
            reader.only(given, path, "type", "windowSeconds")
            length = reader.seconds(given.get("windowSeconds"), f"{path}.windowSeconds")
            return reader.compared(name, "within", {"last": length})
        op = {
            "Equals": "eq",
            "NotEquals": "ne",
            "GreaterThanOrEqual": "gte",
            "LessThan": "lt",
        }.get(kind)
        if op is None:
            return reader.unknown(path, "an operator of type", kind)
        if op == "ne":
            reader.note("NotEquals: who has no value at all does not fit")
        reader.only(given, path, "type", "value")
        return reader.compared(name, op, reader.scalar(given.get("value"), f"{path}.value"))
