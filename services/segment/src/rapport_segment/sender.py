"""Posts what is due to webhooks of segments."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock
from rapport_common.outside.delivering import Deliverer, Meters, Queue
from rapport_common.outside.posting import Poster
from rapport_common.outside.sealing import Sealer
from rapport_segment import metrics
from rapport_segment.domain.secret_keys import SecretKeys, place_of
from rapport_segment.handlers import delivering
from rapport_segment.store import deliveries, webhooks
from rapport_segment.store.deliveries import Delivery
from rapport_segment.store.webhooks import Webhook

_QUEUE = Queue(
    lanes=deliveries.lanes,
    rest=deliveries.rest,
    claim=deliveries.claim,
    settle=delivering.settle,
    bury=deliveries.bury,
    totals=deliveries.totals,
    sealed_otherwise=webhooks.sealed_otherwise,
    keep_secrets=webhooks.keep_secrets,
    meters=Meters(metrics.POSTS, metrics.POST_DURATION, metrics.DELIVERIES),
)


class Sender(Deliverer[Webhook, Delivery]):
    """The worker that posts changes of membership."""

    def __init__(
        self,
        engine: AsyncEngine,
        poster: Poster,
        keys: SecretKeys,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        """`keys`: under which the secrets are kept that posts are signed with."""
        super().__init__(engine, poster, _QUEUE, Sealer(keys, place_of), now)
