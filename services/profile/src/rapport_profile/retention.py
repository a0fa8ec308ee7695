"""How long the rows of each table are kept."""

from datetime import timedelta

from rapport_common.idempotency import KEPT
from rapport_common.retention import Retention
from rapport_profile.settings import Settings


def retentions(settings: Settings) -> list[Retention]:
    """What is deleted after how long; what is kept for ever is not here.

    The timeline is kept by `handlers/upkeep.py`: its months are dropped.
    """
    told = timedelta(days=settings.access_days)
    chosen = [
        Retention("job", "finished_at", timedelta(days=settings.job_retention_days)),
        KEPT,
        Retention("access_key", "made_at", told),
        Retention("access_piece", "made_at", told),
    ]
    if settings.inbox_retention_days:
        age = timedelta(days=settings.inbox_retention_days)
        chosen.append(Retention("inbox", "received_at", age))
    return chosen
