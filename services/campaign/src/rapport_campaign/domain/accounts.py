"""Accounts with providers: who sends what of a channel, how fast, and what it costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from rapport_campaign.domain import breaker, pacing
from rapport_campaign.domain.breaker import Breaker
from rapport_campaign.domain.delivery import Outcome
from rapport_campaign.domain.pacing import Pace, Warmup
from rapport_campaign.domain.parcels import Channel, Content, Text
from rapport_campaign.domain.sms import Price, cost, measure

AccountState = Literal["active", "paused"]
CheckResult = Literal["works", "refused", "unanswered"]
MOST_ACCOUNTS = 50
"""Of a workspace."""


@dataclass(frozen=True, slots=True)
class ProviderAccount:
    """An account; `secrets` are sealed. The smallest `priority` is asked first."""

    workspace: str
    account_id: str
    name: str
    channel: Channel
    vendor: str
    settings: Mapping[str, str]
    secrets: str
    pace: Pace
    priority: int
    state: AccountState
    version: int
    created_at: datetime
    created_by: str
    changed_at: datetime
    warmup: Warmup | None = None
    prices: tuple[Price, ...] = ()
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account stands now: what it was granted, its faults, and what the last check found.

    `free_at` as in `domain.pacing`; `used` of the messages of `day`.
    """

    free_at: float = 0.0
    breaker: Breaker = field(default_factory=Breaker)
    day: date | None = None
    used: int = 0
    checked_at: datetime | None = None
    check_result: CheckResult | None = None
    check_reason: str | None = None


Member = tuple[ProviderAccount, Standing]


@dataclass(frozen=True, slots=True)
class Shares:
    """How many messages each account may take now, by its id, and how they all stand then.

    `wait`: seconds until there may be more, if nothing was granted.
    """

    granted: Mapping[str, int]
    standings: Mapping[str, Standing]
    wait: float


@dataclass(frozen=True, slots=True)
class Bill:
    """What a message is charged as; `cost` is None where no price is known."""

    segments: int
    cost: Decimal | None
    currency: str | None


def shared(members: Sequence[Member], wanted: int, now: float, today: date) -> Shares:
    """Who takes how many of `wanted` messages. `now` in seconds since 1970.

    The next priority takes over from accounts that are left alone or have no more for today, and
    not from those that only keep their pace: what waits for a second need not cost more.
    """
    granted: dict[str, int] = {}
    standings: dict[str, Standing] = {}
    waits: list[float] = []
    able = False
    rank: int | None = None
    for account, standing in sorted(members, key=lambda one: (one[0].priority, one[0].name)):
        if account.state != "active":
            continue
        if rank is not None and account.priority != rank and (able or wanted == 0):
            break
        rank = account.priority
        is_able, count, after, wait = _granted(account, standing, wanted, (now, today))
        able = able or is_able
        waits.append(wait)
        standings[account.account_id] = after
        if count:
            granted[account.account_id] = count
            wanted -= count
    return Shares(granted, standings, 0.0 if granted else min(waits, default=0.0))


def _granted(
    account: ProviderAccount, standing: Standing, wanted: int, when: tuple[float, date]
) -> tuple[bool, int, Standing, float]:
    """Whether an account is at work, how many it takes, how it stands then, how long to wait."""
    now, today = when
    if standing.day != today:
        standing = replace(standing, day=today, used=0)
    more = pacing.left(account.warmup, today, standing.used)
    if more == 0:
        return False, 0, standing, _AN_HOUR
    paced = pacing.grant(
        account.pace, standing.free_at, now, wanted if more is None else min(wanted, more)
    )
    count, kept = breaker.admit(standing.breaker, now, paced.count)
    if not standing.breaker.is_closed:
        wait = max(standing.breaker.until - now, standing.breaker.probing - now, paced.wait)
    else:
        wait = paced.wait
    if count < paced.count:
        paced = pacing.grant(account.pace, standing.free_at, now, count)
    after = replace(
        standing,
        free_at=paced.free_at if count else standing.free_at,
        breaker=kept,
        used=standing.used + count,
    )
    return standing.breaker.is_closed, count, after, max(0.0, wait)


_AN_HOUR = 3600.0


def noted(standing: Standing, outcome: Outcome, now: float, jitter: float) -> Standing:
    """How an account stands when a message that it was granted has come to an end."""
    used = standing.used - 1 if outcome.result == "released" and standing.used else standing.used
    return replace(
        standing, breaker=breaker.after(standing.breaker, outcome, now, jitter), used=used
    )


def bill(account: ProviderAccount, address: str, content: Content) -> Bill:
    """What a message by an account is charged as: a text by its segments, all else as one."""
    segments = measure(content.text).segments if isinstance(content, Text) else 1
    return Bill(segments, cost(account.prices, address, segments), account.currency)
