"""The jobs of profile: what each does, and making one for a request however often it is sent."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common.errors import NotFoundError
from rapport_common.idempotency import Once
from rapport_common.ids import uuid7_text
from rapport_common.jobs.store import Job, NewJob
from rapport_common.jobs.worker import Work
from rapport_profile.domain.naming import Ids
from rapport_profile.handlers.filling import Filling
from rapport_profile.handlers.finding import Finding
from rapport_profile.handlers.loyalty_backfill import Backfilling
from rapport_profile.handlers.measuring import Measuring
from rapport_profile.handlers.rebuilding import Rebuilding
from rapport_profile.handlers.reindexing import Reindexing
from rapport_profile.handlers.republishing import Republishing
from rapport_profile.settings import Settings
from rapport_profile.store.jobs import (
    BACKFILL_LOYALTY,
    FILL_COMPUTED,
    FIND_DUPLICATES,
    JOBS,
    MEASURE_QUALITY,
    REBUILD,
    REINDEX,
    REPUBLISH,
)
from rapport_profile.tables import SCHEMA


def works(engine: AsyncEngine, ids: Ids, settings: Settings) -> dict[str, Work]:
    """What is done by kind of job; `ids` names identifiers."""
    chosen = settings.chosen_traits()
    return {
        BACKFILL_LOYALTY: Backfilling(engine, settings.fill_rate).work,
        FILL_COMPUTED: Filling(engine, ids, settings.fill_rate).work,
        FIND_DUPLICATES: Finding(engine, ids, settings.duplicates_rate).work,
        MEASURE_QUALITY: Measuring(engine, settings.quality_rate).work,
        REBUILD: Rebuilding(engine, ids, settings.rebuild_rate).work,
        REINDEX: Reindexing(engine, chosen, settings.search_rate).work,
        REPUBLISH: Republishing(engine, settings.republish_rate).work,
    }


async def start(
    tx: AsyncConnection, once: Once | None, workspace: str, kind: str, spec: dict[str, Any]
) -> Job:
    """Make a job, unless the same request has made one before; NotFoundError: it is forgotten."""
    new = uuid7_text()
    earlier = await made_before(tx, once, workspace, asked=spec, job_id=new)
    return earlier or await begin(tx, workspace, NewJob(new, kind, spec))


async def made_before(
    tx: AsyncConnection, once: Once | None, workspace: str, *, asked: Any, job_id: str
) -> Job | None:
    """The job that the same request has made before; None: it makes `job_id` now.

    `asked`: the body of the request. NotFoundError: the job is forgotten.
    """
    made = None
    if once is not None:
        made = await once.earlier(tx, SCHEMA, workspace, body=asked, made_id=job_id)
    return None if made is None else await _found(tx, workspace, made)


async def begin(tx: AsyncConnection, workspace: str, new: NewJob) -> Job:
    """Make a job."""
    await JOBS.add(tx, workspace, new)
    return await _found(tx, workspace, new.id)


async def _found(tx: AsyncConnection, workspace: str, job_id: str) -> Job:
    job = await JOBS.find(tx, workspace, job_id)
    if job is None:
        message = "The job that this request has made is forgotten: send it under another key."
        raise NotFoundError(message)
    return job
