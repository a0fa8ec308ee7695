"""People who may be one: looking for them, a list, two side by side, merging and dismissing."""

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common.auth import Operator, operator
from rapport_common.errors import NotFoundError
from rapport_common.idempotency import Repeatable
from rapport_common.jobs.routes import ShownJob, shown
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router, add_routes
from rapport_profile import metrics
from rapport_profile.api.answers import json_answer
from rapport_profile.api.decisions import Reason
from rapport_profile.api.models import people as models
from rapport_profile.api.profiles import as_shown
from rapport_profile.domain.duplicates.scoring import band
from rapport_profile.domain.naming import Ids
from rapport_profile.domain.shown import Shown
from rapport_profile.handlers.comparing import Digests, likeness_now
from rapport_profile.handlers.deciding import told
from rapport_profile.handlers.finding import Wanted
from rapport_profile.handlers.jobs import start
from rapport_profile.handlers.judging import Judging, require
from rapport_profile.store import duplicates as store
from rapport_profile.store.jobs import FIND_DUPLICATES

Reader = Annotated[Operator, Depends(operator("profiles:read"))]
Writer = Annotated[Operator, Depends(operator("profiles:write"))]
State = Annotated[
    Literal["open", "merged", "dismissed"], Query(description="of which nothing has been said yet")
]
Score = Annotated[float, Query(ge=0, le=1, description="0.99 shows the likely ones")]


class NewFinding(BaseModel):
    """Looking for duplicates."""

    model_config = ConfigDict(extra="forbid")

    everybody: bool = Field(
        False, description="also compare those of whom nothing has changed since the last time"
    )


class Merging(BaseModel):
    """Why two are one person."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason
    dry_run: bool = Field(False, description="only show what would change")


class Dismissing(BaseModel):
    """Why two are not one person."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason
    keep_apart: bool = Field(
        False, description="never let them become one person, whatever events say"
    )


def duplicate_routes(engine: AsyncEngine, ids: Ids) -> APIRouter:
    """Look for pairs, show them, and say what they are."""
    router = Router(tags=["duplicates"])
    add_routes(router, _shown_pairs(engine, ids), _judged(engine, ids))

    @router.post("/v1/duplicates/find", status_code=202)
    async def find(body: NewFinding, caller: Writer, once: Repeatable) -> ShownJob:
        """Look for people who may be one: a job that compares those of whom something changed."""
        spec = msgspec.to_builtins(Wanted(everybody=body.everybody))
        async with engine.begin() as tx:
            return shown(await start(tx, once, caller.workspace, FIND_DUPLICATES, spec))

    return router


def _shown_pairs(engine: AsyncEngine, ids: Ids) -> APIRouter:
    router = Router()

    @router.get("/v1/duplicates", response_model=Listed[models.Duplicate])
    async def duplicates(
        caller: Reader, page: Paging, state: State = "open", min_score: Score = 0.0
    ) -> dict[str, Any]:
        """Pairs as the last search has found them, the likeliest first."""
        after = page.after(float, UUID)
        last = None if after is None else (after[0], after[1])
        async with engine.begin() as tx:
            found = await store.listed(tx, caller.workspace, state, page.ask, last, least=min_score)
        return page.answer(found, key=lambda row: [row.score, row.id], show=_as_shown)

    @router.get("/v1/duplicates/{duplicate_id}", response_model=models.ShownDuplicate)
    async def duplicate(duplicate_id: UUID, caller: Reader) -> Response:
        """Two people side by side, and how alike they are now."""
        async with engine.begin() as tx:
            row = await require(tx, caller.workspace, str(duplicate_id))
            body = _as_shown(row)
            if row.state == store.OPEN:
                body |= await _fresh(tx, Digests(ids, caller.workspace), row)
            body["profiles"] = await _side_by_side(tx, caller.workspace, row)
        return json_answer(body)

    return router


def _judged(engine: AsyncEngine, ids: Ids) -> APIRouter:
    router = Router()
    judging = Judging(ids)

    @router.post("/v1/duplicates/{duplicate_id}/merge", response_model=models.Decided)
    async def merge(duplicate_id: UUID, body: Merging, caller: Writer) -> dict[str, Any]:
        """Make one person of two, as `POST /v1/profiles/merge` does; `…/undo` takes it back."""
        async with engine.connect() as tx, tx.begin() as work:
            done = await judging.merge(tx, caller, str(duplicate_id), body.reason)
            if body.dry_run:
                await work.rollback()
        if body.dry_run:
            return {"decision_id": None, "changes": told(done.steps)}
        metrics.JUDGED.labels(store.MERGED).inc()
        return {"decision_id": done.decision_id, "changes": told(done.steps)}

    @router.post("/v1/duplicates/{duplicate_id}/dismiss", response_model=models.Decided)
    async def dismiss(duplicate_id: UUID, body: Dismissing, caller: Writer) -> dict[str, Any]:
        """Propose two no more; with `keep_apart` they never become one person."""
        async with engine.begin() as tx:
            done = await judging.dismiss(
                tx, caller, str(duplicate_id), body.reason, keep_apart=body.keep_apart
            )
        metrics.JUDGED.labels(store.DISMISSED).inc()
        return {"decision_id": done.decision_id, "changes": told(done.steps)}

    return router


async def _fresh(tx: AsyncConnection, digests: Digests, row: Row[Any]) -> dict[str, Any]:
    """The score and its reasons by what is known now; none, where they are no pair any more."""
    like = await likeness_now(tx, digests, (row.a, row.b))
    if like is None:
        return {}
    return {"score": like.score, "band": like.band, "reasons": like.reasons}


async def _side_by_side(tx: AsyncConnection, workspace: str, row: Row[Any]) -> list[Shown]:
    found: dict[str, Shown] = {}
    for end in (row.a, row.b):
        try:
            one = await as_shown(tx, workspace, UUID(end))
        except NotFoundError:
            # Nobody's any more: erased, or taken apart.
            continue
        found[one.id] = one
    return list(found.values())


def _as_shown(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "profile_id": row.a,
        "other_profile_id": row.b,
        "score": row.score,
        "band": band(row.score),
        "reasons": msgspec.json.decode(row.reasons),
        "state": row.state,
        "found_at": row.found_at,
        "decided_at": row.decided_at,
        "decided_by": row.decided_by,
        "decided_reason": row.decided_reason,
        "decision_id": row.decision_id,
    }
