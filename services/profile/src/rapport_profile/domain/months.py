"""The months that timelines are kept by: each is a part of the table, named after it."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

AHEAD = 3
"""So many months are there before they begin."""
_NAME = re.compile(r"timeline_(\d{4})_(\d{2})")


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

    @property
    def table(self) -> str:
        """The name of the part of the table that has its events."""
        return f"timeline_{self.year:04}_{self.number:02}"


def month_of(at: datetime) -> Month:
    """The month that an instant is in."""
    moment = at.astimezone(UTC)
    return Month(moment.year, moment.month)


def month_named(table: str) -> Month | None:
    """The month that a part of the table is named after; None when it has another name."""
    found = _NAME.fullmatch(table)
    return Month(int(found[1]), int(found[2])) if found else None


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
