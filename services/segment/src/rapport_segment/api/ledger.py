"""GET /v1/ledger."""

from typing import Any

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.auth import InstallationOps
from rapport_common.kafka.store import ConsumerStore
from rapport_common.operator.models import Ledger
from rapport_segment.store import people


class SegmentLedger(Ledger):
    """Entered - exited = open memberships, always."""

    entered: int
    exited: int
    persons: int
    open_memberships: int
    lacking: int = Field(description="profiles of which a record was missed")


def ledger_routes(engine: AsyncEngine, consumer: ConsumerStore) -> APIRouter:
    """GET /v1/ledger: the counts of the equations, over all workspaces."""
    router = APIRouter(tags=["operations"])

    @router.get("/v1/ledger", response_model=SegmentLedger)
    async def ledger(_caller: InstallationOps) -> dict[str, Any]:
        async with engine.begin() as tx:
            # One picture: counts of different instants would not add up.
            await tx.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            consumed = await consumer.ledger(tx)
            counts = await people.counts(tx)
        tallies = consumed["tallies"]
        return {
            **consumed,
            **counts,
            "entered": tallies.get("entered", 0),
            "exited": tallies.get("exited", 0),
        }

    return router
