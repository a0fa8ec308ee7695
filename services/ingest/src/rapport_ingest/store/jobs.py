"""Jobs: imports and replays, taken by one process at a time and resumed where they were."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

LEASE_SECONDS = 10.0
JSON_COLUMNS = ("spec", "position", "report")
COLUMNS = (
    "workspace, id, kind, source, state, CAST(spec AS text), CAST(position AS text), total, done, "
    "accepted, rejected, CAST(report AS text), error, created_at, started_at, finished_at, attempts"
)


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it is stored; `position` is in its reader's terms, `total` and `done` in records.

    States: `uploading`, `queued`, `running`, `done`, `failed`, `cancelled`.
    """

    workspace: str
    id: str
    kind: str
    source: str | None
    state: str
    spec: dict[str, Any]
    position: dict[str, Any]
    total: int | None
    done: int
    accepted: int
    rejected: int
    report: dict[str, Any]
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    attempts: int


@dataclass(frozen=True, slots=True)
class Step:
    """How far a job has come by one step, and what it has to tell."""

    position: Mapping[str, Any]
    done: int
    accepted: int
    rejected: int
    report: Mapping[str, Any]
    total: int | None = None


def _job(row: Any) -> Job:
    decode = msgspec.json.decode
    names = [one.name for one in fields(Job)]
    values = dict(zip(names, row, strict=True))
    return Job(**{**values, **{name: decode(values[name]) for name in JSON_COLUMNS}})


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


async def add(
    tx: AsyncConnection,
    workspace: str,
    job: str,
    *,
    kind: str,
    source: str | None,
    spec: Mapping[str, Any],
    state: str = "queued",
) -> bool:
    """Store a new job; False when its id is taken."""
    result = await tx.execute(
        text(
            "INSERT INTO ingest.job (workspace, id, kind, source, state, spec) VALUES "
            "(:workspace, :id, :kind, :source, :state, CAST(:spec AS jsonb)) ON CONFLICT DO NOTHING"
        ),
        {
            "workspace": workspace,
            "id": job,
            "kind": kind,
            "source": source,
            "state": state,
            "spec": _json(spec),
        },
    )
    return result.rowcount == 1


async def find(tx: AsyncConnection, workspace: str, job: str) -> Job | None:
    """One job."""
    result = await tx.execute(
        text(f"SELECT {COLUMNS} FROM ingest.job WHERE workspace = :workspace AND id = :id"),
        {"workspace": workspace, "id": job},
    )
    row = result.first()
    return None if row is None else _job(row)


async def latest(
    tx: AsyncConnection, workspace: str, *, kind: str | None = None, limit: int = 50
) -> list[Job]:
    """The newest jobs, newest first."""
    result = await tx.execute(
        text(
            f"SELECT {COLUMNS} FROM ingest.job WHERE workspace = :workspace "
            "AND (CAST(:kind AS text) IS NULL OR kind = :kind) "
            "ORDER BY created_at DESC, id LIMIT :limit"
        ),
        {"workspace": workspace, "kind": kind, "limit": limit},
    )
    return [_job(row) for row in result]


async def claim(tx: AsyncConnection, holder: str) -> Job | None:
    """Take the oldest job that waits, or whose holder is gone; None when there is none."""
    result = await tx.execute(
        text(
            "UPDATE ingest.job SET state = 'running', holder = :holder, "
            "held_until = clock_timestamp() + make_interval(secs => :lease), "
            "started_at = coalesce(started_at, clock_timestamp()), attempts = attempts + 1 "
            "WHERE (workspace, id) = (SELECT workspace, id FROM ingest.job "
            "WHERE state = 'queued' OR (state = 'running' AND held_until < clock_timestamp()) "
            f"ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING {COLUMNS}"
        ),
        {"holder": holder, "lease": LEASE_SECONDS},
    )
    row = result.first()
    return None if row is None else _job(row)


async def advance(tx: AsyncConnection, job: Job, holder: str, step: Step) -> bool:
    """Move a job on and keep it; False when it is not ours any more or was cancelled."""
    result = await tx.execute(
        text(
            "UPDATE ingest.job SET position = CAST(:position AS jsonb), done = done + :done, "
            "accepted = accepted + :accepted, rejected = rejected + :rejected, "
            "report = CAST(:report AS jsonb), total = coalesce(:total, total), "
            "held_until = clock_timestamp() + make_interval(secs => :lease) "
            "WHERE workspace = :workspace AND id = :id AND holder = :holder AND state = 'running'"
        ),
        {
            "workspace": job.workspace,
            "id": job.id,
            "holder": holder,
            "lease": LEASE_SECONDS,
            "position": _json(step.position),
            "report": _json(step.report),
            "done": step.done,
            "accepted": step.accepted,
            "rejected": step.rejected,
            "total": step.total,
        },
    )
    return result.rowcount == 1


async def finish(
    tx: AsyncConnection, job: Job, holder: str, state: str, error: str | None = None
) -> None:
    """End a job as `done` or `failed`, or give it back as `queued`."""
    await tx.execute(
        text(
            "UPDATE ingest.job SET state = :state, error = :error, holder = NULL, "
            "held_until = NULL, finished_at = CASE WHEN :state = 'queued' THEN NULL "
            "ELSE clock_timestamp() END "
            "WHERE workspace = :workspace AND id = :id AND holder = :holder AND state = 'running'"
        ),
        {
            "workspace": job.workspace,
            "id": job.id,
            "holder": holder,
            "state": state,
            "error": error,
        },
    )


async def change_state(
    tx: AsyncConnection, workspace: str, job: str, *, expected: list[str], state: str
) -> bool:
    """Let an operator move a job between states; False when it is not in an expected one."""
    result = await tx.execute(
        text(
            "UPDATE ingest.job SET state = :state, finished_at = CASE WHEN :state = 'cancelled' "
            "THEN clock_timestamp() END WHERE workspace = :workspace AND id = :id "
            "AND state = ANY(CAST(:expected AS text[]))"
        ),
        {"workspace": workspace, "id": job, "state": state, "expected": expected},
    )
    return result.rowcount == 1
