"""A member's account at a moment, to go on from: what came before need not be gone through again.

It is in parts, so that what an event costs doesn't grow with the account. The head is always
read; of lots, and of the orders and events that they are from, those that something happens to.
What that is can be told beforehand, most of the time; else `MissingError` says that all are needed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from rapport_profile.domain.loyalty import programme as programmes
from rapport_profile.domain.loyalty.account import Account, Cohort, Lot, Rest
from rapport_profile.domain.loyalty.calendar import FAR
from rapport_profile.domain.loyalty.earning import Claim
from rapport_profile.domain.loyalty.facts import Fact, Line
from rapport_profile.domain.loyalty.operations import Operation
from rapport_profile.domain.loyalty.programme import Programme, Versions
from rapport_profile.domain.loyalty.replay import Replay, Subject
from rapport_profile.domain.loyalty.standing import TierChange
from rapport_profile.domain.loyalty.tiers import Counted, Track, Tracked
from rapport_profile.domain.naming import Id
from rapport_profile.domain.orders import Order

MOST_SINCE = 48
"""Facts and operations since a checkpoint, before there is another."""
BEHIND = 17
"""So many of the last ones are behind it."""
MOST_CHANGES = 100
"""Changes of tier that are known, the newest."""


class Head(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is always read.

    All up to `at` has been carried out, by the first `versions` of the programme, of which the
    first has held since it `began`. `free`, `pending`: of all lots. `live`: who holds points that
    may come back by themselves, and of which lots. `is_booked`: the ledger says what it says; else
    it is one on the way. `cohorts`: what lots expire with, with all that is free of them; `apart`:
    lots that belong to none yet.

    Where there are cohorts `versions` is below nothing: who does not know of them begins anew. And
    so do we with an account that is `inactive`, which has none though its lots expire so.
    """

    at: datetime
    versions: int
    is_member: bool
    level: int
    tier: str | None
    changes: list[TierChange] = []
    track: Tracked | None = None
    capped: list[tuple[str, datetime, int]] = []
    reviews: list[datetime] = []
    debts: dict[str, int] = {}
    live: dict[str, list[str]] = {}
    free: int = 0
    pending: int = 0
    inactive: bool = False
    spared: bool = False
    is_booked: bool = True
    began: datetime | None = None
    cohorts: list[Cohort] = []
    apart: list[str] = []

    @property
    def count(self) -> int:
        """By how many versions of the programme."""
        return abs(self.versions)


class KeptSubject(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An order, or another event, and by what it is judged: `version` (from 0), `claims` by ids."""

    anchor: Id
    order: Order | None = None
    lines: tuple[Line, ...] = ()
    version: int | None = None
    claims: list[tuple[str, list[str]]] = []
    at: datetime | None = None
    counted: Counted | None = None


class Parts(NamedTuple):
    """Lots by key, and what they are from, by its key."""

    lots: Mapping[str, Lot]
    subjects: Mapping[str, KeptSubject]


class Checkpoint(NamedTuple):
    """An account as it is stored, or a part of it: `rest` is that of all other lots."""

    head: Head
    parts: Parts
    rest: Rest | None


class Wanted(NamedTuple):
    """What is to be loaded for what comes: what it speaks of, lots that are named, and by time.

    Lots with free points that expire up to `until` (or with a cohort: the places of those that do
    so), or have opened up to `now`.
    """

    subjects: set[str]
    lots: set[str]
    until: datetime
    now: datetime
    cohorts: set[int]

    def has(self, lot: Lot) -> bool:
        """Whether a lot is to be loaded."""
        if lot.key in self.lots or subject_of(lot) in self.subjects:
            return True
        opens = not lot.is_open and lot.opens_at <= self.now
        ends = ends_at(lot) <= self.until or (not lot.is_closed and lot.cohort in self.cohorts)
        return bool(lot.free) and (opens or ends)


MARGIN = timedelta(days=2)
"""More than hours of zones and changes of clocks can make out."""


def wanted(
    head: Head,
    versions: Versions,
    now: datetime,
    facts: Iterable[Fact],
    operations: Iterable[Operation],
) -> Wanted:
    """What has to be loaded for what has happened since."""
    lots = {lot for kept in head.live.values() for lot in kept}.union(head.apart)
    for one in operations:
        if one.at > head.at:
            lots.update(one.lots)
    programme = programmes.at(versions, now)
    notice = timedelta(days=0 if programme is None else programme.notice_days)
    until = min(FAR - notice, now) + notice + MARGIN
    cohorts = {
        place for place, one in enumerate(head.cohorts) if one.free and one.expires_by(until)
    }
    return Wanted({one.subject for one in facts}, lots, until, now, cohorts)


def subject_of(lot: Lot) -> str:
    """The key of what it is from."""
    return lot.key.rpartition(":")[0]


def ends_at(lot: Lot) -> datetime:
    """When a lot expires; FAR: never."""
    return lot.expires_at or FAR


def fits(head: Head, versions: Versions, now: datetime) -> bool:
    """Whether these versions have led to it, and it lies before now."""
    led = head.count == sum(one.since <= head.at for one in versions)
    return head.at < now and led and head.began == _began(versions) and not head.inactive


def _began(versions: Versions) -> datetime | None:
    return versions[0].since if versions else None


def next_place(
    facts: Sequence[Fact], operations: Iterable[Operation], since: datetime, now: datetime
) -> datetime | None:
    """Where the next checkpoint should be; None: the one that there is will do.

    What happened last is not in it: of that time something may still come.
    """
    told = [one.content.stamp.at for one in facts]
    times = sorted(one for one in [*told, *(each.at for each in operations)] if since < one < now)
    return times[-BEHIND] if len(times) > MOST_SINCE else None


def end_of_slice(facts: Sequence[Fact], now: datetime) -> datetime | None:
    """Up to when facts are all there, of which only so many were read, the oldest."""
    last = max(one.content.stamp.at for one in facts)
    times = [one.content.stamp.at for one in facts]
    return max((one for one in times if one < min(last, now)), default=None)


def taken(run: Replay, operations: Iterable[Operation], *, is_booked: bool = True) -> Checkpoint:
    """The account as it is at the moment that a run is at; what is loaded of it are its parts."""
    account, rest = run.account, run.account.rest or Rest()
    lots = account.lots.values()
    live = [
        one.id
        for one in operations
        if one.at <= run.moment and (back := one.released()) is not None and back > run.moment
    ]
    count = sum(one.since <= run.moment for one in run.versions)
    head = Head(
        at=run.moment,
        versions=-count if account.cohorts else count,
        is_member=run.is_member,
        level=run.level,
        tier=run.tier,
        changes=run.changes[-MOST_CHANGES:],
        track=None if run.track is None else run.track.kept(),
        capped=[(rule, start, points) for (rule, start), points in run.capped.items()],
        reviews=sorted(run.reviews),
        debts=dict(account.debts),
        live={one: account.held_by(one) for one in live},
        free=rest.free + sum(one.free for one in lots if one.is_open),
        pending=rest.pending + sum(one.free for one in lots if not one.is_open),
        spared=account.spared,
        is_booked=is_booked,
        began=_began(run.versions),
        cohorts=_cohorts(account),
        apart=sorted(key for key, one in account.apart.items() if not one.is_closed),
    )
    subjects = {key: _kept(one, run.versions) for key, one in run.subjects.items()}
    parts = Parts({key: _undated(one) for key, one in account.lots.items()}, subjects)
    return Checkpoint(head, parts, account.rest)


def _cohorts(account: Account) -> list[Cohort]:
    free = [one.free for one in account.cohorts]
    for lot in account.lots.values():
        if lot.cohort is not None and not lot.is_closed:
            free[lot.cohort] += lot.free
    return [replace(one, free=n) for one, n in zip(account.cohorts, free, strict=True)]


def _undated(lot: Lot) -> Lot:
    """As a lot is stored: the date of its cohort is no part of it."""
    if lot.cohort is None or lot.is_closed:
        return lot
    return replace(lot, expires_at=None, looked_at=None)


def resumed(versions: Versions, now: datetime, known: Checkpoint) -> Replay:
    """A run that goes on from there; what has happened since it has still to be told."""
    head, run = known.head, Replay(versions, now)
    run.moment, run.is_member, run.level, run.tier = head.at, head.is_member, head.level, head.tier
    run.changes = list(head.changes)
    run.capped = {(rule, start): points for rule, start, points in head.capped}
    if head.count:
        run.programme = versions[head.count - 1].programme
        if head.track is not None and run.programme.tiers is not None:
            run.track = Track(run.programme.tiers, run.programme.zone, head.track)
    account = run.account
    account.debts, account.spenders = dict(head.debts), set(head.live)
    account.spared, account.cohorts = head.spared, [replace(one) for one in head.cohorts]
    for lot in sorted(known.parts.lots.values(), key=lambda one: (one.at, one.key)):
        account.load(lot)
        if lot.cohort is not None and not lot.is_closed:
            _follow(account, lot, account.cohorts[lot.cohort])
        run.expect_of_lot(lot)
    run.expect_of_cohorts()
    account.rest = known.rest
    run.subjects = {key: _subject(key, one, versions) for key, one in known.parts.subjects.items()}
    for at in head.reviews:
        run.expect_review(at)
    return run


def _follow(account: Account, lot: Lot, cohort: Cohort) -> None:
    """A lot that is loaded is no more among those that are not; it may have expired with them."""
    cohort.free -= lot.free
    if cohort.is_over:
        lot.expires_at = cohort.expires_at
        account.close(lot)


def rest_of(head: Head, loaded: Sequence[Lot], others: Rest) -> Rest:
    """What is not loaded: of `others` it is known what comes first, of all how much there is."""
    return others._replace(
        free=head.free - sum(one.free for one in loaded if one.is_open),
        pending=head.pending - sum(one.free for one in loaded if not one.is_open),
    )


def _kept(one: Subject, versions: Versions) -> KeptSubject:
    version = next(
        (number for number, each in enumerate(versions) if each.programme is one.programme), None
    )
    return KeptSubject(
        anchor=one.anchor,
        order=one.order,
        lines=tuple(one.lines),
        version=version,
        claims=[(claim.rule.id, [each.id for each in claim.multipliers]) for claim in one.claims],
        at=one.at,
        counted=one.counted,
    )


def _subject(key: str, kept: KeptSubject, versions: Versions) -> Subject:
    one = Subject(key, kept.anchor)
    one.order, one.lines, one.at, one.counted = kept.order, kept.lines, kept.at, kept.counted
    if kept.version is not None:
        one.programme = versions[kept.version].programme
        one.claims = _claims(one.programme, kept.claims)
    return one


def _claims(programme: Programme, kept: Iterable[tuple[str, list[str]]]) -> list[Claim]:
    rules = {one.id: one for one in programme.rules}
    multipliers = {one.id: one for one in programme.multipliers}
    return [Claim(rules[rule], tuple(multipliers[one] for one in ids)) for rule, ids in kept]
