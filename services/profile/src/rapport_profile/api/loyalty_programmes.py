"""The loyalty programme of a workspace, as data, in versions."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.auth import Operator, operator
from rapport_common.idempotency import Repeatable
from rapport_common.jobs.routes import ShownJob, shown
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router, add_routes
from rapport_profile.api import loyalty_models as models
from rapport_profile.api.asking import Reader
from rapport_profile.handlers.loyalty_programmes import backfill, declare, require_possible
from rapport_profile.store import loyalty_programmes as store
from rapport_profile.store.loyalty_programmes import Declared

Writer = Annotated[Operator, Depends(operator("profiles:write"))]


def programme_routes(engine: AsyncEngine) -> APIRouter:
    """Show and change the programme, and let it count from an earlier time on."""
    router = Router(tags=["loyalty"])
    add_routes(router, _backfill(engine))

    @router.get("/v1/loyalty/programme", response_model=models.CurrentProgramme)
    async def loyalty_programme(caller: Reader) -> dict[str, Any]:
        """The programme that was declared last; version 0 where there is none."""
        async with engine.begin() as tx:
            found = await store.history(tx, caller.workspace, 1)
            versions = (await store.versions(tx, [caller.workspace]))[caller.workspace]
        starts_at = versions[0].since if versions else None
        return {**(_version(found[0]) if found else _NONE), "starts_at": starts_at}

    @router.get("/v1/loyalty/programme/history", response_model=Listed[models.Programme])
    async def history_of_loyalty_programme(caller: Reader, page: Paging) -> dict[str, Any]:
        """All versions, the newest first."""
        after = page.after(int)
        async with engine.begin() as tx:
            before = after[0] if after else None
            found = await store.history(tx, caller.workspace, page.ask, before)
        return page.answer(found, key=lambda one: [one.version], show=_version)

    @router.put("/v1/loyalty/programme", response_model=models.Programme)
    async def declare_loyalty_programme(
        body: models.NewProgramme, caller: Writer
    ) -> dict[str, Any]:
        """Let a programme hold. What was earned before stays; its tiers are worked out anew."""
        programme = require_possible(body.programme)
        by = (caller.subject, body.reason)
        async with engine.begin() as tx:
            made = await declare(
                tx, caller.workspace, programme, after=body.version, since=body.since, by=by
            )
        return _version(made)

    return router


def _backfill(engine: AsyncEngine) -> APIRouter:
    router = Router()

    @router.post("/v1/loyalty/programme/backfill", status_code=202)
    async def backfill_points(
        body: models.NewBackfill, caller: Writer, once: Repeatable
    ) -> ShownJob:
        """Let what happened earlier count: a job takes it from the stored events.

        Its report says how many people and events it concerned; of a rehearsal (`dry_run`) also
        how many points they would have earned, how many of these would have expired, how many
        more there would be now, and how many people would be of another tier.
        """
        by = (caller.subject, body.reason)
        async with engine.begin() as tx:
            return shown(
                await backfill(tx, once, caller.workspace, body.since, dry_run=body.dry_run, by=by)
            )

    return router


_NONE = {
    "version": 0,
    "programme": None,
    "begins_at": None,
    "actor": None,
    "reason": None,
    "created_at": None,
}


def _version(found: Declared) -> dict[str, Any]:
    return {
        "version": found.version,
        "programme": msgspec.json.decode(msgspec.json.encode(found.programme)),
        "begins_at": found.since,
        "actor": found.actor,
        "reason": found.reason,
        "created_at": found.created_at,
    }
