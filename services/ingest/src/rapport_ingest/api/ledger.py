"""The equations of ingest: received = accepted + rejected, and where the accepted ones are."""

from typing import Any

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_ingest.api.fields import Ops
from rapport_ingest.api.sources import counts_of
from rapport_ingest.handlers.counting import Counting
from rapport_ingest.handlers.locate import Locator
from rapport_ingest.spool import Spool
from rapport_ingest.store import quarantine, tallies


def ledger_routes(
    engine: AsyncEngine, locator: Locator, counting: Counting, spool: Spool
) -> APIRouter:
    """The ledger."""
    router = APIRouter(tags=["operations"])

    @router.get("/v1/ledger")
    async def ledger(_caller: Ops) -> dict[str, Any]:
        """Received = accepted + rejected; what of it is in the spool, topic and quarantine."""
        await counting.flush()
        written = await locator.end_offsets()
        async with engine.begin() as tx:
            tally = await tallies.total(tx)
            quarantined = await quarantine.kept(tx)
            waiting = await spool.size(tx)
        return {
            **counts_of(tally),
            "quarantined": quarantined,
            "spooled_now": waiting.rows,
            "topic": {"end_offsets_total": written},
        }

    return router
