"""Rows of the quarantine that are over their time: SQL."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.privacy.subject import Recogniser, Subject
from rapport_ingest.store import holding

READ = 50
"""Rows that are read at a time: bodies are long."""
FREE = "nobody"
"""Marks a row that was read, and speaks of nobody whose data are kept."""
_OVER = (
    "(q.received_at < now() - CAST(:age AS interval) "
    "OR q.resolved_at < now() - CAST(:resolved AS interval))"
)
_IS_HELD = "EXISTS (SELECT FROM ingest.hold h WHERE h.workspace = q.workspace AND NOT h.lifted)"
_GONE = (
    "WITH gone AS (DELETE FROM ingest.quarantine WHERE {0} RETURNING workspace, source), "
    "summed AS (SELECT workspace, source, count(*) AS rows FROM gone "
    "GROUP BY workspace, source ORDER BY workspace, source), "
    "counted AS (INSERT INTO ingest.tally_source AS t "
    "(workspace, source, received, accepted, spooled, rejected, expired) "
    "SELECT workspace, source, 0, 0, 0, 0, rows FROM summed ON CONFLICT (workspace, source) "
    "DO UPDATE SET expired = t.expired + excluded.expired) "
    "SELECT coalesce(sum(rows), 0) FROM summed"
)
_EXPIRE = text(
    _GONE.format(
        f"ctid IN (SELECT ctid FROM ingest.quarantine q WHERE {_OVER} AND NOT {_IS_HELD} "
        "LIMIT :limit FOR UPDATE SKIP LOCKED)"
    )
)
_EXPIRE_FREE = text(_GONE.format("held_by = :free"))
_TO_READ = text(
    "SELECT q.workspace, q.id, q.body, q.reason, q.message_id, q.path FROM ingest.quarantine q "
    f"WHERE {_OVER} AND q.held_by IS NULL AND {_IS_HELD} LIMIT :limit FOR UPDATE SKIP LOCKED"
)
_MARK = text("UPDATE ingest.quarantine SET held_by = :by WHERE workspace = :workspace AND id = :id")


def expiry(
    resolved: timedelta, recogniser: Recogniser
) -> Callable[[AsyncConnection, timedelta, int], Awaitable[int]]:
    """What deletes rows over their age, resolved ones `resolved` after that, and counts them.

    Where the law wants somebody's data kept, rows are read first: those that speak of them stay,
    marked, until that is lifted.
    """

    async def expire(tx: AsyncConnection, age: timedelta, limit: int) -> int:
        times = {"age": age, "resolved": resolved}
        gone = int((await tx.execute(_EXPIRE, {**times, "limit": limit})).scalar_one())
        looked = 0
        while gone < limit and looked < limit:
            rows = (await tx.execute(_TO_READ, {**times, "limit": READ})).fetchall()
            holds = await holding.standing(tx, {row.workspace for row in rows})
            for row in rows:
                texts = (row.body, row.reason, row.message_id, row.path)
                by = _spoken_of(recogniser, holds[row.workspace], *texts)
                await tx.execute(_MARK, {"workspace": row.workspace, "id": row.id, "by": by})
            gone += int((await tx.execute(_EXPIRE_FREE, {"free": FREE})).scalar_one())
            looked += len(rows)
            if len(rows) < READ:
                break
        return gone

    return expire


def _spoken_of(recogniser: Recogniser, holds: Sequence[Subject], *texts: str | bytes) -> str:
    for one in holds:
        if recogniser.speaks_of(one, *texts):
            return one.request_id
    return FREE
