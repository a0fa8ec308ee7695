"""People who are to be forgotten: wishes, and what all services have answered."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common.auth import Operator, operator
from rapport_common.errors import NotFoundError
from rapport_common.idempotency import Repeatable
from rapport_common.ids import uuid7_text
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router, add_routes
from rapport_profile.api.decisions import NamedIdentifier, Reason
from rapport_profile.api.models import privacy as models
from rapport_profile.domain.naming import Ids
from rapport_profile.handlers.erasing import Erasing, shown
from rapport_profile.store import privacy as store
from rapport_profile.tables import SCHEMA

Reader = Annotated[Operator, Depends(operator("privacy:read"))]
Writer = Annotated[Operator, Depends(operator("privacy:write"))]


class NewErasure(BaseModel):
    """Who is to be forgotten, and why."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "identifier": {"kind": "email", "value": "ada@example.com"},
                "reason": "request 4711, Article 17(1)(b) GDPR",
            }
        },
    )

    identifier: NamedIdentifier = Field(description="any one of the person's")
    reason: Reason = Field(
        description="kept for ever as it stands: name your own file of the request, not the person"
    )
    dry_run: bool = Field(False, description="only show who and what that would be")


def privacy_routes(engine: AsyncEngine, ids: Ids, erasing: Erasing) -> APIRouter:
    """Forget people, and see what became of it."""
    router = Router(tags=["privacy"])
    add_routes(router, _asked(engine, ids, erasing), _kept(engine, erasing))

    @router.get("/v1/privacy/keys", response_model=models.ReceiptKeys)
    async def keys(_caller: Reader) -> dict[str, Any]:
        """The public keys by which final receipts are checked: a JWKS (RFC 7517)."""
        return erasing.keys()

    return router


def _asked(engine: AsyncEngine, ids: Ids, erasing: Erasing) -> APIRouter:
    router = Router()

    @router.post("/v1/privacy/erasures", status_code=201, response_model=models.Erasure)
    async def erase(
        body: NewErasure, caller: Writer, once: Repeatable, response: Response
    ) -> dict[str, Any]:
        """Forget a person, everywhere. 200 for a dry run.

        From the answer on nothing of them is taken in that was received before, and within a
        second nothing is sent; all services have forgotten within a minute.
        """
        identifier = body.identifier.normal()
        if body.dry_run:
            response.status_code = 200
            async with engine.begin() as tx:
                person = await erasing.find(tx, caller.workspace, identifier)
                removed = await erasing.would_remove(tx, caller.workspace, person)
                number = await erasing.count(tx, caller.workspace, person)
            return {
                "id": None,
                "state": "dry run",
                "profile_id": person.profile_id,
                "identifiers": number,
                "would_remove": removed,
            }
        async with engine.begin() as tx:
            # What the key is compared with must not tell who it was.
            spec = {"identifier": ids.of(caller.workspace, identifier), "reason": body.reason}
            made = uuid7_text()
            known = await once.earlier(tx, SCHEMA, caller.workspace, body=spec, made_id=made)
            if known is None:
                await erasing.erase(tx, caller, identifier, (made, body.reason))
            return await _one(tx, erasing, caller.workspace, known or made)

    return router


def _kept(engine: AsyncEngine, erasing: Erasing) -> APIRouter:
    router = Router()

    @router.get("/v1/privacy/erasures", response_model=Listed[models.Erasure])
    async def erasures(caller: Reader, page: Paging) -> dict[str, Any]:
        """All wishes to be forgotten, the newest first, with what services have answered."""
        after = page.after(UUID)
        async with engine.begin() as tx:
            before = str(after[0]) if after else None
            found = await store.requests(tx, caller.workspace, page.ask, before)
            answers = await store.answers(tx, caller.workspace, [row.id for row in found])
        return page.answer(
            found,
            key=lambda row: [row.id],
            show=lambda row: shown(row, answers[row.id], erasing.law),
        )

    @router.get("/v1/privacy/erasures/{erasure_id}", response_model=models.Erasure)
    async def erasure(erasure_id: UUID, caller: Reader) -> dict[str, Any]:
        """One wish; `receipt` is the signed final receipt, once all services have answered."""
        async with engine.begin() as tx:
            return await _one(tx, erasing, caller.workspace, str(erasure_id))

    return router


async def _one(
    tx: AsyncConnection, erasing: Erasing, workspace: str, erasure_id: str
) -> dict[str, Any]:
    found = await store.request(tx, workspace, erasure_id)
    if found is None:
        message = f"There is no erasure {erasure_id} in this workspace."
        raise NotFoundError(message, details={"id": erasure_id})
    answers = await store.answers(tx, workspace, [found.id])
    return shown(found, answers[found.id], erasing.law)
