"""The SQL of jobs: taken by one process at a time, and resumed where they were."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

LEASE_SECONDS = 10.0
LIVING = ("queued", "running")
"""States in which a job is worked on. A service may have others before them, such as `uploading`:
such a job waits until it is `queued`.
"""

ENDED = ("done", "failed", "cancelled")
_JSON_COLUMNS = ("spec", "position", "report")
_COLUMNS = (
    "workspace, id, kind, subject, state, CAST(spec AS text), CAST(position AS text), total, done, "
    "accepted, rejected, CAST(report AS text), error, created_at, started_at, finished_at, attempts"
)

_REST = (
    "make_interval(secs => CASE state WHEN 'running' "
    "THEN :lease * (power(2, least(attempts, 6)) - 2) ELSE 0 END)"
)
"""None after the first death, then 2, 6, 14 leases, and so on."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it is stored; `position` is in its work's terms, `total` and `done` in items.

    `attempts` counts the times it was taken since it last got on.
    """

    workspace: str
    id: str
    kind: str
    subject: str | None
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
class NewJob:
    """What is to be done; `subject` is the id of what it is about."""

    id: str
    kind: str
    spec: Mapping[str, Any]
    subject: str | None = None
    state: str = "queued"


@dataclass(frozen=True, slots=True)
class Step:
    """How far a job has come by one step, and what it has to tell.

    Counts are of this step; `position`, `report` and `total` replace what was there. `gets_on`: who
    takes the job after a crash goes on behind this step. False: they begin anew, so that a job
    which dies at its second step each time has not got on by its first.
    """

    position: Mapping[str, Any]
    done: int
    accepted: int
    rejected: int
    report: Mapping[str, Any]
    total: int | None = None
    gets_on: bool = True


def _job(row: Any) -> Job:
    decode = msgspec.json.decode
    names = [one.name for one in fields(Job)]
    values = dict(zip(names, row, strict=True))
    return Job(**{**values, **{name: decode(values[name]) for name in _JSON_COLUMNS}})


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


class JobStore:
    """The jobs of one service, in the table `job` of its schema."""

    def __init__(self, schema: str, *, lease_seconds: float = LEASE_SECONDS) -> None:
        self.schema = schema
        self.lease_seconds = lease_seconds
        self._table = f"{schema}.job"

    async def add(self, tx: AsyncConnection, workspace: str, job: NewJob) -> bool:
        """Store a new job; False when its id is taken."""
        result = await tx.execute(
            text(
                f"INSERT INTO {self._table} (workspace, id, kind, subject, state, spec) VALUES "
                "(:workspace, :id, :kind, :subject, :state, CAST(:spec AS jsonb)) "
                "ON CONFLICT DO NOTHING"
            ),
            {
                "workspace": workspace,
                "id": job.id,
                "kind": job.kind,
                "subject": job.subject,
                "state": job.state,
                "spec": _json(job.spec),
            },
        )
        return result.rowcount == 1

    async def find(self, tx: AsyncConnection, workspace: str, job: str) -> Job | None:
        """One job."""
        result = await tx.execute(
            text(f"SELECT {_COLUMNS} FROM {self._table} WHERE workspace = :workspace AND id = :id"),
            {"workspace": workspace, "id": job},
        )
        row = result.first()
        return None if row is None else _job(row)

    async def latest(
        self,
        tx: AsyncConnection,
        workspace: str,
        *,
        kind: str | None = None,
        subject: str | None = None,
        after: str | None = None,
        limit: int,
    ) -> list[Job]:
        """The newest jobs, newest first (by their ids, which begin with the time): those older
        than `after`, if given.
        """
        result = await tx.execute(
            text(
                f"SELECT {_COLUMNS} FROM {self._table} WHERE workspace = :workspace "
                "AND (CAST(:kind AS text) IS NULL OR kind = :kind) "
                "AND (CAST(:subject AS text) IS NULL OR subject = :subject) "
                "AND (CAST(:after AS text) IS NULL OR id < :after) ORDER BY id DESC LIMIT :limit"
            ),
            {
                "workspace": workspace,
                "kind": kind,
                "subject": subject,
                "after": after,
                "limit": limit,
            },
        )
        return [_job(row) for row in result]

    async def any_waits(self, tx: AsyncConnection) -> bool:
        """Whether there is a job to be claimed, or given up; takes no locks."""
        found = await tx.execute(
            text(
                f"SELECT EXISTS (SELECT FROM {self._table} WHERE state IN ('queued', 'running') "
                "AND (held_until IS NULL OR held_until <= clock_timestamp()))"
            )
        )
        return bool(found.scalar())

    async def claim(self, tx: AsyncConnection, holder: str) -> Job | None:
        """Take the job that waits longest, or whose holder is gone; None when there is none.

        Workspaces take turns: one of many jobs is behind another that had its last turn earlier.
        Whose holders died again and again where it is waits longer each time: what ended them may
        have been something else, which is over by then.
        """
        # Also of jobs that have ended: one after the other, short ones would be all turns.
        last_turns = (
            f"(SELECT w.workspace, t.at FROM (SELECT DISTINCT workspace FROM {self._table} "
            "WHERE state IN ('queued', 'running')) AS w, LATERAL ("
            f"SELECT max(coalesce(o.held_until, o.finished_at)) AS at FROM {self._table} o "
            "WHERE o.workspace = w.workspace) AS t)"
        )
        result = await tx.execute(
            text(
                f"UPDATE {self._table} SET state = 'running', holder = :holder, "
                "held_until = clock_timestamp() + make_interval(secs => :lease), "
                "started_at = coalesce(started_at, clock_timestamp()), attempts = attempts + 1 "
                "WHERE (workspace, id) = (SELECT j.workspace, j.id "
                f"FROM {self._table} j JOIN {last_turns} AS turn USING (workspace) "
                "WHERE state IN ('queued', 'running') "
                f"AND (held_until IS NULL OR held_until + {_REST} <= clock_timestamp()) "
                "ORDER BY coalesce(turn.at, created_at), coalesce(held_until, created_at), id "
                "LIMIT 1 FOR UPDATE OF j SKIP LOCKED) "
                f"RETURNING {_COLUMNS}"
            ),
            {"holder": holder, "lease": self.lease_seconds},
        )
        row = result.first()
        return None if row is None else _job(row)

    async def hopeless(self, tx: AsyncConnection, attempts: int) -> list[Job]:
        """The jobs that ended their process `attempts` times without getting on."""
        result = await tx.execute(
            text(
                f"SELECT {_COLUMNS} FROM {self._table} WHERE state IN ('queued', 'running') "
                "AND held_until <= clock_timestamp() AND attempts >= :attempts LIMIT 100"
            ),
            {"attempts": attempts},
        )
        return [_job(row) for row in result]

    async def give_up(self, tx: AsyncConnection, job: Job, attempts: int) -> bool:
        """Fail one of the `hopeless`; False: it is none any more."""
        result = await tx.execute(
            text(
                f"UPDATE {self._table} SET state = 'failed', holder = NULL, held_until = NULL, "
                "finished_at = clock_timestamp(), error = 'It was tried ' || attempts || ' times "
                f"from the same place and did not get on; the log of {self.schema} says why.' "
                "WHERE workspace = :workspace AND id = :id AND state IN ('queued', 'running') "
                "AND held_until <= clock_timestamp() AND attempts >= :attempts"
            ),
            {"workspace": job.workspace, "id": job.id, "attempts": attempts},
        )
        return result.rowcount == 1

    async def hold(self, tx: AsyncConnection, job: Job) -> bool:
        """Keep a job from being ended until the end of `tx`; False: it has been."""
        result = await tx.execute(
            text(
                f"SELECT 1 FROM {self._table} WHERE workspace = :workspace AND id = :id "
                "AND state = 'running' FOR SHARE"
            ),
            {"workspace": job.workspace, "id": job.id},
        )
        return result.first() is not None

    async def keep(self, tx: AsyncConnection, job: Job, holder: str) -> bool:
        """Hold a job for longer; False when it is not ours any more or was cancelled."""
        result = await tx.execute(
            text(
                f"UPDATE {self._table} SET "
                "held_until = clock_timestamp() + make_interval(secs => :lease) WHERE "
                "workspace = :workspace AND id = :id AND holder = :holder AND state = 'running'"
            ),
            {
                "workspace": job.workspace,
                "id": job.id,
                "holder": holder,
                "lease": self.lease_seconds,
            },
        )
        return result.rowcount == 1

    async def others_wait(self, tx: AsyncConnection, job: Job) -> bool:
        """Whether another job could be worked on now."""
        result = await tx.execute(
            text(
                f"SELECT EXISTS (SELECT FROM {self._table} WHERE state = 'queued' AND (held_until "
                "IS NULL OR held_until <= clock_timestamp()) "
                "AND (workspace, id) <> (:workspace, :id))"
            ),
            {"workspace": job.workspace, "id": job.id},
        )
        return bool(result.scalar())

    async def advance(self, tx: AsyncConnection, job: Job, holder: str, step: Step) -> bool:
        """Move a job on and keep it; False when it is not ours any more or was cancelled."""
        result = await tx.execute(
            text(
                f"UPDATE {self._table} SET position = CAST(:position AS jsonb), "
                "done = done + :done, accepted = accepted + :accepted, "
                "rejected = rejected + :rejected, report = CAST(:report AS jsonb), "
                "total = coalesce(:total, total), "
                "attempts = CASE WHEN :gets_on THEN 0 ELSE attempts END, "
                "held_until = clock_timestamp() + make_interval(secs => :lease) WHERE "
                "workspace = :workspace AND id = :id AND holder = :holder AND state = 'running'"
            ),
            {
                "workspace": job.workspace,
                "id": job.id,
                "holder": holder,
                "lease": self.lease_seconds,
                "position": _json(step.position),
                "report": _json(step.report),
                "done": step.done,
                "accepted": step.accepted,
                "rejected": step.rejected,
                "total": step.total,
                "gets_on": step.gets_on,
            },
        )
        return result.rowcount == 1

    async def finish(
        self,
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

        Given back it was not an attempt, unless it `tried` and failed. False: it is not ours any
        more.
        """
        result = await tx.execute(
            text(
                f"UPDATE {self._table} SET state = :state, error = :error, holder = NULL, "
                "held_until = CASE WHEN :queued THEN clock_timestamp() "
                "+ make_interval(secs => :wait) END, "
                "finished_at = CASE WHEN NOT :queued THEN clock_timestamp() END, "
                "attempts = CASE WHEN :queued AND NOT :tried THEN greatest(attempts - 1, 0) "
                "ELSE attempts END WHERE "
                "workspace = :workspace AND id = :id AND holder = :holder AND state = 'running'"
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

    async def cancel(self, tx: AsyncConnection, workspace: str, job: str) -> bool:
        """End a job where it is; False when it has ended already, or there is none.

        What it leaves stays: `Endings.cancel` has it put away.
        """
        result = await tx.execute(
            text(
                f"UPDATE {self._table} SET state = 'cancelled', holder = NULL, held_until = NULL, "
                "finished_at = clock_timestamp() WHERE workspace = :workspace AND id = :id "
                "AND state <> ALL(CAST(:ended AS text[]))"
            ),
            {"workspace": workspace, "id": job, "ended": list(ENDED)},
        )
        return result.rowcount == 1

    async def ready(self, tx: AsyncConnection, workspace: str, job: str, waiting: str) -> bool:
        """Let a job that was added in the state `waiting` be worked on; False: it is in another."""
        result = await tx.execute(
            text(
                f"UPDATE {self._table} SET state = 'queued' "
                "WHERE workspace = :workspace AND id = :id AND state = :waiting"
            ),
            {"workspace": workspace, "id": job, "waiting": waiting},
        )
        return result.rowcount == 1

    async def cancel_waiting(
        self, tx: AsyncConnection, waiting: str, age: timedelta, error: str
    ) -> int:
        """Cancel the jobs of all workspaces that have been in the state `waiting` for `age`."""
        result = await tx.execute(
            text(
                f"UPDATE {self._table} SET state = 'cancelled', finished_at = clock_timestamp(), "
                "error = :error WHERE state = :waiting "
                "AND created_at < clock_timestamp() - CAST(:age AS interval)"
            ),
            {"waiting": waiting, "age": age, "error": error},
        )
        return result.rowcount

    async def states(self, tx: AsyncConnection, ids: Sequence[str]) -> dict[str, str]:
        """The states of jobs of all workspaces by their ids, which are unique by chance."""
        result = await tx.execute(
            text(f"SELECT id, state FROM {self._table} WHERE id = ANY(CAST(:ids AS text[]))"),
            {"ids": list(ids)},
        )
        return {row[0]: row[1] for row in result}
