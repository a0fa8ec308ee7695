"""Rate limits and daily quotas of sources, shared by all processes."""

import asyncio
import math
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock, logging
from rapport_common.db import is_retriable
from rapport_common.errors import AppError
from rapport_ingest.domain.limits import Bucket, fair_share
from rapport_ingest.domain.sender import Sender
from rapport_ingest.domain.source import Caller
from rapport_ingest.handlers.counting import Counting
from rapport_ingest.store import limits as store
from rapport_ingest.store.limits import Use

log = logging.get(__name__)

EXCHANGE_SECONDS = 1.0
PATIENCE_SECONDS = 5.0
IDLE_SECONDS = 10.0
LONGEST_RETRY = 3600
DAY_SECONDS = 86_400


@dataclass(slots=True)
class _Rated:
    """A source with a rate: `limit` is the whole of it, the bucket's rate this process's part."""

    limit: int
    bucket: Bucket
    taken_at: float


class Limits:
    """Lets a source's events through as long as its policy allows.

    The answer comes from memory. Once a second a process tells the others what it uses of a
    rate, learns what they do, and takes its part; while Postgres is away the last known numbers
    go on. So the limit may be passed for a second or two after the traffic has moved.
    """

    name = "limits"

    def __init__(
        self,
        engine: AsyncEngine,
        counting: Counting,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._counting = counting
        self._monotonic = monotonic
        self._process = uuid.uuid4().hex
        self._rated: dict[Caller, _Rated] = {}
        # Events let through that are not counted yet, by source with a quota.
        self._under_way: dict[Caller, int] = {}
        self._exchanged = monotonic()

    def take(self, sender: Sender, events: int, *, overload: int) -> None:
        """Count `events` against the source's limits; `done` has to follow.

        AppError with `overload` as its status and `Retry-After` when they do not fit: then
        nothing is counted, and `done` must not follow.
        """
        policy = sender.policy
        if policy.events_per_day is not None:
            self._check_quota(sender.caller, policy.events_per_day, overload)
        if policy.events_per_second is not None:
            self._check_rate(sender.caller, policy.events_per_second, events, overload)
        if policy.events_per_day is not None:
            self._under_way[sender.caller] = self._under_way.get(sender.caller, 0) + events

    def done(self, sender: Sender, events: int, *, kept: bool) -> None:
        """A request that was let through is over; what was not kept was not used either."""
        if sender.policy.events_per_day is not None:
            left = self._under_way.get(sender.caller, 0) - events
            if left > 0:
                self._under_way[sender.caller] = left
            else:
                self._under_way.pop(sender.caller, None)
        if not kept and (rated := self._rated.get(sender.caller)) is not None:
            rated.bucket.give_back(events)

    async def run(self, stop: asyncio.Event) -> None:
        """Tell the other processes what was used and learn what they did, until `stop`."""
        while not stop.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(EXCHANGE_SECONDS):
                    await stop.wait()
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await self.exchange()
            except Exception as error:
                if not is_retriable(error):
                    raise
                log.warning("limits not exchanged, the last known go on", error=error)

    async def exchange(self) -> None:
        """Take this process's part of each rate, by what all of them use."""
        now = self._monotonic()
        seconds = max(now - self._exchanged, 0.001)
        self._exchanged = now
        self._forget(now)
        if not self._rated:
            return
        used = {
            caller: math.ceil(min(one.limit, one.bucket.drawn(now) / seconds))
            for caller, one in self._rated.items()
        }
        async with self._engine.begin() as tx:
            others = await store.exchange(tx, self._process, used)
        now = self._monotonic()
        for caller, own in used.items():
            there = others.get(caller, Use())
            if (rated := self._rated.get(caller)) is not None:
                share = fair_share(rated.limit, own, there.per_second, there.processes + 1)
                rated.bucket.change(share, now)

    def _forget(self, now: float) -> None:
        for caller, one in list(self._rated.items()):
            if now - one.taken_at > IDLE_SECONDS and one.bucket.is_full(now):
                del self._rated[caller]

    def _check_rate(self, caller: Caller, limit: int, events: int, overload: int) -> None:
        now = self._monotonic()
        rated = self._rated.get(caller)
        if rated is None:
            rated = self._rated[caller] = _Rated(limit, Bucket.full(limit, now), now)
        elif rated.limit != limit:
            rated.limit = limit
            rated.bucket.change(limit, now)
        rated.taken_at = now
        wait = rated.bucket.take(events, now)
        if wait:
            seconds = min(LONGEST_RETRY, max(1, math.ceil(wait)))
            message = (
                f"Source '{caller.source}' may send {limit} events per second. Send the same "
                f"request again in {seconds} s, or raise events_per_second in its policy."
            )
            raise _refusal("rate_limited", message, overload, limit, seconds)

    def _check_quota(self, caller: Caller, limit: int, overload: int) -> None:
        used = self._counting.today(caller) + self._under_way.get(caller, 0)
        if used >= limit:
            left = DAY_SECONDS - clock.now().timestamp() % DAY_SECONDS
            seconds = min(LONGEST_RETRY, math.ceil(left))
            message = (
                f"Source '{caller.source}' has sent its {limit} events of this day, which ends "
                "at midnight UTC. Send again then, or raise events_per_day in its policy."
            )
            raise _refusal("quota_exceeded", message, overload, limit, seconds)


def _refusal(code: str, message: str, status: int, limit: int, seconds: int) -> AppError:
    return AppError(
        message,
        code=code,
        status=status,
        details={"limit": limit, "retry_after": seconds},
        headers={"Retry-After": str(seconds)},
    )
