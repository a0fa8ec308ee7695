"""The operator routes of what has a time: what waits, what was put aside, and letting it go."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.auth import Operator, operator
from rapport_common.due.store import AT_ONCE, Due, DueStore
from rapport_common.errors import NotFoundError
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router

NO_NUL = r"^[^\x00]*$"  # Postgres has no way to store one
Kind = Annotated[str, Path(min_length=1, max_length=63, pattern=NO_NUL)]
Key = Annotated[str, Path(min_length=1, max_length=200, pattern=NO_NUL)]
OfKind = Annotated[str | None, Query(max_length=63, pattern=NO_NUL, description="Only of this.")]
State = Annotated[Literal["waiting", "failed"], Query(description="`failed`: put aside.")]
Ops = Annotated[Operator, Depends(operator("ops"))]


class ShownDue(BaseModel):
    """Something that has a time, as operators see it; kind and key name it. Times are UTC."""

    workspace: str
    kind: str
    key: str = Field(description="the id of what it is about")
    at: datetime = Field(description="when it is due")
    try_at: datetime = Field(description="when it is tried: later than due, once it has failed")
    failed_at: datetime | None = Field(description="when it was put aside")
    attempts: int
    error: str | None
    payload: dict[str, Any]


class DueKey(BaseModel):
    """What something was done with."""

    kind: str
    key: str


class Retried(BaseModel):
    """How many rows are tried again; `more` are left, ask again."""

    retried: int
    more: bool


def due_routes(engine: AsyncEngine, store: DueStore) -> APIRouter:
    """List, retry, discard (scope `ops`); a caller sees the rows of his workspace."""
    router = Router(tags=["operations"])

    @router.get("/v1/due", response_model=Listed[ShownDue])
    async def list_due(
        caller: Ops, page: Paging, state: State = "waiting", kind: OfKind = None
    ) -> dict[str, Any]:
        """What waits for its time, or was put aside because it keeps failing; earliest first."""
        after = page.after(datetime, str, str, str)
        async with engine.begin() as tx:
            rows = await store.listed(
                tx,
                caller.sees,
                failed=state == "failed",
                kind=kind,
                after=(after[0], after[1], after[2], after[3]) if after else None,
                limit=page.ask,
            )
        return page.answer(rows, key=_place, show=_shown)

    @router.post("/v1/due/retry")
    async def retry_all_due(caller: Ops, kind: OfKind = None) -> Retried:
        """Try what was put aside again, 10,000 rows at most."""
        async with engine.begin() as tx:
            number = await store.retry_all(tx, caller.workspace, kind)
        return Retried(retried=number, more=number == AT_ONCE)

    @router.post("/v1/due/{kind}/{key}/retry")
    async def retry_due(kind: Kind, key: Key, caller: Ops) -> DueKey:
        """Try a row that was put aside again, now."""
        async with engine.begin() as tx:
            if not await store.retry(tx, caller.workspace, kind, key):
                raise _unknown(kind, key)
        return DueKey(kind=kind, key=key)

    @router.post("/v1/due/{kind}/{key}/discard")
    async def discard_due(kind: Kind, key: Key, caller: Ops) -> DueKey:
        """Forget a row that was put aside: what it was for will not happen."""
        async with engine.begin() as tx:
            if not await store.discard(tx, caller.workspace, kind, key):
                raise _unknown(kind, key)
        return DueKey(kind=kind, key=key)

    return router


def _unknown(kind: str, key: str) -> NotFoundError:
    message = f"Nothing of kind '{kind}' with the key '{key}' is put aside in this workspace."
    return NotFoundError(message)


def _place(row: Due) -> list[Any]:
    return [row.try_at, row.workspace, row.kind, row.key]


def _shown(row: Due) -> dict[str, Any]:
    return {
        "workspace": row.workspace,
        "kind": row.kind,
        "key": row.key,
        "at": row.at,
        "try_at": row.try_at,
        "failed_at": row.failed_at,
        "attempts": row.attempts,
        "error": row.error,
        "payload": row.payload,
    }
