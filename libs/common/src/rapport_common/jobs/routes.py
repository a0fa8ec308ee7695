"""The operator routes of jobs: how far they are, what they have to tell, and their end."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock
from rapport_common.auth import Operator, operator
from rapport_common.errors import ConflictError, NotFoundError
from rapport_common.jobs.ending import Endings, PutAway
from rapport_common.jobs.store import Job, JobStore
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router

NO_NUL = r"^[^\x00]*$"  # Postgres has no way to store one
JobId = Annotated[str, Path(min_length=1, max_length=100, pattern=NO_NUL)]
Text = Annotated[str | None, Query(max_length=200, pattern=NO_NUL)]
Progress = Callable[[Job], dict[str, Any] | None]


class ShownJob(BaseModel):
    """A job as operators see it; `subject` is the id of what it is about, times are UTC."""

    id: str
    kind: str
    subject: str | None
    state: str = Field(description="queued, running, done, failed or cancelled")
    error: str | None
    total: int | None = Field(description="items there are, when that is known")
    done: int
    accepted: int
    rejected: int
    progress: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    attempts: int
    report: dict[str, Any] | None
    spec: dict[str, Any] | None


_BRIEF = {"report": None, "spec": None}


def progress_of(job: Job) -> dict[str, Any] | None:
    """The share that is done and the seconds left, for jobs that know how much there is."""
    if not job.total:
        return None
    share = min(1.0, job.done / job.total)
    left = None
    if job.state == "running" and job.started_at is not None and share > 0:
        passed = (clock.now() - job.started_at).total_seconds()
        left = round(passed / share - passed, 1)
    return {"share": round(share, 4), "eta_seconds": left}


def shown(job: Job, progress: Progress = progress_of) -> ShownJob:
    """A job as operators see it."""
    return ShownJob(
        id=job.id,
        kind=job.kind,
        subject=job.subject,
        state=job.state,
        error=job.error,
        total=job.total,
        done=job.done,
        accepted=job.accepted,
        rejected=job.rejected,
        progress=progress(job),
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        attempts=job.attempts,
        report=job.report,
        spec=job.spec,
    )


def job_routes(
    engine: AsyncEngine,
    store: JobStore,
    *,
    read: str,
    write: str,
    both: Sequence[str] = (),
    progress: Progress = progress_of,
    put_away: Mapping[str, PutAway] | None = None,
) -> APIRouter:
    """List, show and cancel jobs of all kinds; `read` and `write` are the scopes that allow it.

    `both`: scopes that allow both, of those who start such jobs. `put_away`: as of `Jobs`.
    """
    router = Router(tags=["jobs"])
    endings = Endings(engine, store, put_away)
    reader, writer = Depends(operator(read, *both)), Depends(operator(write, *both))

    def brief(job: Job) -> ShownJob:
        return shown(job, progress).model_copy(update=_BRIEF)

    @router.get("/v1/jobs", response_model=Listed[ShownJob])
    async def list_jobs(
        caller: Annotated[Operator, reader],
        page: Paging,
        kind: Text = None,
        subject: Text = None,
    ) -> dict[str, Any]:
        """The newest jobs, newest first, without report and spec."""
        [after] = page.after(str) or [None]
        asked = {"kind": kind, "subject": subject, "after": after}
        async with engine.begin() as tx:
            listed = await store.latest(tx, caller.workspace, **asked, limit=page.ask)
        return page.answer(listed, key=lambda job: [job.id], show=brief)

    @router.get("/v1/jobs/{job_id}")
    async def show_job(job_id: JobId, caller: Annotated[Operator, reader]) -> ShownJob:
        """One job with its report."""
        return shown(await _found(engine, store, caller.workspace, job_id), progress)

    @router.post("/v1/jobs/{job_id}/cancel")
    async def cancel_job(job_id: JobId, caller: Annotated[Operator, writer]) -> ShownJob:
        """End a job where it is; what it has done stays done."""
        ended = await endings.cancel(caller.workspace, job_id)
        job = await _found(engine, store, caller.workspace, job_id)
        if ended:
            return shown(job, progress)
        raise ConflictError(f"The job is {job.state} already.", details={"state": job.state})

    return router


async def _found(engine: AsyncEngine, store: JobStore, workspace: str, job_id: str) -> Job:
    async with engine.begin() as tx:
        job = await store.find(tx, workspace, job_id)
    if job is None:
        message = f"There is no job '{job_id}'; ended ones are forgotten after a while."
        raise NotFoundError(message)
    return job
