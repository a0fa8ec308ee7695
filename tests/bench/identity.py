"""Who is who, worked out in memory: beside a plain union-find over the same links."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from tests.bench.table import Row

from rapport_profile.domain.identity import resolve
from rapport_profile.domain.limits import Terms
from rapport_profile.domain.merge_rules import KindRule, MaxNew, MergeRules, Rules

IDENTIFIERS = 10_000
PERSON = 5
"""Identifiers of a usual person."""
ROUNDS = 9
GOAL_MS = "20"
START = datetime(2026, 1, 1, tzinfo=UTC)
DEVICE = "anonymous_id"


class Graph(NamedTuple):
    """Identifiers, and the links between them in the order in which they were told of."""

    kinds: dict[str, str]
    links: list[tuple[str, str]]


def measure() -> list[Row]:
    """Return the rows: the least CPU time of several rounds."""
    within = {"email": KindRule(3, max_new=MaxNew(2, 30)), DEVICE: KindRule(IDENTIFIERS)}
    weekly = {DEVICE: KindRule(max_new=MaxNew(PERSON, 7))}
    rules = {"no limits": Rules(), "limits": _rules(within)}
    rows = []
    for name, graph in (("people of 5", _usual()), ("one person", _large())):
        for said, each in rules.items():
            rows.append(_resolved(f"{name}, {said}", graph, each, GOAL_MS))
    return [*rows, _resolved("one person, 5 new devices a week", _large(), _rules(weekly), "")]


def _rules(kinds: Mapping[str, KindRule]) -> Rules:
    return Rules(MergeRules(kinds=dict(kinds)))


def _resolved(name: str, graph: Graph, rules: Rules, goal: str) -> Row:
    told = {link: START + timedelta(minutes=place) for place, link in enumerate(graph.links)}
    terms = Terms(rules, (), told)
    spent = _least(lambda: resolve(graph.kinds, graph.links, (), terms))
    floor = _least(lambda: _joined(graph.kinds, graph.links))
    note = f"{IDENTIFIERS:,} identifiers; CPU; floor: plain union-find"
    return Row(name, spent, "ms", goal, floor, note)


def _usual() -> Graph:
    kinds: dict[str, str] = {}
    links: list[tuple[str, str]] = []
    for first in range(0, IDENTIFIERS, PERSON):
        user, address, *devices = map(_id, range(first, first + PERSON))
        kinds |= {user: "user_id", address: "email", **dict.fromkeys(devices, DEVICE)}
        links += [(user, one) for one in (address, *devices)]
    random.Random(1).shuffle(links)
    return Graph(kinds, links)


def _large() -> Graph:
    user, *devices = map(_id, range(IDENTIFIERS))
    kinds = {user: "user_id", **dict.fromkeys(devices, DEVICE)}
    return Graph(kinds, [(user, one) for one in devices])


def _id(number: int) -> str:
    return str(UUID(int=random.Random(number).getrandbits(128)))


def _joined(members: Iterable[str], links: Iterable[tuple[str, str]]) -> list[set[str]]:
    """What no rule looks at: the connected parts, by union and path halving."""
    above = {one: one for one in members}
    for one, other in links:
        first, second = _top(above, one), _top(above, other)
        above[second] = first
    parts: dict[str, set[str]] = {}
    for one in above:
        parts.setdefault(_top(above, one), set()).add(one)
    return list(parts.values())


def _top(above: dict[str, str], one: str) -> str:
    while (near := above[one]) != one:
        above[one] = one = above[near]
    return one


def _least(work: Callable[[], object]) -> float:
    """Milliseconds of CPU."""
    found = []
    for _round in range(ROUNDS):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found) * 1000
