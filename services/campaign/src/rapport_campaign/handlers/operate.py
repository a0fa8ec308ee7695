"""What operators ask for: making, starting, pausing and testing campaigns."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.model import Campaign, CampaignState, NewMessage
from rapport_campaign.domain.planning import plan_existing
from rapport_campaign.handlers.consume import count_planned, write_plan
from rapport_campaign.store import campaigns, locks, people
from rapport_common import clock
from rapport_common.errors import ConflictError, NotFoundError

PAGE = 5000


async def require(
    tx: AsyncConnection, workspace: str, campaign_id: str, *, lock: bool = False
) -> Campaign:
    """The campaign, or NotFoundError; with `lock` its state stays until the commit."""
    found = await campaigns.find(tx, workspace, campaign_id, lock=lock)
    if found is None:
        message = f"There is no campaign {campaign_id} in workspace {workspace}."
        raise NotFoundError(message)
    return found


async def start(tx: AsyncConnection, workspace: str, campaign_id: str) -> Campaign:
    """Let a draft run; with `include_existing` those who are in its segment now are planned."""
    draft = await require(tx, workspace, campaign_id)
    await locks.own_segment(tx, workspace, draft.segment_id)
    campaign = await require(tx, workspace, campaign_id, lock=True)
    if campaign.state == "running":
        return campaign
    if campaign.state == "paused":
        message = f"Campaign {campaign_id} is paused: resume it with POST .../resume."
        raise ConflictError(message, details={"state": campaign.state})
    started_at = clock.now()
    await campaigns.set_state(tx, campaign, "running", started_at)
    if campaign.include_existing:
        await _plan_existing(tx, campaign)
    return await require(tx, workspace, campaign_id)


async def pause(tx: AsyncConnection, workspace: str, campaign_id: str) -> Campaign:
    """Stop sending; when this has committed, no further message is marked `sending`."""
    return await _switch(tx, workspace, campaign_id, "running", "paused")


async def resume(tx: AsyncConnection, workspace: str, campaign_id: str) -> Campaign:
    """Go on sending, with what was planned during the pause as well."""
    return await _switch(tx, workspace, campaign_id, "paused", "running")


async def send_test(
    tx: AsyncConnection,
    workspace: str,
    campaign_id: str,
    *,
    to: str,
    profile_id: str | None,
    occasion: str,
) -> NewMessage:
    """Plan one marked test mail of a campaign, as `profile_id` would get it, to any address."""
    campaign = await require(tx, workspace, campaign_id)
    if profile_id is not None:
        person = (await people.load(tx, [(workspace, profile_id)])).get((workspace, profile_id))
        if person is None:
            message = f"There is no profile {profile_id} in workspace {workspace}."
            raise NotFoundError(message)
    test = NewMessage(
        workspace=workspace,
        kind="test",
        purpose=campaign.purpose,
        campaign_id=campaign.campaign_id,
        occasion=occasion,
        profile_id=profile_id or "",
        to_address=to,
    )
    await count_planned(tx, len(await write_plan(tx, [test])))
    return test


async def _switch(
    tx: AsyncConnection,
    workspace: str,
    campaign_id: str,
    source: CampaignState,
    target: CampaignState,
) -> Campaign:
    campaign = await require(tx, workspace, campaign_id, lock=True)
    if campaign.state == target:
        return campaign
    if campaign.state != source:
        message = f"Campaign {campaign_id} is a {campaign.state}: start it with POST .../start."
        raise ConflictError(message, details={"state": campaign.state})
    started_at: datetime | None = campaign.started_at
    await campaigns.set_state(tx, campaign, target, started_at)
    return await require(tx, workspace, campaign_id)


async def _plan_existing(tx: AsyncConnection, campaign: Campaign) -> None:
    seen: set[str] = set()
    after, planned = "", 0
    while True:
        page = await people.entries(
            tx, campaign.workspace, campaign.segment_id, after=after, limit=PAGE
        )
        now_ids = await people.resolve(tx, [(one.workspace, one.profile_id) for one in page])
        pairs = [(one, now_ids[one.workspace, one.profile_id]) for one in page]
        planned += len(await write_plan(tx, list(plan_existing(campaign, pairs, seen))))
        if len(page) < PAGE:
            break
        after = page[-1].entry_id
    await count_planned(tx, planned)
