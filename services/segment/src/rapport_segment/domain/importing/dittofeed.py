"""Dittofeed: `{"entryNode": …, "nodes": […]}`, a graph of nodes that name their children.

As in its `packages/isomorphic-lib/src/types.ts`, `SegmentDefinition`.
"""

from collections.abc import Mapping
from typing import Any

from rapport_segment.domain.importing.events import Happened, condition, number
from rapport_segment.domain.importing.json_paths import our_path
from rapport_segment.domain.importing.parts import (
    EVERYBODY,
    Reader,
    Rule,
    all_of,
    any_of,
    not_,
    word,
)

_OWN = {
    "Email": "asks of mails of templates that are not here",
    "Broadcast": "asks of a broadcast that is not here",
    "KeyedPerformed": "belongs to the event that a journey begins with",
    "Manual": "holds people who were put there: make a list of them",
    "SubscriptionGroup": "asks of a subscription group: ask who can be reached",
}
_PARTS = 100
_OPS = {"Equals": "eq", "NotEquals": "ne", "GreaterThanOrEqual": "gte", "LessThan": "lt"}
_THERE = {"Exists": "exists", "NotExists": "not_exists"}
_EMPTY = {"Equals": "NotExists", "NotEquals": "Exists"}
"""What is not there is an empty text there, so these say the same of one."""
_TIMES = {"=": "eq", ">=": "gte", "<": "lt"}


def read(document: Mapping[str, Any], reader: Reader) -> Rule:
    """The rule of a definition, also where it stands in `definition`."""
    inner = reader.inside(document, "definition", "entryNode", "nodes")
    root = "" if inner is None else "definition."
    document = document if inner is None else inner
    reader.only(document, root.rstrip(".") or "definition", "entryNode", "nodes")
    nodes: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for place, found in reader.objects(document.get("nodes"), f"{root}nodes"):
        name = word(found.get("id"))
        if name in nodes:
            reader.refuse(f"{place}.id", f"is that of {nodes[name][0]}, too")
        nodes[name] = (place, found)
    return _Graph(reader, nodes).node(f"{root}entryNode", document.get("entryNode"), 1)


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
            same = name if name in reader.fields else our_path(name, f"{path}.path", reader)
            trait = reader.trait(name, same)
            return self._trait(f"{path}.operator", trait, found.get("operator"))
        if kind == "RandomBucket":
            return self._bucket(path, found)
        if kind == "Everyone":
            reader.only(found, path, "type", "id")
            return EVERYBODY
        if kind == "Performed":
            return self._performed(path, found)
        if kind == "LastPerformed":
            return self._last(path, found)
        if kind in _OWN:
            return reader.refuse(path, f"{kind} {_OWN[kind]}")
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

    def _performed(self, path: str, node: Mapping[str, Any]) -> Rule:
        reader = self._reader
        known = ("event", "times", "timesOperator", "withinSeconds", "properties")
        reader.only(node, path, "type", "id", *known)
        seconds = node.get("withinSeconds")
        within = None
        # There 0 is no window, too.
        if seconds is not None and (seconds is False or seconds != 0):
            within = {"last": reader.seconds(seconds, f"{path}.withinSeconds")}
        happened = Happened(
            self._event(path, node), self._properties(path, "properties", node), within
        )
        # What is left out is "just once" there.
        operator = node.get("timesOperator", "=")
        if not isinstance(operator, str) or operator not in _TIMES:
            return reader.unknown(f"{path}.timesOperator", "the operator", operator)
        place = f"{path}.times"
        times = number(node.get("times", 1), place, reader)
        if (operator, times) == ("=", 1):
            reader.note("Performed without timesOperator, or with =: just that often, not more")
        if times == 0 and operator != "=":
            # It never looks at people without such events for >=, and always for <.
            return reader.refuse(place, f"{operator} 0 means another thing than it says there")
        return happened.counted(_TIMES[operator], times)

    def _last(self, path: str, node: Mapping[str, Any]) -> Rule:
        self._reader.only(node, path, "type", "id", "event", "whereProperties", "hasProperties")
        event = self._event(path, node)
        happened = Happened(event, self._properties(path, "whereProperties", node))
        asked = self._properties(path, "hasProperties", node)
        if not asked:
            self._reader.note("LastPerformed without hasProperties: whoever has such an event")
        # There has to be such an event, also where the last one is to lack something.
        return all_of([happened.performed(), *(_of_last(happened, one) for one in asked)])

    def _event(self, path: str, node: Mapping[str, Any]) -> str:
        name = self._reader.text(node.get("event"), f"{path}.event")
        if "*" in name:
            self._reader.refuse(f"{path}.event", "is of several events: say it of each")
        return self._reader.event(name, f"{path}.event", name)

    def _properties(self, path: str, key: str, node: Mapping[str, Any]) -> list[Rule]:
        asked = self._reader.objects(node.get(key), f"{path}.{key}")
        found = [self._property(place, one) for place, one in asked]
        if key != "hasProperties" and any(one["op"] == "ne" for one in found if "op" in one):
            self._reader.note("NotEquals: an event that has no such property does not count")
        return found

    def _property(self, path: str, asked: Mapping[str, Any]) -> Rule:
        reader, place = self._reader, f"{path}.operator"
        reader.only(asked, path, "path", "operator")
        name = our_path(reader.text(asked.get("path"), f"{path}.path"), f"{path}.path", reader)
        given = reader.mapping(asked.get("operator"), place)
        kind = word(given.get("type"))
        if kind not in _OPS and kind not in _THERE:
            return reader.unknown(place, "of a property an operator of type", kind)
        return condition(name, *self._compared(place, kind, given))

    def _compared(self, path: str, kind: str, given: Mapping[str, Any]) -> tuple[str, Any]:
        """Our operator, and its operand."""
        reader = self._reader
        if kind in _EMPTY and given.get("value") == "":
            reader.only(given, path, "type", "value")
            kind = _EMPTY[kind]
        elif kind in _OPS:
            reader.only(given, path, "type", "value")
            read = reader.scalar if kind in _EMPTY else reader.amount
            return _OPS[kind], read(given.get("value"), f"{path}.value")
        else:
            reader.only(given, path, "type")
        reader.note(f"{kind}: an empty text is something here")
        return _THERE[kind], None

    def _trait(self, path: str, name: str, operator: object) -> Rule:
        """A comparison of a trait of ours."""
        reader = self._reader
        given = reader.mapping(operator, path)
        kind = word(given.get("type"))
        if kind == "Within":
            reader.only(given, path, "type", "windowSeconds")
            length = reader.seconds(given.get("windowSeconds"), f"{path}.windowSeconds")
            # What is yet to come is within, too.
            return {"trait": name, "op": "gte", "value": {"now": f"-{length}"}}
        if kind not in _OPS and kind not in _THERE:
            return reader.unknown(path, "an operator of type", kind)
        op, value = self._compared(path, kind, given)
        if op == "ne":
            reader.note("NotEquals: who has no value at all does not fit")
        return {"trait": name, "op": op, **({} if value is None else {"value": value})}


def _of_last(happened: Happened, asked: Rule) -> Rule:
    # What the event does not have is another thing, too.
    if asked.get("op") == "ne":
        return not_(happened.last({**asked, "op": "eq"}))
    return happened.last(asked)
