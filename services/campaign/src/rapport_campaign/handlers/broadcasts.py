"""What operators ask for: making, changing, scheduling and approving broadcasts; each is noted."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.broadcasts import (
    EDITABLE,
    UNAPPROVED,
    Audience,
    Broadcast,
    BroadcastState,
)
from rapport_campaign.domain.model import Campaign, CampaignState
from rapport_campaign.domain.schedules import At, Local, Recurring, begins_at, last_local
from rapport_campaign.handlers import operate
from rapport_campaign.handlers.segments import require_living
from rapport_campaign.store import audiences, campaigns, runs, segments
from rapport_campaign.store import broadcasts as store
from rapport_campaign.store.broadcasts import Act
from rapport_common import clock, ids
from rapport_common.errors import ConflictError, ForbiddenError, InvalidRequestError, NotFoundError

FROZEN: CampaignState = "paused"
"""The state of the campaign that says what a broadcast says while that is scheduled: a template
that changes changes drafts, and nothing that was approved."""


async def require(
    tx: AsyncConnection, workspace: str, broadcast_id: str, *, lock: bool = False
) -> Broadcast:
    """The broadcast, or NotFoundError; with `lock` it stays as it is until the commit."""
    found = await store.find(tx, workspace, broadcast_id, lock=lock)
    if found is None:
        message = f"There is no broadcast {broadcast_id} in workspace {workspace}."
        raise NotFoundError(message)
    return found


async def saying(tx: AsyncConnection, broadcast: Broadcast) -> Campaign:
    """The campaign that says what a broadcast says."""
    return await operate.require(tx, broadcast.workspace, broadcast.broadcast_id)


async def said_by(tx: AsyncConnection, broadcast: Broadcast, run_id: str) -> Campaign:
    """The campaign that a run of it sends."""
    return await operate.require(tx, broadcast.workspace, run_id)


def place_of(broadcast: Broadcast) -> tuple[str, str]:
    """Its workspace and its id."""
    return broadcast.workspace, broadcast.broadcast_id


async def archived_of(tx: AsyncConnection, broadcast: Broadcast) -> bool:
    """Whether a segment of its audience has been archived: who is in it is of the past."""
    keys = [(broadcast.workspace, one) for one in broadcast.audience.named]
    known = await segments.find(tx, keys)
    return any(one.archived_at is not None for one in known.values())


async def create(tx: AsyncConnection, broadcast: Broadcast, campaign: Campaign) -> None:
    """Make a draft; `campaign` is what it says, under its id."""
    await _require_sound(tx, broadcast)
    await campaigns.create(tx, await operate.said(tx, campaign))
    await store.create(tx, broadcast)
    await note(tx, broadcast, broadcast.edited_by, "created")


async def change(
    tx: AsyncConnection,
    workspace: str,
    broadcast_id: str,
    *,
    says: Mapping[str, Any],
    sends: Mapping[str, Any],
    by: str,
) -> Broadcast:
    """Change what has not begun: what it says, and to whom and when. It has to be approved anew."""
    found = await require(tx, workspace, broadcast_id, lock=True)
    if found.state not in EDITABLE:
        raise _otherwise(found, "only what has not begun can be changed. Make a new one")
    if sends:
        await _require_planned(tx, found)
    changed = replace(found, **sends, edited_by=by, approved_by=None, reason=None)
    await _require_sound(tx, changed)
    if says:
        campaign = await operate.said_anew(tx, await saying(tx, found), says)
        await campaigns.save(tx, campaign)
    if found.state != "draft":
        changed = await _placed(tx, changed, clock.now())
    await store.save(tx, changed)
    await note(tx, changed, by, "changed", fields=sorted({*says, *sends}))
    return changed


async def schedule(tx: AsyncConnection, workspace: str, broadcast_id: str, by: str) -> Broadcast:
    """Let a draft begin when its schedule says, or wait for an approval. Again changes nothing."""
    found = await require(tx, workspace, broadcast_id, lock=True)
    if found.state in {"scheduled", "awaiting_approval"}:
        return found
    if found.state != "draft":
        raise _otherwise(found, "only a draft can be scheduled. Make a new one")
    for segment in found.audience.named:
        await require_living(tx, workspace, segment)
    placed = await _placed(tx, found, clock.now())
    # What it says stays from now on, whatever becomes of its template.
    campaign = await operate.said_anew(tx, await saying(tx, found), {})
    await campaigns.save(tx, replace(campaign, state=FROZEN))
    await store.save(tx, placed)
    await note(tx, placed, by, "scheduled", state=placed.state)
    return placed


async def approve(tx: AsyncConnection, workspace: str, broadcast_id: str, by: str) -> Broadcast:
    """Let a second person say yes; ForbiddenError for who has edited it last."""
    found = await require(tx, workspace, broadcast_id, lock=True)
    if found.state != "awaiting_approval":
        raise _otherwise(found, "only what awaits an approval can be approved")
    if by == found.edited_by:
        message = f"{by} has edited it last: somebody else has to approve it."
        raise ForbiddenError(message, details={"edited_by": found.edited_by})
    approved = replace(found, approved_by=by, reason=None)
    if found.next_at is None:
        placed = await _placed(tx, approved, clock.now())
    else:
        # It was held when this occurrence should have begun; it is begun if it is not too late.
        placed = replace(approved, state="scheduled")
    await store.save(tx, placed)
    await note(tx, placed, by, "approved")
    return placed


async def needs_approval(tx: AsyncConnection, broadcast: Broadcast, *instants: datetime) -> bool:
    """Whether it goes to more people than may be written to without a second person's yes.

    Counted at each of the instants. Of whoever comes later nobody knows how many there will be.
    """
    above = await store.approval_above(tx, broadcast.workspace)
    if above is None or broadcast.approved_by is not None:
        return False
    if broadcast.joins_until is not None:
        return True
    for at in sorted(set(instants)):
        number = await audiences.count(tx, broadcast.workspace, broadcast.audience.any, at)
        if number > above:
            return True
    return False


async def note(
    tx: AsyncConnection, broadcast: Broadcast, actor: str, action: str, **details: Any
) -> None:
    """Write who did what."""
    act = Act(str(ids.uuid7()), clock.now(), actor, action, details)
    await store.note(tx, broadcast, act)


def require_not_over(broadcast: Broadcast, now: datetime) -> datetime:
    """When it begins; ConflictError for what would send nothing any more."""
    begins = begins_at(broadcast.schedule, now)
    last = begins
    if isinstance(broadcast.schedule, Local):
        last = last_local(broadcast.schedule)
    if begins is None or last is None or now - last > broadcast.lateness:
        message = "Its time is over: give it another schedule."
        raise ConflictError(message, details={"field": "schedule"})
    return begins


async def _placed(tx: AsyncConnection, broadcast: Broadcast, now: datetime) -> Broadcast:
    begins = require_not_over(broadcast, now)
    if await needs_approval(tx, broadcast, now):
        state: BroadcastState = "awaiting_approval"
        return replace(broadcast, state=state, next_at=None, reason=UNAPPROVED)
    return replace(broadcast, state="scheduled", next_at=begins, reason=None)


async def _require_sound(tx: AsyncConnection, broadcast: Broadcast) -> None:
    await _require_segments(tx, broadcast.workspace, broadcast.audience)
    if broadcast.joins_until is None:
        return
    if broadcast.audience.only is None or isinstance(broadcast.schedule, Local | Recurring):
        message = (
            "joins_end_at: whoever comes later gets what goes to one segment, now or at an instant."
        )
        raise InvalidRequestError(message, details={"field": "joins_end_at"})
    if isinstance(broadcast.schedule, At) and broadcast.joins_until <= broadcast.schedule.at:
        message = "joins_end_at: an instant behind that of the schedule."
        raise InvalidRequestError(message, details={"field": "joins_end_at"})


async def _require_planned(tx: AsyncConnection, broadcast: Broadcast) -> None:
    """A run that is being planned would take over what was changed for the next in its middle."""
    going = await runs.under_way(tx, *place_of(broadcast))
    if all(run.planned for run in going):
        return
    run = next(run for run in going if not run.planned)
    message = (
        f"Run {run.number} of it is being planned: change to whom and when it goes once that has "
        "been, or cancel it."
    )
    raise ConflictError(message, details={"run_id": run.run_id, "job_id": run.job})


async def _require_segments(tx: AsyncConnection, workspace: str, audience: Audience) -> None:
    for segment in audience.named:
        await require_living(tx, workspace, segment)


def _otherwise(broadcast: Broadcast, what: str) -> ConflictError:
    message = f"Broadcast {broadcast.broadcast_id} is {broadcast.state}: {what}."
    return ConflictError(message, details={"state": broadcast.state})
