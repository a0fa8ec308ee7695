"""/v1/segments/{id}/versions: what a segment was, what differs, and the way back."""

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router
from rapport_segment.api import histories, models
from rapport_segment.api.callers import Reader, Writer
from rapport_segment.handlers import segments
from rapport_segment.handlers.segments import require, require_version
from rapport_segment.store import definitions

Version = Annotated[int, Path(ge=1, le=definitions.MAX_VERSION)]
Against = Annotated[
    int | None,
    Query(ge=1, le=definitions.MAX_VERSION, description="the one before, if none is given"),
]


def version_routes(engine: AsyncEngine, kept: timedelta) -> APIRouter:
    """Read the versions of a segment, compare them, go back to one."""
    router = Router(tags=["segments"])

    @router.get("/v1/segments/{segment_id}/versions", response_model=Listed[models.SegmentVersion])
    async def versions(segment_id: UUID, caller: Reader, page: Paging) -> dict[str, Any]:
        """List the versions of a segment, the newest first."""
        after = page.after(int)
        before = None if after is None else min(after[0], definitions.MAX_VERSION)
        async with engine.begin() as tx:
            await require(tx, caller.workspace, segment_id)
            found = await definitions.history(
                tx, caller.workspace, segment_id, before=before, limit=page.ask
            )
        return page.answer(found, key=lambda one: [one["version"]], show=models.version)

    @router.get(
        "/v1/segments/{segment_id}/versions/{version}/diff",
        response_model=histories.VersionDifference,
    )
    async def diff(
        segment_id: UUID, version: Version, caller: Reader, against: Against = None
    ) -> dict[str, Any]:
        """Tell what is otherwise in a version than in another one."""
        async with engine.begin() as tx:
            await require(tx, caller.workspace, segment_id)
            one, other = [
                await require_version(tx, caller.workspace, segment_id, number)
                for number in (version, against or max(version - 1, 1))
            ]
        return histories.version_difference(segment_id, other, one)

    @router.post(
        "/v1/segments/{segment_id}/rollback", status_code=202, response_model=models.Segment
    )
    async def rollback(
        segment_id: UUID, body: histories.Rollback, caller: Writer
    ) -> dict[str, Any]:
        """Give a segment the rule of a former version again: as a new version, built as any."""
        async with engine.begin() as tx:
            made = await segments.rollback(tx, caller, segment_id, body.version)
            return models.segment(made, kept)

    return router
