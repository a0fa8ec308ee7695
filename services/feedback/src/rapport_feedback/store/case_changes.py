"""Which cases have changed, in the order in which that can be seen: what live views read."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.statements import text

LAST_ID = UUID(int=2**128 - 1)
_NOW = "CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)"
_MINE = "CAST(CAST(pg_current_xact_id() AS text) AS bigint)"


class Mark(NamedTuple):
    """How far somebody has read: a transaction, a case in it, and when it was."""

    xid: int
    case_id: UUID
    at: datetime


async def note(tx: AsyncConnection, workspace: str, case_id: UUID) -> None:
    """This transaction changes a case."""
    await tx.execute(
        text(
            "INSERT INTO feedback.case_change (workspace, xid, case_id) "
            f"VALUES (:workspace, {_MINE}, :case_id) ON CONFLICT DO NOTHING"
        ),
        {"workspace": workspace, "case_id": case_id},
    )


async def note_all(tx: AsyncConnection, places: Collection[tuple[str, UUID]]) -> None:
    """This transaction changes cases, each given by its workspace and id."""
    workspaces, ids = [one[0] for one in places], [one[1] for one in places]
    await tx.execute(
        text(
            "INSERT INTO feedback.case_change (workspace, xid, case_id) "
            f"SELECT v.workspace, {_MINE}, v.case_id FROM unnest(CAST(:workspaces AS text[]), "
            "CAST(:ids AS uuid[])) AS v(workspace, case_id) ON CONFLICT DO NOTHING"
        ),
        {"workspaces": workspaces, "ids": ids},
    )


async def here(tx: AsyncConnection) -> Mark:
    """Behind all that can be seen now: nothing that is committed later is before it."""
    row = (await tx.execute(text(f"SELECT {_NOW} - 1, clock_timestamp()"))).one()
    return Mark(row[0], LAST_ID, row[1])


async def behind(tx: AsyncConnection, workspace: str, mark: Mark, limit: int) -> list[Mark]:
    """The next changes behind a mark, in their order.

    Only of transactions before which none is still open: who commits later is never before what
    was read.
    """
    rows = await tx.execute(
        text(
            "SELECT xid, case_id, at FROM feedback.case_change WHERE workspace = :workspace "
            f"AND (xid, case_id) > (:xid, :case_id) AND xid < {_NOW} "
            "ORDER BY xid, case_id LIMIT :limit"
        ),
        {"workspace": workspace, "xid": mark.xid, "case_id": mark.case_id, "limit": limit},
    )
    return [Mark(*row) for row in rows]
