"""/v1/webhooks: who is told by HTTP what became of messages, and what is on its way to them."""

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_campaign.domain.announcements import ANNOUNCED, USUAL, Announced, Scope
from rapport_campaign.domain.webhook_keys import place_of
from rapport_campaign.settings import Settings
from rapport_campaign.store.webhooks import WEBHOOKS
from rapport_common.outside.sealing import Sealer
from rapport_common.webhooks.handlers import Means, Webhooks
from rapport_common.webhooks.routes import webhook_routes
from rapport_common.webhooks.terms import Distinct, Terms


class Wants(BaseModel):
    """Of which outcomes a webhook is told, and of which messages."""

    events: Distinct[Announced] = Field(
        list(USUAL),
        min_length=1,
        max_length=len(ANNOUNCED),
        description="what it is told of; what people do (replied, opened, clicked) if it is named",
    )
    scope: Scope = Field(
        "transactional",
        description="of messages that no campaign sends; all: of those of campaigns too",
    )


TERMS = Terms(
    wants=Wants,
    subject="message_id",
    about="the message it tells of",
    example={
        "url": "https://shop.example.com/outcomes",
        "events": ["sent", "failed", "bounced"],
        "scope": "transactional",
    },
)


def routes(engine: AsyncEngine, settings: Settings) -> list[APIRouter]:
    """Make and change webhooks, look at them, and at what was posted or is on its way."""
    means = Means(Sealer(settings.webhook_keys(), place_of), settings.own_networks())
    webhooks = Webhooks(WEBHOOKS, TERMS, means)
    return webhook_routes(engine, webhooks, read="campaigns:read", write="campaigns:write")
