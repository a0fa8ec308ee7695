"""/v1/segments/{id}/members: who is in it, since when, and why."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.paging import Listed, Paging
from rapport_segment.api import models
from rapport_segment.api.callers import Reader
from rapport_segment.handlers import segments
from rapport_segment.handlers.segments import require
from rapport_segment.store import people


def member_routes(engine: AsyncEngine) -> APIRouter:
    """List members, and explain where one person stands."""
    router = APIRouter(tags=["members"])

    @router.get("/v1/segments/{segment_id}/members", response_model=Listed[models.Member])
    async def listing(segment_id: UUID, caller: Reader, page: Paging) -> dict[str, Any]:
        """List who is in a segment, by profile id."""
        [after] = page.after(UUID) or [None]
        async with engine.begin() as tx:
            await require(tx, caller.workspace, segment_id)
            found = await people.members(
                tx, caller.workspace, segment_id, after=after, limit=page.ask
            )
        return page.answer(found, key=lambda one: [one.profile_id], show=models.member)

    @router.get("/v1/segments/{segment_id}/members/{profile_id}", response_model=models.Membership)
    async def why(segment_id: UUID, profile_id: UUID, caller: Reader) -> dict[str, Any]:
        """Tell why a person is in a segment, or why not."""
        async with engine.begin() as tx:
            found = await segments.standing(tx, caller.workspace, segment_id, profile_id)
        return models.membership(found)

    return router
