"""Jobs: how far they are, and what they have to tell."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock
from rapport_common.auth import Operator, operator
from rapport_common.errors import ConflictError, NotFoundError
from rapport_ingest.api.fields import NO_NUL, Reader, Text
from rapport_ingest.store import jobs
from rapport_ingest.store.jobs import Job

Canceller = Annotated[Operator, Depends(operator("imports:write"))]
JobId = Annotated[str, Path(min_length=1, max_length=100, pattern=NO_NUL)]
LIVING = ["uploading", "queued", "running"]


def job_routes(engine: AsyncEngine) -> APIRouter:
    """List, show and cancel jobs of all kinds."""
    router = APIRouter(tags=["jobs"])

    @router.get("/v1/jobs")
    async def list_jobs(
        caller: Reader, kind: Text = None, limit: Annotated[int, Query(ge=1, le=1000)] = 50
    ) -> dict[str, Any]:
        """The newest jobs, newest first."""
        async with engine.begin() as tx:
            found = await jobs.latest(tx, caller.workspace, kind=kind, limit=limit)
        return {"jobs": [{**shown(one), "report": None, "spec": None} for one in found]}

    @router.get("/v1/jobs/{job_id}")
    async def show_job(job_id: JobId, caller: Reader) -> dict[str, Any]:
        return shown(await _found(engine, caller.workspace, job_id))

    @router.post("/v1/jobs/{job_id}/cancel")
    async def cancel_job(job_id: JobId, caller: Canceller) -> dict[str, Any]:
        """End a job where it is; what it has sent stays sent."""
        async with engine.begin() as tx:
            ended = await jobs.change_state(
                tx, caller.workspace, job_id, expected=LIVING, state="cancelled"
            )
        job = await _found(engine, caller.workspace, job_id)
        if not ended:
            message = f"The job is {job.state} already."
            raise ConflictError(message, details={"state": job.state})
        return shown(job)

    return router


async def _found(engine: AsyncEngine, workspace: str, job_id: str) -> Job:
    async with engine.begin() as tx:
        job = await jobs.find(tx, workspace, job_id)
    if job is None:
        message = f"There is no job '{job_id}'; ended ones are forgotten after a while."
        raise NotFoundError(message)
    return job


def shown(job: Job) -> dict[str, Any]:
    """A job as operators see it."""
    return {
        "id": job.id,
        "kind": job.kind,
        "source": job.source,
        "state": job.state,
        "error": job.error,
        "total": job.total,
        "done": job.done,
        "accepted": job.accepted,
        "rejected": job.rejected,
        "progress": _progress(job),
        "created_at": clock.iso(job.created_at),
        "started_at": clock.iso(job.started_at) if job.started_at else None,
        "finished_at": clock.iso(job.finished_at) if job.finished_at else None,
        "attempts": job.attempts,
        "report": job.report,
        "spec": job.spec,
    }


def _progress(job: Job) -> dict[str, Any] | None:
    """Bytes, rate and the seconds left, for jobs that know them."""
    total = job.report.get("total_bytes")
    if not total:
        return None
    done, rate = job.report.get("bytes", 0), job.report.get("bytes_per_second") or 0
    return {
        "bytes": done,
        "total_bytes": total,
        "rows_per_second": job.report.get("rows_per_second"),
        "eta_seconds": round((total - done) / rate, 1) if rate and job.state == "running" else None,
    }
