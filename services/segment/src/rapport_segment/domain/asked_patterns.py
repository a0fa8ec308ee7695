"""Which patterns a rule asks for, and of what."""

from collections.abc import Iterator
from typing import Any

from rapport_segment.domain.event_subjects import OfEvents, Told, events_of
from rapport_segment.domain.events_judging import told_test
from rapport_segment.domain.group_subjects import InGroup
from rapport_segment.domain.leaves import MATCHES
from rapport_segment.domain.subjects import Compared
from rapport_segment.domain.tree import Leaf, Rule, leaves

Asked = tuple[Compared, str]
"""A subject and a pattern."""


def patterns_of(rule: Rule) -> Iterator[tuple[str, str]]:
    """All patterns of a rule, each with the path of its comparison."""
    for leaf in leaves(rule):
        path = leaf.path or "rule"
        if isinstance(leaf.subject, OfEvents):
            for _name, asked in asked_of_events(leaf, leaf.subject):
                yield path, asked[1]
        elif isinstance(leaf.subject, InGroup):
            yield from ((path, asked[1]) for asked in asked_of_groups(leaf.subject))
        elif (key := key_of(leaf)) is not None:
            yield path, key[1]


def asked_of_groups(subject: InGroup) -> list[Asked]:
    """Which patterns traits of groups are held against."""
    return [key for one in subject.where if (key := key_of(one)) is not None]


def asked_of_events(leaf: Leaf, subject: OfEvents) -> list[tuple[str, Asked]]:
    """Which patterns properties are held against, with the names of their events."""
    every = [(one.name, test) for one in events_of(subject) for test in one.where]
    if isinstance(subject, Told):
        every.append((subject.events.name, told_test(leaf, subject)))
    return [(name, key) for name, test in every if (key := key_of(test)) is not None]


def key_of(leaf: Leaf) -> Asked | None:
    """Which pattern of which subject; None for another operator."""
    if leaf.op != MATCHES or not isinstance(leaf.value, str):
        return None
    subject: Any = leaf.subject
    return subject, leaf.value
