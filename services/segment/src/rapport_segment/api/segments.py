"""/v1/segments: define, change, preview, list."""

from datetime import timedelta
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router
from rapport_segment.api import models, previews, rules
from rapport_segment.api.callers import Previewer, Reader, Writer
from rapport_segment.handlers import previewing, segments
from rapport_segment.handlers.segments import Amendment, require_listed
from rapport_segment.store import definitions


def segment_routes(engine: AsyncEngine, kept: timedelta) -> APIRouter:
    """Read segments, and try rules; events are `kept` so long."""
    router = Router(tags=["segments"])

    @router.post("/v1/segments/preview", response_model=previews.PreviewCount)
    async def preview(body: models.Preview, caller: Previewer) -> dict[str, Any]:
        """Count whom an unsaved rule fits, and each of its parts; show some of them, and why."""
        wanted = body.wanted
        async with engine.begin() as tx:
            found = await previewing.preview(tx, caller.workspace, wanted, body.seconds)
            return previews.previewed(found, kept)

    @router.get("/v1/segments", response_model=Listed[models.Segment])
    async def listing(
        caller: Reader, page: Paging, *, archived: Annotated[bool, Query()] = False
    ) -> dict[str, Any]:
        """List segments by name: the living, or the archived ones."""
        after = page.after(str, UUID)
        async with engine.begin() as tx:
            found = await definitions.listed(
                tx,
                caller.workspace,
                archived=archived,
                after=(after[0], after[1]) if after else None,
                limit=page.ask,
            )
        return page.answer(
            found,
            key=lambda one: (one.stored.name, one.stored.segment_id),
            show=partial(models.segment, kept=kept),
        )

    @router.get("/v1/segments/{segment_id}", response_model=models.Segment)
    async def show(segment_id: UUID, caller: Reader) -> dict[str, Any]:
        """Show one segment, archived ones too."""
        async with engine.begin() as tx:
            found = await require_listed(tx, caller.workspace, segment_id)
        return models.segment(found, kept)

    return router


def schema_routes() -> APIRouter:
    """Tell what rules look like."""
    router = Router(tags=["segments"])

    @router.get("/v1/segments/schema", response_model=rules.RuleSchema)
    async def schema(_caller: Reader) -> dict[str, Any]:
        """The JSON Schema of rules."""
        return rules.schema()

    return router


def change_routes(engine: AsyncEngine, kept: timedelta) -> APIRouter:
    """Define, change and archive segments. Each answer names the job that builds; `kept`: how long
    events are.
    """
    router = Router(tags=["segments"])

    @router.post("/v1/segments", status_code=202, response_model=models.Segment)
    async def create(body: models.NewSegment, caller: Writer) -> dict[str, Any]:
        """Define a segment. It judges whatever comes from now on; who fits already enters when
        its job has come to him.
        """
        wanted = body.wanted
        async with engine.begin() as tx:
            made = await segments.create(tx, caller, body.name, wanted, active=body.active)
            return models.segment(made, kept)

    @router.patch("/v1/segments/{segment_id}", status_code=202, response_model=models.Segment)
    async def change(
        segment_id: UUID, body: models.SegmentChange, caller: Writer
    ) -> dict[str, Any]:
        """Change a segment. Another rule is built beside the one in force (`upcoming`), and takes
        its place when everybody has been held against it: that is the next version. Who fits
        both rules stays, under the same entry.
        """
        amendment = Amendment(body.name, body.document, body.active)
        async with engine.begin() as tx:
            found = await segments.change(tx, caller, segment_id, amendment)
        return models.segment(found, kept)

    @router.post(
        "/v1/segments/{segment_id}/rebuild", status_code=202, response_model=models.Segment
    )
    async def rebuild(segment_id: UUID, caller: Writer) -> dict[str, Any]:
        """Hold everybody against the rule again, for example after a cancelled job."""
        async with engine.begin() as tx:
            found = await segments.rebuild(tx, caller, segment_id)
        return models.segment(found, kept)

    @router.delete("/v1/segments/{segment_id}", status_code=204)
    async def archive(segment_id: UUID, caller: Writer) -> None:
        """Archive a segment: its members leave by a job, its name is free, its history is kept."""
        async with engine.begin() as tx:
            await segments.archive(tx, caller, segment_id)

    return router
