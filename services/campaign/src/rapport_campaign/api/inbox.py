"""/v1/inbox-items and /v1/inbox-tokens for operators; /i/{token} for the app of their user."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_campaign.api.contents import Values
from rapport_campaign.api.words import Line
from rapport_campaign.domain.inbox import MOST_HOURS, MOST_ITEMS, Bearer, InboxItem, read, sign
from rapport_campaign.handlers import inbox as use
from rapport_campaign.render.compose import Office
from rapport_campaign.store import inbox as store
from rapport_campaign.tables import SCHEMA
from rapport_common import clock
from rapport_common.auth import Operator, operator
from rapport_common.errors import NotFoundError, UnavailableError
from rapport_common.idempotency import Repeatable
from rapport_common.ids import uuid7_text
from rapport_common.operator.texts import StorableText
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router

Reader = Annotated[Operator, Depends(operator("campaigns:read"))]
Writer = Annotated[Operator, Depends(operator("campaigns:write"))]
ItemId = Annotated[str, Path(max_length=100)]
_ITEM: JsonDict = {"profile_id": "p1", "title": "Your order", "body": "It is on its way."}
LOOK_SECONDS = 2.0
STREAM_LOOKS = 300
"""So often a stream looks; then it ends, and the app connects again."""
MOST_STREAMS = 200
_HEADERS = {"cache-control": "no-store", "access-control-allow-origin": "*"}


class NewInboxItem(BaseModel):
    """What somebody's app shows them."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _ITEM})

    profile_id: Line
    title: Annotated[StorableText, Field(min_length=1, max_length=200)]
    body: Annotated[StorableText, Field(max_length=4000)] = ""
    url: str = Field("", max_length=2000, pattern=r"^(https?://[!-~]+)?$")
    data: Values = Field(default_factory=dict)
    expires_at: AwareDatetime | None = None


class ShownInboxItem(BaseModel):
    """An item, and whether it was read."""

    id: str
    profile_id: str
    title: str
    body: str
    url: str
    data: dict[str, str]
    created_at: datetime
    expires_at: datetime | None
    read_at: datetime | None


class NewInboxToken(BaseModel):
    """Whose inbox, and for how long."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"profile_id": "p1"}})

    profile_id: Line
    hours: int = Field(24, ge=1, le=MOST_HOURS)


class ShownInboxToken(BaseModel):
    """For the app of who is signed in: it opens this inbox, and nothing else."""

    token: str
    url: str
    expires_at: datetime


@dataclass
class Streams:
    """How many there are in this process."""

    number: int = 0


def inbox_routes(engine: AsyncEngine, office: Office) -> APIRouter:
    """For operators."""
    router = Router(tags=["inbox"])
    _token_route(router, engine, office)
    _item_routes(router, engine)
    return router


def _token_route(router: APIRouter, engine: AsyncEngine, office: Office) -> None:
    @router.post("/v1/inbox-tokens", status_code=201)
    async def token(body: NewInboxToken, caller: Writer) -> ShownInboxToken:
        """A token for the app of somebody whom your server has signed in."""
        until = clock.now() + timedelta(hours=body.hours)
        async with engine.begin() as tx:
            profile_id = await use.require_person(tx, caller.workspace, body.profile_id)
        bearer = Bearer(caller.workspace, profile_id, int(until.timestamp()))
        text = sign(office.link_key, bearer)
        return ShownInboxToken(token=text, url=f"{office.base_url}/i/{text}", expires_at=until)


def _item_routes(router: APIRouter, engine: AsyncEngine) -> None:
    @router.post("/v1/inbox-items", status_code=201)
    async def put(body: NewInboxItem, caller: Writer, once: Repeatable) -> ShownInboxItem:
        """Put an item into somebody's inbox; of a person's the newest 200 stay."""
        made_id = uuid7_text()
        spec = body.model_dump(mode="json")
        async with engine.begin() as tx:
            known = await once.earlier(tx, SCHEMA, caller.workspace, body=spec, made_id=made_id)
            if known is not None:
                return _shown(await use.require(tx, caller.workspace, known))
            profile_id = await use.require_person(tx, caller.workspace, body.profile_id)
            fields = {**body.model_dump(), "profile_id": profile_id}
            one = InboxItem(caller.workspace, made_id, created_at=clock.now(), **fields)
            await use.put_all(tx, [one])
        return _shown(one)

    @router.get("/v1/inbox-items", response_model=Listed[ShownInboxItem])
    async def listed(
        caller: Reader, page: Paging, profile_id: Annotated[str, Query(max_length=200)]
    ) -> dict[str, Any]:
        """What somebody's inbox shows now, the newest first."""
        after = page.after(datetime, UUID)
        async with engine.begin() as tx:
            bearer = Bearer(caller.workspace, profile_id, 0)
            found = await store.listed(
                tx,
                await use.whose(tx, bearer),
                clock.now(),
                after=(after[0], str(after[1])) if after else None,
                limit=page.ask,
            )
        return page.answer(found, key=lambda one: [one.created_at, one.item_id], show=_shown)

    @router.delete("/v1/inbox-items/{item_id}", status_code=204)
    async def remove(item_id: ItemId, caller: Writer) -> None:
        """Take an item out of an inbox."""
        async with engine.begin() as tx:
            found = await use.require(tx, caller.workspace, item_id)
            await store.remove(tx, caller.workspace, found.item_id)


def inbox_pages(engine: AsyncEngine, key: bytes) -> APIRouter:
    """/i/{token}, for apps in browsers, too: the token is the permission."""
    router = Router(include_in_schema=False)
    streams = Streams()

    @router.get("/i/{token}")
    async def inbox(token: str) -> Response:
        bearer = _bearer(key, token)
        async with engine.begin() as tx:
            who, now = await use.whose(tx, bearer), clock.now()
            found = await store.listed(tx, who, now, after=None, limit=MOST_ITEMS)
            unread, _ = await store.standing(tx, who, now)
        items = [_shown(one).model_dump(mode="json", exclude={"profile_id"}) for one in found]
        return _answered({"unread": unread, "items": items})

    @router.post("/i/{token}/read")
    async def read_all(token: str) -> Response:
        return await _note(engine, _bearer(key, token), None)

    @router.post("/i/{token}/items/{item_id}/read")
    async def read_one(token: str, item_id: UUID) -> Response:
        return await _note(engine, _bearer(key, token), str(item_id))

    @router.get("/i/{token}/stream")
    async def stream(token: str) -> StreamingResponse:
        bearer = _bearer(key, token)
        if streams.number >= MOST_STREAMS:
            message = "Too many inboxes are open: ask for the list instead."
            raise UnavailableError(message, retry_after=30)
        lines = changes(engine, bearer, streams)
        return StreamingResponse(lines, media_type="text/event-stream", headers=_HEADERS)

    return router


async def changes(
    engine: AsyncEngine,
    bearer: Bearer,
    streams: Streams,
    *,
    looks: int = STREAM_LOOKS,
    pause: float = LOOK_SECONDS,
) -> AsyncIterator[bytes]:
    """`inbox` with the number of unread items and the newest one's id: now, and at each change."""
    streams.number += 1
    try:
        yield b"retry: 2000\n\n"
        last: tuple[int, str | None] | None = None
        for _ in range(looks):
            if clock.now().timestamp() >= bearer.until:
                return
            async with engine.begin() as tx:
                found = await store.standing(tx, await use.whose(tx, bearer), clock.now())
            if found != last:
                told = msgspec.json.encode({"unread": found[0], "newest": found[1]})
                yield b"event: inbox\ndata: %s\n\n" % told
            else:
                yield b": still here\n\n"
            last = found
            await asyncio.sleep(pause)
    finally:
        streams.number -= 1


async def _note(engine: AsyncEngine, bearer: Bearer, item_id: str | None) -> Response:
    async with engine.begin() as tx:
        who, now = await use.whose(tx, bearer), clock.now()
        await store.note_read(tx, who, item_id, now)
        unread, _ = await store.standing(tx, who, now)
    return _answered({"unread": unread})


def _bearer(key: bytes, token: str) -> Bearer:
    found = read(key, token, clock.now().timestamp())
    if found is None:
        message = "This token opens no inbox, or not any more: ask your server for another one."
        raise NotFoundError(message)
    return found


def _answered(told: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode(told), media_type="application/json", headers=_HEADERS)


def _shown(one: InboxItem) -> ShownInboxItem:
    return ShownInboxItem(
        id=one.item_id,
        profile_id=one.profile_id,
        title=one.title,
        body=one.body,
        url=one.url,
        data=dict(one.data),
        created_at=one.created_at,
        expires_at=one.expires_at,
        read_at=one.read_at,
    )
