"""Posts what is due to a service's webhooks, and writes down what came of it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import prometheus_client
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import clock, logging
from rapport_common.outside.delivering import Deliverer, Meters, Queue
from rapport_common.outside.posting import Poster
from rapport_common.outside.sealing import Sealer
from rapport_common.outside.webhooks import OLDEST, Answer, Verdict, after_failure, verdict
from rapport_common.webhooks.records import Post, Webhook
from rapport_common.webhooks.store import WebhookStore

log = logging.get(__name__)

WANTS_NOTHING = "it answered 410: it wants nothing any more"
TURNED_OFF = f"it has taken nothing for {OLDEST.days} days"


@dataclass(frozen=True, slots=True)
class Gauges:
    """What a service counts: posts as the worker does, and the webhooks that were turned `off`."""

    meters: Meters
    off: prometheus_client.Gauge


class WebhookSender(Deliverer[Webhook, Post]):
    """The worker that posts to the webhooks of a service."""

    def __init__(
        self,
        engine: AsyncEngine,
        poster: Poster,
        store: WebhookStore,
        sealer: Sealer,
        *,
        gauges: Gauges,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        """`sealer` opens the secrets that posts are signed with."""

        async def totals(tx: AsyncConnection) -> tuple[int, int]:
            gauges.off.set(await store.disabled(tx))
            return await store.posts.totals(tx)

        queue = Queue(
            lanes=store.posts.lanes,
            rest=store.rest,
            claim=store.posts.claim,
            settle=Settling(store).settle,
            bury=store.posts.bury,
            totals=totals,
            sealed_otherwise=store.sealed_otherwise,
            keep_secrets=store.keep_secrets,
            meters=gauges.meters,
        )
        super().__init__(engine, poster, queue, sealer, now)


class Settling:
    """Writes down what became of posts."""

    def __init__(self, store: WebhookStore) -> None:
        self._store = store

    async def settle(
        self,
        tx: AsyncConnection,
        to: Webhook,
        post: Post,
        holder: UUID,
        answer: Answer,
        *,
        now: datetime,
        chance: float,
    ) -> Verdict:
        """Write down what became of a post; nothing if another process has it by now.

        Who takes nothing for days is turned off: an operator has to look.
        """
        found = verdict(answer)
        if found is Verdict.DELIVERED:
            await self._store.posts.delivered(
                tx, to, post.post_id, holder, status=answer.status, now=now
            )
            await self._store.succeeded(tx, to, now)
            return found
        note = self._store.away if found is Verdict.AWAY else self._store.present
        failures, since = await note(tx, to, now)
        pause = after_failure(post.attempts + 1, failures, answer, chance)
        held = await self._store.posts.failed(
            tx,
            to,
            post.post_id,
            holder,
            error=answer.error or f"it answered {answer.status}",
            status=answer.status,
            try_at=None if pause.wait is None else now + pause.wait,
            now=now,
        )
        if held and pause.rest is not None:
            await self._store.rest(tx, to, now + pause.rest)
        if held and (reason := _end(found, now - since)):
            await self._store.end(tx, to, reason, now)
            log.warning(
                "webhook turned off",
                workspace=to.workspace,
                webhook=str(to.webhook_id),
                reason=reason,
            )
        return found


def _end(found: Verdict, failing: timedelta) -> str | None:
    if found is Verdict.GONE:
        return WANTS_NOTHING
    return TURNED_OFF if failing >= OLDEST else None
