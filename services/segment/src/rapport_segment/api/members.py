"""/v1/segments/{id}/members: who is in it, since when, and why."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.errors import InvalidRequestError
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router
from rapport_segment.api import histories, models
from rapport_segment.api.callers import Reader
from rapport_segment.handlers import standing
from rapport_segment.handlers.segments import require
from rapport_segment.store import entries, flows

MOST_DAYS = 1000
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
AsOf = Annotated[
    Annotated[AwareDatetime, Field(ge=EARLIEST, le=LATEST)] | None,
    Query(description="an instant with its offset", examples=["2026-03-01T09:00:00Z"]),
]
Since = Annotated[date, Query(description="the first day", examples=["2026-03-01"])]
Until = Annotated[date, Query(description="the day behind the last", examples=["2026-04-01"])]


def member_routes(engine: AsyncEngine) -> APIRouter:
    """List members, and explain where one person stands."""
    router = Router(tags=["members"])

    @router.get("/v1/segments/{segment_id}/members", response_model=Listed[models.Member])
    async def listing(
        segment_id: UUID, caller: Reader, page: Paging, as_of: AsOf = None
    ) -> dict[str, Any]:
        """List who is in a segment, or was at an instant, by profile id: that of then, which may
        have been merged into another one since.
        """
        [after] = page.after(UUID) or [None]
        async with engine.begin() as tx:
            await require(tx, caller.workspace, segment_id)
            found = (
                await entries.members(tx, caller.workspace, segment_id, after=after, limit=page.ask)
                if as_of is None
                else await entries.members_as_of(
                    tx, caller.workspace, segment_id, at=as_of, after=after, limit=page.ask
                )
            )
        return page.answer(found, key=lambda one: [one.profile_id], show=models.member)

    @router.get("/v1/segments/{segment_id}/members/{profile_id}", response_model=models.Membership)
    async def why(
        segment_id: UUID, profile_id: UUID, caller: Reader, as_of: AsOf = None
    ) -> dict[str, Any]:
        """Tell why a person is in a segment, or why not; now, or as of an instant: by the version
        of then, and by what is known of the person now. An instant may be to come.
        """
        async with engine.begin() as tx:
            found = await standing.standing(tx, caller.workspace, segment_id, profile_id, as_of)
        return models.membership(found)

    return router


def size_routes(engine: AsyncEngine) -> APIRouter:
    """Tell how many were in a segment."""
    router = Router(tags=["members"])

    @router.get("/v1/segments/{segment_id}/sizes", response_model=histories.Sizes)
    async def sizes(segment_id: UUID, caller: Reader, since: Since, until: Until) -> dict[str, Any]:
        """Tell how many were in a segment at the end of each day of UTC, and who came and went.

        It is counted as people enter and leave, so it costs nothing to ask. A day on which somebody
        entered whose stay has been deleted since (retention, erasure) counts as it was.
        """
        days = (until - since).days
        if not 1 <= days <= MOST_DAYS:
            message = f"until: must be 1 to {MOST_DAYS} days behind since; it is not itself shown."
            raise InvalidRequestError(message, details={"field": "until"})
        async with engine.begin() as tx:
            await require(tx, caller.workspace, segment_id)
            last = until - timedelta(days=1)
            found = await flows.sizes(tx, caller.workspace, segment_id, first=since, last=last)
        return histories.sizes(segment_id, found)

    return router
