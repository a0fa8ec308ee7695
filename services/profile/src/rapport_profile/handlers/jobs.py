"""Making the jobs of profile, one for a request however often it is sent."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.errors import NotFoundError
from rapport_common.idempotency import Once
from rapport_common.ids import uuid7_text
from rapport_common.jobs.store import Job, NewJob
from rapport_profile.store.jobs import JOBS
from rapport_profile.tables import SCHEMA


async def start(
    tx: AsyncConnection, once: Once | None, workspace: str, kind: str, spec: dict[str, Any]
) -> Job:
    """Make a job, unless the same request has made one before; NotFoundError: it is forgotten."""
    new = NewJob(uuid7_text(), kind, spec)
    made = None
    if once is not None:
        made = await once.earlier(tx, SCHEMA, workspace, body=spec, made_id=new.id)
    if made is None:
        await JOBS.add(tx, workspace, new)
    job = await JOBS.find(tx, workspace, made or new.id)
    if job is None:
        message = "The job that this request has made is forgotten: send it under another key."
        raise NotFoundError(message)
    return job
