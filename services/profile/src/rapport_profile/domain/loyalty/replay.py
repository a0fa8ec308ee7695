"""A member's points and tier: everything that is known of them, gone through in order of time.

It is a function of the programme's versions, the facts, what was done by request, and the time
that it is. So the order of arrival, copies, merges and restarts make no difference.
"""

import heapq
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial

from rapport_profile.domain.loyalty import programme as programmes
from rapport_profile.domain.loyalty.account import Lot
from rapport_profile.domain.loyalty.calendar import FAR, days_later, start_of
from rapport_profile.domain.loyalty.earning import Bought, Claim, claims, earned, left_of, stands
from rapport_profile.domain.loyalty.expiring import (
    ASKS,
    CHANGES,
    OPENS,
    RETURNS,
    REVIEWS,
    TELLS,
    ExpiringAccount,
)
from rapport_profile.domain.loyalty.facts import Fact, Line
from rapport_profile.domain.loyalty.operations import Operation
from rapport_profile.domain.loyalty.programme import Programme, Tiers, Versions
from rapport_profile.domain.loyalty.standing import Standing, TierChange, standing
from rapport_profile.domain.loyalty.tiers import NONE, Counted, Track
from rapport_profile.domain.orders import Order, merged


class Subject:
    """An order, or another event, as far as it is told."""

    def __init__(self, key: str, anchor: str) -> None:
        self.key, self.anchor = key, anchor
        self.order: Order | None = None
        self.lines: Sequence[Line] = ()
        self.programme: Programme | None = None
        self.claims: Sequence[Claim] = ()
        self.at: datetime | None = None
        self.counted: Counted | None = None


class Replay(ExpiringAccount):
    """Goes through the life of a member up to `now`: from its beginning, or from a checkpoint."""

    def __init__(self, versions: Versions, now: datetime) -> None:
        super().__init__()
        self.versions, self.now = versions, now
        self.programme: Programme | None = None
        self.is_member = False
        self.track: Track | None = None
        self.level = NONE
        self.changes: list[TierChange] = []
        self.subjects: dict[str, Subject] = {}
        self.capped: dict[tuple[str, datetime], int] = {}
        self.reviews: set[datetime] = set()
        self._operations: list[Operation] = []

    def expect(self, facts: Iterable[Fact], operations: Iterable[Operation]) -> None:
        """What has happened since the moment that it is at."""
        for version in self.versions:
            if version.since > self.moment:
                self._at(version.since, CHANGES, partial(self._adopt, version.programme))
        for fact in sorted(facts, key=_in_time):
            self._at(fact.content.stamp.at, TELLS, partial(self._hear, fact))
        self._operations = sorted(operations, key=lambda one: (one.at, one.id))
        for one in self._operations:
            if one.at > self.moment:
                self._at(one.at, ASKS, partial(self._carry_out, one))
            elif (released := one.released()) is not None and released > self.moment:
                self._expect_return(one, released)

    def expect_of_lot(self, lot: Lot) -> None:
        """What is still to come of a lot that was stored."""
        if not lot.is_open:
            self._at(lot.opens_at, OPENS, lambda _at: self.account.open(lot), lot)
        if not lot.is_closed and lot.looked_at is not None and lot.cohort is None:
            self._look_at(lot, lot.looked_at)

    def expect_review(self, at: datetime) -> None:
        """Its tier is to be looked at then."""
        if at not in self.reviews:
            self.reviews.add(at)
            self._at(at, REVIEWS, self._look_again)

    @property
    def size(self) -> int:
        """Lots, and what is still to be gone through."""
        return len(self.account.lots) + len(self._steps)

    def run(self, until: datetime | None = None) -> "Replay":
        """Move on to `now`, or only to a moment before."""
        until = self.now if until is None else until
        while self._steps and self._steps[0][0] <= until:
            at, _rank, _tie, _number, act = heapq.heappop(self._steps)
            self.moment = at
            self._move_on(at)
            act(at)
        self.moment = until
        return self

    def standing(self) -> Standing:
        """What all this amounts to."""
        return standing(self, self._operations, self._next())

    def _next(self) -> datetime | None:
        """When something happens by itself, by what is known."""
        return self._steps[0][0] if self._steps and self._steps[0][0] < FAR else None

    # --- programme and membership --------------------------------------------------------------

    def _adopt(self, programme: Programme, at: datetime) -> None:
        first = self.programme is None
        self.programme = programme
        if first:
            self.is_member = programme.enrolment.everybody
        self._count_anew(at, "rules")

    def _end(self, at: datetime) -> None:
        self.is_member = False
        for lot in self.account.unclosed():
            lot.expires_at = at
            self.account.close(lot)

    # --- what events tell ----------------------------------------------------------------------

    def _hear(self, fact: Fact, at: datetime) -> None:
        content = fact.content
        if self.programme is not None and content.name in self.programme.enrolment.events:
            self.is_member = True
        one = self.subjects.setdefault(fact.subject, Subject(fact.subject, fact.anchor))
        if content.order is not None:
            one.order = content.order if one.order is None else merged(one.order, content.order)
            if content.lines is not None:
                one.lines = content.lines
            if one.order.at is None:
                return
        if one.at is None:
            self._judge(one, fact, at)
        if one.programme is not None:
            self._weigh(one, one.programme, at)

    def _judge(self, one: Subject, fact: Fact, at: datetime) -> None:
        """Fix by what an order that was completed now, or another event, is judged for ever."""
        one.at = at
        if self.is_member and self.programme is not None:
            event = None if one.order is not None else fact.content.name
            one.programme = self.programme
            one.claims = claims(self.programme, event, fact.content.said, self.tier, at)

    def _weigh(self, one: Subject, programme: Programme, at: datetime) -> None:
        """Let it have earned what it earns as it stands."""
        bought = None if one.order is None else Bought(one.order, one.lines)
        began = one.at or at
        points = base = 0
        for claim in one.claims:
            found = earned(programme, claim, bought)
            given = self._give(one, programme, claim, found.points, at)
            if claim.rule.qualifies:
                points, base = points + given, base + min(given, found.base)
        counted = Counted(began, points, base)
        if one.order is not None and stands(one.order):
            price = one.order.price
            counted = counted._replace(
                orders=1,
                currency="" if price is None else price.currency,
                spent=left_of(one.order),
            )
        self._count(one, counted, at)

    def _give(
        self, one: Subject, programme: Programme, claim: Claim, points: int, at: datetime
    ) -> int:
        """Bring a lot to so many points, as far as the rule's cap has room; how many it has."""
        rule, began = claim.rule, one.at or at
        key = f"{one.key}:{rule.id}"
        lot = self.account.lots.get(key)
        known = 0 if lot is None else lot.points
        if rule.cap is not None:
            period = (rule.id, start_of(rule.cap.per, began, programme.zone))
            others = self.capped.get(period, 0) - known
            points = min(points, max(0, rule.cap.points - others))
            self.capped[period] = others + points
        if points == known:
            return points
        if lot is None:
            lot = self._lot(key, one.anchor, began, programme, pending=programme.pending_days)
        if points > known:
            self.account.credit(lot, points - known)
            self._be_active(at)
        else:
            self.account.reduce(lot, known - points)
        return points

    def _lot(
        self, key: str, anchor: str, at: datetime, programme: Programme, *, pending: int
    ) -> Lot:
        """A new lot; points that come late may have expired already."""
        zone, policy = programme.zone, programme.expiry
        opens_at = days_later(at, pending, zone) if pending else at
        lot = self.account.add(Lot(key, anchor, at, opens_at, policy=policy, zone=zone))
        self._date(lot, at)
        if opens_at <= at:
            self.account.open(lot)
        else:
            self._at(opens_at, OPENS, lambda _at: self.account.open(lot), lot)
        return lot

    # --- tiers ---------------------------------------------------------------------------------

    def _count(self, subject: Subject, one: Counted, at: datetime) -> None:
        known, subject.counted = subject.counted, one
        if known == one:
            return
        if known is None and one.at == at:
            if self.track is not None:
                self.track.add(one)
            self._review(at, "reached")
        elif known is None or self.track is None or not self.track.correct(known, one, at):
            # It counts from its own time on: a refund takes away what it has reached.
            self._count_anew(at, "corrected")
        else:
            self._review(at, "corrected")

    def _count_anew(self, at: datetime, reason: str) -> None:
        programme = self.programme
        if programme is None or programme.tiers is None:
            self.track = None
        else:
            self.account.require_all()
            self.track = Track(programme.tiers, programme.zone)
            counted = [one.counted for one in self.subjects.values() if one.counted is not None]
            for one in sorted(counted, key=lambda one: one.at):
                self.track.advance(one.at)
                self.track.add(one)
            self.track.advance(at)
        self._review(at, reason)

    def _move_on(self, at: datetime) -> None:
        if self.track is not None:
            self.track.advance(at)

    def _review(self, at: datetime, reason: str) -> None:
        """See which tier it is by now, and when to look again."""
        tiers = self._tiers()
        if tiers is None or self.track is None:
            self._be_of(NONE, None, at, reason)
            return
        level = self.track.held(at)
        if tiers.one_step and reason == "lapsed" and level < self.level - 1:
            level = self.level - 1
            self.track.step_down(level, at)
        self._be_of(level, tiers.levels[level].id if level != NONE else None, at, reason)
        self.expect_review(self.track.next(at))

    def _look_again(self, at: datetime) -> None:
        self.reviews.discard(at)
        self._review(at, "lapsed")

    def _be_of(self, level: int, tier: str | None, at: datetime, reason: str) -> None:
        if tier != self.tier:
            self.changes.append(TierChange(at, self.tier, tier, reason, level > self.level))
            self.tier = tier
            self._spare(at)
        self.level = level

    def _tiers(self) -> Tiers | None:
        return None if self.programme is None else self.programme.tiers

    # --- what is asked for ---------------------------------------------------------------------

    def _carry_out(self, one: Operation, at: datetime) -> None:
        if one.kind == "enrol":
            self.is_member = True
        elif one.kind == "leave":
            self._end(at)
        elif one.kind == "adjust" and one.points > 0:
            self._adjust(one, at)
        else:
            self.account.spenders.add(one.id)
            self.account.spend(one.id, abs(one.points), one.lots)
            released = one.released()
            if released is not None:
                self._expect_return(one, max(released, at))
            if one.kind == "redeem":
                self._be_active(at)

    def _expect_return(self, one: Operation, at: datetime) -> None:
        self._at(at, RETURNS, lambda _at: self.account.release(one.id), one)

    def _adjust(self, one: Operation, at: datetime) -> None:
        programme = self.programme or programmes.NONE
        lot = self._lot(f"adjust:{one.id}", one.anchor, at, programme, pending=0)
        lot.is_adjusted = True
        if one.expires_at is not None:
            lot.policy = None
            self._expire_at(lot, one.expires_at)
        self.account.credit(lot, one.points)


def replay(
    versions: Versions, facts: Iterable[Fact], operations: Iterable[Operation], now: datetime
) -> Standing:
    """A member's points and tier at `now`, by all that is known."""
    run = Replay(versions, now)
    run.expect(facts, operations)
    return run.run().standing()


def _in_time(fact: Fact) -> tuple[datetime, int, str, str]:
    stamp = fact.content.stamp
    return (stamp.at, stamp.sequence, stamp.message_id, stamp.source)
