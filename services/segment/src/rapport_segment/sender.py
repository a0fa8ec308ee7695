"""Posts what is due to webhooks of segments."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock
from rapport_common.outside.delivering import Meters
from rapport_common.outside.posting import Poster
from rapport_common.outside.sealing import Sealer
from rapport_common.webhooks.worker import Gauges, WebhookSender
from rapport_segment import metrics
from rapport_segment.store.webhooks import WEBHOOKS

_GAUGES = Gauges(
    Meters(metrics.POSTS, metrics.POST_DURATION, metrics.DELIVERIES), metrics.WEBHOOKS_OFF
)


class Sender(WebhookSender):
    """The worker that posts changes of membership."""

    def __init__(
        self,
        engine: AsyncEngine,
        poster: Poster,
        sealer: Sealer,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        """`sealer` opens the secrets that posts are signed with."""
        super().__init__(engine, poster, WEBHOOKS, sealer, gauges=_GAUGES, now=now)
