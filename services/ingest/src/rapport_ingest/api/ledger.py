"""The equations of ingest: received = accepted + rejected, and where the accepted ones are."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.auth import InstallationOps
from rapport_common.errors import NotFoundError
from rapport_common.paging import BigId, Paging
from rapport_ingest.api.fields import Ops
from rapport_ingest.api.sources import counts_of
from rapport_ingest.handlers.counting import Counting
from rapport_ingest.handlers.locate import Locator
from rapport_ingest.spool import Spool
from rapport_ingest.store import quarantine, tallies
from rapport_ingest.store.spool import refused, refused_count, retry


def ledger_routes(
    engine: AsyncEngine, locator: Locator, counting: Counting, spool: Spool
) -> APIRouter:
    """The ledger."""
    router = APIRouter(tags=["operations"])

    @router.get("/v1/ledger")
    async def ledger(_caller: InstallationOps) -> dict[str, Any]:
        """Received = accepted + rejected; what of it is in the spool, topic and quarantine."""
        await counting.flush()
        written = await locator.end_offsets()
        async with engine.begin() as tx:
            tally = await tallies.total(tx)
            quarantined = await quarantine.kept(tx)
            waiting = await spool.size(tx)
            aside = await refused_count(tx)
        return {
            **counts_of(tally),
            "quarantined": quarantined,
            "spooled_now": waiting.rows,
            "spool_refused": aside,
            "topic": {"end_offsets_total": written},
        }

    @router.get("/v1/spool/refused")
    async def refused_events(page: Paging, caller: Ops) -> dict[str, Any]:
        """Accepted events of this workspace that Kafka will not take, the newest first."""
        after = page.after(int)
        async with engine.begin() as tx:
            rows = await refused(
                tx, caller.workspace, before=after[0] if after else None, limit=page.ask
            )
        return page.answer(rows, key=lambda one: (one.id,), show=asdict)

    @router.post("/v1/spool/refused/{row_id}/retry")
    async def retry_refused_event(row_id: BigId, caller: Ops) -> dict[str, Any]:
        """Try one of them again: Kafka's limit was raised, or what was broken is mended."""
        async with engine.begin() as tx:
            if not await retry(tx, caller.workspace, row_id):
                message = f"No event {row_id} of this workspace is put aside."
                raise NotFoundError(message)
        return {"id": row_id}

    return router
