"""What operators put right of people: values that count, whatever sources say."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common.auth import Operator, operator
from rapport_common.errors import InvalidRequestError, NotFoundError
from rapport_common.idempotency import Repeatable
from rapport_common.ids import uuid7_text
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router, add_routes
from rapport_profile.api.decisions import NO_NUL, NamedIdentifier, Reason
from rapport_profile.api.models import privacy as models
from rapport_profile.domain.correcting import MAX_TRAITS, written
from rapport_profile.domain.naming import Ids
from rapport_profile.domain.rules import RulesError
from rapport_profile.handlers.rectifying import Correction, Rectifying
from rapport_profile.store import rectifications as store
from rapport_profile.tables import SCHEMA

Reader = Annotated[Operator, Depends(operator("privacy:read"))]
Writer = Annotated[Operator, Depends(operator("privacy:write"))]
_WHAT = "of a rectification"


class NewRectification(BaseModel):
    """Of whom what is right, why, and what shows it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "identifier": {"kind": "user_id", "value": "customer-42"},
                "traits": {"email": "ada@example.com", "birthday": "1985-12-10"},
                "reason": "letter 4714, Article 16 GDPR",
                "evidence": "passport seen at the desk in Leeds",
            }
        },
    )

    identifier: NamedIdentifier = Field(description="any one of the person's")
    traits: dict[str, Any] = Field(
        max_length=MAX_TRAITS,
        description="values as they are right, null where there is none; `email` and `phone` say "
        "where the person is reached, too",
    )
    reason: Reason = Field(description="name your own file of the request, not the person")
    evidence: Annotated[str, Field(max_length=1000, pattern=NO_NUL)] | None = Field(
        None, description="what shows that it is right; it goes when the person is forgotten"
    )


class Lifting(BaseModel):
    """Why a rectification holds no more."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"reason": "letter 4715: they have moved"}}
    )

    reason: Reason


def rectification_routes(engine: AsyncEngine, ids: Ids) -> APIRouter:
    """Put right what is known of somebody, lift that, and see who has said it."""
    router = Router(tags=["privacy"])
    add_routes(router, _said(engine, ids), _kept(engine))
    return router


def _said(engine: AsyncEngine, ids: Ids) -> APIRouter:
    router = Router()
    rectifying = Rectifying(ids)

    @router.post("/v1/privacy/rectifications", status_code=201, response_model=models.Rectification)
    async def rectify(body: NewRectification, caller: Writer, once: Repeatable) -> dict[str, Any]:
        """Let values hold of a person until they are lifted, whatever sources said or say later.

        They go where the person goes, as restraints do. Of two that say something of one trait
        the later holds. Nobody becomes one with another by it: `…/merge` says that.
        """
        said = _said_by(body)
        async with engine.begin() as tx:
            spec = _compared(said, ids, caller.workspace)
            known = await once.earlier(tx, SCHEMA, caller.workspace, body=spec, made_id=said.id)
            if known is None:
                with _refusing():
                    await rectifying.rectify(tx, caller, said)
            return await _one(tx, caller.workspace, known or said.id)

    @router.post(
        "/v1/privacy/rectifications/{rectification_id}/lift", response_model=models.Rectification
    )
    async def lift(rectification_id: UUID, body: Lifting, caller: Writer) -> dict[str, Any]:
        """What sources say counts again. Other rectifications of the same person hold."""
        async with engine.begin() as tx:
            await rectifying.lift(tx, caller, str(rectification_id), body.reason)
            return await _one(tx, caller.workspace, str(rectification_id))

    return router


def _said_by(body: NewRectification) -> Correction:
    with _refusing():
        traits = written(body.traits)
    identifier = body.identifier.normal()
    return Correction(uuid7_text(), identifier, traits, body.reason, body.evidence)


@contextmanager
def _refusing() -> Iterator[None]:
    """What can't be is said as of every bad body."""
    try:
        yield
    except RulesError as error:
        message = f"{error.where}: {error}."
        raise InvalidRequestError(message, details={"field": error.where}) from error


def _compared(said: Correction, ids: Ids, workspace: str) -> dict[str, Any]:
    """What an idempotency key is compared with, which must not tell who it was, nor what."""
    values = sorted((name, bytes(value).decode()) for name, value in said.traits.items())
    words = msgspec.json.encode([values, said.evidence]).decode()
    return {
        "identifier": ids.of(workspace, said.identifier),
        "said": ids.digest(workspace, _WHAT, words).hex(),
        "reason": said.reason,
    }


def _kept(engine: AsyncEngine) -> APIRouter:
    router = Router()

    @router.get("/v1/privacy/rectifications", response_model=Listed[models.Rectification])
    async def rectifications(caller: Reader, page: Paging) -> dict[str, Any]:
        """All rectifications, those that are lifted too, the newest first."""
        after = page.after(UUID)
        async with engine.begin() as tx:
            before = str(after[0]) if after else None
            found = await store.latest(tx, caller.workspace, page.ask, before)
        return page.answer(found, key=lambda row: [row.id], show=_shown)

    @router.get(
        "/v1/privacy/rectifications/{rectification_id}", response_model=models.Rectification
    )
    async def rectification(rectification_id: UUID, caller: Reader) -> dict[str, Any]:
        """One rectification."""
        async with engine.begin() as tx:
            return await _one(tx, caller.workspace, str(rectification_id))

    return router


async def _one(tx: AsyncConnection, workspace: str, id_: str) -> dict[str, Any]:
    found = await store.find(tx, workspace, id_)
    if found is None:
        message = f"There is no rectification {id_} in this workspace."
        raise NotFoundError(message, details={"id": id_})
    return _shown(found)


def _shown(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "traits": msgspec.json.decode(row.traits),
        "state": "holds" if row.lifted_at is None else "lifted",
        "profile_id": row.profile_id,
        "identifiers": len(row.identifiers),
        "actor": row.actor,
        "reason": row.reason,
        "evidence": row.evidence,
        "created_at": row.at,
        "lifted_at": row.lifted_at,
        "lifted_by": row.lifted_by,
        "lifted_reason": row.lifted_reason,
    }
