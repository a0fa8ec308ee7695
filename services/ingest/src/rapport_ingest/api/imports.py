"""Imports: made from a spec, then given a file, or the address of one."""

import re
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Body, Depends, Request, Response
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import logging
from rapport_common.auth import Operator, operator
from rapport_common.errors import ConflictError, NotFoundError
from rapport_common.idempotency import Repeatable
from rapport_common.ids import uuid7
from rapport_common.jobs import routes
from rapport_common.jobs.routes import JobId, ShownJob
from rapport_common.jobs.store import Job, NewJob
from rapport_common.routes import Router
from rapport_ingest.api.models import UploadedPart
from rapport_ingest.domain.imports import KIND, mapping_for, spec_of
from rapport_ingest.domain.naming import require_names
from rapport_ingest.domain.source import Caller
from rapport_ingest.handlers.jobs import started
from rapport_ingest.handlers.places import granted
from rapport_ingest.handlers.uploads import Uploads, part_of
from rapport_ingest.settings import IngestSettings
from rapport_ingest.store import sources
from rapport_ingest.store.jobs import JOBS, UPLOADING

log = logging.get(__name__)

UPLOADS = re.compile(r"/v1/imports/[^/]+/file")
"""Where a body may be as long as a file: it is written to the disk as it comes."""

Importer = Annotated[Operator, Depends(operator("imports:write"))]
Spec = Annotated[dict[str, Any], Body()]


class Upload(ShownJob):
    """An import, and how many bytes of its file are there."""

    offset: int


def import_routes(engine: AsyncEngine, settings: IngestSettings) -> APIRouter:
    """Make an import."""
    router = Router(tags=["imports"])

    @router.post("/v1/imports", status_code=201, response_model=ShownJob)
    async def create_import(body: Spec, caller: Importer, once: Repeatable) -> dict[str, Any]:
        """Make an import. Without a `uri` it waits for its file."""
        # First: whoever may not read there is told so, and not what else is wrong.
        if isinstance(uri := body.get("uri"), str) and uri:
            granted(uri, caller.workspace, settings)
        spec = spec_of(body)
        place = Caller(caller.workspace, spec.source)
        async with engine.begin() as tx:
            declared = (await sources.declared(tx, [place])).get(place)
            if declared is None:
                message = f"There is no source '{spec.source}'. `rapport source create` makes one."
                raise NotFoundError(message)
            if (mapping := mapping_for(spec)) is not None:
                require_names(mapping.fields, declared.policy.identifiers)
            state = "queued" if spec.uri else UPLOADING
            new = NewJob(str(uuid7()), KIND, msgspec.to_builtins(spec), spec.source, state)
            made = await started(tx, once, caller.workspace, new)
            job = await JOBS.find(tx, caller.workspace, made["id"])
        if job is None:
            message = f"Import {made['id']} of this Idempotency-Key has ended and is forgotten."
            raise ConflictError(message, details={"id": made["id"]})
        return shown(job)

    return router


def upload_routes(engine: AsyncEngine, uploads: Uploads) -> APIRouter:
    """Upload an import's file, ask how much of it is there."""
    router = Router(tags=["imports"])

    @router.put("/v1/imports/{job_id}/file", response_model=Upload)
    async def upload(job_id: JobId, request: Request, caller: Importer) -> dict[str, Any]:
        """Take the file, or with `Content-Range` a part of it; complete, the import begins."""
        await _uploading(engine, caller.workspace, job_id)
        headers = request.headers
        part = part_of(headers.get("content-range"), headers.get("content-length"))
        if await uploads.write(job_id, part, request.stream()):
            async with engine.begin() as tx:
                await JOBS.ready(tx, caller.workspace, job_id, UPLOADING)
        async with engine.begin() as tx:
            job = await JOBS.find(tx, caller.workspace, job_id)
        return {**(shown(job) if job else {}), "offset": uploads.offset(job_id)}

    @router.get("/v1/imports/{job_id}/file")
    async def uploaded(job_id: JobId, response: Response, caller: Importer) -> UploadedPart:
        """How many bytes of the file are there: where an upload that broke off goes on."""
        await _uploading(engine, caller.workspace, job_id)
        offset = uploads.offset(job_id)
        response.headers["Upload-Offset"] = str(offset)
        return UploadedPart(id=job_id, offset=offset)

    return router


def progress_of(job: Job) -> dict[str, Any] | None:
    """Of imports in bytes, with the rate and the seconds left; of others in items."""
    total = job.report.get("total_bytes")
    if not total:
        return routes.progress_of(job)
    done, rate = job.report.get("bytes", 0), job.report.get("bytes_per_second") or 0
    return {
        "bytes": done,
        "total_bytes": total,
        "rows_per_second": job.report.get("rows_per_second"),
        "eta_seconds": round((total - done) / rate, 1) if rate and job.state == "running" else None,
    }


def shown(job: Job) -> dict[str, Any]:
    """An import as operators see it."""
    return routes.shown(job, progress_of).model_dump()


async def _uploading(engine: AsyncEngine, workspace: str, job_id: str) -> Job:
    async with engine.begin() as tx:
        job = await JOBS.find(tx, workspace, job_id)
    if job is None or job.kind != KIND:
        message = f"There is no import '{job_id}'."
        raise NotFoundError(message)
    if job.state != UPLOADING:
        message = f"The import is {job.state}: it takes no file (any more)."
        raise ConflictError(message, details={"state": job.state})
    return job
