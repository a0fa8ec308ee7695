"""Routes for operators: the topics that people choose among, and links to their page."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_campaign.api.words import Line, Recipient
from rapport_campaign.domain import tokens
from rapport_campaign.domain.tokens import Token
from rapport_campaign.domain.topics import MAX_TOPICS, Topic, TopicsError, checked
from rapport_campaign.handlers.preferences import make_link, new_key
from rapport_campaign.render.compose import Office
from rapport_campaign.store import preferences as store
from rapport_campaign.store.preferences import Link, Version
from rapport_campaign.tables import SCHEMA
from rapport_common.auth import Operator, operator
from rapport_common.errors import ConflictError, InvalidRequestError, NotFoundError
from rapport_common.idempotency import Repeatable
from rapport_common.operator.texts import StorableText
from rapport_common.paging import MAX_BIGINT, Listed, Paging
from rapport_common.routes import Router

Reader = Annotated[Operator, Depends(operator("campaigns:read"))]
Writer = Annotated[Operator, Depends(operator("campaigns:write"))]
Reason = Annotated[StorableText, Field(min_length=1, max_length=1000)]
Texts = dict[Annotated[str, Field(max_length=16)], Annotated[StorableText, Field(max_length=400)]]


class TopicBody(BaseModel):
    """Something that people may want or not: it stands for a purpose on a channel."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "id": "events",
                    "purpose": "x_events",
                    "names": {"en": "Events", "de": "Veranstaltungen", "zh_Hans": "活动"},
                }
            ]
        },
    )

    id: str = Field(max_length=63)
    purpose: str = Field(max_length=64, description="what a consent is for; x_… is your own")
    channel: str = Field("email", max_length=64, description="pages of e-mail show those of email")
    names: Texts = Field(description="by language; the first is for all others")
    descriptions: Texts = Field(default_factory=dict)


class NewTopics(BaseModel):
    """Topics, in the order in which they are shown, that take the place of others."""

    model_config = ConfigDict(extra="forbid")

    topics: list[TopicBody] = Field(max_length=MAX_TOPICS)
    version: int = Field(
        ge=0, le=MAX_BIGINT, strict=True, description="of those whose place they take; 0: none"
    )
    reason: Reason


class ShownTopics(BaseModel):
    """One version of the topics, by whom and why. Version 0: none were ever declared."""

    version: int
    topics: list[TopicBody]
    actor: str | None
    reason: str | None
    created_at: datetime | None


class NewLink(BaseModel):
    """Whose page, and what for."""

    model_config = ConfigDict(extra="forbid")

    profile_id: Line
    address: Recipient
    reason: Reason


class ShownLink(BaseModel):
    """A link to the page of an address: whoever has it can change what the address gets."""

    id: str
    url: str
    address: str
    created_at: datetime


def preference_routes(engine: AsyncEngine, office: Office) -> APIRouter:
    """All of it; `office` signs links."""
    router = Router(tags=["preferences"])
    _topics(router, engine)
    _links(router, engine, office)
    return router


def _topics(router: APIRouter, engine: AsyncEngine) -> None:
    @router.get("/v1/topics")
    async def topics(caller: Reader) -> ShownTopics:
        """What people can choose among; without any there is one: news and offers."""
        async with engine.begin() as tx:
            found = await store.history(tx, caller.workspace, 1)
        return _shown(found[0]) if found else _NONE

    @router.get("/v1/topics/history", response_model=Listed[ShownTopics])
    async def history(caller: Reader, page: Paging) -> dict[str, Any]:
        """All versions, the newest first."""
        after = page.after(int)
        async with engine.begin() as tx:
            before = after[0] if after else None
            found = await store.history(tx, caller.workspace, page.ask, before)
        return page.answer(found, key=lambda one: [one.version], show=_shown)

    @router.put("/v1/topics")
    async def declare(body: NewTopics, caller: Writer) -> ShownTopics:
        """Let people choose among these from now on; what they have said stays."""
        wanted = _checked(body)
        async with engine.begin() as tx:
            known = await store.history(tx, caller.workspace, 1)
            version = known[0].version if known else 0
            by = (caller.subject, body.reason)
            if version != body.version or not await store.add(
                tx, caller.workspace, version + 1, wanted, by
            ):
                message = f"The topics are not at version {body.version} any more: look at them."
                raise ConflictError(message, details={"version": version})
            return _shown((await store.history(tx, caller.workspace, 1))[0])


def _links(router: APIRouter, engine: AsyncEngine, office: Office) -> None:
    @router.post("/v1/preference-links", status_code=201)
    async def link(body: NewLink, caller: Writer, once: Repeatable) -> ShownLink:
        """A link to the page of an address, to be sent or read to its owner."""
        async with engine.begin() as tx:
            new = new_key()
            spec = body.model_dump()
            known = await once.earlier(tx, SCHEMA, caller.workspace, body=spec, made_id=new)
            if known is None:
                whose = (body.profile_id, body.address)
                return _shown_link(await make_link(tx, caller, new, whose, body.reason), office)
            found = await store.link(tx, caller.workspace, known)
        if found is None:
            message = "The link that this request has made is forgotten: use another key."
            raise NotFoundError(message)
        return _shown_link(found, office)


_NONE = ShownTopics(version=0, topics=[], actor=None, reason=None, created_at=None)


def _checked(body: NewTopics) -> list[Topic]:
    try:
        return checked([Topic(**one.model_dump()) for one in body.topics])
    except TopicsError as error:
        message = f"{error.where}: {error}."
        raise InvalidRequestError(message, details={"field": error.where}) from error


def _shown(found: Version) -> ShownTopics:
    return ShownTopics(
        version=found.version,
        topics=[
            TopicBody(
                id=one.id,
                purpose=one.purpose,
                channel=one.channel,
                names=one.names,
                descriptions=one.descriptions,
            )
            for one in found.topics
        ],
        actor=found.actor,
        reason=found.reason,
        created_at=found.created_at,
    )


def _shown_link(made: Link, office: Office) -> ShownLink:
    token = tokens.sign(office.link_key, "preferences", Token(made.workspace, made.link_key))
    return ShownLink(
        id=made.link_key,
        url=f"{office.base_url}/p/{token}",
        address=made.address,
        created_at=made.created_at,
    )
