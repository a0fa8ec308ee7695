"""What a dry run keeps while it goes through those who are asked of: what those before would have
taken, of paces, accounts and coupons, by the rules that senders go by (ADR 86).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from rapport_campaign.domain import accounts as by_accounts
from rapport_campaign.domain import lanes as by_lanes
from rapport_campaign.domain import throttles
from rapport_campaign.domain.accounts import ProviderAccount
from rapport_campaign.domain.delivery import Outcome
from rapport_campaign.domain.mail_paces import Lane
from rapport_campaign.domain.throttles import Throttle

GATES = 3
"""Those of `Gates`, in the order in which senders ask of them."""
MOST_LOOKS = 20
"""So often somebody is put off; then it is told that they wait."""
_MOST_STEPS = 2000
_LEAST_SECONDS = 0.001
_TAKEN = Outcome("sent")


class Shelf(msgspec.Struct):
    """The codes of a pool that are gone: all up to one (its end, and the code), but those back."""

    ends: str = "-infinity"
    code: str = ""
    back: list[str] = []

    def take(self, codes: Sequence[tuple[str, str]]) -> None:
        """These are gone, in the order of the pool; each with its end."""
        for code, ends in codes:
            if code in self.back:
                self.back.remove(code)
            else:
                self.ends, self.code = ends, code


class Course(msgspec.Struct, kw_only=True):
    """How far it has come: `position` in the audience until all are `listed`, `places` of those;
    nobody is to be asked of that is due before `reached`.

    `throttle`, `lanes`, `accounts`, `shelf`: how they stand after those who were asked of.
    """

    position: dict[str, Any] = {}
    listed: bool = False
    places: int = 0
    reached: datetime | None = None
    throttle: int = 0
    lanes: dict[str, by_lanes.Standing] = {}
    accounts: dict[str, by_accounts.Standing] = {}
    accounts_at: datetime | None = None
    shelf: Shelf = msgspec.field(default_factory=Shelf)
    counts: dict[str, dict[str, int]] = {}
    first_at: datetime | None = None
    last_at: datetime | None = None

    def note(self, outcome: str, reason: str | None, at: datetime, *, goes: bool) -> None:
        """Count an answer; the times are of those who get it."""
        reasons = self.counts.setdefault(outcome, {})
        reasons[reason or ""] = reasons.get(reason or "", 0) + 1
        if goes:
            self.first_at = at if self.first_at is None else min(self.first_at, at)
            self.last_at = at if self.last_at is None else max(self.last_at, at)


@dataclass(frozen=True, slots=True)
class Gates:
    """What messages that may go wait for their turn at; the course moves by each that goes through.

    `members`: the accounts of the channel; None where no provider carries it. In what time machines
    and mail servers do what they may is not known: these are the earliest times.
    """

    course: Course
    throttle: Throttle | None
    lanes: Mapping[str, Lane]
    members: Sequence[ProviderAccount] | None

    def through(self, gate: int, names: Sequence[str], at: datetime) -> datetime | None:
        """When a message goes through, `at` or later, by the lanes of these names; None: never."""
        if gate == 0:
            return self._lanes(names, at)
        return self._throttled(at) if gate == 1 else self._carried(at)

    def _lanes(self, names: Sequence[str], at: datetime) -> datetime:
        course = self.course
        before = None
        while before != at:
            before = at
            for name in names:
                at = by_lanes.turn(self.lanes[name], course.lanes[name], at)
        for name in names:
            course.lanes[name] = by_lanes.taken(self.lanes[name], course.lanes[name], at, 1)
        return at

    def _throttled(self, at: datetime) -> datetime:
        if self.throttle is None:
            return at
        free_at = self.course.throttle
        at, self.course.throttle = throttles.turn(free_at, self.throttle.interval, at)
        return at

    def _carried(self, at: datetime) -> datetime | None:
        if self.members is None:
            return at
        course = self.course
        at = max(at, course.accounts_at or at)
        for _ in range(_MOST_STEPS if self.members else 0):
            members = [(one, course.accounts[one.account_id]) for one in self.members]
            shares = by_accounts.shared(members, 1, at.timestamp(), at.date())
            course.accounts |= shares.standings
            for account_id in shares.granted:
                standing = course.accounts[account_id]
                course.accounts[account_id] = by_accounts.noted(standing, _TAKEN, at.timestamp(), 0)
            if shares.granted:
                course.accounts_at = at
                return at
            at += timedelta(seconds=max(shares.wait, _LEAST_SECONDS))
        return None


def is_soon(at: datetime, due: datetime) -> bool:
    """Whether what is due can be judged as of an instant: within its minute nothing changes."""
    return _minute(due) <= _minute(at)


def _minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)
