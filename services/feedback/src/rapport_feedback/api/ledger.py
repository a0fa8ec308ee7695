"""The ledger: what this service has read, and what it has published."""

from typing import Any

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.auth import InstallationOps
from rapport_common.kafka.store import ConsumerStore
from rapport_common.operator.models import Ledger
from rapport_feedback.store import ledger


class FeedbackLedger(Ledger):
    """Events published = answers + case_steps + case_breaches; some may be in `outbox`."""

    persons: int
    lacking: int
    invitations: int
    responses: int
    answers: int
    cases: int
    open_cases: int
    case_steps: int
    case_breaches: int


def ledger_routes(engine: AsyncEngine, consumer: ConsumerStore) -> APIRouter:
    """/v1/ledger: what was read, and what was published."""
    router = APIRouter(tags=["operations"])

    @router.get("/v1/ledger", response_model=FeedbackLedger)
    async def read(_caller: InstallationOps) -> dict[str, Any]:
        async with engine.begin() as tx:
            return {**await consumer.ledger(tx), **await ledger.counts(tx)}

    return router
