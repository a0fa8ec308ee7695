"""Posts what is due to webhooks: many at once, few to each, and one to who seems to be away.

A process that dies leaves its posts held; when their lease ends another one posts them again, under
the same id. So a receiver gets each at least once.
"""

import asyncio
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_campaign import metrics
from rapport_campaign.domain.webhook_keys import WebhookKeys
from rapport_campaign.handlers import announcing
from rapport_campaign.handlers.webhook_secrets import seal_anew, secrets_of
from rapport_campaign.store import posts, webhooks
from rapport_campaign.store.posts import Post
from rapport_campaign.store.webhooks import Webhook
from rapport_common import clock, logging
from rapport_common.db import is_retriable
from rapport_common.outside import webhooks as rules
from rapport_common.outside.posting import MOST_SECONDS, Poster
from rapport_common.outside.room import ALL, EACH, Place, rooms
from rapport_common.outside.signed_posts import signed
from rapport_common.outside.webhooks import Answer, Verdict
from rapport_common.secret_keys import SealedSecretError

log = logging.get(__name__)

POLL_SECONDS = 0.25
LEASE = timedelta(seconds=MOST_SECONDS * 4)
BURY_SECONDS = 60.0
_HEADERS = [("content-type", "application/json"), ("user-agent", "Rapport-Webhooks/1")]


@dataclass(frozen=True, slots=True)
class _Under:
    """A post under way."""

    to: Webhook
    post: Post
    holder: uuid.UUID


def place_of(to: Webhook) -> Place:
    """Which receiver of which workspace."""
    return to.workspace, to.webhook_id


class Announcer:
    """The worker that posts; any number of processes do, each with other posts."""

    name = "webhooks"

    def __init__(
        self,
        engine: AsyncEngine,
        poster: Poster,
        keys: WebhookKeys,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        """`keys`: under which the secrets are kept that posts are signed with."""
        self._engine = engine
        self._poster = poster
        self._keys = keys
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

    async def _taken(self, tx: AsyncConnection) -> list[_Under]:
        """What is to be posted now, as far as there is room.

        A receiver has less to take than is due where earlier posts of its messages are under way:
        then its room is for others, so it is given out until it is full or nobody has more.
        """
        now, holder = self._now(), uuid.uuid4()
        lanes = {place_of(to): to for to in await posts.lanes(tx, now)}
        # Whoever is away is asked by one post, by one process, at a time.
        wanted = {
            place: 1 if to.failures >= rules.PATIENCE else EACH for place, to in lanes.items()
        }
        busy, begun = Counter(self._under_way.values()), list[_Under]()
        while given := rooms(wanted, busy):
            for place, room in given.items():
                to = lanes[place]
                if to.failures >= rules.PATIENCE:
                    await webhooks.rest(tx, to, now + LEASE)
                taken = await posts.claim(tx, to, holder, now=now, lease=LEASE, limit=room)
                begun += [_Under(to, one, holder) for one in taken]
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

    async def _carry_out(self, under: _Under) -> None:
        now, body = self._now(), under.post.body.encode()
        message_id = rules.message_id(under.post.post_id)
        try:
            secrets = secrets_of(self._keys, under.to, now)
        except SealedSecretError as error:
            # As if nobody were there: it waits, and its operator is told why.
            await self._note(under, Answer(error=str(error)))
            return
        headers = signed(message_id, now, body, secrets)
        started = time.monotonic()
        answer = await self._poster.post(under.to.url, [*_HEADERS, *headers], body)
        metrics.POST_DURATION.observe(time.monotonic() - started)
        await self._note(under, answer)

    async def _note(self, under: _Under, answer: Answer) -> None:
        async with self._engine.begin() as tx:
            what = await announcing.settle(
                tx,
                under.to,
                under.post,
                under.holder,
                answer,
                now=self._now(),
                chance=random.random(),  # noqa: S311 - spreads posts, protects nothing
            )
        metrics.POSTS.labels(what.value).inc()
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
        waiting, dead = await self.bury()
        metrics.DELIVERIES.labels("waiting").set(waiting)
        metrics.DELIVERIES.labels("dead").set(dead)

    async def seal_anew(self) -> int:
        """Seal secrets by the newest key that are kept otherwise; of how many webhooks."""
        async with self._engine.begin() as tx:
            return await seal_anew(tx, self._keys, self._now())

    async def bury(self) -> tuple[int, int]:
        """Let what is too old be dead; how many posts wait, and how many are dead."""
        now = self._now()
        async with self._engine.begin() as tx:
            await posts.bury(tx, now - rules.OLDEST, now, limit=5000)
            metrics.WEBHOOKS_OFF.set(await webhooks.disabled(tx))
            return await posts.totals(tx)
