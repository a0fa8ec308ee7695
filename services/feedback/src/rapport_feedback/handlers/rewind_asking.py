"""Asks for the job that winds the clocks of all open cases anew."""

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import ids
from rapport_common.jobs.store import JobStore, NewJob

JOBS = JobStore("feedback")
REWIND = "rewind_cases"


async def ask(tx: AsyncConnection, workspace: str, about: str) -> str:
    """Have a workspace's open cases wound anew; the id of the job. `about`: what is another."""
    job = NewJob(str(ids.uuid7()), REWIND, {"about": about}, about)
    await JOBS.add(tx, workspace, job)
    return job.id
