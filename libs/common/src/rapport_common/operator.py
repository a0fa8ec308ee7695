"""The operator routes of every consumer: positions, dead letters, replay."""

import base64
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import clock
from rapport_common.auth import Operator, operator
from rapport_common.discretion import told
from rapport_common.errors import (
    ConflictError,
    InvalidEvent,
    InvalidRequestError,
    NotFoundError,
)
from rapport_common.kafka.batch import Record
from rapport_common.kafka.consumer import Consumer
from rapport_common.kafka.store import DeadLetter
from rapport_common.wording import plain

Ops = Annotated[Operator, Depends(operator("ops"))]


class ResetPosition(BaseModel):
    """Where a consumer shall go on in one partition."""

    model_config = ConfigDict(extra="forbid")

    topic: str
    partition: int = Field(ge=0)
    next_offset: int = Field(ge=0)


class ReplayDeadLetter(BaseModel):
    """Apply a dead letter again, as it is or with a fixed record."""

    model_config = ConfigDict(extra="forbid")

    value: dict[str, Any] | None = None


def consumer_routes(engine: AsyncEngine, consumer: Consumer) -> APIRouter:
    """/v1/positions and /v1/dead-letters over one consumer (scope `ops`)."""
    router = APIRouter(tags=["operations"])
    store = consumer.store

    @router.get("/v1/positions")
    async def positions(_caller: Ops) -> dict[str, Any]:
        async with engine.begin() as tx:
            stored = await store.positions(tx)
        rows = [
            {"topic": topic, "partition": partition, "next_offset": offset}
            for (topic, partition), offset in sorted(stored.items())
        ]
        return {"positions": rows, "stopped_because": consumer.stopped_because}

    @router.post("/v1/positions/reset")
    async def reset(body: ResetPosition, _caller: Ops) -> dict[str, Any]:
        async with engine.begin() as tx:
            found = await store.reset_position(tx, body.topic, body.partition, body.next_offset)
        if not found:
            message = f"There is no position for {body.topic}/{body.partition}."
            raise NotFoundError(message)
        consumer.restart()
        return body.model_dump()

    @router.post("/v1/positions/resume")
    async def resume(_caller: Ops) -> dict[str, Any]:
        reason = consumer.stopped_because
        consumer.resume()
        return {"resumed": reason is not None, "stopped_because": reason}

    @router.get("/v1/dead-letters")
    async def dead_letters(
        _caller: Ops, limit: Annotated[int, Query(ge=1, le=1000)] = 100
    ) -> dict[str, Any]:
        async with engine.begin() as tx:
            letters = await store.dead_letters(tx, limit=limit)
        return {"dead_letters": [_shown(one) for one in letters]}

    @router.post("/v1/dead-letters/{letter_id}/replay")
    async def replay(
        letter_id: int, _caller: Ops, body: ReplayDeadLetter | None = None
    ) -> dict[str, Any]:
        async with engine.begin() as tx:
            letter = await _open_letter(tx, consumer, letter_id)
            await _apply(tx, consumer, letter, body.value if body else None)
            await store.mark_replayed(tx, letter_id)
        return {"id": letter_id, "replayed_at": clock.iso(clock.now())}

    return router


async def _open_letter(tx: AsyncConnection, consumer: Consumer, letter_id: int) -> DeadLetter:
    letters = await consumer.store.dead_letters(tx, limit=1, only=letter_id)
    if not letters:
        message = f"There is no dead letter {letter_id}."
        raise NotFoundError(message)
    if letters[0].replayed_at is not None:
        message = f"Dead letter {letter_id} was replayed at {letters[0].replayed_at}."
        raise ConflictError(message)
    return letters[0]


async def _apply(
    tx: AsyncConnection, consumer: Consumer, letter: DeadLetter, fixed: dict[str, Any] | None
) -> None:
    raw = letter.value or b"" if fixed is None else msgspec.json.encode(fixed)
    try:
        value = consumer.batches.decoders[letter.topic].decode(raw)
    except msgspec.MsgspecError as error:
        message = f"This is not a record of {letter.topic}: {plain(error)}"
        raise InvalidRequestError(message, details={"topic": letter.topic}) from error
    record = Record(letter.topic, letter.partition, letter.offset, letter.key or b"", value)
    try:
        await consumer.batches.handlers[letter.topic]([record], tx)
    except InvalidEvent as verdict:
        message = f"The record still can't be applied: {verdict.reason}"
        raise InvalidRequestError(message, details={"topic": letter.topic}) from verdict


def _shown(letter: DeadLetter) -> dict[str, Any]:
    value = letter.value or b""
    try:
        shown: Any = msgspec.json.decode(value)
    except msgspec.MsgspecError:
        shown = {"base64": base64.b64encode(value).decode()}
    return {
        "id": letter.id,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "reason": letter.reason,
        "created_at": letter.created_at,
        "replayed_at": letter.replayed_at,
        "value": shown,
    }


def consumer_check(consumer: Consumer) -> Any:
    """A readiness check: not ready while the consumer has stopped loudly."""

    async def check() -> str | None:
        return consumer.stopped_because

    return check


def unavailable_without(engine: AsyncEngine) -> Any:
    """A readiness check: not ready while Postgres does not answer within 2 s."""

    async def check() -> str | None:
        try:
            async with engine.connect() as connection:
                await connection.exec_driver_sql("SELECT 1")
        except Exception as error:  # noqa: BLE001 - whatever is wrong, it is not ready
            return f"database: {told(error)}"
        return None

    return check
