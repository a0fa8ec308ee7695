"""How long the rows of each table are kept."""

from datetime import timedelta

from rapport_common.retention import Retention
from rapport_common.webhooks.keeping import kept_posts
from rapport_segment.settings import Settings
from rapport_segment.store import keeping, lists
from rapport_segment.store.webhooks import WEBHOOKS

CLASSES = keeping.CLASSES
"""What each workspace keeps for as long as its own rules say."""


def retentions(settings: Settings) -> list[Retention]:
    """What is deleted after how long; what is kept for ever is not here."""
    jobs = timedelta(days=settings.job_retention_days)
    given_up = timedelta(days=settings.webhook_retention_days)
    return [
        Retention("job", "finished_at", jobs),
        Retention("list_refusal", "at", jobs),
        # If the job that empties it was cancelled, or has failed.
        Retention("list_member", "added_at", timedelta(days=1), lists.clear_archived),
        # Gone with the job, unless that could not put them away.
        Retention("list_part", "at", timedelta(days=1)),
        Retention("audience_file", "made_at", timedelta(days=settings.audience_file_days)),
        kept_posts(WEBHOOKS, given_up),
        Retention("happening", "at", timedelta(days=settings.event_retention_days)),
    ]
