"""When a member's points expire: dated, put off by what they do, and carried out in its time."""

import heapq
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count

from rapport_profile.domain.loyalty.account import Account, Lot
from rapport_profile.domain.loyalty.calendar import expires
from rapport_profile.domain.loyalty.operations import Operation
from rapport_profile.domain.loyalty.programme import Expiry

# Of what happens at one instant: what ends is over before anything new happens.
CHANGES, EXPIRES, OPENS, RETURNS, REVIEWS, TELLS, ASKS = range(7)

START = datetime.min.replace(tzinfo=UTC)
Tie = tuple[datetime, str]
"""Of steps of one kind at one instant: that of the older lot, or operation, comes first."""
Step = tuple[datetime, int, Tie, int, Callable[[datetime], None]]
FIRST: Tie = (START, "")


class ExpiringAccount:
    """An account, what is still to happen to it, and of that when its points expire."""

    def __init__(self) -> None:
        self.account = Account()
        self.tier: str | None = None
        self.lapses: dict[int, datetime] = {}
        self.moment = START
        self._steps: list[Step] = []
        self._number = count()

    def expect_of_cohorts(self) -> None:
        """When lots that expire together do so."""
        for place in range(len(self.account.cohorts)):
            self._look_at_cohort(place)

    def _at(
        self,
        at: datetime,
        rank: int,
        act: Callable[[datetime], None],
        of: Lot | Operation | None = None,
    ) -> None:
        tie = FIRST if of is None else (of.at, of.id if isinstance(of, Operation) else of.key)
        heapq.heappush(self._steps, (at, rank, tie, next(self._number), act))

    def _date(self, lot: Lot, since: datetime) -> None:
        """Set when a lot expires, counted from a moment."""
        if lot.policy is None:
            return
        self._expire_at(lot, self._counted(lot.policy, since, lot.zone))

    def _expire_at(self, lot: Lot, moment: datetime | None) -> None:
        lot.expires_at = moment
        if moment is not None and moment <= self.moment:
            # It has been told of too late: its points expire before they pay what is owed.
            self.account.close(lot)
        elif moment is not None and (lot.looked_at is None or moment < lot.looked_at):
            self._look_at(lot, moment)

    def _look_at(self, lot: Lot, moment: datetime) -> None:
        lot.looked_at = moment
        self._at(moment, EXPIRES, lambda at: self._expire(lot, at), lot)

    def _expire(self, lot: Lot, at: datetime) -> None:
        if lot.looked_at != at or lot.cohort is not None:
            return
        lot.looked_at = None
        if lot.is_closed or lot.expires_at is None:
            return
        if lot.expires_at == at:
            self.account.close(lot)
        else:
            # One look for each lot, however often it was put off meanwhile.
            self._look_at(lot, lot.expires_at)

    def _be_active(self, at: datetime) -> None:
        """Points that expire by inactivity have their time again."""
        for lot, policy in self.account.leave_apart():
            lot.cohort = self.account.cohort_of(policy, lot.zone)
        for place, cohort in enumerate(self.account.cohorts):
            if not cohort.is_over:
                self._date_cohort(place, at)

    def _date_cohort(self, place: int, since: datetime) -> None:
        cohort = self.account.cohorts[place]
        cohort.expires_at = self._counted(cohort.policy, since, cohort.zone)
        self._look_at_cohort(place)

    def _look_at_cohort(self, place: int) -> None:
        cohort, known = self.account.cohorts[place], self.lapses.get(place)
        moment = cohort.expires_at
        if moment is not None and not cohort.is_over and (known is None or moment < known):
            self.lapses[place] = moment
            self._at(moment, EXPIRES, lambda at: self._lapse(place, at))

    def _lapse(self, place: int, at: datetime) -> None:
        if self.lapses.get(place) != at:
            return
        del self.lapses[place]
        if self.account.cohorts[place].expires_at == at:
            self.account.close_cohort(place, at)
        else:
            self._look_at_cohort(place)

    def _spare(self, at: datetime) -> None:
        """With a tier points begin or cease to expire."""
        account = self.account
        for place, cohort in enumerate(account.cohorts):
            if not cohort.is_over and self._changes(cohort.policy, cohort.expires_at):
                self._date_cohort(place, at)
        others = account.unclosed() if account.spared else list(account.apart.values())
        for lot in others:
            is_dated = lot.policy is not None and lot.cohort is None and not lot.is_closed
            if is_dated and self._changes(lot.policy, lot.expires_at):
                self._date(lot, at)

    def _changes(self, policy: Expiry | None, expires_at: datetime | None) -> bool:
        """Whether the tier makes a difference to when points expire that expire then."""
        if policy is None or not policy.spared:
            return False
        return self._spares(policy) != (expires_at is None)

    def _spares(self, policy: Expiry) -> bool:
        return self.tier is not None and self.tier in policy.spared

    def _counted(self, policy: Expiry, since: datetime, zone: str) -> datetime | None:
        """When points expire, counted from a moment; None: they are spared."""
        return None if self._spares(policy) else expires(policy, since, zone)
