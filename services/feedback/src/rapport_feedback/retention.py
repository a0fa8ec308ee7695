"""How long the rows of each table are kept."""

from datetime import timedelta

from rapport_common.idempotency import KEPT
from rapport_common.retention import Retention
from rapport_feedback.domain import live_marks
from rapport_feedback.store import keeping

CLASSES = keeping.CLASSES
"""What each workspace keeps for as long as its own rules say."""


def retentions() -> list[Retention]:
    """What is deleted after how long; what is kept for ever is not here."""
    return [
        KEPT,
        Retention("case_presence", "until_at", timedelta(hours=1)),
        Retention("case_change", "at", live_marks.KEPT + timedelta(hours=1)),
        Retention("case_bulk_item", "at", timedelta(days=30)),
    ]
