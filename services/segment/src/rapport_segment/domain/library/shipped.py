"""A shipped segment: its rule as a line with places for parameters, and what that becomes."""

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec

from rapport_segment.domain import reading, rules
from rapport_segment.domain.event_subjects import OfEvents, events_of
from rapport_segment.domain.library.parameters import Given, Parameter, ParameterError, written
from rapport_segment.domain.sections import REVENUE
from rapport_segment.domain.subjects import (
    Computed,
    Consent,
    ContactPoint,
    Defined,
    Reachable,
    Score,
    Subject,
    Trait,
)
from rapport_segment.domain.tree import leaves

_PLACE = re.compile(r"\{([a-z_]+)\}")
_ORDERS = frozenset({"orders", REVENUE, "first_order_at", "last_order_at"})
"""Computed values that are made of orders."""


class Need(NamedTuple):
    """What has to be told of people, or set up, before a rule fits anybody.

    `kind`: `event`, `trait`, `computed_trait` (one that the workspace has defined), `score`,
    `consent` or `contact_point` (of a channel).
    """

    kind: str
    name: str


class Filled(NamedTuple):
    """A shipped segment with values; None for a parameter that has to be given and was not.

    `text` is the rule as a line; `rule` its document, None while a value is missing. Where one is
    missing its place is still there, in braces, also in the description.
    """

    description: str
    text: str
    rule: dict[str, Any] | None
    values: Mapping[str, int | str | None]

    @property
    def missing(self) -> list[str]:
        """The parameters that have to be given."""
        return [name for name, value in self.values.items() if value is None]


class Shipped(msgspec.Struct, frozen=True, kw_only=True):
    """A segment that comes with Rapport.

    `id` names it, a segment that is made of it is called `title`. `rule` is a line, `description`
    says who is in it, `purpose` what it is for. `{name}` stands for a parameter. The values of
    the parameters in `rising` go up.
    """

    id: str
    title: str
    description: str
    purpose: str
    rule: str
    parameters: tuple[Parameter, ...] = ()
    rising: tuple[str, ...] = ()

    def filled(self, given: Mapping[str, Given]) -> Filled:
        """With these values in place of the defaults; ParameterError for one that can't be."""
        known = {one.name: one for one in self.parameters}
        for name in given:
            if name not in known:
                has = f"has {', '.join(known)}" if known else "has no parameters"
                raise ParameterError(name, f"is no parameter of {self.id}, which {has}")
        values = {
            name: one.value(given[name]) if name in given else one.default
            for name, one in known.items()
        }
        self._require_rising(values)
        return self._with(values)

    def needs(self) -> list[Need]:
        """What its rule reads, as far as somebody has to see to it, by kind and name."""
        told = {one.name: one.default or one.example for one in self.parameters}
        rule = rules.parse(self._with(told).rule)
        return sorted({need for leaf in leaves(rule) for need in _needs(leaf.subject)})

    def _with(self, values: Mapping[str, int | str | None]) -> Filled:
        known = {one.name: one for one in self.parameters}

        def line(place: re.Match[str]) -> str:
            value = values[place[1]]
            return place[0] if value is None else written(known[place[1]], value)

        def word(place: re.Match[str]) -> str:
            value = values[place[1]]
            return place[0] if value is None else str(value)

        text = _PLACE.sub(line, self.rule)
        rule = None if None in values.values() else reading.read(text)
        return Filled(_PLACE.sub(word, self.description), text, rule, values)

    def _require_rising(self, values: Mapping[str, int | str | None]) -> None:
        for lower, upper in pairwise(self.rising):
            if int(values[lower] or 0) >= int(values[upper] or 0):
                raise ParameterError(upper, f"must be more than {lower}, else nobody is in it")


def _needs(subject: Subject) -> list[Need]:
    if isinstance(subject, OfEvents):
        return [Need("event", one.name) for one in events_of(subject)]
    match subject:
        case Computed():
            return [Need("event", "Order Completed")] if subject.name in _ORDERS else []
        case Trait():
            return [Need("trait", subject.name)]
        case Defined():
            return [Need("computed_trait", subject.name)]
        case Score():
            return [Need("score", subject.name)]
        case Consent() | Reachable():
            return [Need("consent", subject.channel)]
        case ContactPoint():
            return [Need("contact_point", subject.channel)]
        case _:
            return []
