"""Routes for operators: why somebody got a message, or does not."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_campaign.api.operator import known_id
from rapport_campaign.domain.model import MessageState
from rapport_campaign.handlers import explaining
from rapport_campaign.handlers.explaining import Answer
from rapport_common.auth import Operator, operator
from rapport_common.errors import NotFoundError
from rapport_common.routes import Router

Reader = Annotated[Operator, Depends(operator("campaigns:read"))]


class Why(BaseModel):
    """One sentence, and the facts of it. Without a message only the sentence is there."""

    sentence: str
    send_key: str | None = None
    campaign_id: str | None = None
    profile_id: str | None = None
    state: MessageState | None = None
    reason: str | None = Field(None, description="in short, as lists of messages have it")
    rule: str | None = Field(None, description="the cap, topic or computed trait that it was")
    next_at: datetime | None = Field(None, description="when it, or another, may go")
    facts: dict[str, str | int] = Field(default_factory=dict)
    planned_at: datetime | None = None
    sent_at: datetime | None = None


def why_routes(engine: AsyncEngine) -> APIRouter:
    """All of it."""
    router = Router(tags=["why"])

    @router.get("/v1/messages/{message_id}/why")
    async def of_message(message_id: str, caller: Reader) -> Why:
        """Why a message was sent, was not, or waits."""
        if "\0" in message_id:
            raise NotFoundError("There is no such message.")
        async with engine.begin() as tx:
            return _shown(await explaining.of_message(tx, caller.workspace, message_id))

    @router.get("/v1/people/{profile_id}/why")
    async def of_person(
        profile_id: str,
        caller: Reader,
        campaign: Annotated[str, Query(max_length=64, description="the campaign's id")],
    ) -> Why:
        """Why somebody got a campaign, or not: by their newest message, if there is any."""
        if "\0" in profile_id:
            raise NotFoundError("There is no such profile.")
        async with engine.begin() as tx:
            found = await explaining.of_person(tx, caller.workspace, profile_id, known_id(campaign))
        return _shown(found)

    return router


def _shown(answer: Answer) -> Why:
    row, facts = answer.row, answer.facts
    if row is None:
        return Why(sentence=answer.sentence)
    return Why(
        sentence=answer.sentence,
        send_key=row.send_key,
        campaign_id=row.campaign_id,
        profile_id=row.profile_id,
        state=row.state,
        reason=row.reason,
        rule=(facts.rule or None) if facts else None,
        next_at=facts.next_at if facts else None,
        facts=dict(facts.more) if facts else {},
        planned_at=row.planned_at,
        sent_at=row.sent_at,
    )
