"""How long the rows of each table are kept."""

from datetime import timedelta

from rapport_common.retention import Retention
from rapport_segment.settings import Settings


def retentions(settings: Settings) -> list[Retention]:
    """What is deleted after how long; what is kept for ever is not here."""
    return [Retention("job", "finished_at", timedelta(days=settings.job_retention_days))]
