"""Cases land in queues, and queues that push are asked to give what waits to whom it can."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import ids
from rapport_common.due.store import DueStore, NewDue
from rapport_common.jobs.store import JobStore, NewJob
from rapport_feedback.domain.cases import Complaint, State
from rapport_feedback.domain.desk import Desk, Mode
from rapport_feedback.store import desk as store
from rapport_feedback.store.due import DUE, PUSH

JOBS = JobStore("feedback")
PLACE = "place_cases"


async def follow(
    tx: AsyncConnection,
    before: Complaint | None,
    after: Complaint,
    now: datetime,
    desk: Desk | None = None,
) -> None:
    """What a change of a case (None: it is new) means to queues that push.

    It may wait for somebody now, and whose it was may have room for another one.
    """
    waits = after.case.state is not State.CLOSED and not after.fields.owner
    was_theirs = before is not None and bool(before.fields.owner) and _is_open(before)
    had = before.fields.owner if was_theirs and before is not None else ""
    freed = had if had and (not _is_open(after) or after.fields.owner != had) else ""
    if not waits and not freed:
        return
    known = desk or await store.desk(tx, after.workspace)
    queues = set(known.served_by(freed, Mode.PUSH)) if freed else set()
    queue = known.queues.get(after.fields.queue)
    if waits and queue is not None and queue.mode is Mode.PUSH:
        queues.add(after.fields.queue)
    await ask(tx, after.workspace, queues, now)


def _is_open(complaint: Complaint) -> bool:
    return complaint.case.state is not State.CLOSED


async def ask(
    tx: AsyncConnection,
    workspace: str,
    queues: Iterable[str],
    at: datetime,
    due: DueStore = DUE,
) -> None:
    """Have these queues give their cases to agents."""
    await due.schedule(tx, [NewDue(workspace, PUSH, one, at) for one in queues], sooner=True)


async def ask_anew(tx: AsyncConnection, workspace: str, about: str) -> str:
    """Have a workspace's open cases land anew; the id of the job."""
    job = NewJob(str(ids.uuid7()), PLACE, {"about": about}, about)
    await JOBS.add(tx, workspace, job)
    return job.id
