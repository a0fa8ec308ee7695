"""/v1/webhooks: who is told by HTTP of answers and cases."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.outside.sealing import Sealer
from rapport_common.webhooks.handlers import Means, Webhooks
from rapport_common.webhooks.routes import webhook_routes
from rapport_common.webhooks.terms import Distinct, Terms
from rapport_feedback.domain.announcements import ANNOUNCED, USUAL, Announced
from rapport_feedback.domain.webhook_keys import place_of
from rapport_feedback.settings import Settings
from rapport_feedback.store.webhooks import WEBHOOKS

_EVENTS = Field(
    min_length=1,
    max_length=len(ANNOUNCED),
    description="what it is told of; case.changed and case.due_soon if they are named",
)


class Wants(BaseModel):
    """What a webhook is told of."""

    events: Annotated[Distinct[Announced], _EVENTS] = Field(default_factory=lambda: list(USUAL))


TERMS = Terms(
    wants=Wants,
    subject="subject_id",
    about="the answer or case it tells of",
    example={
        "url": "https://shop.example.com/feedback",
        "events": ["survey.answered", "case.overdue"],
    },
)


def hook_routes(engine: AsyncEngine, settings: Settings) -> list[APIRouter]:
    """/v1/webhooks: made, changed, looked at, and posted again."""
    means = Means(Sealer(settings.secret_keys(), place_of), settings.own_networks())
    hooks = Webhooks(WEBHOOKS, TERMS, means)
    return webhook_routes(engine, hooks, read="feedback:read", write="feedback:write")
