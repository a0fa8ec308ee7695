"""How a member stands at a moment: points, lots, tier, and what comes next."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from rapport_profile.domain.loyalty.account import Cohort, Lot, MissingError, Rest
from rapport_profile.domain.loyalty.calendar import FAR, days_later
from rapport_profile.domain.loyalty.operations import Operation
from rapport_profile.domain.loyalty.programme import Level, Programme
from rapport_profile.domain.loyalty.tiers import NONE

DEBT = "debt"
"""In the place of a lot: points that were spent and that no lot covers."""

if TYPE_CHECKING:
    from rapport_profile.domain.loyalty.replay import Replay


class TierChange(NamedTuple):
    """Somebody came to another tier, and why: reached, lapsed, corrected, or other rules."""

    at: datetime
    before: str | None
    after: str | None
    reason: str
    is_higher: bool


class Points(NamedTuple):
    """What somebody has. All together: available + reserved + pending - debt."""

    available: int
    reserved: int
    pending: int
    debt: int

    @property
    def total(self) -> int:
        """The sum of the ledger's entries."""
        return self.available + self.reserved + self.pending - self.debt

    @property
    def balance(self) -> int:
        """What has come in for good and is not spent yet; below nothing is a debt."""
        return self.available + self.reserved - self.debt


class Expiring(NamedTuple):
    """Points that expire at one instant."""

    at: datetime
    points: int


class Standing(NamedTuple):
    """How a member stands; `next_at` is when that may change by itself.

    `tier_until`: when the tier ends if nothing more counts; None: never, or there is no tier.

    `owed`: what lots don't cover, by the operation that has spent it. `lots` and `expiring` are
    all, or, where there is a `rest`, those that have changed, and the first to expire.
    """

    programme: Programme | None
    is_member: bool
    points: Points
    lots: Sequence[Lot]
    owed: dict[str, int]
    operations: Sequence[Operation]
    tier: Level | None
    tier_until: datetime | None
    tier_changes: Sequence[TierChange]
    counts: Decimal
    next_tier: Level | None
    expiring: Sequence[Expiring]
    next_at: datetime | None
    rest: Rest | None = None

    @property
    def gap(self) -> Decimal | None:
        """What is missing for the next tier; None: there is none."""
        return None if self.next_tier is None else self.next_tier.threshold - self.counts

    def allocation(self, points: int) -> dict[str, int]:
        """From which lots so many points are taken, those that expire first first.

        MissingError: also from lots that were not loaded.
        """
        taken: dict[str, int] = {}
        first = None if self.rest is None else self.rest.first
        for lot in self.lots:
            if first is not None and lot.order > first:
                break
            if points > 0 and lot.is_open and lot.free:
                taken[lot.key] = min(points, lot.free)
                points -= taken[lot.key]
        if points > 0 and first is not None:
            raise MissingError
        return taken

    def concerns(self, lot: str) -> bool:
        """Whether entries of a lot may differ from what is booked; DEBT always may."""
        return self.rest is None or lot == DEBT or lot in {one.key for one in self.lots}

    def expiring_by(self, moment: datetime) -> int:
        """How many points expire up to a moment."""
        return sum(one.points for one in self.expiring if one.at <= moment)


def standing(run: "Replay", operations: Sequence[Operation], next_at: datetime | None) -> Standing:
    """How somebody stands at the end of a run."""
    account, programme = run.account, run.programme
    account.date_lots()
    known = {one.id: one for one in operations}
    lots = sorted(account.lots.values(), key=lambda one: one.order)
    reserved = sum(
        points
        for lot in lots
        for spender, points in lot.held.items()
        if known[spender].state(run.now) == "reserved"
    )
    rest = account.rest or Rest()
    free = rest.free + sum(one.free for one in lots if one.is_open)
    pending = rest.pending + sum(one.free for one in lots if not one.is_open)
    # A reservation that can't be met any more is nobody's debt: it can't be confirmed.
    debts = {one: n for one, n in account.debts.items() if known[one].state(run.now) != "reserved"}
    points = Points(free, reserved, pending, sum(debts.values()))
    tiers = None if programme is None else programme.tiers
    levels = () if tiers is None else tiers.levels
    above = [one for one in levels[run.level + 1 :] if run.track is not None]
    counts = Decimal(0) if run.track is None else run.track.total
    expiring = _expiring(lots, rest, account.cohorts)
    notice = [] if programme is None else _notices(programme, expiring, run.now)
    soon = [one for one in (next_at, rest.opens_at) if one is not None]
    soon += [one.at for one in expiring[:1]]
    return Standing(
        programme=programme,
        is_member=run.is_member,
        points=points,
        lots=lots,
        owed=dict(account.debts),
        operations=operations,
        tier=levels[run.level] if run.level != NONE and levels else None,
        tier_until=_tier_until(run),
        tier_changes=run.changes,
        counts=counts,
        next_tier=next((one for one in above if one.threshold > counts), None),
        expiring=expiring,
        next_at=min([*notice, *soon], default=None),
        rest=None if account.rest is None else rest._replace(first=account.first_of_rest()),
    )


def _tier_until(run: "Replay") -> datetime | None:
    if run.level == NONE or run.track is None:
        return None
    until = run.track.kept_until(run.level)
    return until if until < FAR else None


def _expiring(lots: Sequence[Lot], rest: Rest, cohorts: Sequence[Cohort]) -> list[Expiring]:
    found: dict[datetime, int] = {}
    if rest.expires_at is not None:
        found[rest.expires_at] = rest.expiring
    for cohort in cohorts:
        if cohort.expires_at is not None and cohort.free:
            found[cohort.expires_at] = found.get(cohort.expires_at, 0) + cohort.free
    for lot in lots:
        if lot.expires_at is not None and lot.free:
            found[lot.expires_at] = found.get(lot.expires_at, 0) + lot.free
    return [Expiring(at, found[at]) for at in sorted(found)]


def _notices(programme: Programme, expiring: Sequence[Expiring], now: datetime) -> list[datetime]:
    """When it is to be told that points expire."""
    told = (days_later(one.at, -programme.notice_days, programme.zone) for one in expiring)
    return [one for one in told if one > now]
