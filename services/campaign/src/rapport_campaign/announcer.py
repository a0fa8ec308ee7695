"""Posts what is due to webhooks about messages."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_campaign import metrics
from rapport_campaign.domain.webhook_keys import WebhookKeys, place_of
from rapport_campaign.store.webhooks import WEBHOOKS
from rapport_common import clock
from rapport_common.outside.delivering import Meters
from rapport_common.outside.posting import Poster
from rapport_common.outside.sealing import Sealer
from rapport_common.webhooks.worker import Gauges, WebhookSender

_GAUGES = Gauges(
    Meters(metrics.POSTS, metrics.POST_DURATION, metrics.DELIVERIES), metrics.WEBHOOKS_OFF
)


class Announcer(WebhookSender):
    """The worker that posts what became of messages."""

    def __init__(
        self,
        engine: AsyncEngine,
        poster: Poster,
        keys: WebhookKeys,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        """`keys`: under which the secrets are kept that posts are signed with."""
        sealer = Sealer(keys, place_of)
        super().__init__(engine, poster, WEBHOOKS, sealer, gauges=_GAUGES, now=now)
