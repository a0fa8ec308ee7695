"""The SQL of tasks for staff."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.tasks import Task, TaskState

_NEW = (
    "workspace, task_id, send_key, channel, purpose, profile_id, campaign_id, point, queue, title, "
    "script, url, created_at, due_at, expires_at"
)
_COLUMNS = (
    f"{_NEW}, state, attempts, holder, lease_until, outcome, note, ended_at, ended_by"
).replace("campaign_id", "campaign_id::text")
_OF = "workspace = :workspace AND task_id = :id"
_FITS = (
    "(CAST(:channel AS text) IS NULL OR channel = :channel) "
    "AND (CAST(:queue AS text) IS NULL OR queue = :queue) "
    "AND (CAST(:campaign AS uuid) IS NULL OR campaign_id = CAST(:campaign AS uuid))"
)
_VALUES = ", ".join(f":{name}" for name in _NEW.split(", ")).replace(
    ":campaign_id", "CAST(:campaign_id AS uuid)"
)


async def add(tx: AsyncConnection, one: Task) -> None:
    """Keep a task; one that is there already stays as it is."""
    await tx.execute(
        text(f"INSERT INTO campaign.task ({_NEW}) VALUES ({_VALUES}) ON CONFLICT DO NOTHING"),
        asdict(one),
    )


async def find(
    tx: AsyncConnection, workspace: str, task_id: UUID, *, lock: bool = False
) -> Task | None:
    """One task."""
    rows = await tx.execute(
        text(f"SELECT {_COLUMNS} FROM campaign.task WHERE {_OF}{' FOR UPDATE' if lock else ''}"),
        {"workspace": workspace, "id": task_id},
    )
    row = rows.first()
    return None if row is None else Task(*row)


async def listed(
    tx: AsyncConnection,
    workspace: str,
    *,
    state: TaskState | None,
    fits: dict[str, str | None],
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Task]:
    """Tasks, the newest first; `fits`: channel, queue, campaign."""
    at, task_id = after or (None, None)
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM campaign.task WHERE workspace = :workspace AND {_FITS} "
            "AND (CAST(:state AS text) IS NULL OR state = :state) "
            "AND (CAST(:at AS timestamptz) IS NULL "
            "OR (created_at, task_id) < (:at, CAST(:id AS uuid))) "
            "ORDER BY created_at DESC, task_id DESC LIMIT :limit"
        ),
        {
            "workspace": workspace,
            "state": state,
            **fits,
            "at": at,
            "id": task_id,
            "limit": limit,
        },
    )
    return [Task(*row) for row in rows]


async def claim(
    tx: AsyncConnection,
    workspace: str,
    who: str,
    *,
    now: datetime,
    until: datetime,
    fits: dict[str, str | None],
    limit: int,
) -> list[Task]:
    """Take tasks that are due and in nobody's hands, those due longest first."""
    rows = await tx.execute(
        text(
            "WITH chosen AS (SELECT workspace AS w, task_id AS t FROM campaign.task "
            f"WHERE workspace = :workspace AND state = 'open' AND {_FITS} AND due_at <= :now "
            "AND expires_at > :now AND (lease_until IS NULL OR lease_until <= :now) "
            "ORDER BY due_at, task_id LIMIT :limit FOR UPDATE SKIP LOCKED) "
            "UPDATE campaign.task SET holder = :who, lease_until = :until FROM chosen "
            f"WHERE workspace = w AND task_id = t RETURNING {_COLUMNS}"
        ),
        {
            "workspace": workspace,
            "who": who,
            "now": now,
            "until": until,
            **fits,
            "limit": limit,
        },
    )
    return sorted((Task(*row) for row in rows), key=lambda one: (one.due_at, one.task_id))


async def save(tx: AsyncConnection, one: Task) -> None:
    """Write how a task (locked by `find`, or claimed) stands now."""
    await tx.execute(
        text(
            "UPDATE campaign.task SET state = :state, attempts = :attempts, holder = :holder, "
            "lease_until = :lease_until, outcome = :outcome, note = :note, due_at = :due_at, "
            f"ended_at = :ended_at, ended_by = :ended_by WHERE {_OF}"
        ),
        {
            "workspace": one.workspace,
            "id": one.task_id,
            "state": one.state,
            "attempts": one.attempts,
            "holder": one.holder,
            "lease_until": one.lease_until,
            "outcome": one.outcome,
            "note": one.note,
            "due_at": one.due_at,
            "ended_at": one.ended_at,
            "ended_by": one.ended_by,
        },
    )


async def withdraw(tx: AsyncConnection, one: Task, why: str, now: datetime) -> int:
    """Take back other promotions for the same person by the same channel; how many."""
    found = await tx.execute(
        text(
            "UPDATE campaign.task SET state = 'withdrawn', note = :why, ended_at = :now "
            "WHERE workspace = :workspace AND profile_id = :profile AND channel = :channel "
            "AND state = 'open' AND purpose = 'promotion' AND task_id <> :id"
        ),
        {
            "workspace": one.workspace,
            "profile": one.profile_id,
            "channel": one.channel,
            "id": one.task_id,
            "why": why,
            "now": now,
        },
    )
    return found.rowcount


async def inherit(tx: AsyncConnection, workspace: str, old: str, heir: str) -> None:
    """Two profiles are one person: what the one was to be told is for the other."""
    await tx.execute(
        text(
            "UPDATE campaign.task SET profile_id = :heir "
            "WHERE workspace = :workspace AND profile_id = :old"
        ),
        {"workspace": workspace, "old": old, "heir": heir},
    )


async def page(
    tx: AsyncConnection, workspace: str, after: UUID | None, limit: int
) -> Sequence[Task]:
    """All that are open by their ids, those behind `after`: for a file."""
    rows: Any = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM campaign.task WHERE workspace = :workspace "
            "AND state = 'open' AND (CAST(:after AS uuid) IS NULL OR task_id > :after) "
            "ORDER BY task_id LIMIT :limit"
        ),
        {"workspace": workspace, "after": after, "limit": limit},
    )
    return [Task(*row) for row in rows]
