"""The months that large tables are kept by: each is a part of the table."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

AHEAD = 3
"""So many months are there before they begin."""


class Month(NamedTuple):
    """A calendar month in UTC."""

    year: int
    number: int

    @property
    def start(self) -> datetime:
        """The first instant that is in it."""
        return datetime(self.year, self.number, 1, tzinfo=UTC)

    @property
    def following(self) -> "Month":
        """The month after it."""
        return Month(self.year + self.number // 12, self.number % 12 + 1)


def month_of(at: datetime) -> Month:
    """The month that an instant is in."""
    moment = at.astimezone(UTC)
    return Month(moment.year, moment.month)


def lacking(last: Month, now: datetime) -> list[Month]:
    """The months behind `last` that have to be there by now, so that none is missing."""
    wanted = month_of(now)
    for _ in range(AHEAD):
        wanted = wanted.following
    found: list[Month] = []
    while last < wanted:
        last = last.following
        found.append(last)
    return found


def over(months: Sequence[Month], cutoff: datetime) -> list[Month]:
    """Those of the months, oldest first, in which everything was before `cutoff`."""
    return [one for one in months if one.following.start <= cutoff]
