"""How long the rows of each table are kept."""

from datetime import timedelta

from rapport_campaign.handlers.products import EVENTS_KEPT
from rapport_campaign.settings import Settings
from rapport_campaign.store import keeping
from rapport_campaign.store.contacts import LONGEST_KEPT
from rapport_campaign.store.webhooks import WEBHOOKS
from rapport_common.idempotency import KEPT
from rapport_common.retention import Retention
from rapport_common.webhooks.keeping import kept_posts

# Longer than any topic keeps records: an end can't outlive its beginning in the log.
ENTRIES_KEPT = timedelta(days=7)

UNSEEN_KEPT = timedelta(days=7)
"""Items of inboxes that nobody is shown any more."""
TASKS_KEPT = timedelta(days=90)
"""Tasks of staff after they have expired, with what came of them."""
# A file of codes goes when its job has read it; one whose job was cancelled, later.
FILES_KEPT = timedelta(days=7)

ANSWERS_KEPT = timedelta(days=7)
"""What dry runs have found."""

FEEDS_KEPT = timedelta(days=90)
"""Answers of data feeds that are asked once for each run."""
INQUIRIES_KEPT = timedelta(days=30)
"""What providers are asked about: none knows longer."""

CLASSES = keeping.CLASSES
"""What each workspace keeps for as long as its own rules say."""


def retentions(settings: Settings) -> list[Retention]:
    """What is deleted after how long; what is kept for ever is not here."""
    return [
        Retention("entry", "ended_at", ENTRIES_KEPT),
        Retention("contact", "at", LONGEST_KEPT),
        Retention("withheld", "at", LONGEST_KEPT),
        Retention("job", "finished_at", timedelta(days=settings.job_retention_days)),
        Retention("inbox_item", "expires_at", UNSEEN_KEPT),
        Retention("task", "expires_at", TASKS_KEPT),
        Retention("suppression_refusal", "at", timedelta(days=settings.job_retention_days)),
        Retention("suppression_part", "at", FILES_KEPT),
        Retention("coupon_file", "created_at", FILES_KEPT),
        kept_posts(WEBHOOKS, timedelta(days=settings.webhook_retention_days)),
        Retention("broadcast_answer", "at", ANSWERS_KEPT),
        Retention("feed_answer", "fetched_at", FEEDS_KEPT),
        Retention("product_event", "at", EVENTS_KEPT),
        Retention("dry_run", "at", ANSWERS_KEPT),
        Retention("inquiry", "at", INQUIRIES_KEPT),
        KEPT,
    ]
