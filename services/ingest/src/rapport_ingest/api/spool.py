"""Accepted events that Kafka will not take: looked at, tried again, given up."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.errors import NotFoundError
from rapport_common.paging import BigId, Listed, Paging
from rapport_common.routes import Router
from rapport_ingest.api.fields import Ops
from rapport_ingest.api.models import NamedRow, RefusedEvent
from rapport_ingest.store import spool


def spool_routes(engine: AsyncEngine) -> APIRouter:
    """/v1/spool/refused."""
    router = Router(tags=["operations"])

    @router.get("/v1/spool/refused", response_model=Listed[RefusedEvent])
    async def refused_events(page: Paging, caller: Ops) -> dict[str, Any]:
        """Accepted events of this workspace that Kafka will not take, the newest first."""
        [before] = page.after(int) or [None]
        async with engine.begin() as tx:
            rows = await spool.refused(tx, caller.workspace, before=before, limit=page.ask)
        return page.answer(rows, key=lambda one: (one.id,), show=asdict)

    @router.post("/v1/spool/refused/{row_id}/retry")
    async def retry_refused_event(row_id: BigId, caller: Ops) -> NamedRow:
        """Try one of them again: Kafka's limit was raised, or what was broken is mended."""
        async with engine.begin() as tx:
            if not await spool.retry(tx, caller.workspace, row_id):
                raise _not_aside(row_id)
        return NamedRow(id=row_id)

    @router.post("/v1/spool/refused/{row_id}/discard")
    async def discard_refused_event(row_id: BigId, caller: Ops) -> NamedRow:
        """Give one of them up: it reaches no profile. The ledger goes on counting it."""
        async with engine.begin() as tx:
            if not await spool.discard(tx, caller.workspace, row_id):
                raise _not_aside(row_id)
        return NamedRow(id=row_id)

    return router


def _not_aside(row_id: int) -> NotFoundError:
    return NotFoundError(f"No event {row_id} of this workspace is put aside.")
