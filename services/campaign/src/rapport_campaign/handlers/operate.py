"""What operators ask for: making, starting, pausing and testing campaigns."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.addresses import envelope_address
from rapport_campaign.domain.model import Campaign, CampaignState, MessageState, NewMessage
from rapport_campaign.handlers.authoring import filled, require_coupons, require_data
from rapport_campaign.handlers.ledger import count, write_plan
from rapport_campaign.handlers.preferences import topics_of
from rapport_campaign.handlers.segments import require_living
from rapport_campaign.store import campaigns, ledger, locks, people
from rapport_campaign.store.jobs import INCLUDE, JOBS, WITHDRAW, job_for
from rapport_campaign.store.ledger import SECTIONS, Place
from rapport_common import clock
from rapport_common.errors import ConflictError, InvalidRequestError, NotFoundError
from rapport_common.events.contact import EMAIL_CHANNEL, normal_email

SAID_BY_MAIL = ("from_address", "subject", "html", "text", "amp")
SAID = {"subject", "html", "text", "amp"}
"""What a campaign says by itself, or by a template."""


async def require(
    tx: AsyncConnection, workspace: str, campaign_id: str, *, lock: bool = False
) -> Campaign:
    """The campaign, or NotFoundError; with `lock` its state stays until the commit."""
    found = await campaigns.find(tx, workspace, campaign_id, lock=lock)
    if found is None:
        message = f"There is no campaign {campaign_id} in workspace {workspace}."
        raise NotFoundError(message)
    if lock and found.broadcast_id is not None:
        message = (
            f"Campaign {campaign_id} is what broadcast {found.broadcast_id} sends: use "
            "/v1/broadcasts/{broadcast_id} for it."
        )
        raise ConflictError(message, details={"broadcast_id": found.broadcast_id})
    return found


async def create(tx: AsyncConnection, campaign: Campaign) -> Campaign:
    """Make a draft, with what its template says, if it has one; UnknownSegmentError when it is on
    a segment that is not there (any more).
    """
    await require_living(tx, campaign.workspace, campaign.segment_id)
    whole = await said(tx, campaign)
    await campaigns.create(tx, whole)
    return whole


async def said(tx: AsyncConnection, campaign: Campaign) -> Campaign:
    """A new campaign with what its template says, and what its topic stands for."""
    whole = await filled(tx, campaign)
    await require_coupons(tx, whole)
    await require_data(tx, whole)
    return await _on_topic(tx, whole)


async def start(tx: AsyncConnection, workspace: str, campaign_id: str) -> Campaign:
    """Let a draft run; with `include_existing` a job plans for those who are in its segment now."""
    draft = await require(tx, workspace, campaign_id)
    await locks.own_segment(tx, workspace, draft.segment_id)
    campaign = await require(tx, workspace, campaign_id, lock=True)
    if campaign.state == "running":
        return campaign
    if campaign.state == "paused":
        message = f"Campaign {campaign_id} is paused: resume it with POST .../resume."
        raise ConflictError(message, details={"state": campaign.state})
    if campaign.state == "archived":
        raise _archived(campaign)
    await require_living(tx, workspace, campaign.segment_id)
    await require_coupons(tx, campaign)
    await require_data(tx, campaign)
    started = replace(campaign, state="running", started_at=clock.now())
    if campaign.include_existing:
        job = job_for(campaign, INCLUDE)
        await JOBS.add(tx, workspace, job)
        started = replace(started, job=job.id)
    await campaigns.save(tx, started)
    return started


async def change(
    tx: AsyncConnection, workspace: str, campaign_id: str, changes: Mapping[str, Any]
) -> Campaign:
    """Change a draft; what has been started keeps what it says."""
    campaign = await require(tx, workspace, campaign_id, lock=True)
    if campaign.state != "draft":
        message = (
            f"Campaign {campaign_id} is {campaign.state}: only a draft can be changed. "
            "Make a new one and archive this one."
        )
        raise ConflictError(message, details={"state": campaign.state})
    if "segment_id" in changes:
        await require_living(tx, workspace, changes["segment_id"])
    changed = await said_anew(tx, campaign, changes)
    await campaigns.save(tx, changed)
    return changed


async def said_anew(
    tx: AsyncConnection, campaign: Campaign, changes: Mapping[str, Any]
) -> Campaign:
    """A campaign with changes of what it says, which are refused where they don't fit together."""
    _require_fitting(campaign, changes)
    if campaign.template_id is not None and changes.keys() & SAID and "template_id" not in changes:
        message = (
            f"It says what template {campaign.template_id} says: change that, or "
            " send `template_id: null`, too, and what it says is its own from then on."
        )
        raise ConflictError(message, details={"template_id": campaign.template_id})
    changed = await _on_topic(tx, replace(campaign, **changes))
    if changed.template_id is None:
        changed = replace(changed, template_version=None)
    elif "template_id" in changes:
        changed = await filled(tx, changed)
    await require_coupons(tx, changed)
    await require_data(tx, changed)
    return changed


async def archive(tx: AsyncConnection, workspace: str, campaign_id: str) -> None:
    """End a campaign for good: when this has committed, nothing more is sent by it.

    Its ledger stays. What it has planned is taken back by a job. Archiving again changes nothing.
    """
    campaign = await require(tx, workspace, campaign_id, lock=True)
    if campaign.state == "archived":
        return
    await campaigns.save(tx, replace(campaign, state="archived", archived_at=clock.now()))
    if campaign.started_at is not None:
        await JOBS.add(tx, workspace, job_for(campaign, WITHDRAW))


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
    if campaign.state == "archived":
        raise _archived(campaign)
    to = to_of(campaign, to)
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
        channel=campaign.channel,
    )
    await count(tx, await write_plan(tx, [test]))
    return test


async def _on_topic(tx: AsyncConnection, campaign: Campaign) -> Campaign:
    """The campaign with what its topic stands for now; InvalidRequestError when there is none."""
    if campaign.topic is None:
        return replace(campaign, topic_purpose=None)
    if campaign.channel != EMAIL_CHANNEL:
        message = f"topic: what people choose among is about mails, and this is {campaign.channel}."
        raise InvalidRequestError(message, details={"field": "topic"})
    topics = await topics_of(tx, campaign.workspace)
    found = next((one for one in topics if one.id == campaign.topic), None)
    if found is None:
        known = [one.id for one in topics]
        message = f"topic: there is no topic {campaign.topic} of mails; there are {known}."
        raise InvalidRequestError(message, details={"field": "topic", "known": known})
    return replace(campaign, topic_purpose=found.purpose)


def to_of(campaign: Campaign, to: str) -> str:
    """Where a test of a campaign goes; InvalidRequestError for what is no address of e-mail."""
    if campaign.channel != EMAIL_CHANNEL:
        return to.strip()
    address = normal_email(to)
    if envelope_address(address) is None:
        message = "must be one address such as `ada@example.com`"
        problems = [{"path": "to", "message": message}]
        raise InvalidRequestError(f"to {message}", details={"problems": problems})
    return address


def _require_fitting(campaign: Campaign, changes: Mapping[str, Any]) -> None:
    """What a campaign says is said by its channel: a mail has no content, all else no page."""
    is_mail = campaign.channel == EMAIL_CHANNEL
    for name in ("content",) if is_mail else (*SAID_BY_MAIL, "template_id"):
        if changes.get(name) is not None:
            message = f"{name} is not for {campaign.channel}."
            raise InvalidRequestError(message, details={"path": name})


async def messages(
    tx: AsyncConnection,
    campaign: Campaign,
    *,
    state: MessageState | None,
    after: tuple[int, Place] | None,
    limit: int,
) -> list[tuple[list[Any], Row[Any]]]:
    """Messages of a campaign with their place in the list: section by section."""
    only = "ended" if state is not None and state not in {"planned", "sending"} else state
    found: list[tuple[list[Any], Row[Any]]] = []
    for number, section in enumerate(SECTIONS):
        if only not in {None, section} or (after is not None and number < after[0]):
            continue
        rows = await ledger.listed(
            tx,
            campaign.workspace,
            campaign.campaign_id,
            section=section,
            state=state,
            after=after[1] if after is not None and number == after[0] else None,
            limit=limit - len(found),
        )
        found += [([number, row.place, row.send_key], row) for row in rows]
        if len(found) == limit:
            break
    return found


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
    if campaign.state == "archived":
        raise _archived(campaign)
    if campaign.state != source:
        message = f"Campaign {campaign_id} is a {campaign.state}: start it with POST .../start."
        raise ConflictError(message, details={"state": campaign.state})
    switched = replace(campaign, state=target)
    await campaigns.save(tx, switched)
    return switched


def _archived(campaign: Campaign) -> ConflictError:
    message = f"Campaign {campaign.campaign_id} is archived: nothing more is sent by it."
    return ConflictError(message, details={"state": campaign.state})
