"""Routes for operators: policy, campaigns, their messages."""

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_campaign.api.campaign_bodies import CampaignChange, NewCampaign
from rapport_campaign.api.models import (
    CampaignBrief,
    CampaignView,
    MessageView,
    PolicyBody,
    PolicyChange,
    TestSend,
    TestView,
    campaign_brief,
    campaign_view,
    message_view,
)
from rapport_campaign.domain.model import Campaign, MessageState
from rapport_campaign.domain.outcomes import BouncePolicy
from rapport_campaign.domain.permission import PermissionPolicy
from rapport_campaign.handlers import operate
from rapport_campaign.handlers.segments import Arrivals
from rapport_campaign.handlers.templates import require_usable
from rapport_campaign.renderer import Renderer
from rapport_campaign.store import (
    broadcasts,
    campaigns,
    coupons,
    ledger,
    outcomes,
    segments,
    templates,
)
from rapport_campaign.tables import SCHEMA
from rapport_common import clock
from rapport_common.auth import Operator, operator
from rapport_common.errors import NotFoundError
from rapport_common.idempotency import Repeatable
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router

Reader = Annotated[Operator, Depends(operator("campaigns:read"))]
Writer = Annotated[Operator, Depends(operator("campaigns:write"))]


def operator_routes(engine: AsyncEngine, renderer: Renderer, arrivals: Arrivals) -> APIRouter:
    """All routes that need a token."""
    router = Router()
    _policy_routes(router, engine)
    _create_route(router, engine, renderer, arrivals)
    _draft_routes(router, engine, renderer, arrivals)
    _list_routes(router, engine)
    _start_route(router, engine, arrivals)
    _step_routes(router, engine)
    return router


def _policy_routes(router: APIRouter, engine: AsyncEngine) -> None:
    @router.get("/v1/policy", tags=["policy"])
    async def policy(caller: Reader) -> PolicyBody:
        """What the workspace allows."""
        async with engine.begin() as tx:
            found = await campaigns.policies(tx, [caller.workspace])
            bounces = await outcomes.policy(tx, caller.workspace)
            spoken = await templates.policy_languages(tx, [caller.workspace])
            above = await broadcasts.approval_above(tx, caller.workspace)
        allowed = found.get(caller.workspace, PermissionPolicy())
        return _allowed(allowed, bounces, spoken.get(caller.workspace), above)

    @router.patch("/v1/policy", tags=["policy"])
    async def change_policy(body: PolicyChange, caller: Writer) -> PolicyBody:
        """Change what the workspace allows; counts for every message not sent yet.

        Whoever writes broadcasts does not lift what they need a second person for: that takes the
        scope `campaigns:approve`.
        """
        if "broadcast_approval_above" in body.model_fields_set:
            caller.require("campaigns:approve")
        given = body.model_dump(exclude_none=True)
        async with engine.begin() as tx:
            policy = await campaigns.change_policy(tx, caller.workspace, given, caller.subject)
            bounces = await outcomes.change_policy(tx, caller.workspace, given)
            if body.language is not None:
                await templates.change_language(tx, caller.workspace, body.language)
            if "broadcast_approval_above" in body.model_fields_set:
                above = body.broadcast_approval_above
                await broadcasts.change_approval(tx, caller.workspace, above)
            above = await broadcasts.approval_above(tx, caller.workspace)
            spoken = await templates.policy_languages(tx, [caller.workspace])
            return _allowed(policy, bounces, spoken.get(caller.workspace), above)


def _allowed(
    policy: PermissionPolicy, bounces: BouncePolicy, language: str | None, above: int | None
) -> PolicyBody:
    return PolicyBody(
        broadcast_approval_above=above,
        language=language,
        soft_bounces=bounces.soft_bounces,
        soft_bounce_days=bounces.days,
        promotion_without_consent=policy.promotion_without_consent,
        unconfirmed_consent=policy.unconfirmed_consent,
    )


def _create_route(
    router: APIRouter, engine: AsyncEngine, renderer: Renderer, arrivals: Arrivals
) -> None:
    @router.post("/v1/campaigns", status_code=201, tags=["campaigns"])
    async def create(body: NewCampaign, caller: Writer, once: Repeatable) -> CampaignView:
        """Make a draft on a segment that there is; a template that can't be read, or names what
        is not there, is refused.
        """
        given = body.fields()
        await require_usable(renderer, given)
        campaign = Campaign(
            workspace=caller.workspace,
            campaign_id=str(uuid.uuid4()),
            state="draft",
            created_at=clock.now(),
            **given,
        )
        await arrivals.wait_for(caller.workspace, body.segment_id)
        async with engine.begin() as tx:
            made = await once.earlier(
                tx,
                SCHEMA,
                caller.workspace,
                body=body.model_dump(exclude_unset=True),
                made_id=campaign.campaign_id,
            )
            if made is not None:
                return await _view(tx, await operate.require(tx, caller.workspace, made))
            return await _view(tx, await operate.create(tx, campaign))


def _draft_routes(
    router: APIRouter, engine: AsyncEngine, renderer: Renderer, arrivals: Arrivals
) -> None:
    @router.get("/v1/campaigns/{campaign_id}", tags=["campaigns"])
    async def one(campaign_id: str, caller: Reader) -> CampaignView:
        """A campaign and how many of its messages are in which state."""
        async with engine.begin() as tx:
            campaign = await operate.require(tx, caller.workspace, known_id(campaign_id))
            return await _view(tx, campaign)

    @router.patch("/v1/campaigns/{campaign_id}", tags=["campaigns"])
    async def change(campaign_id: str, body: CampaignChange, caller: Writer) -> CampaignView:
        """Change a draft; what is left out stays. What was started can't be changed."""
        changes = body.changes()
        async with engine.begin() as tx:
            await operate.require(tx, caller.workspace, known_id(campaign_id))
        await require_usable(renderer, changes)
        if "segment_id" in changes:
            await arrivals.wait_for(caller.workspace, changes["segment_id"])
        async with engine.begin() as tx:
            found = await operate.change(tx, caller.workspace, known_id(campaign_id), changes)
            return await _view(tx, found)

    @router.delete("/v1/campaigns/{campaign_id}", status_code=204, tags=["campaigns"])
    async def archive(campaign_id: str, caller: Writer) -> None:
        """Archive a campaign: nothing more is sent by it, and its ledger stays."""
        async with engine.begin() as tx:
            await operate.archive(tx, caller.workspace, known_id(campaign_id))


def _list_routes(router: APIRouter, engine: AsyncEngine) -> None:
    @router.get("/v1/campaigns", response_model=Listed[CampaignBrief], tags=["campaigns"])
    async def listed(
        caller: Reader, page: Paging, *, archived: Annotated[bool, Query()] = False
    ) -> dict[str, Any]:
        """The newest campaigns without their templates: those in use, or the archived ones."""
        after = page.after(datetime, UUID)
        async with engine.begin() as tx:
            found = await campaigns.listed(
                tx,
                caller.workspace,
                archived=archived,
                after=(after[0], str(after[1])) if after else None,
                limit=page.ask,
            )
            known = await segments.find(tx, [(one.workspace, one.segment_id) for one in found])
        return page.answer(
            found,
            key=lambda one: [one.created_at, one.campaign_id],
            show=lambda one: campaign_brief(one, known.get((one.workspace, one.segment_id))),
        )

    @router.get(
        "/v1/campaigns/{campaign_id}/messages",
        response_model=Listed[MessageView],
        tags=["campaigns"],
    )
    async def messages(
        campaign_id: str, caller: Reader, page: Paging, state: MessageState | None = None
    ) -> dict[str, Any]:
        """Its messages: those that wait, as they are due; those on their way; those that have
        ended, newest first. Test sends are marked as such.
        """
        after = page.after(int, datetime, str)
        async with engine.begin() as tx:
            campaign = await operate.require(tx, caller.workspace, known_id(campaign_id))
            rows = await operate.messages(
                tx,
                campaign,
                state=state,
                after=(after[0], ledger.Place(*after[1:])) if after else None,
                limit=page.ask,
            )
            show = await _with_what_is_noted(tx, caller.workspace, rows)
        return page.answer(rows, key=lambda row: row[0], show=lambda row: show(row[1]))


async def _with_what_is_noted(
    tx: AsyncConnection, workspace: str, rows: Sequence[tuple[Any, Any]]
) -> Callable[[Any], MessageView]:
    """How rows are shown: with their languages and coupons."""
    keys = [row.send_key for _, row in rows]
    made_in = await templates.languages(tx, workspace, keys)
    codes = await coupons.given(tx, workspace, keys)
    return lambda row: message_view(row, made_in, codes)


def _start_route(router: APIRouter, engine: AsyncEngine, arrivals: Arrivals) -> None:
    @router.post("/v1/campaigns/{campaign_id}/start", tags=["campaigns"])
    async def start(campaign_id: str, caller: Writer) -> CampaignView:
        """Let a draft run. Starting what runs changes nothing."""
        async with engine.begin() as tx:
            campaign = await operate.require(tx, caller.workspace, known_id(campaign_id))
        if campaign.state == "draft":
            await arrivals.wait_for(caller.workspace, campaign.segment_id)
        async with engine.begin() as tx:
            campaign = await operate.start(tx, caller.workspace, campaign.campaign_id)
            return await _view(tx, campaign)


def _step_routes(router: APIRouter, engine: AsyncEngine) -> None:
    @router.post("/v1/campaigns/{campaign_id}/pause", tags=["campaigns"])
    async def pause(campaign_id: str, caller: Writer) -> CampaignView:
        """Stop sending at once; who enters meanwhile is planned and waits."""
        async with engine.begin() as tx:
            campaign = await operate.pause(tx, caller.workspace, known_id(campaign_id))
            return await _view(tx, campaign)

    @router.post("/v1/campaigns/{campaign_id}/resume", tags=["campaigns"])
    async def resume(campaign_id: str, caller: Writer) -> CampaignView:
        """Go on sending."""
        async with engine.begin() as tx:
            campaign = await operate.resume(tx, caller.workspace, known_id(campaign_id))
            return await _view(tx, campaign)

    @router.post("/v1/campaigns/{campaign_id}/test", status_code=202, tags=["campaigns"])
    async def test(campaign_id: str, body: TestSend, caller: Writer, once: Repeatable) -> TestView:
        """Send one marked test mail; it is not counted and its links change nothing."""
        new = str(uuid.uuid4())
        async with engine.begin() as tx:
            made = await once.earlier(
                tx, SCHEMA, caller.workspace, body=body.model_dump(), made_id=new
            )
            message = await operate.send_test(
                tx,
                caller.workspace,
                known_id(campaign_id),
                to=body.to,
                profile_id=body.profile_id,
                occasion=f"test-{made or new}",
            )
        return TestView(send_key=message.send_key, state=message.state, to_address=body.to)


def known_id(text: str) -> str:
    """A campaign id in its one spelling; NotFoundError for what can't be one."""
    try:
        return str(uuid.UUID(text))
    except ValueError as error:
        message = f"There is no campaign {text!r}: an id looks like {uuid.UUID(int=0)}."
        raise NotFoundError(message) from error


async def _view(tx: AsyncConnection, campaign: Campaign) -> CampaignView:
    counts = await ledger.of_campaign(tx, campaign.workspace, campaign.campaign_id)
    known = await outcomes.counts(tx, campaign.workspace, campaign.campaign_id)
    key = (campaign.workspace, campaign.segment_id)
    return campaign_view(campaign, (await segments.find(tx, [key])).get(key), counts, known)
