"""/v1/positions: how far a consumer has read, and the way out when it has stopped.

Positions are the installation's: each record behind them is some workspace's.
"""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.auth import InstallationOps
from rapport_common.errors import NotFoundError
from rapport_common.kafka.consumer import Consumer
from rapport_common.operator.models import Position, Positions, Resumed
from rapport_common.paging import MAX_BIGINT, Paging
from rapport_common.routes import Router

MAX_INTEGER = 2**31 - 1


class ResetPosition(BaseModel):
    """Where a consumer shall go on in one partition."""

    model_config = ConfigDict(extra="forbid")

    topic: str = Field(max_length=249, pattern=r"^[a-zA-Z0-9._-]+$")
    partition: int = Field(ge=0, le=MAX_INTEGER)
    next_offset: int = Field(ge=0, le=MAX_BIGINT)


def position_routes(engine: AsyncEngine, consumer: Consumer) -> APIRouter:
    """Show, reset and resume; a command reaches every replica, whichever was asked."""
    router = Router()
    store = consumer.store

    @router.get("/v1/positions", response_model=Positions)
    async def positions(_caller: InstallationOps, page: Paging) -> dict[str, Any]:
        after = page.after(str, int)
        async with engine.begin() as tx:
            stored = sorted((await store.positions(tx)).items())
            stops = await store.stops(tx)
        rows = [one for one in stored if after is None or one[0] > after]
        answer = page.answer(rows[: page.ask], key=lambda one: one[0], show=_shown)
        return {**answer, "stopped": stops}

    @router.post("/v1/positions/reset")
    async def reset(body: ResetPosition, caller: InstallationOps) -> Position:
        async with engine.begin() as tx:
            found = await store.reset_position(
                tx, body.topic, body.partition, body.next_offset, issued_by=caller.subject
            )
        if not found:
            message = f"There is no position for {body.topic}/{body.partition}."
            raise NotFoundError(message)
        consumer.look()
        return Position.model_validate(body.model_dump())

    @router.post("/v1/positions/resume")
    async def resume(caller: InstallationOps) -> Resumed:
        async with engine.begin() as tx:
            stops = await store.stops(tx)
            await store.tell(tx, "resume", caller.subject)
        consumer.look()
        return Resumed(resumed=bool(stops), stopped=stops)

    return router


def _shown(row: tuple[tuple[str, int], int]) -> dict[str, Any]:
    (topic, partition), offset = row
    return {"topic": topic, "partition": partition, "next_offset": offset}
