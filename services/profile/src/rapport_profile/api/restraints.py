"""What is not to be done with a person's data: restriction of processing, and objections."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common.auth import Operator, operator
from rapport_common.errors import NotFoundError
from rapport_common.events.activity import Restraint
from rapport_common.idempotency import Repeatable
from rapport_common.ids import uuid7_text
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router, add_routes
from rapport_profile.api.decisions import NamedIdentifier, Reason
from rapport_profile.api.models import privacy as models
from rapport_profile.domain.naming import Ids
from rapport_profile.handlers.restraining import Restraining
from rapport_profile.store import restraints as store
from rapport_profile.tables import SCHEMA

Reader = Annotated[Operator, Depends(operator("privacy:read"))]
Writer = Annotated[Operator, Depends(operator("privacy:write"))]


class NewRestraint(BaseModel):
    """Whose data, what is not to be done with them, and why."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "identifier": {"kind": "email", "value": "ada@example.com"},
                "what": "marketing",
                "reason": "letter 4712, Article 21(2) GDPR",
            }
        },
    )

    identifier: NamedIdentifier = Field(description="any one of the person's")
    what: Restraint = Field(
        description="`processing`: nothing but keeping them; `marketing`: no promotions, whatever "
        "consents say; `profiling`: no segments"
    )
    reason: Reason = Field(description="name your own file of the request, not the person")


class Lifting(BaseModel):
    """Why a restraint holds no more."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"reason": "letter 4713: they want it again"}}
    )

    reason: Reason


def restraint_routes(engine: AsyncEngine, ids: Ids) -> APIRouter:
    """Restrict what is done with somebody's data, lift that, and see who has said it."""
    router = Router(tags=["privacy"])
    add_routes(router, _said(engine, ids), _kept(engine))
    return router


def _said(engine: AsyncEngine, ids: Ids) -> APIRouter:
    router = Router()
    restraining = Restraining(ids)

    @router.post("/v1/privacy/restraints", status_code=201, response_model=models.Restraint)
    async def restrain(body: NewRestraint, caller: Writer, once: Repeatable) -> dict[str, Any]:
        """Let a restraint hold of a person until it is lifted, whatever sources say later.

        It goes where the person goes: who is merged with them has it, too, and both parts of who
        comes apart. Segments and campaigns heed it within a second, of what is queued as well.
        """
        identifier = body.identifier.normal()
        # What the key is compared with must not tell who it was.
        spec = {**body.model_dump(), "identifier": ids.of(caller.workspace, identifier)}
        made = uuid7_text()
        async with engine.begin() as tx:
            known = await once.earlier(tx, SCHEMA, caller.workspace, body=spec, made_id=made)
            if known is None:
                told = (made, body.reason)
                await restraining.restrain(tx, caller, identifier, body.what, told)
            return await _one(tx, caller.workspace, known or made)

    @router.post("/v1/privacy/restraints/{restraint_id}/lift", response_model=models.Restraint)
    async def lift(restraint_id: UUID, body: Lifting, caller: Writer) -> dict[str, Any]:
        """A restraint holds no more. Others of the same person do."""
        async with engine.begin() as tx:
            await restraining.lift(tx, caller, str(restraint_id), body.reason)
            return await _one(tx, caller.workspace, str(restraint_id))

    return router


def _kept(engine: AsyncEngine) -> APIRouter:
    router = Router()

    @router.get("/v1/privacy/restraints", response_model=Listed[models.Restraint])
    async def restraints(caller: Reader, page: Paging) -> dict[str, Any]:
        """All restraints, those that are lifted too, the newest first."""
        after = page.after(UUID)
        async with engine.begin() as tx:
            before = str(after[0]) if after else None
            found = await store.latest(tx, caller.workspace, page.ask, before)
        return page.answer(found, key=lambda row: [row.id], show=_shown)

    @router.get("/v1/privacy/restraints/{restraint_id}", response_model=models.Restraint)
    async def restraint(restraint_id: UUID, caller: Reader) -> dict[str, Any]:
        """One restraint."""
        async with engine.begin() as tx:
            return await _one(tx, caller.workspace, str(restraint_id))

    return router


async def _one(tx: AsyncConnection, workspace: str, restraint: str) -> dict[str, Any]:
    found = await store.find(tx, workspace, restraint)
    if found is None:
        message = f"There is no restraint {restraint} in this workspace."
        raise NotFoundError(message, details={"id": restraint})
    return _shown(found)


def _shown(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "what": row.what,
        "state": "holds" if row.lifted_at is None else "lifted",
        "profile_id": row.profile_id,
        "identifiers": len(row.identifiers),
        "actor": row.actor,
        "reason": row.reason,
        "created_at": row.at,
        "lifted_at": row.lifted_at,
        "lifted_by": row.lifted_by,
        "lifted_reason": row.lifted_reason,
    }
