"""Posts what is due to webhooks: many at once, few to each, and one to who seems to be away.

A process that dies leaves its posts held; when their lease ends another one posts them again, under
the same id. So a receiver gets each at least once.
"""

import asyncio
import random
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

import prometheus_client
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import clock, logging
from rapport_common.db import is_retriable
from rapport_common.outside import webhooks as rules
from rapport_common.outside.posting import MOST_SECONDS, Poster
from rapport_common.outside.room import ALL, EACH, Place, rooms
from rapport_common.outside.sealing import Sealer, Signed
from rapport_common.outside.signed_posts import signed
from rapport_common.outside.webhooks import Answer, Verdict
from rapport_common.secret_keys import SealedSecretError

log = logging.get(__name__)

POLL_SECONDS = 0.25
LEASE = timedelta(seconds=MOST_SECONDS * 4)
BURY_SECONDS = 60.0
AT_ONCE = 500
_HEADERS = [("content-type", "application/json"), ("user-agent", "Rapport-Webhooks/1")]


class Receiver(Signed, Protocol):
    """Where posts go; `failures` are those since the last success."""

    @property
    def url(self) -> str:
        """Its address."""

    @property
    def failures(self) -> int:
        """One after the other."""


class Post(Protocol):
    """What is posted: JSON, under an id that stays."""

    @property
    def post_id(self) -> uuid.UUID:
        """Under which a receiver knows it again."""

    @property
    def body(self) -> str:
        """JSON."""


To = TypeVar("To", bound=Receiver)
To_contra = TypeVar("To_contra", bound=Receiver, contravariant=True)
What = TypeVar("What", bound=Post)
What_co = TypeVar("What_co", bound=Post, covariant=True)
What_contra = TypeVar("What_contra", bound=Post, contravariant=True)


class Claim(Protocol[To_contra, What_co]):
    """Take posts to a receiver that are due; whose holder dies, they are due again behind `now +
    lease`.
    """

    def __call__(
        self,
        tx: AsyncConnection,
        to: To_contra,
        holder: uuid.UUID,
        /,
        *,
        now: datetime,
        lease: timedelta,
        limit: int,
    ) -> Awaitable[Sequence[What_co]]: ...


class Settle(Protocol[To_contra, What_contra]):
    """Write down what became of a post; nothing if another process has it by now."""

    def __call__(
        self,
        tx: AsyncConnection,
        to: To_contra,
        post: What_contra,
        holder: uuid.UUID,
        answer: Answer,
        /,
        *,
        now: datetime,
        chance: float,
    ) -> Awaitable[Verdict]: ...


@dataclass(frozen=True, slots=True)
class Meters:
    """`posts` by what came of them, seconds until the answer, and `kept` by state."""

    posts: prometheus_client.Counter
    seconds: prometheus_client.Histogram
    kept: prometheus_client.Gauge


@dataclass(frozen=True, slots=True)
class Queue(Generic[To, What]):
    """How a service keeps its webhooks and posts, and counts them.

    `lanes`: the receivers for which something is due at an instant, unless they are left alone.
    `rest`: leave one alone until an instant. `bury` (written before, now, limit): let be dead what
    is too old. `totals`: how many posts wait, and how many are dead. `sealed_otherwise` (prefix,
    now, limit): lock webhooks whose secrets do not begin so. `keep_secrets`: write those anew.
    """

    lanes: Callable[[AsyncConnection, datetime], Awaitable[Sequence[To]]]
    rest: Callable[[AsyncConnection, To, datetime], Awaitable[None]]
    claim: Claim[To, What]
    settle: Settle[To, What]
    bury: Callable[[AsyncConnection, datetime, datetime, int], Awaitable[int]]
    totals: Callable[[AsyncConnection], Awaitable[tuple[int, int]]]
    sealed_otherwise: Callable[[AsyncConnection, str, datetime, int], Awaitable[Sequence[To]]]
    keep_secrets: Callable[[AsyncConnection, To], Awaitable[None]]
    meters: Meters


@dataclass(frozen=True, slots=True)
class _UnderWay(Generic[To, What]):
    to: To
    post: What
    holder: uuid.UUID


def place_of(to: Receiver) -> Place:
    """Which receiver of which workspace."""
    return to.workspace, to.webhook_id


class Deliverer(Generic[To, What]):
    """The worker that posts; any number of processes do, each with other posts."""

    name = "webhooks"

    def __init__(
        self,
        engine: AsyncEngine,
        poster: Poster,
        queue: Queue[To, What],
        sealer: Sealer,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        """`sealer` opens the secrets that posts are signed with."""
        self._engine = engine
        self._poster = poster
        self._queue = queue
        self._sealer = sealer
        self._now = now
        self._under_way: dict[asyncio.Task[None], Place] = {}
        self._next_burial = 0.0
        self.last_sign = time.monotonic()

    async def run(self, stop: asyncio.Event) -> None:
        """Post until `stop`; what is under way then is finished."""
        try:
            while not stop.is_set():
                begun = 0
                try:
                    begun = await self.turn()
                    await self._count()
                except Exception as error:
                    if not is_retriable(error):
                        raise
                    log.warning("webhooks can't be read, trying again", error=error)
                self.last_sign = time.monotonic()
                await self._pause(stop, busy=begun > 0)
            await self.drain()
        finally:
            await self._poster.close()

    async def turn(self) -> int:
        """Take what is due and begin to post it; how many posts."""
        async with self._engine.begin() as tx:
            begun = await self._taken(tx)
        for one in begun:
            task = asyncio.get_running_loop().create_task(self._carry_out(one))
            self._under_way[task] = place_of(one.to)
            task.add_done_callback(self._over)
        return len(begun)

    async def _taken(self, tx: AsyncConnection) -> list[_UnderWay[To, What]]:
        """What is to be posted now, as far as there is room.

        A receiver has less to take than is due where earlier posts of its people or messages are
        under way: then its room is for others, so it is given out until it is full or nobody has
        more.
        """
        now, holder = self._now(), uuid.uuid4()
        lanes = {place_of(to): to for to in await self._queue.lanes(tx, now)}
        # Whoever is away is asked by one post, by one process, at a time.
        wanted = {
            place: 1 if to.failures >= rules.PATIENCE else EACH for place, to in lanes.items()
        }
        busy, begun = Counter(self._under_way.values()), list[_UnderWay[To, What]]()
        while given := rooms(wanted, busy):
            for place, room in given.items():
                to = lanes[place]
                if to.failures >= rules.PATIENCE:
                    await self._queue.rest(tx, to, now + LEASE)
                taken = await self._queue.claim(tx, to, holder, now=now, lease=LEASE, limit=room)
                begun += [_UnderWay(to, one, holder) for one in taken]
                busy[place] += len(taken)
                if len(taken) < room or to.failures >= rules.PATIENCE:
                    del wanted[place]
        return begun

    async def drain(self) -> None:
        """Wait for what is under way."""
        while self._under_way:
            await asyncio.wait(list(self._under_way))

    def _over(self, task: asyncio.Task[None]) -> None:
        del self._under_way[task]
        error = None if task.cancelled() else task.exception()
        if error is not None:
            # It is held until its lease ends, and posted again then.
            log.warning("what became of a post can't be written down", error=error)

    async def _pause(self, stop: asyncio.Event, *, busy: bool) -> None:
        """Until there is room, or something may be due."""
        if busy and len(self._under_way) >= ALL:
            await asyncio.wait(list(self._under_way), return_when=asyncio.FIRST_COMPLETED)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(0 if busy else POLL_SECONDS):
                await stop.wait()

    async def _carry_out(self, under: _UnderWay[To, What]) -> None:
        now, body = self._now(), under.post.body.encode()
        try:
            secrets = self._sealer.opened(under.to, now)
        except SealedSecretError as error:
            # As if nobody were there: it waits, and its operator is told why.
            await self._note(under, Answer(error=str(error)))
            return
        headers = signed(rules.message_id(under.post.post_id), now, body, secrets)
        started = time.monotonic()
        answer = await self._poster.post(under.to.url, [*_HEADERS, *headers], body)
        self._queue.meters.seconds.observe(time.monotonic() - started)
        await self._note(under, answer)

    async def _note(self, under: _UnderWay[To, What], answer: Answer) -> None:
        async with self._engine.begin() as tx:
            # The chance spreads posts, and protects nothing.
            what = await self._queue.settle(
                *(tx, under.to, under.post, under.holder, answer),
                now=self._now(),
                chance=random.random(),  # noqa: S311
            )
        self._queue.meters.posts.labels(what.value).inc()
        if what is not Verdict.DELIVERED:
            log.info(
                "webhook not delivered",
                workspace=under.to.workspace,
                webhook=str(under.to.webhook_id),
                status=answer.status,
                error=answer.error,
            )

    async def _count(self) -> None:
        if time.monotonic() < self._next_burial:
            return
        self._next_burial = time.monotonic() + BURY_SECONDS
        await self.seal_anew()
        for state, number in zip(("waiting", "dead"), await self.bury(), strict=True):
            self._queue.meters.kept.labels(state).set(number)

    async def seal_anew(self) -> int:
        """Seal secrets by the newest key that are kept otherwise; of how many webhooks."""
        now, changed = self._now(), 0
        async with self._engine.begin() as tx:
            found = await self._queue.sealed_otherwise(tx, self._sealer.prefix, now, AT_ONCE)
            for one in self._sealer.anew(found, now):
                await self._queue.keep_secrets(tx, one)
                changed += 1
        return changed

    async def bury(self) -> tuple[int, int]:
        """Let what is too old be dead; how many posts wait, and how many are dead."""
        now = self._now()
        async with self._engine.begin() as tx:
            await self._queue.bury(tx, now - rules.OLDEST, now, 5000)
            return await self._queue.totals(tx)
