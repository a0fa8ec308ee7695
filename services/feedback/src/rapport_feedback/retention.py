"""How long the rows of each table are kept."""

from datetime import timedelta

from rapport_common.idempotency import KEPT
from rapport_common.retention import Retention
from rapport_common.webhooks.keeping import kept_posts
from rapport_feedback.domain import live_marks
from rapport_feedback.settings import Settings
from rapport_feedback.store import keeping
from rapport_feedback.store.webhooks import WEBHOOKS

CLASSES = keeping.CLASSES
"""What each workspace keeps for as long as its own rules say."""


def retentions(settings: Settings) -> list[Retention]:
    """What is deleted after how long; what is kept for ever is not here."""
    return [
        kept_posts(WEBHOOKS, timedelta(days=settings.webhook_retention_days)),
        KEPT,
        Retention("case_presence", "until_at", timedelta(hours=1)),
        Retention("case_change", "at", live_marks.KEPT + timedelta(hours=1)),
        Retention("case_bulk_item", "at", timedelta(days=30)),
    ]
