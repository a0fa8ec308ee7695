"""What is kept of a lane of mails, and what follows: how many may go now, who of them, who is let
go next. Instants are microseconds since 1970.
"""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

from rapport_campaign.domain.delivery import Outcome
from rapport_campaign.domain.mail_paces import Lane, SlowDown
from rapport_campaign.domain.model import MessageKey
from rapport_campaign.domain.pacing import left
from rapport_campaign.domain.throttles import CATCH_UP, EPOCH, MICRO, granted

AHEAD = timedelta(seconds=2.5)
"""For so long what waits is given slots beforehand; longer than from one look to the next."""
FAR = timedelta(days=400_000)
"""What waits is due so much later than it was: no claim sees it."""
MOST_LET_GO = 2000
WAVES = 4
"""How often in a second a lane bounded only by `at_once` is filled anew."""
CALM = timedelta(minutes=1)
"""Many answers of so long are one: they are about the same mails."""
_TOO_MANY = re.compile(
    r"^421[ -]|(?<![\d.])4\.7\.\d+|too (?:many|fast|much)|rate.?limit|throttl|slow down|"
    r"deferred due to (?:user complaints|unusual)|频率|过于频繁",
    re.IGNORECASE,
)
_NOT_YET = re.compile(r"gr[ae]y.?list", re.IGNORECASE)
"""Asks every newcomer to come again, however few."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is kept of a lane: its next slot, its share of its pace as of an instant, and how many
    went on the latest day that any did.
    """

    free_at: int = 0
    share: float = 1.0
    slowed_at: int = 0
    day: date = date.min
    sent: int = 0


@dataclass(frozen=True, slots=True)
class Waiting:
    """Whether others wait in a lane: express messages, those of campaigns."""

    express: bool = False
    campaigns: bool = False


NOBODY = Waiting()


@dataclass(frozen=True, slots=True)
class Wanting:
    """A mail that could go but for its lanes; `waited`: it was parked before."""

    key: MessageKey
    lanes: tuple[str, ...]
    express: bool = False
    waited: bool = False


def is_parked(due_at: datetime | None, now: datetime) -> bool:
    """Whether a message waits for a pace; when it is due says nothing then."""
    return due_at is not None and due_at - now > FAR / 2


def share(standing: Standing, bounds: SlowDown, now: datetime) -> float:
    """The part of its pace that a lane has now: 1 is all of it."""
    since = max(_micros(now) - standing.slowed_at, 0) * MICRO
    doublings = since / timedelta(minutes=bounds.minutes)
    return 1.0 if doublings > 64 else min(standing.share * 2.0**doublings, 1.0)  # noqa: PLR2004 - any


def slowed(standing: Standing, bounds: SlowDown, now: datetime) -> Standing:
    """After an answer that it was too much."""
    if _micros(now) - standing.slowed_at < CALM // MICRO:
        return standing
    least = bounds.least_percent / 100
    return replace(
        standing,
        share=max(share(standing, bounds, now) / 2, least),
        slowed_at=_micros(now),
    )


def room(lane: Lane, standing: Standing, now: datetime, in_hand: int, wanted: int) -> int:
    """How many of `wanted` may go now, when `in_hand` are on their way."""
    number = wanted
    if lane.throttle is not None:
        number = granted(standing.free_at, _interval(lane, standing, now), now, number)[0]
    if lane.at_once is not None:
        number = min(number, max(_at_once(lane, standing, now) - in_hand, 0))
    rest = left(lane.warmup, _day(standing, now), _sent_today(standing, now))
    return number if rest is None else min(number, rest)


def taken(lane: Lane, standing: Standing, now: datetime, number: int) -> Standing:
    """After `number` that there was room for."""
    sent, free_at = number + _sent_today(standing, now), standing.free_at
    if lane.throttle is not None:
        free_at = granted(free_at, _interval(lane, standing, now), now, number)[1]
    return replace(standing, free_at=free_at, day=_day(standing, now), sent=sent)


def coming(lane: Lane, standing: Standing, now: datetime, let_go: int) -> list[float]:
    """In how many seconds each may go of those that wait, when `let_go` may go before them; as many
    as there will be room for within `AHEAD`.
    """
    at, most = _micros(now), MOST_LET_GO
    each = _at_once(lane, standing, now)
    if lane.at_once is not None:
        most = min(most, each * WAVES)
    rest = left(lane.warmup, _day(standing, now), _sent_today(standing, now))
    if rest is not None:
        most = min(most, rest)
    if lane.throttle is None:
        return [place // each / WAVES if lane.at_once else 0.0 for place in range(let_go, most)]
    interval, last = _interval(lane, standing, now), at + AHEAD // MICRO
    first = max(standing.free_at, at - CATCH_UP // MICRO)
    most = min(most, (last - first) // interval + 1)
    return [max((first + place * interval - at) / 1e6, 0.0) for place in range(let_go, most)]


def turn(lane: Lane, standing: Standing, now: datetime) -> datetime:
    """When one mail more may go by the pace and the warm-up of a lane: `now`, or later.

    How many are in senders' hands (`at_once`) nobody knows beforehand.
    """
    at = now
    if lane.throttle is not None:
        at = max(at, EPOCH + standing.free_at * MICRO)
    if left(lane.warmup, _day(standing, at), _sent_today(standing, at)) == 0:
        starts = lane.warmup.starts if lane.warmup is not None else at.date()
        day = max(_day(standing, at) + timedelta(days=1), starts)
        at = datetime.combine(day, time.min, UTC)
    return at


def behind(lane: Lane, standing: Standing, now: datetime, waiting: int) -> Standing:
    """How a lane stands for who comes behind those that wait in it `now`."""
    for _ in range(waiting):
        standing = taken(lane, standing, turn(lane, standing, now), 1)
    return standing


def choose(
    wanting: Sequence[Wanting], rooms: Mapping[str, int], others: Mapping[str, Waiting]
) -> tuple[set[MessageKey], dict[MessageKey, str]]:
    """Who goes; and of the rest in which lane each waits.

    `others`: who waits in each lane beside those that want to go. Express messages go first, then
    who has waited.
    """
    free = dict(rooms)
    going, parked = set[MessageKey](), dict[MessageKey, str]()
    behind = {name: one for name, one in others.items() if one != NOBODY}
    for one in sorted(wanting, key=lambda each: (not each.express, not each.waited)):
        full = [name for name in one.lanes if free[name] <= 0 or _gives_way(one, behind.get(name))]
        if full:
            # The last is its warm-up's: that takes longest.
            parked[one.key] = full[-1]
            continue
        going.add(one.key)
        for name in one.lanes:
            free[name] -= 1
    return going, parked


def says_too_many(outcome: Outcome) -> bool:
    """Whether a server has refused a mail for now because there were too many."""
    said = outcome.reason or ""
    return outcome.result == "retry" and bool(_TOO_MANY.search(said) and not _NOT_YET.search(said))


def count_by_lane(wanting: Sequence[Wanting], going: Collection[MessageKey]) -> dict[str, int]:
    """How many of those who go are in each lane."""
    names = [name for one in wanting if one.key in going for name in one.lanes]
    return {name: names.count(name) for name in set(names)}


def _gives_way(one: Wanting, others: Waiting | None) -> bool:
    if others is None or (one.express and one.waited):
        return False
    return others.express or (others.campaigns and not one.express and not one.waited)


def _interval(lane: Lane, standing: Standing, now: datetime) -> int:
    whole = lane.throttle.interval if lane.throttle else 0
    return math.ceil(whole / share(standing, lane.slow_down, now))


def _at_once(lane: Lane, standing: Standing, now: datetime) -> int:
    return max(int((lane.at_once or 0) * share(standing, lane.slow_down, now)), 1)


def _sent_today(standing: Standing, now: datetime) -> int:
    return standing.sent if standing.day == _day(standing, now) else 0


def _day(standing: Standing, now: datetime) -> date:
    # A clock that was set back begins no day anew.
    return max(standing.day, now.date())


def _micros(now: datetime) -> int:
    return (now - EPOCH) // MICRO
