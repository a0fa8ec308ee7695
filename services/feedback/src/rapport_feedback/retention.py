"""How long the rows of each table are kept."""

from rapport_common.idempotency import KEPT
from rapport_common.retention import Retention


def retentions() -> list[Retention]:
    """What is deleted after how long; what is kept for ever is not here."""
    return [KEPT]
