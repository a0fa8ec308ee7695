"""The operator API of profile."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Query, Response
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common.auth import InstallationOps, Operator, operator
from rapport_common.errors import NotFoundError
from rapport_common.events.contact import normal_email
from rapport_common.events.envelope import EMAIL
from rapport_common.kafka.store import ConsumerStore
from rapport_profile.domain.facts import identifier_id
from rapport_profile.domain.fold import merge
from rapport_profile.domain.published import state
from rapport_profile.store import reads

Reader = Annotated[Operator, Depends(operator("profiles:read"))]
Limit = Annotated[int, Query(ge=1, le=1000)]
Text = Annotated[str, Query(min_length=1, max_length=512, pattern=r"^[^\x00]*$")]


class Shown(msgspec.Struct):
    """A profile as the API shows it."""

    profile_id: str
    version: int
    identifiers: list[Any]
    traits: msgspec.Raw
    computed: Any
    consent: list[Any]


def routes(engine: AsyncEngine, bookkeeping: ConsumerStore) -> APIRouter:
    """Profiles, their timelines and links, totals, the ledger."""
    router = APIRouter()
    router.include_router(_profiles(engine), tags=["profiles"])
    router.include_router(_histories(engine), tags=["profiles"])

    @router.get("/v1/stats", tags=["profiles"])
    async def stats(caller: Reader) -> dict[str, Any]:
        async with engine.begin() as tx:
            return await reads.stats(tx, caller.workspace)

    @router.get("/v1/ledger", tags=["operations"])
    async def ledger(_caller: InstallationOps) -> dict[str, Any]:
        # One snapshot: positions and tallies move together.
        async with engine.connect() as connection:
            tx = await connection.execution_options(isolation_level="REPEATABLE READ")
            return await bookkeeping.ledger(tx)

    return router


def _profiles(engine: AsyncEngine) -> APIRouter:
    router = APIRouter()

    @router.get("/v1/profiles")
    async def find(caller: Reader, kind: Text, value: Text) -> Response:
        wanted = normal_email(value) if kind == EMAIL else value
        async with engine.begin() as tx:
            identifier = identifier_id(caller.workspace, (kind, wanted))
            profile_id = await reads.by_identifier(tx, caller.workspace, identifier)
            if profile_id is None:
                message = f"Nobody is known by {kind} '{value}' in this workspace."
                raise NotFoundError(message, details={"kind": kind, "value": value})
            return await _shown(tx, caller.workspace, profile_id)

    @router.get("/v1/profiles/{profile_id}")
    async def get(profile_id: UUID, caller: Reader) -> Response:
        async with engine.begin() as tx:
            return await _shown(tx, caller.workspace, profile_id)

    return router


def _histories(engine: AsyncEngine) -> APIRouter:
    router = APIRouter()

    @router.get("/v1/profiles/{profile_id}/timeline")
    async def timeline(
        profile_id: UUID,
        caller: Reader,
        limit: Limit = 100,
        before: datetime | None = None,
        after: datetime | None = None,
    ) -> Response:
        async with engine.begin() as tx:
            current, _version = await _alive(tx, caller.workspace, profile_id)
            events = await reads.timeline(
                tx, caller.workspace, current, limit=limit, before=before, after=after
            )
        return _json({"profile_id": str(current), "events": events})

    @router.get("/v1/profiles/{profile_id}/links")
    async def links(profile_id: UUID, caller: Reader, limit: Limit = 100) -> dict[str, Any]:
        async with engine.begin() as tx:
            current, _version = await _alive(tx, caller.workspace, profile_id)
            found = await reads.links(tx, caller.workspace, current, limit=limit)
        return {"profile_id": current, "links": found}

    return router


async def _alive(tx: AsyncConnection, workspace: str, profile_id: UUID) -> tuple[UUID, int]:
    found = await reads.alive(tx, workspace, profile_id)
    if found is None:
        message = f"There is no profile {profile_id} in this workspace."
        raise NotFoundError(message, details={"profile_id": str(profile_id)})
    return found


async def _shown(tx: AsyncConnection, workspace: str, profile_id: UUID) -> Response:
    current, version = await _alive(tx, workspace, profile_id)
    members = await reads.members(tx, workspace, current)
    known = state(((kind, value) for kind, value, _ in members), merge(one[2] for one in members))
    return _json(
        Shown(str(current), version, known.identifiers, known.traits, known.computed, known.consent)
    )


def _json(content: Any) -> Response:
    """msgspec, because events and traits are passed on as the JSON they are."""
    return Response(msgspec.json.encode(content), media_type="application/json")
