"""Jobs that requests make: one per request, however often it is sent."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.idempotency import Once
from rapport_common.jobs.store import NewJob
from rapport_ingest.store.jobs import JOBS
from rapport_ingest.tables import SCHEMA


async def started(tx: AsyncConnection, once: Once, workspace: str, new: NewJob) -> dict[str, Any]:
    """Make a job, unless the same request has made one before: its id, kind and state."""
    made = await once.earlier(tx, SCHEMA, workspace, body=new.spec, made_id=new.id)
    if made is None:
        await JOBS.add(tx, workspace, new)
        return {"id": new.id, "kind": new.kind, "state": new.state}
    job = await JOBS.find(tx, workspace, made)
    # Ended ones are forgotten after a while.
    return {"id": made, "kind": new.kind, "state": "done" if job is None else job.state}
