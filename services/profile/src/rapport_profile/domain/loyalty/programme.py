"""What a loyalty programme is: its rules as they are declared, a workspace's own, as data.

Points are whole numbers; rates, factors and thresholds are decimals; nothing is a float.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple

import msgspec

Rounding = Literal["down", "nearest", "up"]
Period = Literal["day", "month", "year", "ever"]
Measure = Literal["points", "base_points", "spend", "orders"]


class Expiry(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """When points expire: so many months and days after they were earned.

    `end_of`: not at that instant but when its month or year ends, in the programme's zone.
    `inactive`: counted from the last time that points were earned or spent. `spared`: tiers whose
    points don't expire; once such a tier is lost they have all of the time again.
    """

    months: int = 0
    days: int = 0
    end_of: Literal["instant", "month", "year"] = "instant"
    inactive: bool = False
    spared: tuple[str, ...] = ()


class Cap(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """So many points of one rule at most in each period of the programme's zone."""

    points: int
    per: Period


class Rule(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """What is earned by an order, or by another event.

    `event`: its name; none is an order that was completed. `per`: points for each unit of money,
    by currency. `fixed`: points for the whole of it. `minimum`: the order's least amount, by
    currency; orders in others earn nothing. `categories`, `products`: only what is spent on
    these. `when`: properties and the values they may have. `tiers`: only members of these.
    `starts_at`, `ends_at`: the campaign's time, half-open. `qualifies`: whether it counts for
    tiers.
    """

    id: str
    event: str | None = None
    per: dict[str, Decimal] = {}
    fixed: int = 0
    minimum: dict[str, Decimal] = {}
    categories: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    when: dict[str, tuple[str, ...]] = {}
    tiers: tuple[str, ...] = ()
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    cap: Cap | None = None
    qualifies: bool = True


class Multiplier(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """By what the points of rules are multiplied, where its conditions hold.

    `rules`: of these; none are all. `categories`: that part of an order that is spent on them.
    """

    id: str
    factor: Decimal
    rules: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    when: dict[str, tuple[str, ...]] = {}
    starts_at: datetime | None = None
    ends_at: datetime | None = None


class Level(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """One tier: what reaches it, and its benefits, which are the workspace's own words."""

    id: str
    threshold: Decimal
    benefits: dict[str, Any] = {}


class Window(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """In what time the threshold must be reached.

    The last `months` and `days`; or the current month or year (`calendar`); or, with neither,
    ever.
    """

    months: int = 0
    days: int = 0
    calendar: Literal["month", "year"] | None = None


class Tiers(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """The tiers, lowest first, by what they are reached, and how long they are kept.

    `measure`: points, points before multipliers, money spent in `currency`, or orders. A tier is
    held while its threshold is reached, and `keep_months` after what has last reached it; or, by
    the calendar, to the end of the period and `keep_periods` more. `grace_days` longer it is not
    lost. `one_step`: then it falls by one, and not to what is reached.
    """

    measure: Measure
    levels: tuple[Level, ...]
    currency: str | None = None
    window: Window = Window()
    keep_months: int = 0
    keep_periods: int = 0
    grace_days: int = 0
    one_step: bool = False


class Enrolment(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """Who takes part: everybody but who leaves; or who joins, by one of these events or by API."""

    everybody: bool = True
    events: tuple[str, ...] = ()


class Programme(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """A loyalty programme.

    `points`: what they are called. `zone`: whose days, months and years these are (IANA).
    `pending_days`: so long points can't be spent. `stacking`: of several multipliers the best
    holds, or their product. `notice_days`: so long before they expire that is told.
    """

    name: str
    points: str = "points"
    zone: str = "UTC"
    rules: tuple[Rule, ...] = ()
    multipliers: tuple[Multiplier, ...] = ()
    stacking: Literal["best", "product"] = "best"
    rounding: Rounding = "down"
    pending_days: int = 0
    expiry: Expiry | None = None
    tiers: Tiers | None = None
    enrolment: Enrolment = Enrolment()
    notice_days: int = 30

    @property
    def event_names(self) -> frozenset[str]:
        """The events besides those of orders that it speaks of."""
        return frozenset({*(one.event for one in self.rules if one.event), *self.enrolment.events})


class Version(NamedTuple):
    """A programme as it holds from an instant on."""

    since: datetime
    programme: Programme


Versions = Sequence[Version]
"""The versions of one workspace, oldest first, each `since` later than the one before."""


def counting_from(versions: Versions, moment: datetime) -> Versions:
    """The same where the first one holds since then, if that is earlier than it does."""
    first = [one._replace(since=min(one.since, moment)) for one in versions[:1]]
    return [*first, *versions[1:]]


def at(versions: Versions, moment: datetime) -> Programme | None:
    """The programme that holds at a moment; None before the first."""
    return next((one.programme for one in reversed(versions) if one.since <= moment), None)


NONE = Programme(name="none", enrolment=Enrolment(everybody=False))
"""Where there is none (yet): nobody takes part, and nothing is earned."""
