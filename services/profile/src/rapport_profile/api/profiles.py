"""Profiles, their parts, timelines and links."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Query, Response
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common.auth import Operator, operator
from rapport_common.errors import InvalidRequestError, NotFoundError
from rapport_common.events.codec import encode
from rapport_common.paging import Listed, Paging
from rapport_profile.api import models
from rapport_profile.domain.bounds import MAX_SHOWN
from rapport_profile.domain.consents import consent_state
from rapport_profile.domain.fold import merge
from rapport_profile.domain.naming import Ids, normal_or_given
from rapport_profile.domain.published import Summary, omitted, shown
from rapport_profile.domain.reach import reachable
from rapport_profile.domain.stamps import EARLIEST
from rapport_profile.store import reads
from rapport_profile.store.inbox import stored_event

Reader = Annotated[Operator, Depends(operator("profiles:read"))]
Text = Annotated[str, Query(min_length=1, max_length=512, pattern=r"^[^\x00]*$")]


class Shown(msgspec.Struct):
    """A profile as the API shows it: what is published, see `omitted` for how much is not.

    The lists beside it (`…/identifiers`, `…/traits`, `…/consents`) have everything.
    """

    id: str
    version: int
    identifiers: list[Any]
    traits: msgspec.Raw
    computed: Any
    consent: list[Any]
    contact_points: list[Any]
    omitted: Any


def profile_routes(engine: AsyncEngine, ids: Ids) -> APIRouter:
    """Profiles, their parts, timelines and links, and totals."""
    router = APIRouter(tags=["profiles"])
    router.include_router(_profiles(engine, ids))
    router.include_router(_parts(engine))
    router.include_router(_histories(engine))

    @router.get("/v1/stats", response_model=models.Stats)
    async def stats(caller: Reader) -> dict[str, Any]:
        async with engine.begin() as tx:
            return await reads.stats(tx, caller.workspace)

    return router


def _profiles(engine: AsyncEngine, ids: Ids) -> APIRouter:
    router = APIRouter()

    @router.get("/v1/profiles", response_model=models.Profile)
    async def find(caller: Reader, kind: Text, value: Text) -> Response:
        """The one person who has an identifier."""
        async with engine.begin() as tx:
            identifier = ids.of(caller.workspace, normal_or_given((kind, value)))
            profile_id = await reads.by_identifier(tx, caller.workspace, identifier)
            if profile_id is None:
                message = f"Nobody is known by {kind} '{value}' in this workspace."
                raise NotFoundError(message, details={"kind": kind, "value": value})
            return await _shown(tx, caller.workspace, profile_id)

    @router.get("/v1/profiles/{profile_id}", response_model=models.Profile)
    async def get(profile_id: UUID, caller: Reader) -> Response:
        async with engine.begin() as tx:
            return await _shown(tx, caller.workspace, profile_id)

    return router


def _parts(engine: AsyncEngine) -> APIRouter:
    """All that is kept of a person, in pages, also what is too much to be published."""
    router = APIRouter()

    @router.get("/v1/profiles/{profile_id}/identifiers", response_model=Listed[models.Identifier])
    async def identifiers(profile_id: UUID, caller: Reader, page: Paging) -> Response:
        async with engine.begin() as tx:
            who, _found = await _person(tx, caller.workspace, profile_id)
            rows = await reads.identifiers(tx, who, page.ask, page.after(str, str))
        return _json(page.answer(rows, key=tuple, show=_as_dict))

    @router.get("/v1/profiles/{profile_id}/traits", response_model=Listed[models.Trait])
    async def traits(profile_id: UUID, caller: Reader, page: Paging) -> Response:
        after = page.after(str)
        async with engine.begin() as tx:
            who, _found = await _person(tx, caller.workspace, profile_id)
            rows = await reads.traits(tx, who, page.ask, after[0] if after else None)
        return _json(page.answer(rows, key=lambda row: [row.name], show=_trait))

    @router.get("/v1/profiles/{profile_id}/consents", response_model=Listed[models.Consent])
    async def consents(profile_id: UUID, caller: Reader, page: Paging) -> Response:
        after = page.after(str)
        async with engine.begin() as tx:
            who, found = await _person(tx, caller.workspace, profile_id)
            said = await reads.consents(tx, who, page.ask, after[0] if after else None)
            fold = (await _summary(tx, who, found)).fold
        points = reachable(fold.contact_points())
        body = page.answer(list(said.items()), key=lambda one: [one[0]])
        states = (consent_state(name, one, points) for name, one in body["items"])
        return _json({**body, "items": [one for one in states if one is not None]})

    return router


def _histories(engine: AsyncEngine) -> APIRouter:
    router = APIRouter()

    @router.get("/v1/profiles/{profile_id}/timeline", response_model=models.Timeline)
    async def timeline(
        profile_id: UUID,
        caller: Reader,
        page: Paging,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Response:
        """Events with a time from `since` and before `until`, newest first."""
        first, end = _instant("since", since), _instant("until", until)
        last = page.after(datetime, str, str)
        async with engine.begin() as tx:
            who, _found = await _person(tx, caller.workspace, profile_id)
            rows = await reads.timeline(tx, who, page.ask, last, until=end, since=first)
        body = page.answer(
            rows,
            key=lambda row: [row.timestamp, row.source, row.message_id],
            show=lambda row: msgspec.Raw(encode(stored_event(row.event))),
        )
        return _json({"profile_id": str(who.profile_id), **body})

    @router.get("/v1/profiles/{profile_id}/links", response_model=models.Links)
    async def links(profile_id: UUID, caller: Reader, page: Paging) -> dict[str, Any]:
        last = page.after(datetime, UUID, UUID, str)
        async with engine.begin() as tx:
            who, _found = await _person(tx, caller.workspace, profile_id)
            found = await reads.links(tx, who, page.ask, last)
        body = page.answer(found, key=lambda row: [row[part] for part in _LINK_KEY])
        return {"profile_id": who.profile_id, **body}

    return router


_LINK_KEY = ("timestamp", "a", "b", "kind")


def _instant(name: str, value: datetime | None) -> datetime | None:
    """A time that was asked for as an instant; without an offset it is UTC."""
    if value is None:
        return None
    try:
        return value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)
    except OverflowError as error:
        message = f"{name}: this time is outside the years 1 to 9999 in UTC."
        raise InvalidRequestError(message, details={"parameter": name}) from error


def _as_dict(row: Row[Any]) -> dict[str, Any]:
    return dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it


def _trait(row: Row[Any]) -> dict[str, Any]:
    return {"name": row.name, "value": msgspec.Raw(row.value.encode()), "at": row.at}


async def _person(
    tx: AsyncConnection, workspace: str, profile_id: UUID
) -> tuple[reads.Person, reads.Found]:
    found = await reads.alive(tx, workspace, profile_id)
    if found is None:
        message = f"There is no profile {profile_id} in this workspace."
        raise NotFoundError(message, details={"id": str(profile_id)})
    return reads.Person(workspace, found.id), found


async def _summary(tx: AsyncConnection, who: reads.Person, found: reads.Found) -> Summary:
    """What is known; of a profile that no event has touched for long, made of its identifiers."""
    if found.summary is not None:
        return found.summary
    members = await reads.members(tx, who.workspace, who.profile_id)
    fold = merge(one[2] for one in members)
    named = [(kind, value, fold.last_seen_at or EARLIEST) for kind, value, _ in members]
    return Summary(members=len(members), named=named[:MAX_SHOWN], fold=fold)


async def _shown(tx: AsyncConnection, workspace: str, profile_id: UUID) -> Response:
    return _json(await shown_profile(tx, workspace, profile_id))


async def shown_profile(tx: AsyncConnection, workspace: str, profile_id: UUID) -> Shown:
    """A person as published; NotFoundError where there is none."""
    who, found = await _person(tx, workspace, profile_id)
    summary = await _summary(tx, who, found)
    fold = summary.fold
    return Shown(
        str(found.id),
        found.version,
        shown((kind, value) for kind, value, _ in summary.named),
        fold.visible_traits(),
        fold.computed(),
        fold.consent_states(),
        fold.contact_points(),
        omitted(fold, summary.members, len(summary.named)),
    )


def _json(content: Any) -> Response:
    """msgspec, because events and traits are passed on as the JSON they are."""
    return Response(msgspec.json.encode(content), media_type="application/json")
