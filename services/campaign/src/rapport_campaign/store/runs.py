"""Runs of broadcasts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.broadcasts import Run, RunState

RUN_STATES: tuple[RunState, ...] = (
    "planning",
    "sending",
    "paused",
    "done",
    "cancelled",
    "failed",
)
_OPEN = "state IN ('planning', 'sending', 'paused')"
_COLUMNS = (
    "workspace, run_id::text AS run_id, broadcast_id::text AS broadcast_id, number, at, began_at, "
    "state, again::text AS again, ended_at, reason, job, planned, "
    "CAST(position AS text) AS position, slots"
)
_IT = "workspace = :workspace AND run_id = CAST(:run AS uuid)"
_ITS = "workspace = :workspace AND broadcast_id = CAST(:broadcast AS uuid)"
_CREATE = text(
    "INSERT INTO campaign.broadcast_run (workspace, run_id, broadcast_id, number, again, at, "
    "began_at, ended_at, state, reason, job, planned, position, slots) VALUES (:workspace, "
    ":run_id, :broadcast_id, :number, CAST(:again AS uuid), :at, :began_at, :ended_at, :state, "
    ":reason, :job, :planned, CAST(:position AS json), :slots)"
)
_SAVE = text(
    "UPDATE campaign.broadcast_run SET state = :state, ended_at = :ended_at, reason = :reason, "
    "planned = :planned, position = CAST(:position AS json), slots = :slots "
    "WHERE workspace = :workspace AND run_id = :run_id"
)
# A message is in one place in what one statement sees, so none is overlooked on its way.
_OVER = text(
    "SELECT workspace, run_id::text AS run_id FROM campaign.broadcast_run r "
    "WHERE state = 'sending' AND NOT EXISTS (SELECT FROM campaign.plan p "
    "WHERE p.queue = r.run_id::text AND p.workspace = r.workspace) "
    "AND NOT EXISTS (SELECT FROM campaign.sending s "
    "WHERE s.queue = r.run_id::text AND s.workspace = r.workspace) "
    "AND NOT EXISTS (SELECT FROM campaign.campaign c WHERE c.workspace = r.workspace "
    "AND c.campaign_id = r.run_id AND c.joins_until > :now) LIMIT 100"
)
_BROKEN = text(
    "SELECT r.workspace, r.run_id::text AS run_id, coalesce(j.error, j.state) AS error "
    "FROM campaign.broadcast_run r JOIN campaign.job j ON j.workspace = r.workspace "
    "AND j.id = r.job WHERE NOT r.planned AND r.state IN ('planning', 'sending', 'paused') "
    "AND j.state IN ('failed', 'cancelled') LIMIT 100"
)


async def create(tx: AsyncConnection, run: Run) -> None:
    """Write a new run."""
    await tx.execute(_CREATE, _written(run))


async def save(tx: AsyncConnection, run: Run) -> None:
    """Write a run (locked by `find`) as it is now."""
    await tx.execute(_SAVE, _written(run))


async def find(
    tx: AsyncConnection, workspace: str, run_id: str, *, lock: bool = False
) -> Run | None:
    """One run; with `lock` it stays as it is until the commit."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM campaign.broadcast_run WHERE {_IT} "
            f"{'FOR NO KEY UPDATE' if lock else ''}"
        ),
        {"workspace": workspace, "run": run_id},
    )
    row = rows.first()
    return None if row is None else _run(row)


async def under_way(tx: AsyncConnection, workspace: str, broadcast_id: str) -> list[Run]:
    """The runs of a broadcast that have not ended, locked."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM campaign.broadcast_run WHERE {_ITS} AND {_OPEN} "
            "ORDER BY number FOR NO KEY UPDATE"
        ),
        {"workspace": workspace, "broadcast": broadcast_id},
    )
    return [_run(row) for row in rows]


async def listed(
    tx: AsyncConnection, workspace: str, broadcast_id: str, *, after: int | None, limit: int
) -> list[Run]:
    """The newest runs of a broadcast: those before the number `after`."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM campaign.broadcast_run WHERE {_ITS} "
            "AND (CAST(:after AS bigint) IS NULL OR number < :after) "
            "ORDER BY number DESC LIMIT :limit"
        ),
        {"workspace": workspace, "broadcast": broadcast_id, "after": after, "limit": limit},
    )
    return [_run(row) for row in rows]


async def counts(
    tx: AsyncConnection, workspace: str, runs: Sequence[str]
) -> dict[str, dict[str, int]]:
    """By run: how many of its messages are in each state it has any in, as the totals say."""
    found: dict[str, dict[str, int]] = {one: {} for one in runs}
    rows = await tx.execute(
        text(
            "SELECT campaign, state, CAST(sum(number) AS bigint) AS number "
            "FROM campaign.message_total WHERE workspace = :workspace AND kind = 'entry' "
            "AND campaign = ANY(CAST(:runs AS text[])) GROUP BY 1, 2"
        ),
        {"workspace": workspace, "runs": list(runs)},
    )
    for row in rows:
        found[row.campaign][row.state] = row.number
    return found


async def over(tx: AsyncConnection, now: datetime) -> list[tuple[str, str]]:
    """(workspace, run id) of runs that have nothing to send any more."""
    rows = await tx.execute(_OVER, {"now": now})
    return [(row.workspace, row.run_id) for row in rows]


async def broken(tx: AsyncConnection) -> list[tuple[str, str, str]]:
    """(workspace, run id, why) of runs whose planning has ended before its end."""
    rows = await tx.execute(_BROKEN)
    return [(row.workspace, row.run_id, row.error) for row in rows]


async def by_state(tx: AsyncConnection) -> dict[RunState, int]:
    """How many runs of all workspaces that have not ended are in which state."""
    rows = await tx.execute(
        text(
            "SELECT state, count(*) AS number FROM campaign.broadcast_run "
            f"WHERE {_OPEN} GROUP BY state"
        )
    )
    found = {row.state: row.number for row in rows}
    return {one: found.get(one, 0) for one in RUN_STATES[:3]}


def _run(row: Row[Any]) -> Run:
    return Run(**{**row._asdict(), "position": msgspec.json.decode(row.position)})


def _written(one: Run) -> dict[str, Any]:
    return {
        "workspace": one.workspace,
        "run_id": one.run_id,
        "broadcast_id": one.broadcast_id,
        "number": one.number,
        "again": one.again,
        "at": one.at,
        "began_at": one.began_at,
        "ended_at": one.ended_at,
        "state": one.state,
        "reason": one.reason,
        "job": one.job,
        "planned": one.planned,
        "position": msgspec.json.encode(one.position).decode(),
        "slots": one.slots,
    }
