"""Standing orders are given, changed and ended by staff."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.due.store import DueStore, NewDue
from rapport_common.errors import ConflictError, InvalidRequestError, NotFoundError
from rapport_feedback.domain.askings import Asking, problems
from rapport_feedback.domain.surveys import AnonymousError, ArchivedError
from rapport_feedback.handlers.planning import Waves
from rapport_feedback.store import askings as store
from rapport_feedback.store import surveys
from rapport_feedback.store.due import ASK, DUE, WAVE


class EndedError(ConflictError):
    """The asking is archived: it asks nobody any more."""

    code = "archived"

    def __init__(self, asking_id: UUID) -> None:
        message = f"Asking {asking_id} is archived. Create another one."
        super().__init__(message, details={"id": str(asking_id)})


async def create(tx: AsyncConnection, asking: Asking, due: DueStore = DUE) -> Asking:
    """Ask people from now on; InvalidRequestError tells what is wrong with the order."""
    _check(asking)
    survey = await surveys.survey(tx, asking.workspace, asking.survey_id)
    if survey is None:
        message = f"There is no survey {asking.survey_id} in this workspace."
        raise InvalidRequestError(message, details={"field": "survey_id"})
    if survey.archived_at is not None:
        raise ArchivedError(survey.survey_id)
    if survey.anonymous:
        raise AnonymousError
    await store.add(tx, asking)
    await Waves(due).begin(tx, asking, asking.created_at)
    return asking


async def change(tx: AsyncConnection, before: Asking, after: Asking, due: DueStore = DUE) -> Asking:
    """Let an order be otherwise, for what is planned, too; `before` is locked.

    After what people are asked stays: whom it was about is said by it. EndedError for one that is
    archived.
    """
    if before.archived_at is not None:
        raise EndedError(before.asking_id)
    _check(after)
    for name in ("segment_id", "event", "include_existing", "repeat_days"):
        if getattr(before.document, name) != getattr(after.document, name):
            message = f"{name} stays as it was: archive this one and create another."
            raise InvalidRequestError(message, details={"field": name})
    await store.save(tx, after)
    # A quota or a channel that is another may let some be asked at once.
    place = after.workspace, ASK, str(after.asking_id)
    await due.schedule(tx, [NewDue(*place, after.changed_at)], sooner=True)
    return after


async def archive(
    tx: AsyncConnection, workspace: str, asking_id: UUID, now: datetime, due: DueStore = DUE
) -> None:
    """Ask nobody any more; who was planned is told so, by and by, and nobody is reminded."""
    asking = await get(tx, workspace, asking_id, lock=True)
    await store.archive(tx, asking, now)
    await due.cancel(tx, [(workspace, WAVE, str(asking_id))])
    await due.schedule(tx, [NewDue(workspace, ASK, str(asking_id), now)])


async def get(
    tx: AsyncConnection, workspace: str, asking_id: UUID, *, lock: bool = False
) -> Asking:
    """One of a workspace; NotFoundError when it has none with this id."""
    found = await store.get(tx, workspace, asking_id, lock=lock)
    if found is None:
        message = f"There is no asking {asking_id} in this workspace. GET /v1/askings lists them."
        raise NotFoundError(message, details={"id": str(asking_id)})
    return found


def _check(asking: Asking) -> None:
    wrong = problems(asking.document)
    if wrong:
        told = [{"path": path, "message": message} for path, message in wrong]
        first = f"{wrong[0][0]}: {wrong[0][1]}."
        raise InvalidRequestError(first, details={"problems": told})
