"""What is said of webhooks and their posts by API: what all services share, and their own terms."""

from datetime import datetime
from functools import cache
from typing import Annotated, Any, NamedTuple, cast
from uuid import UUID

import msgspec
from pydantic import BaseModel, ConfigDict, Field, create_model

from rapport_common.outside.addresses import MAX_URL
from rapport_common.outside.webhooks import message_id
from rapport_common.webhooks.records import Post, PostState, Webhook
from rapport_common.webhooks.terms import Terms

_URL = Field(max_length=MAX_URL, description="https://…, on the internet")


class _NewWebhook(BaseModel):
    """Where to post, and what."""

    model_config = ConfigDict(extra="forbid")

    url: str = _URL


class _WebhookChange(BaseModel):
    """What shall be otherwise; while a webhook is not `active` it is told of nothing."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"active": False}})

    url: Annotated[str, _URL] = ""
    active: bool = True


class Rotation(BaseModel):
    """For how long posts are signed with the former secret, too."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"overlap_hours": 24}})

    overlap_hours: float = Field(24, ge=0, le=168)


class _ShownWebhook(BaseModel):
    """A webhook: how it is with its receiver, and how many posts wait or were given up."""

    id: UUID
    url: str
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


class _ShownDelivery(BaseModel):
    """A post: `id` is the header `webhook-id`, the same each time that it is tried."""

    id: str
    state: PostState
    body: dict[str, Any]
    created_at: datetime
    next_try_at: datetime | None
    attempts: int
    status: int | None
    error: str | None
    tried_at: datetime | None = Field(description="the last time")
    ended_at: datetime | None
    died_at: datetime | None = Field(description="when it ended, if it was given up")


class Replayed(BaseModel):
    """How many posts are posted again."""

    replayed: int


class Forms(NamedTuple):
    """The models of one service's routes."""

    new: type[BaseModel]
    change: type[BaseModel]
    shown: type[BaseModel]
    with_secret: type[BaseModel]
    delivery: type[BaseModel]


@cache
def forms(terms: Terms[Any]) -> Forms:
    """What is common, with what the service's webhooks want, and what orders its posts."""
    wants = terms.wants.model_fields
    if lacking := [name for name, one in wants.items() if one.is_required()]:
        message = f"without a default a change would have to say it: {', '.join(lacking)}"
        raise TypeError(message)
    told: dict[str, Any] = {
        name: (one.annotation, Field(description=one.description)) for name, one in wants.items()
    }
    shown = _model("ShownWebhook", _ShownWebhook, **told)
    subject = (str, Field(description=terms.about))
    new = create_model(
        "NewWebhook", __base__=(_NewWebhook, terms.wants), __doc__=_NewWebhook.__doc__
    )
    new.model_config["json_schema_extra"] = {"example": terms.example}
    return Forms(
        new=new,
        change=create_model(
            "WebhookChange", __base__=(_WebhookChange, terms.wants), __doc__=_WebhookChange.__doc__
        ),
        shown=shown,
        with_secret=create_model(
            "WebhookWithSecret",
            __base__=shown,
            __doc__="The same with its secret, which is shown this once.",
            secret=(str, ...),
        ),
        delivery=_model("ShownDelivery", _ShownDelivery, **{terms.subject: subject}),
    )


def _model(name: str, base: type[BaseModel], **fields: Any) -> type[BaseModel]:
    made = create_model(name, __base__=base, __doc__=base.__doc__, **fields)
    return cast("type[BaseModel]", made)


def shown(one: Webhook, counts: tuple[int, int]) -> dict[str, Any]:
    """A webhook; `counts`: how many posts wait, and how many were given up."""
    return {
        **one.wants,
        "id": one.webhook_id,
        "url": one.url,
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


def delivery(one: Post, subject: str) -> dict[str, Any]:
    """A post; its subject stands under that name."""
    return {
        "id": message_id(one.post_id),
        subject: one.subject,
        "state": one.state,
        "body": msgspec.json.decode(one.body),
        "created_at": one.created_at,
        "next_try_at": None if one.ended_at else one.try_at,
        "attempts": one.attempts,
        "tried_at": one.tried_at,
        "status": one.status,
        "error": one.error,
        "ended_at": one.ended_at,
        "died_at": one.ended_at if one.dead else None,
    }
