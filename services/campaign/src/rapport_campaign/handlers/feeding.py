"""Brings data feeds to the messages that show them, between the claim and the mail (ADR 85).

Nothing is asked inside of a transaction. A feed is asked in a task of its own, once however many
messages want the same; they wait for it a moment, and are planned again if it takes longer: what it
answers then is there when they are claimed anew. So no feed holds up what does not show it.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_campaign import metrics
from rapport_campaign.channels.http import Http
from rapport_campaign.domain.breaker import Breaker, admit, after
from rapport_campaign.domain.delivery import Outcome
from rapport_campaign.domain.feeds import ROOT, Feed, named, wanted_of
from rapport_campaign.domain.speaking import Path, spoken_of
from rapport_campaign.handlers.dispatch import Result
from rapport_campaign.handlers.feed_asking import Asker, FeedError, Fetched
from rapport_campaign.handlers.feed_memory import FORGOTTEN_SECONDS, Answer, Memory
from rapport_campaign.handlers.feed_questions import NO_VALUE, Question, question
from rapport_campaign.render.compose import Job
from rapport_campaign.settings import Settings
from rapport_campaign.store import feeds as store
from rapport_campaign.store import people
from rapport_common import clock, logging
from rapport_common.db import is_retriable
from rapport_common.secret_keys import SealedSecretError

log = logging.get(__name__)

WAIT_SECONDS = 0.25
"""So long a batch waits for feeds that are usually quick."""
MOST_OF_A_HOST = 64
"""Questions to one host that wait for their turn; the messages of others wait for theirs."""
MOST_WAIT = 30.0
SEALED_AT_ONCE = 100
LOOK_SECONDS = 10.0
NO_ANSWER = "no answer of its data feed"
"""Of what is suppressed: reasons of these are few, as they are counted."""
NOT_ALLOWED = "its host is not among those that may be asked"


@dataclass(slots=True)
class _Standing:
    """How a feed is: its breaker, since when it fails, how long it took the last time."""

    breaker: Breaker = field(default_factory=Breaker)
    down_since: float | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Wanting:
    """A message that shows feeds: of each what is asked."""

    job: Job
    paths: frozenset[Path]
    questions: Sequence[Question]


@dataclass(frozen=True, slots=True)
class _Lost(Exception):  # noqa: N818 - no error: an end
    outcome: Outcome


class Feeds:
    """The feeds of all workspaces, as one process asks them."""

    def __init__(
        self,
        engine: AsyncEngine,
        asker: Asker,
        *,
        wait: float = WAIT_SECONDS,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """`seconds`: a clock that only goes forward."""
        self.asker = asker
        self.memory = Memory()
        self._engine = engine
        self._wait = wait
        self._seconds = seconds
        self._under_way: dict[Question, asyncio.Task[None]] = {}
        self._standings: dict[tuple[str, str, int], _Standing] = {}
        self._looked = float("-inf")

    @staticmethod
    def showing(jobs: Iterable[Job]) -> list[Job]:
        """The messages that show feeds; nothing is asked for the others."""
        return [one for one in jobs if one.campaign is not None and spoken_of(one.campaign, ROOT)]

    async def begin(self, jobs: Sequence[Job]) -> list[Wanting] | None:
        """Begin to ask what these messages show; None while the database is away."""
        paths = {one.claimed.key: _paths(one) for one in jobs}
        keys = {
            (one.claimed.workspace, name) for one in jobs for name in named(paths[one.claimed.key])
        }
        try:
            async with self._engine.begin() as tx:
                feeds = await store.named(tx, keys)
        except Exception as error:
            if not is_retriable(error):
                raise
            log.warning("feeds can't be read, what shows them is given back", error=error)
            return None
        found: list[Wanting] = []
        for one in jobs:
            workspace = one.claimed.workspace
            its = [feeds.get((workspace, name)) for name in named(paths[one.claimed.key])]
            # What is not there only looked like a feed: saving looks more closely.
            asked = [question(feed, one) for feed in its if feed is not None]
            found.append(Wanting(one, paths[one.claimed.key], asked))
            for each in asked:
                self._begin(each)
        return found

    async def collect(self, wanting: Sequence[Wanting]) -> tuple[list[Job], list[Result]]:
        """The messages with what they show; and what becomes of those that can't have it now."""
        asked = {each for one in wanting for each in one.questions}
        tasks = [
            task
            for each, task in self._under_way.items()
            if each in asked and self._standing(each.feed).seconds <= self._wait
        ]
        if tasks and self._wait:
            await asyncio.wait(tasks, timeout=self._wait)
        ready: list[Job] = []
        results: list[Result] = []
        lasts: dict[Question, Any] = {}
        for one in wanting:
            try:
                data = {
                    each.feed.name: wanted_of(
                        await self._data(one.job, each, lasts), each.feed.name, one.paths
                    )
                    for each in one.questions
                }
            except _Lost as lost:
                results.append(Result(one.job, lost.outcome, clock.now()))
            else:
                ready.append(replace(one.job, data={**one.job.data, ROOT: data}))
        return ready, results

    async def look(self, tx: AsyncConnection) -> None:
        """Every some seconds: what was asked for people who are forgotten goes, and secrets are
        sealed by the newest key.
        """
        now = self._seconds()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        owners = self.memory.owners()
        self.memory.forget(await people.gone(tx, owners) if owners else set(), now)
        for one in await store.sealed_otherwise(tx, self.asker.keys.prefix, SEALED_AT_ONCE):
            try:
                headers = self.asker.opened(one)
            except SealedSecretError as error:
                log.warning("a feed can't be asked", feed=one.name, error=error)
                continue
            sealed = self.asker.sealed(one.workspace, one.name, headers)
            await store.keep_sealed(tx, one, sealed or "")

    async def close(self) -> None:
        """Ask no more."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.asker.http.close()

    def _begin(self, asked: Question) -> None:
        """Ask, unless the answer is there, somebody asks already, or it is no use."""
        now = self._seconds()
        failing = self.memory.failing(asked.place, now)
        if (
            asked.url is None
            or not asked.feed.allowed
            or asked in self._under_way
            or self.memory.answer(asked.place, asked.owner, now) is not None
            or (failing is not None and now < failing.again)
            or self._waiting(asked.feed.host) >= MOST_OF_A_HOST
        ):
            return
        standing = self._standing(asked.feed)
        granted, standing.breaker = admit(standing.breaker, now, 1)
        if not granted:
            return
        task = asyncio.get_running_loop().create_task(self._ask(asked), name="feed")
        self._under_way[asked] = task
        task.add_done_callback(lambda _: self._under_way.pop(asked, None))

    async def _ask(self, asked: Question) -> None:
        """Get an answer; what goes wrong is kept as well, and raised never."""
        began = self._seconds()
        try:
            answer = await self._kept(asked) or await self._fetched(asked)
        except FeedError as error:
            self._failed(asked, error, began)
        except Exception as error:
            if not is_retriable(error):
                log.exception("feed not asked", feed=asked.feed.name)
            broken = FeedError("something broke on our side", passing=True)
            self._failed(asked, broken, began)
        else:
            self._standing(asked.feed).breaker = Breaker()
            self._standing(asked.feed).down_since = None
            self.memory.put(asked.place, answer)

    async def _kept(self, asked: Question) -> Answer | None:
        """What is the same for all, if any process has it."""
        if not asked.is_shared:
            return None
        feed = asked.feed
        async with self._engine.begin() as tx:
            kept = await store.answer(tx, feed.workspace, feed.name, asked.key, feed.version)
        return None if kept is None else self._shared(kept)

    async def _fetched(self, asked: Question) -> Answer:
        feed = asked.feed
        found = await self.asker.ask(feed, asked.url or "")
        self._standing(feed).seconds = found.seconds
        if asked.is_shared:
            async with self._engine.begin() as tx:
                kept = await store.keep(tx, feed, asked.key, found.body, asked.seconds)
            if kept is not None:
                # Another process may have been quicker: all give what that one has.
                return self._shared(kept)
        return self._own(asked, found)

    def _own(self, asked: Question, found: Fetched) -> Answer:
        now = self._seconds()
        return Answer(found.data, len(found.body), now, now + asked.seconds, {asked.owner})

    def _shared(self, kept: store.KeptAnswer) -> Answer:
        now = self._seconds()
        data = msgspec.json.decode(kept.content)
        return Answer(data, len(kept.content), now - kept.age, now + kept.seconds)

    def _failed(self, asked: Question, error: FeedError, began: float) -> None:
        now, jitter = self._seconds(), random.random()  # noqa: S311 - spreads questions
        self.memory.fail(asked.place, error, now, jitter)
        standing = self._standing(asked.feed)
        fault = Outcome(
            "retry", error.reason, wait=error.wait, fault="vendor" if error.passing else None
        )
        standing.breaker = after(standing.breaker, fault, now, jitter)
        # A "no" that takes long holds up a batch as much as an answer that does.
        taken = now - began
        standing.seconds = taken if not error.passing else max(standing.seconds, self._wait + 1)
        if standing.breaker.is_closed:
            standing.down_since = None
        elif standing.down_since is None:
            standing.down_since = now
        log.info("no answer of a feed", feed=asked.feed.name, reason=error.reason)

    async def _data(self, job: Job, asked: Question, lasts: dict[Question, Any]) -> Any:
        """What a message shows of a feed; _Lost: it can't now, or not at all."""
        now = self._seconds()
        found = self.memory.answer(asked.place, asked.owner, now)
        if found is not None:
            metrics.FEED_ENDS.labels("answered").inc()
            return found.data
        reason, wait = self._why(asked, now)
        if wait is not None and not _too_late(job, wait):
            metrics.FEED_ENDS.labels("waiting").inc()
            told = f"data feed {asked.feed.name}: {reason}"
            raise _Lost(Outcome("released", told, wait=wait))
        fall_back = asked.feed.spec.fall_back
        data = fall_back.data if fall_back.use in {"data", "last_good"} else None
        if fall_back.use == "last_good":
            if asked not in lasts:
                lasts[asked] = await self._last_good(asked, now)
            data = lasts[asked] if lasts[asked] is not None else data
        if data is not None:
            metrics.FEED_ENDS.labels("fallback").inc()
            return data
        metrics.FEED_ENDS.labels("lost").inc()
        if fall_back.use == "suppress":
            raise _Lost(Outcome("suppressed", NO_ANSWER))
        raise _Lost(Outcome("failed", f"data feed {asked.feed.name}: {reason}"))

    def _why(self, asked: Question, now: float) -> tuple[str, float | None]:
        """Why there is no answer, and how long to wait for one; None: it is no use."""
        if asked.url is None:
            return NO_VALUE, None
        if not asked.feed.allowed:
            return NOT_ALLOWED, None
        standing = self._standing(asked.feed)
        failing = self.memory.failing(asked.place, now)
        is_asked = asked in self._under_way
        if failing is not None and failing.final and not (is_asked and failing.again <= now):
            return failing.reason, None
        begun = [] if failing is None else [failing.since]
        is_fresh = now - standing.breaker.until <= FORGOTTEN_SECONDS
        if standing.down_since is not None and is_fresh:
            begun.append(standing.down_since)
        since = min(begun, default=now)
        reason = (failing and failing.reason) or standing.breaker.reason or "it waits for its turn"
        if now - since >= asked.feed.spec.patience_seconds and since < now:
            return reason, None
        again = max(failing.again if failing else 0.0, standing.breaker.until)
        if is_asked or again <= now:
            turns = 1 + self._waiting(asked.feed.host) // 8
            return reason, min(max(1.0, standing.seconds * turns), MOST_WAIT)
        return reason, min(again - now, MOST_WAIT)

    async def _last_good(self, asked: Question, now: float) -> Any:
        seconds = float(asked.feed.spec.fall_back.last_good_seconds)
        known = self.memory.last_good(asked.place, now, seconds)
        if known is not None or not asked.is_shared:
            return known.data if known is not None else None
        async with self._engine.begin() as tx:
            kept = await store.last_good(tx, asked.feed.workspace, asked.feed.name, seconds)
        return None if kept is None else msgspec.json.decode(kept[0])

    def _waiting(self, host: str) -> int:
        return sum(one.feed.host == host for one in self._under_way)

    def _standing(self, feed: Feed) -> _Standing:
        if len(self._standings) > 10_000:  # noqa: PLR2004 - more than are asked in a day
            self._standings.clear()
        return self._standings.setdefault((feed.workspace, feed.name, feed.version), _Standing())


def _paths(job: Job) -> frozenset[Path]:
    return spoken_of(job.campaign, ROOT) if job.campaign is not None else frozenset()


def _too_late(job: Job, wait: float) -> bool:
    late_at = job.claimed.late_at
    return late_at is not None and clock.now() + timedelta(seconds=wait) >= late_at


def feeds_of(engine: AsyncEngine, settings: Settings) -> Feeds:
    """Those of a process that sends; connections to them are none of the providers'."""
    return Feeds(engine, asker_of(settings))


def asker_of(settings: Settings) -> Asker:
    """Who asks feeds."""
    return Asker(Http(settings.own_networks()), settings.feed_keys())
