"""/v1/outbox/refused: records that Kafka will not take."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.auth import Operator, operator
from rapport_common.errors import NotFoundError
from rapport_common.operator.models import RefusedRow, Row
from rapport_common.operator.shown import shown_key, shown_value
from rapport_common.outbox import OutboxStore, Refused
from rapport_common.paging import BigId, Listed, Paging
from rapport_common.routes import Router

Ops = Annotated[Operator, Depends(operator("ops"))]


def outbox_routes(engine: AsyncEngine, store: OutboxStore) -> APIRouter:
    """List, retry, discard (scope `ops`); a caller sees the rows of his workspace."""
    router = Router(tags=["operations"])

    @router.get("/v1/outbox/refused", response_model=Listed[RefusedRow])
    async def listing(caller: Ops, page: Paging) -> dict[str, Any]:
        (before,) = page.after(int) or (None,)
        async with engine.begin() as tx:
            rows = await store.refused(tx, workspace=caller.sees, before=before, limit=page.ask)
        return page.answer(rows, key=lambda one: [one.id], show=_shown)

    @router.post("/v1/outbox/refused/{row_id}/retry")
    async def retry(row_id: BigId, caller: Ops) -> Row:
        async with engine.begin() as tx:
            if not await store.retry(tx, row_id, caller.sees):
                raise _unknown(row_id)
        return Row(id=row_id)

    @router.post("/v1/outbox/refused/{row_id}/discard")
    async def discard(row_id: BigId, caller: Ops) -> Row:
        async with engine.begin() as tx:
            if not await store.discard(tx, row_id, caller.sees):
                raise _unknown(row_id)
        return Row(id=row_id)

    return router


def _unknown(row_id: int) -> NotFoundError:
    return NotFoundError(f"There is no refused row {row_id} in this workspace.")


def _shown(row: Refused) -> dict[str, Any]:
    return {
        "id": row.id,
        "workspace": row.workspace,
        "topic": row.topic,
        "version": row.version,
        "key": shown_key(row.key),
        "bytes": len(row.value),
        "reason": row.reason,
        "created_at": row.created_at,
        "refused_at": row.refused_at,
        "value": shown_value(row.value) if len(row.value) <= MAX_SHOWN else None,
    }


MAX_SHOWN = 64 * 1024
"""A list shows values up to this size: those that are refused are mostly refused for theirs."""
