"""How long the rows of each table are kept."""

from datetime import timedelta

from rapport_common.idempotency import KEPT
from rapport_common.retention import Retention
from rapport_ingest.settings import IngestSettings
from rapport_ingest.store import quarantine

VIOLATIONS_KEPT = timedelta(days=90)
YEAR_KEPT = timedelta(days=400)


def retentions(settings: IngestSettings) -> list[Retention]:
    """What is deleted after how long; what is kept for ever is not here."""
    age = timedelta(days=settings.quarantine_retention_days)
    resolved = timedelta(days=settings.quarantine_resolved_days)
    return [
        Retention("quarantine", "received_at", age, quarantine.expiry(resolved)),
        Retention("job", "finished_at", timedelta(days=settings.job_retention_days)),
        Retention("violation", "last_at", VIOLATIONS_KEPT),
        Retention("catalogue", "last_seen", YEAR_KEPT),
        Retention("tally_day", "day", YEAR_KEPT),
        KEPT,
    ]
