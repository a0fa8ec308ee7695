"""When the next message of each throttled run may go."""

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

RunKey = tuple[str, str]
"""(workspace, run id)."""


class Pace(NamedTuple):
    """From one slot to the next, and the next that is free; microseconds (since 1970)."""

    run: RunKey
    interval: int
    free_at: int


async def add(tx: AsyncConnection, run: RunKey, interval: int) -> None:
    """Throttle a run from now on."""
    await tx.execute(
        text(
            "INSERT INTO campaign.broadcast_pace (workspace, run_id, interval, free_at) "
            "VALUES (:workspace, :run, :interval, 0)"
        ),
        {"workspace": run[0], "run": run[1], "interval": interval},
    )


async def remove(tx: AsyncConnection, run: RunKey) -> None:
    """A run that has ended has no pace."""
    await tx.execute(
        text("DELETE FROM campaign.broadcast_pace WHERE workspace = :workspace AND run_id = :run"),
        {"workspace": run[0], "run": run[1]},
    )


async def hold(tx: AsyncConnection, runs: Iterable[RunKey]) -> list[Pace]:
    """The paces of those of these runs that are throttled, locked in one order."""
    wanted = sorted(runs)
    if not wanted:
        return []
    rows = await tx.execute(
        text(
            "SELECT workspace, run_id::text AS run_id, interval, free_at "
            "FROM campaign.broadcast_pace WHERE (workspace, run_id) IN (SELECT * FROM unnest("
            "CAST(:workspaces AS text[]), CAST(:runs AS uuid[]))) "
            "ORDER BY workspace, run_id FOR UPDATE"
        ),
        {"workspaces": [one[0] for one in wanted], "runs": [one[1] for one in wanted]},
    )
    return [Pace((row.workspace, row.run_id), row.interval, row.free_at) for row in rows]


async def move(tx: AsyncConnection, run: RunKey, free_at: int) -> None:
    """Write the next slot of a run that is held."""
    await tx.execute(
        text(
            "UPDATE campaign.broadcast_pace SET free_at = :free_at "
            "WHERE workspace = :workspace AND run_id = :run"
        ),
        {"workspace": run[0], "run": run[1], "free_at": free_at},
    )
