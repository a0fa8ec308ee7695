"""Telling everybody again, as a job."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.auth import Operator, operator
from rapport_common.idempotency import Repeatable
from rapport_common.jobs.routes import ShownJob, shown
from rapport_common.routes import Router
from rapport_profile.handlers.jobs import start
from rapport_profile.handlers.republishing import Wanted
from rapport_profile.store.jobs import REPUBLISH

Ops = Annotated[Operator, Depends(operator("ops"))]


class NewRepublishing(BaseModel):
    """Whose profiles are told again."""

    model_config = ConfigDict(extra="forbid")

    everywhere: bool = Field(
        default=False,
        description="those of all workspaces, which takes the claim `installation`",
    )
    events: bool = Field(
        default=False,
        description="also all events of the timelines, after all profiles: for a segment service "
        "that has lost or never had them",
    )


def republishing_routes(engine: AsyncEngine) -> APIRouter:
    """Start the job; `/v1/jobs` shows how far it is, and ends it."""
    router = Router(tags=["jobs"])

    @router.post("/v1/profiles/republish", status_code=202)
    async def republish(body: NewRepublishing, caller: Ops, once: Repeatable) -> ShownJob:
        """Tell all profiles again on `profile.activity`, for who has lost or never had them."""
        if body.everywhere:
            caller.require_installation()
        spec = msgspec.to_builtins(Wanted(everywhere=body.everywhere, events=body.events))
        async with engine.begin() as tx:
            job = await start(tx, once, caller.workspace, REPUBLISH, spec)
        return shown(job)

    return router
