"""The equations of ingest: received = accepted + rejected, and where the accepted ones are."""

from typing import Any

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.auth import InstallationOps
from rapport_ingest.api import models
from rapport_ingest.api.sources import counts_of
from rapport_ingest.handlers.counting import Counting
from rapport_ingest.handlers.locate import Locator
from rapport_ingest.spool import Spool
from rapport_ingest.store import balances, tallies
from rapport_ingest.store.spool import aside_counts


def ledger_routes(
    engine: AsyncEngine, locator: Locator, counting: Counting, spool: Spool
) -> APIRouter:
    """The ledger."""
    router = APIRouter(tags=["operations"])

    @router.get("/v1/ledger", response_model=models.Ledger)
    async def ledger(_caller: InstallationOps) -> dict[str, Any]:
        """Received = accepted + rejected; what of it is in the spool, topic and quarantine."""
        await counting.flush()
        written = await locator.end_offsets()
        async with engine.begin() as tx:
            tally = await tallies.total(tx)
            quarantined = await balances.kept(tx)
            waiting = await spool.size(tx)
            aside, given_up = await aside_counts(tx)
        return {
            **counts_of(tally),
            "quarantined": quarantined,
            "spooled_now": waiting.rows,
            "spool_refused": aside,
            "spool_discarded": given_up,
            "topic": {"end_offsets_total": written},
        }

    return router
