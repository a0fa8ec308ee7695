"""/v1/webhooks: who is told by HTTP of answers and cases, and what is on its way to them."""

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.errors import NotFoundError
from rapport_common.outside.addresses import MAX_URL
from rapport_common.outside.webhooks import message_id
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router
from rapport_feedback.api.callers import Reader, Writer
from rapport_feedback.domain.announcements import ANNOUNCED, USUAL, Announced
from rapport_feedback.handlers import webhooks
from rapport_feedback.handlers.webhooks import Means
from rapport_feedback.store import posts
from rapport_feedback.store import webhooks as store
from rapport_feedback.store.posts import Post, PostState
from rapport_feedback.store.webhooks import Webhook

_URL = Field(max_length=MAX_URL, description="https://…, on the internet")
_EVENTS = Field(
    list(USUAL),
    min_length=1,
    max_length=len(ANNOUNCED),
    description="what it is told of; case.changed and case.due_soon if they are named",
)
_EXAMPLE: JsonDict = {
    "url": "https://shop.example.com/feedback",
    "events": ["survey.answered", "case.overdue"],
}
_PREFIX = "msg_"


class NewWebhook(BaseModel):
    """Where to post what happens."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _EXAMPLE})

    url: str = _URL
    events: list[Announced] = _EVENTS


class WebhookChange(BaseModel):
    """What shall be otherwise; while a webhook is not `active` it is told of nothing."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"active": False}})

    url: Annotated[str, _URL] = ""
    events: list[Announced] = _EVENTS
    active: bool = True


class Rotation(BaseModel):
    """For how long posts are signed with the former secret, too."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"overlap_hours": 24}})

    overlap_hours: float = Field(24, ge=0, le=168)


class ShownWebhook(BaseModel):
    """A webhook: how it is with its receiver, and how many posts wait or were given up."""

    id: UUID
    url: str
    events: list[Announced]
    active: bool
    reason: str | None = Field(description="why it is not active, if nobody has said so")
    failures: int = Field(description="one after the other, since the last success")
    failing_since_at: datetime | None = Field(description="since then nothing was taken")
    paused_until_at: datetime | None = Field(description="until then the receiver is left alone")
    succeeded_at: datetime | None
    failed_at: datetime | None
    former_secret_until_at: datetime | None
    waiting: int
    dead: int
    created_at: datetime
    created_by: str


class WebhookWithSecret(ShownWebhook):
    """The same with its secret, which is shown this once."""

    secret: str


class ShownDelivery(BaseModel):
    """A post: `id` is the header `webhook-id`, the same each time that it is tried."""

    id: str
    subject_id: str = Field(description="the answer or case it tells of")
    state: PostState
    body: dict[str, Any]
    created_at: datetime
    next_try_at: datetime | None
    attempts: int
    status: int | None
    error: str | None
    tried_at: datetime | None = Field(description="the last time")
    ended_at: datetime | None


class Replayed(BaseModel):
    """How many posts are posted again."""

    replayed: int


def webhook_routes(engine: AsyncEngine, means: Means) -> APIRouter:
    """Make and change webhooks."""
    router = Router(tags=["webhooks"])

    @router.post("/v1/webhooks", status_code=201, response_model=WebhookWithSecret)
    async def create(body: NewWebhook, caller: Writer) -> dict[str, Any]:
        """Make a webhook. Its secret is shown in this answer only."""
        async with engine.begin() as tx:
            made = await webhooks.create(tx, caller, body.url, body.events, means)
        return {**_shown(made.webhook, (0, 0)), "secret": made.secret}

    @router.patch("/v1/webhooks/{webhook_id}", response_model=ShownWebhook)
    async def change(webhook_id: UUID, body: WebhookChange, caller: Writer) -> dict[str, Any]:
        """Change where it leads, what it is told of, or whether it is told at all."""
        changed = body.model_dump(exclude_unset=True)
        async with engine.begin() as tx:
            found = await webhooks.change(tx, caller.workspace, webhook_id, changed, means.own)
            counts = await store.counts(tx, caller.workspace, [webhook_id])
        return _shown(found, counts.get(webhook_id, (0, 0)))

    @router.post("/v1/webhooks/{webhook_id}/rotate", response_model=WebhookWithSecret)
    async def rotate(webhook_id: UUID, body: Rotation, caller: Writer) -> dict[str, Any]:
        """Give it a new secret; for some hours posts are signed with both."""
        overlap = timedelta(hours=body.overlap_hours)
        async with engine.begin() as tx:
            found = await webhooks.rotate(tx, means.sealer, caller.workspace, webhook_id, overlap)
            counts = await store.counts(tx, caller.workspace, [webhook_id])
        shown = _shown(found.webhook, counts.get(webhook_id, (0, 0)))
        return {**shown, "secret": found.secret}

    @router.delete("/v1/webhooks/{webhook_id}", status_code=204)
    async def archive(webhook_id: UUID, caller: Writer) -> None:
        """Archive a webhook: what waits for it is dropped."""
        async with engine.begin() as tx:
            await webhooks.archive(tx, caller.workspace, webhook_id)

    return router


def webhook_replay_routes(engine: AsyncEngine) -> APIRouter:
    """Post again."""
    router = Router(tags=["webhooks"])

    @router.post("/v1/webhooks/{webhook_id}/replay", response_model=Replayed)
    async def replay(webhook_id: UUID, caller: Writer) -> dict[str, int]:
        """Try again what was given up, 10,000 posts at most, under the ids they had."""
        async with engine.begin() as tx:
            return {"replayed": await webhooks.replay(tx, caller.workspace, webhook_id)}

    @router.post(
        "/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/replay", response_model=Replayed
    )
    async def redeliver(webhook_id: UUID, delivery_id: str, caller: Writer) -> dict[str, int]:
        """Post once more, under the same id, what was delivered or given up."""
        post_id = _post_id(delivery_id)
        async with engine.begin() as tx:
            found = await webhooks.replay(tx, caller.workspace, webhook_id, post_id)
        return {"replayed": found}

    return router


def webhook_reading_routes(engine: AsyncEngine) -> APIRouter:
    """Look at webhooks, and at what is on its way."""
    router = Router(tags=["webhooks"])

    @router.get("/v1/webhooks", response_model=Listed[ShownWebhook])
    async def listing(caller: Reader, page: Paging) -> dict[str, Any]:
        """List webhooks."""
        [after] = page.after(UUID) or [None]
        async with engine.begin() as tx:
            found = await store.listed(tx, caller.workspace, after=after, limit=page.ask)
            counts = await store.counts(tx, caller.workspace, [one.webhook_id for one in found])
        return page.answer(
            found,
            key=lambda one: [one.webhook_id],
            show=lambda one: _shown(one, counts.get(one.webhook_id, (0, 0))),
        )

    @router.get("/v1/webhooks/{webhook_id}", response_model=ShownWebhook)
    async def show(webhook_id: UUID, caller: Reader) -> dict[str, Any]:
        """Show one webhook."""
        async with engine.begin() as tx:
            found = await webhooks.require(tx, caller.workspace, webhook_id)
            counts = await store.counts(tx, caller.workspace, [webhook_id])
        return _shown(found, counts.get(webhook_id, (0, 0)))

    @router.get("/v1/webhooks/{webhook_id}/deliveries", response_model=Listed[ShownDelivery])
    async def pending(
        webhook_id: UUID,
        caller: Reader,
        page: Paging,
        *,
        state: Annotated[PostState | None, Query()] = None,
    ) -> dict[str, Any]:
        """List posts, the newest first: how often each was tried, and what came of it."""
        after = page.after(datetime, UUID)
        async with engine.begin() as tx:
            await webhooks.require(tx, caller.workspace, webhook_id)
            found = await posts.listed(
                tx,
                caller.workspace,
                webhook_id,
                state=state,
                after=None if after is None else (after[0], after[1]),
                limit=page.ask,
            )
        return page.answer(found, key=lambda one: [one.created_at, one.post_id], show=_delivery)

    return router


def _shown(one: Webhook, counts: tuple[int, int]) -> dict[str, Any]:
    return {
        "id": one.webhook_id,
        "url": one.url,
        "events": one.events,
        "active": one.active,
        "reason": one.reason,
        "failures": one.failures,
        "failing_since_at": one.failing_since,
        "paused_until_at": one.paused_until,
        "succeeded_at": one.succeeded_at,
        "failed_at": one.failed_at,
        "former_secret_until_at": one.former_until,
        "waiting": counts[0],
        "dead": counts[1],
        "created_at": one.created_at,
        "created_by": one.created_by,
    }


def _delivery(one: Post) -> dict[str, Any]:
    return {
        "id": message_id(one.post_id),
        "subject_id": one.subject,
        "state": one.state,
        "body": msgspec.json.decode(one.body),
        "created_at": one.created_at,
        "next_try_at": None if one.ended_at else one.try_at,
        "attempts": one.attempts,
        "tried_at": one.tried_at,
        "status": one.status,
        "error": one.error,
        "ended_at": one.ended_at,
    }


def _post_id(delivery_id: str) -> UUID:
    """The id behind a `webhook-id`; NotFoundError for what can be none."""
    try:
        return UUID(hex=delivery_id.removeprefix(_PREFIX))
    except ValueError:
        message = f"There is no post {delivery_id!r}. GET /v1/webhooks/…/deliveries lists them."
        raise NotFoundError(message) from None
