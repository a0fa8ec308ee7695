"""/v1/outcomes: what became of messages after they were handed over."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_campaign.api.operator import known_id
from rapport_campaign.domain.outcomes import OutcomeKind, Source
from rapport_campaign.store import outcomes as store
from rapport_common.auth import Operator, operator
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router

Reader = Annotated[Operator, Depends(operator("campaigns:read"))]
SendKey = Annotated[str | None, Query(pattern="^[0-9a-f]{64}$")]


class ShownOutcome(BaseModel):
    """One thing that became known of a message."""

    send_key: str
    campaign_id: str | None
    profile_id: str
    kind: OutcomeKind
    grade: str = Field(
        description="Of a bounce: hard (the address is dead), soft, blocked (the mail or its "
        "sender was not wanted), unclear. Of an open or a click: human, machine, scanner."
    )
    code: str = Field(description="the mail server's, or the vendor's")
    text: str = Field(description="what it said")
    source: Source
    address: str | None = Field(description="where the message went; not of opens and clicks")
    at: datetime


def outcome_routes(engine: AsyncEngine) -> APIRouter:
    """For operators."""
    router = Router(tags=["outcomes"])

    @router.get("/v1/outcomes", response_model=Listed[ShownOutcome])
    async def listed(
        caller: Reader,
        page: Paging,
        *,
        kind: OutcomeKind | None = None,
        campaign_id: str | None = None,
        send_key: SendKey = None,
    ) -> dict[str, Any]:
        """The newest outcomes: of the workspace, of a campaign, or of a message."""
        after = page.after(datetime, str, str, str)
        async with engine.begin() as tx:
            found = await store.listed(
                tx,
                caller.workspace,
                kind=kind,
                campaign_id=known_id(campaign_id) if campaign_id is not None else None,
                send_key=send_key,
                after=(after[0], after[1], after[2], after[3]) if after else None,
                limit=page.ask,
            )
        return page.answer(
            found,
            key=lambda row: [row.at, row.send_key, row.kind, row.mark],
            show=lambda row: ShownOutcome.model_validate(dict(row._mapping)),  # noqa: SLF001 - public in SQLAlchemy
        )

    return router
