"""Changes of cases as they happen: what somebody who looks at a view should know."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_feedback.domain import case_views, live_marks
from rapport_feedback.domain.case_views import ViewDocument
from rapport_feedback.domain.cases import Complaint
from rapport_feedback.store import case_changes, inbox
from rapport_feedback.store import desk as desk_store
from rapport_feedback.store.case_changes import Mark

AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class News:
    """What has changed: cases that the view has now, and those that it has not; up to where."""

    shown: Sequence[Complaint]
    gone: Sequence[UUID]
    mark: Mark
    more: bool


async def begin(tx: AsyncConnection, last_id: str | None, now: datetime) -> tuple[Mark, bool]:
    """Where to read on; and whether something in between may be missing."""
    here = await case_changes.here(tx)
    if last_id is None:
        return here, False
    known = live_marks.read(last_id, now)
    # A mark from ahead is of another database: a restored one counts anew.
    if known is None or known[0] > here.xid:
        return here, True
    return Mark(*known, here.at), False


async def news(
    tx: AsyncConnection,
    workspace: str,
    seen: tuple[ViewDocument, str],
    mark: Mark,
    now: datetime,
) -> News:
    """The changes behind a mark as a view has them now (for whom): each case once, as it is."""
    found = await case_changes.behind(tx, workspace, mark, AT_ONCE)
    if not found:
        return News((), (), mark, more=False)
    asked = case_views.asked(*seen, await desk_store.desk(tx, workspace))
    changed = list(dict.fromkeys(one.case_id for one in found))
    shown = await inbox.shown_in(tx, workspace, asked, now, changed)
    there = {one.case_id for one in shown}
    gone = [one for one in changed if one not in there]
    return News(shown, gone, found[-1], more=len(found) == AT_ONCE)
