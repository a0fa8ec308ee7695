"""How far somebody has read live changes, as `Last-Event-ID` has it."""

import re
from datetime import datetime, timedelta
from uuid import UUID

KEPT = timedelta(days=1)
"""Changes are kept for so long: who comes back later reads the list again."""

_MARK = re.compile(r"(\d{1,19})\.([0-9a-f]{32})\.(\d{1,12})")
_MOST = 2**63 - 1


def told(xid: int, case_id: UUID, at: datetime) -> str:
    """The mark of a change: its transaction, case and second."""
    return f"{xid}.{case_id.hex}.{int(at.timestamp())}"


def read(text: str, now: datetime) -> tuple[int, UUID] | None:
    """What a mark says (transaction, case); None: it is none, or too old to go on behind it."""
    found = _MARK.fullmatch(text.strip())
    if found is None or int(found[1]) > _MOST:
        return None
    if not 0 <= now.timestamp() - int(found[3]) + 60 < KEPT.total_seconds():
        return None
    return int(found[1]), UUID(found[2])
