"""Files come to cases, and are looked at before they are kept."""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.errors import AppError, NotFoundError
from rapport_feedback import metrics
from rapport_feedback.domain.attached import MOST_AT_ONCE, judge, room
from rapport_feedback.domain.letters import Enclosed
from rapport_feedback.store import attachments as store
from rapport_feedback.store import cases
from rapport_feedback.store.attachments import Attachment

Place = tuple[str, UUID]
"""A case: its workspace and id."""


class RefusedFileError(AppError):
    """A file is not taken; the message says why."""

    status = 422
    code = "file_refused"


async def attach(
    tx: AsyncConnection, place: Place, file: Enclosed, origin: str, now: datetime
) -> Attachment:
    """Keep a file at a locked case, the same content once; RefusedFileError says why not."""
    known = await store.same(tx, *place, sha256(file.content).digest())
    if known is not None:
        return known
    made = await _judged(tx, place, file, origin, now)
    if made.refused:
        metrics.FILES.labels("refused").inc()
        raise RefusedFileError(
            f"{made.name}: {made.refused}", details={"name": made.name, "reason": made.refused}
        )
    await store.add(tx, place[0], made, file.content)
    metrics.FILES.labels("kept").inc()
    return made


async def attach_what_goes(
    tx: AsyncConnection, place: Place, files: Iterable[Enclosed], origin: str, now: datetime
) -> None:
    """Keep the files of a mail: of those that are not taken what they were, and why, as nobody is
    there who could send another.
    """
    for number, file in enumerate(files):
        if await store.same(tx, *place, sha256(file.content).digest()):
            continue
        made = await _judged(tx, place, file, origin, now)
        if number >= MOST_AT_ONCE:
            made = made._replace(refused=f"It is one of more than {MOST_AT_ONCE} files.")
        await store.add(tx, place[0], made, file.content)
        metrics.FILES.labels("refused" if made.refused else "kept").inc()
        if number >= MOST_AT_ONCE:
            return


async def _judged(
    tx: AsyncConnection, place: Place, file: Enclosed, origin: str, now: datetime
) -> Attachment:
    judged = await asyncio.to_thread(judge, file.name, file.content)
    size, count = await store.taken(tx, *place)
    return Attachment(
        attachment_id=uuid4(),
        case_id=place[1],
        name=judged.name,
        media_type=judged.media_type,
        size=len(file.content),
        sha256=sha256(file.content).digest(),
        origin=origin,
        refused=judged.refused or room(size, len(file.content), count),
        at=now,
    )


async def found(
    tx: AsyncConnection, workspace: str, case_id: UUID, attachment_id: UUID
) -> Attachment:
    """A file of a case; NotFoundError."""
    one = await store.one(tx, workspace, case_id, attachment_id)
    if one is None:
        message = f"The case has no file {attachment_id}. GET …/attachments lists those it has."
        raise NotFoundError(message, details={"id": str(attachment_id)})
    return one


async def lock_case(tx: AsyncConnection, workspace: str, case_id: UUID) -> None:
    """Files of a case come one after the other; NotFoundError without the case."""
    if await cases.case(tx, workspace, case_id, lock=True) is None:
        message = f"There is no case {case_id} in this workspace. GET /v1/cases lists them."
        raise NotFoundError(message, details={"id": str(case_id)})
