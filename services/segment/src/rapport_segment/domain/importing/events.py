"""Conditions on events: how often there were some, and what they add up to."""

from collections.abc import Sequence
from typing import NamedTuple

from rapport_segment.domain.importing.parts import Reader, Rule, not_

RANGE = "between two dates: from the first on, and before the second"
"""A note."""

_SOME = {("gte", 1), ("gt", 0)}
_NONE = {("eq", 0), ("lt", 1), ("lte", 0)}


class Happened(NamedTuple):
    """Events of a name, with what holds of each of them, and when they were."""

    name: str
    where: Sequence[Rule] = ()
    within: Rule | None = None

    def performed(self) -> Rule:
        """There was one."""
        return {"performed": self.name, **self._narrowed()}

    def counted(self, op: str, number: float) -> Rule:
        """There were so many."""
        if (op, number) in _SOME:
            return self.performed()
        if (op, number) in _NONE:
            return not_(self.performed())
        return {"count": self.name, **self._narrowed(), "op": op, "value": number}

    def summed(self, of: str, op: str, number: float) -> Rule:
        """What a property of them adds up to."""
        return {"sum": self.name, "property": of, **self._narrowed(), "op": op, "value": number}

    def last(self, asked: Rule) -> Rule:
        """What a condition on a property says of the newest of them."""
        return {"last": self.name, **self._narrowed(), **asked}

    def _narrowed(self) -> Rule:
        where: Rule = {"where": list(self.where)} if self.where else {}
        return where if self.within is None else {**where, "within": self.within}


def condition(name: str, op: str, value: object = None) -> Rule:
    """What holds of a property of an event."""
    rule: Rule = {"property": name, "op": op}
    return rule if value is None else {**rule, "value": value}


def number(value: object, path: str, reader: Reader) -> float:
    """How many, or how much."""
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return value
    reader.refuse(path, "must be a number that is not negative")
    return 1
