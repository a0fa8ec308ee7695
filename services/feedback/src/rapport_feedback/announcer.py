"""Posts what is due to webhooks about answers and cases."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import clock
from rapport_common.outside.delivering import Deliverer, Meters, Queue
from rapport_common.outside.posting import Poster
from rapport_feedback import metrics
from rapport_feedback.handlers import announcing
from rapport_feedback.handlers.webhooks import Means
from rapport_feedback.store import posts, webhooks
from rapport_feedback.store.posts import Post
from rapport_feedback.store.webhooks import Webhook


async def _totals(tx: AsyncConnection) -> tuple[int, int]:
    metrics.WEBHOOKS_OFF.set(await webhooks.disabled(tx))
    return await posts.totals(tx)


_QUEUE = Queue(
    lanes=posts.lanes,
    rest=webhooks.rest,
    claim=posts.claim,
    settle=announcing.settle,
    bury=posts.bury,
    totals=_totals,
    sealed_otherwise=webhooks.sealed_otherwise,
    keep_secrets=webhooks.keep_secrets,
    meters=Meters(metrics.POSTS, metrics.POST_DURATION, metrics.DELIVERIES),
)


class Announcer(Deliverer[Webhook, Post]):
    """The worker that posts what became of answers and cases."""

    def __init__(
        self,
        engine: AsyncEngine,
        poster: Poster,
        means: Means,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        """`means`: keys under which the secrets are kept that posts are signed with."""
        super().__init__(engine, poster, _QUEUE, means.sealer, now)
