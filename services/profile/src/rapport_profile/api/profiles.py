"""Profiles, their parts and links."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Response
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common.errors import NotFoundError
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router, add_routes
from rapport_profile.api.answers import json_answer
from rapport_profile.api.asking import After, Reader, Text, person
from rapport_profile.api.models import people as models
from rapport_profile.domain.naming import Ids, normal_or_given
from rapport_profile.domain.published import Summary
from rapport_profile.domain.shown import Shown, shown_profile
from rapport_profile.handlers.arrivals import Arrivals
from rapport_profile.store import reads


def profile_routes(engine: AsyncEngine, ids: Ids, arrivals: Arrivals) -> APIRouter:
    """Profiles, their parts and links, and totals."""
    router = Router(tags=["profiles"])
    add_routes(router, _profiles(engine, ids, arrivals), _parts(engine), _links(engine))

    @router.get("/v1/stats", response_model=models.Stats)
    async def stats(caller: Reader) -> dict[str, Any]:
        async with engine.begin() as tx:
            return await reads.stats(tx, caller.workspace)

    return router


def _profiles(engine: AsyncEngine, ids: Ids, arrivals: Arrivals) -> APIRouter:
    router = Router()

    @router.get("/v1/profiles", response_model=models.Profile)
    async def find(caller: Reader, kind: Text, value: Text, own: After) -> Response:
        """The one person who has an identifier."""
        await arrivals.require(own.key(caller.workspace))
        async with engine.begin() as tx:
            identifier = ids.of(caller.workspace, normal_or_given((kind, value)))
            profile_id = await reads.by_identifier(tx, caller.workspace, identifier)
            if profile_id is None:
                message = f"Nobody is known by {kind} '{value}' in this workspace."
                raise NotFoundError(message, details={"kind": kind, "value": value})
            return await _shown(tx, caller.workspace, profile_id)

    @router.get("/v1/profiles/{profile_id}", response_model=models.Profile)
    async def get(profile_id: UUID, caller: Reader, own: After) -> Response:
        await arrivals.require(own.key(caller.workspace))
        async with engine.begin() as tx:
            return await _shown(tx, caller.workspace, profile_id)

    return router


def _parts(engine: AsyncEngine) -> APIRouter:
    """All that is kept of a person, in pages, also what is too much to be published."""
    router = Router()

    @router.get("/v1/profiles/{profile_id}/identifiers", response_model=Listed[models.Identifier])
    async def identifiers(profile_id: UUID, caller: Reader, page: Paging) -> Response:
        async with engine.begin() as tx:
            who, _found = await person(tx, caller.workspace, profile_id)
            rows = await reads.identifiers(tx, who, page.ask, page.after(str, str))
        return json_answer(page.answer(rows, key=tuple, show=_as_dict))

    @router.get("/v1/profiles/{profile_id}/traits", response_model=Listed[models.Trait])
    async def traits(profile_id: UUID, caller: Reader, page: Paging) -> Response:
        after = page.after(str)
        async with engine.begin() as tx:
            who, _found = await person(tx, caller.workspace, profile_id)
            rows = await reads.traits(tx, who, page.ask, after[0] if after else None)
        return json_answer(page.answer(rows, key=lambda row: [row.name], show=_trait))

    return router


def _links(engine: AsyncEngine) -> APIRouter:
    router = Router()

    @router.get("/v1/profiles/{profile_id}/links", response_model=models.Links)
    async def links(profile_id: UUID, caller: Reader, page: Paging) -> dict[str, Any]:
        last = page.after(datetime, UUID, UUID, str)
        async with engine.begin() as tx:
            who, _found = await person(tx, caller.workspace, profile_id)
            found = await reads.links(tx, who, page.ask, last)
        body = page.answer(found, key=lambda row: [row[part] for part in _LINK_KEY])
        return {"profile_id": who.profile_id, **body}

    return router


_LINK_KEY = ("timestamp", "a", "b", "kind")


def _as_dict(row: Row[Any]) -> dict[str, Any]:
    return dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it


def _trait(row: Row[Any]) -> dict[str, Any]:
    return {"name": row.name, "value": msgspec.Raw(row.value.encode()), "at": row.at}


async def summary_of(tx: AsyncConnection, who: reads.Person, found: reads.Found) -> Summary:
    """What is known of a person, as it is kept or else worked out."""
    if found.summary is not None:
        return found.summary
    return await reads.made_of_members(tx, who.workspace, who.profile_id)


async def _shown(tx: AsyncConnection, workspace: str, profile_id: UUID) -> Response:
    return json_answer(await as_shown(tx, workspace, profile_id))


async def as_shown(tx: AsyncConnection, workspace: str, profile_id: UUID) -> Shown:
    """A person as published; NotFoundError where there is none."""
    who, found = await person(tx, workspace, profile_id)
    summary = await summary_of(tx, who, found)
    return shown_profile(str(found.id), found.version, summary)
