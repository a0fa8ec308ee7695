"""/v1/parked: keys that keep failing, what waits behind them, and letting them go."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common.auth import Operator, operator
from rapport_common.errors import ConflictError, NotFoundError
from rapport_common.kafka.batch import BatchWriter
from rapport_common.kafka.parking import ParkedKey, ParkedRecord, ParkingStore
from rapport_common.kafka.unpark import Unparker
from rapport_common.operator.models import (
    DiscardedKey,
    Released,
    ShownParkedKey,
    ShownParkedRecord,
)
from rapport_common.operator.shown import shown_key, shown_value
from rapport_common.paging import BigId, Listed, Paging
from rapport_common.routes import Router, add_routes

Ops = Annotated[Operator, Depends(operator("ops"))]


def parked_routes(engine: AsyncEngine, batches: BatchWriter, unparker: Unparker) -> APIRouter:
    """List, show, release, discard; a caller sees the keys of his workspace."""
    router = Router()
    parking = batches.parking

    @router.get("/v1/parked", response_model=Listed[ShownParkedKey])
    async def listing(caller: Ops, page: Paging) -> dict[str, Any]:
        (before,) = page.after(int) or (None,)
        async with engine.begin() as tx:
            keys = await parking.keys(tx, workspace=caller.sees, before=before, limit=page.ask)
        return page.answer(keys, key=lambda one: [one.id], show=_shown)

    @router.get("/v1/parked/{key_id}/records", response_model=Listed[ShownParkedRecord])
    async def records(key_id: BigId, caller: Ops, page: Paging) -> dict[str, Any]:
        (after,) = page.after(int) or (-1,)
        async with engine.begin() as tx:
            key = await _found(parking, tx, key_id, caller)
            rows = await parking.records(tx, key, after=after, limit=page.ask)
        return page.answer(rows, key=lambda one: [one.offset], show=_record)

    add_routes(router, _letting_go(engine, parking, unparker))
    return router


def _letting_go(engine: AsyncEngine, parking: ParkingStore, unparker: Unparker) -> APIRouter:
    router = Router()

    @router.post("/v1/parked/{key_id}/release")
    async def release(key_id: BigId, caller: Ops) -> Released:
        async with engine.begin() as tx:
            key = await _found(parking, tx, key_id, caller)
        outcome = await unparker.apply(key.id)
        if not outcome.taken:
            raise _in_other_hands(key_id)
        return Released(
            id=key_id,
            applied=outcome.applied,
            dead_lettered=outcome.buried,
            left=key.records if outcome.left == -1 else outcome.left,
            error=outcome.error,
        )

    @router.post("/v1/parked/{key_id}/discard")
    async def discard(key_id: BigId, caller: Ops) -> DiscardedKey:
        async with engine.begin() as tx:
            await _found(parking, tx, key_id, caller)
            key = await parking.claim(tx, key_id)
            if key is None:
                raise _in_other_hands(key_id)
            count = await parking.discard(tx, key)
        return DiscardedKey(id=key_id, discarded=count)

    return router


async def _found(
    parking: ParkingStore, tx: AsyncConnection, key_id: int, caller: Operator
) -> ParkedKey:
    keys = await parking.keys(tx, only=key_id, workspace=caller.sees, limit=1)
    if not keys:
        message = f"There is no parked key {key_id} in this workspace: it may have healed."
        raise NotFoundError(message)
    return keys[0]


def _in_other_hands(key_id: int) -> ConflictError:
    return ConflictError(f"Parked key {key_id} is just being tried; ask again in a moment.")


def _shown(key: ParkedKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "workspace": key.workspace,
        "topic": key.topic,
        "partition": key.partition,
        "key": shown_key(key.key),
        "records": key.records,
        "reason": key.reason,
        "attempts": key.attempts,
        "next_try_at": key.next_try_at,
        "parked_at": key.created_at,
    }


def _record(one: ParkedRecord) -> dict[str, Any]:
    return {"offset": one.offset, "value": shown_value(one.value)}
