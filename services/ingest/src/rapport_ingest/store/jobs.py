"""Jobs: imports and replays, taken by one process at a time and resumed where they were."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
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

    States: `uploading`, `queued`, `running`, `done`, `failed`, `cancelled`. `attempts` counts the
    times it was taken since it last moved on.
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
    """Take the job that waits longest, or whose holder is gone; None when there is none."""
    result = await tx.execute(
        text(
            "UPDATE ingest.job SET state = 'running', holder = :holder, "
            "held_until = clock_timestamp() + make_interval(secs => :lease), "
            "started_at = coalesce(started_at, clock_timestamp()), attempts = attempts + 1 "
            "WHERE (workspace, id) = (SELECT workspace, id FROM ingest.job WHERE state IN "
            "('queued', 'running') AND (held_until IS NULL OR held_until <= clock_timestamp()) "
            "ORDER BY coalesce(held_until, created_at), id LIMIT 1 FOR UPDATE SKIP LOCKED) "
            f"RETURNING {COLUMNS}"
        ),
        {"holder": holder, "lease": LEASE_SECONDS},
    )
    row = result.first()
    return None if row is None else _job(row)


async def give_up(tx: AsyncConnection, attempts: int) -> list[str]:
    """Fail the jobs that ended their process `attempts` times without moving on; their ids."""
    result = await tx.execute(
        text(
            "UPDATE ingest.job SET state = 'failed', holder = NULL, held_until = NULL, "
            "finished_at = clock_timestamp(), error = 'It was tried ' || attempts || ' times from "
            "the same place and did not get on; the log of ingest says why.' "
            "WHERE state IN ('queued', 'running') AND held_until <= clock_timestamp() "
            "AND attempts >= :attempts RETURNING id"
        ),
        {"attempts": attempts},
    )
    return list(result.scalars())


async def keep(tx: AsyncConnection, job: Job, holder: str) -> bool:
    """Hold a job for longer; False when it is not ours any more or was cancelled."""
    result = await tx.execute(
        text(
            "UPDATE ingest.job SET held_until = clock_timestamp() + make_interval(secs => :lease) "
            "WHERE workspace = :workspace AND id = :id AND holder = :holder AND state = 'running'"
        ),
        {"workspace": job.workspace, "id": job.id, "holder": holder, "lease": LEASE_SECONDS},
    )
    return result.rowcount == 1


async def others_wait(tx: AsyncConnection, job: Job) -> bool:
    """Whether another job could be worked on now."""
    result = await tx.execute(
        text(
            "SELECT EXISTS (SELECT FROM ingest.job WHERE state = 'queued' AND (held_until IS NULL "
            "OR held_until <= clock_timestamp()) AND (workspace, id) <> (:workspace, :id))"
        ),
        {"workspace": job.workspace, "id": job.id},
    )
    return bool(result.scalar())


async def advance(tx: AsyncConnection, job: Job, holder: str, step: Step) -> bool:
    """Move a job on and keep it; False when it is not ours any more or was cancelled."""
    result = await tx.execute(
        text(
            "UPDATE ingest.job SET position = CAST(:position AS jsonb), done = done + :done, "
            "accepted = accepted + :accepted, rejected = rejected + :rejected, "
            "report = CAST(:report AS jsonb), total = coalesce(:total, total), attempts = 0, "
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
    tx: AsyncConnection,
    job: Job,
    holder: str,
    state: str,
    error: str | None = None,
    *,
    wait: float = 0.0,
    tried: bool = False,
) -> bool:
    """End a job as `done` or `failed`, or give it back as `queued` for `wait` seconds.

    Given back it was not an attempt, unless it `tried` and failed. False: it is not ours any more.
    """
    result = await tx.execute(
        text(
            "UPDATE ingest.job SET state = :state, error = :error, holder = NULL, "
            "held_until = CASE WHEN :queued THEN clock_timestamp() + make_interval(secs => :wait) "
            "END, finished_at = CASE WHEN NOT :queued THEN clock_timestamp() END, "
            "attempts = CASE WHEN :queued AND NOT :tried THEN greatest(attempts - 1, 0) "
            "ELSE attempts END "
            "WHERE workspace = :workspace AND id = :id AND holder = :holder AND state = 'running'"
        ),
        {
            "workspace": job.workspace,
            "id": job.id,
            "holder": holder,
            "state": state,
            "error": error,
            "queued": state == "queued",
            "wait": wait,
            "tried": tried,
        },
    )
    return result.rowcount == 1


async def change_state(
    tx: AsyncConnection, workspace: str, job: str, *, expected: list[str], state: str
) -> bool:
    """Let an operator move a job between states; False when it is not in an expected one."""
    result = await tx.execute(
        text(
            "UPDATE ingest.job SET state = :state, holder = NULL, held_until = NULL, "
            "finished_at = CASE WHEN :cancelled THEN clock_timestamp() END "
            "WHERE workspace = :workspace AND id = :id AND state = ANY(CAST(:expected AS text[]))"
        ),
        {
            "workspace": workspace,
            "id": job,
            "state": state,
            "expected": expected,
            "cancelled": state == "cancelled",
        },
    )
    return result.rowcount == 1


async def states(tx: AsyncConnection, ids: Sequence[str]) -> dict[str, str]:
    """The states of jobs of all workspaces by their ids, which are unique by chance."""
    result = await tx.execute(
        text("SELECT id, state FROM ingest.job WHERE id = ANY(CAST(:ids AS text[]))"),
        {"ids": list(ids)},
    )
    return {row[0]: row[1] for row in result}


async def cancel_uploads(tx: AsyncConnection, age: timedelta) -> int:
    """Cancel the jobs whose file did not come within `age`; how many."""
    result = await tx.execute(
        text(
            "UPDATE ingest.job SET state = 'cancelled', finished_at = clock_timestamp(), "
            "error = 'The file was not uploaded in time.' WHERE state = 'uploading' "
            "AND created_at < clock_timestamp() - CAST(:age AS interval)"
        ),
        {"age": age},
    )
    return result.rowcount
