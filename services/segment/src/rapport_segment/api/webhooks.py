"""/v1/webhooks: who is told of entries and exits by HTTP, and what is on its way to them."""

from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common.webhooks.handlers import Means, Webhooks
from rapport_common.webhooks.routes import webhook_routes
from rapport_common.webhooks.terms import Distinct, Terms
from rapport_segment.api.callers import READ, WRITE
from rapport_segment.handlers.segments import require as require_segment
from rapport_segment.store.webhooks import WEBHOOKS


class Wants(BaseModel):
    """Of which segments a webhook is told."""

    segment_ids: Distinct[UUID] | None = Field(
        None, min_length=1, max_length=100, description="of which segments it is told; null: of all"
    )


async def _are_there(tx: AsyncConnection, workspace: str, wants: Wants) -> None:
    for one in wants.segment_ids or ():
        await require_segment(tx, workspace, one)


TERMS = Terms(
    wants=Wants,
    subject="profile_id",
    about="the person it tells of",
    example={"url": "https://shop.example.com/segments"},
    listed="dead",
    check=_are_there,
)


def routes(engine: AsyncEngine, means: Means) -> list[APIRouter]:
    """Make and change webhooks, look at them, and at what is on its way."""
    webhooks = Webhooks(WEBHOOKS, TERMS, means)
    return webhook_routes(engine, webhooks, read=READ, write=WRITE)
