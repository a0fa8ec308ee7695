"""Transactional messages by API, what became of each, and settling what nobody knows."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

import msgspec
from fastapi import APIRouter, Depends
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_campaign.api.operator import known_id
from rapport_campaign.api.words import Line, Recipient, Subject, Template
from rapport_campaign.domain.model import Kind, MessageState
from rapport_campaign.handlers import messages
from rapport_campaign.handlers.messages import Meant
from rapport_campaign.handlers.templates import require_usable
from rapport_campaign.renderer import Renderer
from rapport_campaign.store import uncertain
from rapport_campaign.tables import SCHEMA
from rapport_common import ids
from rapport_common.auth import Operator, operator
from rapport_common.idempotency import Repeatable
from rapport_common.operator.texts import StorableText
from rapport_common.paging import Listed, Paging
from rapport_common.publisher import Publisher
from rapport_common.routes import Router

Sending = Annotated[Operator, Depends(operator("messages:send", "campaigns:write"))]
Reader = Annotated[
    Operator, Depends(operator("campaigns:read", "messages:send", "campaigns:write"))
]
Writer = Annotated[Operator, Depends(operator("campaigns:write"))]
MAX_DATA = 64 * 1024


def _encodable(data: dict[str, Any]) -> dict[str, Any]:
    try:
        size = len(msgspec.json.encode(data))
    except (ValueError, OverflowError, RecursionError) as error:
        message = "must be JSON of ordinary texts and numbers"
        raise PydanticCustomError("data", message) from error
    if size > MAX_DATA:
        raise PydanticCustomError("data", "must be at most 64 KiB of JSON")
    return data


class NewRequest(BaseModel):
    """One message to one address: Liquid over `data` and, with a `profile_id`, that person."""

    model_config = ConfigDict(extra="forbid")

    to: Recipient
    profile_id: Line | None = Field(None, description="Whose it is: it is on their timeline.")
    subject: Subject
    html: Template
    text: Template | None = None
    data: Annotated[dict[str, Any], AfterValidator(_encodable)] = Field(
        default_factory=dict, description="What templates call `data`; 64 KiB at most."
    )


class Outcome(BaseModel):
    """A message and what became of it."""

    id: str
    kind: Kind
    campaign_id: str | None
    profile_id: str | None
    to_address: str | None
    state: MessageState
    reason: str | None
    attempt: int
    planned_at: datetime
    sent_at: datetime | None
    opened_at: datetime | None
    clicked_at: datetime | None


class Settlement(BaseModel):
    """What uncertain messages are, as somebody has found out; `planned` sends them once more."""

    model_config = ConfigDict(extra="forbid")

    ids: Annotated[list[Line], Field(min_length=1, max_length=messages.MOST)] | None = None
    campaign_id: Line | None = Field(None, description="All of this campaign, in place of `ids`.")
    state: Literal["sent", "failed", "planned"]
    reason: Annotated[StorableText, Field(min_length=1, max_length=400)]

    @model_validator(mode="after")
    def _names_some(self) -> Self:
        if (self.ids is None) == (self.campaign_id is None):
            message = "name either ids or a campaign_id"
            raise PydanticCustomError("settlement", message)
        return self


class Settled(BaseModel):
    """Those that were uncertain and are no more; ask again while there are as many as fit."""

    ids: list[str]
    more: bool = Field(description=f"{messages.MOST} were settled, and more may be left.")


def message_routes(engine: AsyncEngine, renderer: Renderer, publisher: Publisher) -> APIRouter:
    """For shops' servers, and for who looks after what is uncertain."""
    router = Router(tags=["messages"])
    _single(router, engine, renderer)
    _uncertain(router, engine, publisher)
    return router


def _single(router: APIRouter, engine: AsyncEngine, renderer: Renderer) -> None:
    @router.post("/v1/messages", status_code=202)
    async def send(body: NewRequest, caller: Sending, once: Repeatable) -> Outcome:
        """Send one service message, ahead of all campaigns. With an `Idempotency-Key` it is sent
        once for ever, however often this is asked.
        """
        spec = body.model_dump()
        content = messages.content_of(body.subject, body.html, body.text, body.data)
        await require_usable(renderer, spec, of_request=True)
        async with engine.begin() as tx:
            request_id = once.key or str(ids.uuid7())
            made = await once.earlier(tx, SCHEMA, caller.workspace, body=spec, made_id=request_id)
            send_key = await messages.ask(
                tx,
                caller.workspace,
                profile_id=body.profile_id,
                to=body.to,
                content=content,
                request_id=made or request_id,
            )
            return _shown(await messages.require(tx, caller.workspace, send_key))

    @router.get("/v1/messages/{message_id}")
    async def one(message_id: str, caller: Reader) -> Outcome:
        """A message of a campaign or a single one, and what became of it."""
        async with engine.begin() as tx:
            return _shown(await messages.require(tx, caller.workspace, message_id))


def _uncertain(router: APIRouter, engine: AsyncEngine, publisher: Publisher) -> None:
    @router.get("/v1/uncertain", response_model=Listed[Outcome])
    async def listed(
        caller: Reader, page: Paging, campaign_id: str | None = None
    ) -> dict[str, Any]:
        """Messages of which nobody knows whether they went out, the newest first."""
        after = page.after(datetime, str)
        async with engine.begin() as tx:
            rows = await uncertain.listed(
                tx,
                caller.workspace,
                campaign_id=known_id(campaign_id) if campaign_id is not None else None,
                after=(after[0], after[1]) if after else None,
                limit=page.ask,
            )
        return page.answer(rows, key=lambda row: [row.planned_at, row.send_key], show=_shown)

    @router.post("/v1/uncertain/settle")
    async def settle(body: Settlement, caller: Writer) -> Settled:
        """Say what uncertain messages are: the mail server's log knows. It may be said once; who
        said it and why is kept with each.
        """
        campaign = known_id(body.campaign_id) if body.campaign_id is not None else None
        reason = f"settled by {caller.subject}: {body.reason}"
        async with engine.begin() as tx:
            found = await messages.settle(
                tx,
                caller.workspace,
                Meant(body.ids, campaign),
                state=body.state,
                reason=reason,
                publisher=publisher,
            )
        return Settled(ids=found, more=len(found) == messages.MOST)


def _shown(row: Any) -> Outcome:
    found = dict(row._mapping)  # noqa: SLF001 - public in SQLAlchemy
    return Outcome.model_validate(
        {**found, "id": found.pop("send_key"), "profile_id": found["profile_id"] or None}
    )
