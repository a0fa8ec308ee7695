"""How long the rows of each table are kept."""

from datetime import timedelta

from rapport_common.idempotency import KEPT
from rapport_common.privacy.subject import Recogniser
from rapport_common.retention import Retention
from rapport_common.settings import key_bytes
from rapport_ingest.settings import IngestSettings
from rapport_ingest.store.quarantine_expiry import expiry

VIOLATIONS_KEPT = timedelta(days=90)
YEAR_KEPT = timedelta(days=400)


def retentions(settings: IngestSettings) -> list[Retention]:
    """What is deleted after how long; what is kept for ever is not here."""
    known = Recogniser(key_bytes(settings.event_key))
    age = timedelta(days=settings.quarantine_retention_days)
    resolved = timedelta(days=settings.quarantine_resolved_days)
    return [
        Retention("quarantine", "received_at", age, expiry(resolved, known)),
        Retention("job", "finished_at", timedelta(days=settings.job_retention_days)),
        Retention("violation", "last_at", VIOLATIONS_KEPT),
        Retention("catalogue", "last_seen", YEAR_KEPT),
        Retention("tally_day", "day", YEAR_KEPT),
        KEPT,
    ]
