"""Broadcasts: one message to all who are in an audience at an instant, and the runs of one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from rapport_campaign.domain.model import Campaign, Claimed, NewMessage
from rapport_campaign.domain.permission import Suppress, Verdict, Wait
from rapport_campaign.domain.planning import BEFORE_BACKUP, happened_before, state_for
from rapport_campaign.domain.schedules import Schedule
from rapport_campaign.domain.throttles import Throttle

BroadcastState = Literal[
    "draft",
    "awaiting_approval",
    "scheduled",
    "planning",
    "sending",
    "paused",
    "done",
    "cancelled",
    "failed",
]
RunState = Literal["planning", "sending", "paused", "done", "cancelled", "failed"]

USUAL_LATENESS = timedelta(hours=6)
EDITABLE = ("draft", "awaiting_approval", "scheduled")
UNDER_WAY = ("planning", "sending", "paused")
MAX_SEGMENTS = 20

TOO_LATE = "too late"
CANCELLED = "cancelled"
PAST = "local time past"
UNAPPROVED = "it goes to more people than may be written to without an approval"
NO_SEGMENT = "a segment of its audience is archived: nobody enters or leaves it any more"
_MICRO = timedelta(microseconds=1)


class Audience(msgspec.Struct, frozen=True, rename={"excluded": "except"}):
    """Who is in `any` of these segments, in `every` one of those, and in none of `excluded`."""

    any: tuple[str, ...]
    every: tuple[str, ...] = msgspec.field(default=(), name="all")
    excluded: tuple[str, ...] = ()

    @property
    def named(self) -> list[str]:
        """All segments, each once."""
        return list(dict.fromkeys((*self.any, *self.every, *self.excluded)))

    @property
    def only(self) -> str | None:
        """The one segment that it is, if it is one."""
        return self.any[0] if len(self.named) == 1 else None

    def has(self, places: frozenset[str]) -> bool:
        """Whether somebody of `any` who is in these of the other segments is meant."""
        return places.issuperset(self.every) and places.isdisjoint(self.excluded)


@dataclass(frozen=True, slots=True)
class Broadcast:
    """What is to be sent to whom and when; what it says is the campaign of the same id.

    `next_at`: when its next run begins. `runs`: how many have begun.
    """

    workspace: str
    broadcast_id: str
    state: BroadcastState
    audience: Audience
    schedule: Schedule
    throttle: Throttle | None
    lateness: timedelta
    joins_until: datetime | None
    created_at: datetime
    edited_by: str
    approved_by: str | None = None
    next_at: datetime | None = None
    reason: str | None = None
    runs: int = 0


@dataclass(frozen=True, slots=True)
class Run:
    """One time that a broadcast is sent; `at` is the instant its audience is as of.

    `position` is the planner's, `slots` how many have a place in the order so far.
    """

    workspace: str
    run_id: str
    broadcast_id: str
    number: int
    at: datetime
    began_at: datetime
    state: RunState
    again: str | None = None
    ended_at: datetime | None = None
    reason: str | None = None
    job: str | None = None
    planned: bool = False
    position: dict[str, Any] = field(default_factory=dict)
    slots: int = 0


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody in an audience, by who they are now; of which version they must be known."""

    profile_id: str
    needed_version: int = 0


def missed(
    broadcast: Broadcast, at: datetime, now: datetime, restored_at: datetime | None
) -> str | None:
    """Why the run of an instant is not begun `now`; None when it is."""
    if happened_before(at, restored_at):
        return BEFORE_BACKUP
    return TOO_LATE if now - at > broadcast.lateness else None


def plan_member(
    campaign: Campaign,
    member: Member,
    due: datetime | None,
    *,
    slot: int,
    broadcast: Broadcast,
    run: Run,
    restored_at: datetime | None = None,
) -> NewMessage:
    """The message of a run to somebody, `due` then; None: their time is over.

    The order is that of the slots, whoever plans them: what is due within one second goes one
    microsecond after the other, and stays so when it waits (`in_order`). A throttled message is as
    much later as its place in the order makes it, before it is too late.
    """
    lost = happened_before(run.began_at, restored_at)
    reason = BEFORE_BACKUP if lost else PAST if due is None else None
    due = due or run.at
    at = due + slot * _MICRO
    throttle = broadcast.throttle
    held = timedelta(0) if throttle is None else slot * throttle.interval * _MICRO
    return NewMessage(
        workspace=campaign.workspace,
        kind="entry",
        purpose=campaign.purpose,
        channel=campaign.channel,
        campaign_id=campaign.campaign_id,
        occasion=member.profile_id,
        profile_id=member.profile_id,
        needed_version=member.needed_version,
        state=state_for(reason),
        reason=reason,
        due_at=due.replace(microsecond=0) + slot * _MICRO,
        late_at=at + held + broadcast.lateness,
    )


def in_order(until: datetime, due: datetime) -> datetime:
    """When what was due waits until an instant (a whole second): behind those before it.

    `store.sending` says the same in SQL.
    """
    return until + timedelta(microseconds=due.microsecond)


def in_time(claimed: Sequence[Claimed], verdicts: dict[str, Verdict], now: datetime) -> None:
    """Nothing is sent behind its time: not now, and not when it would be possible."""
    for one in claimed:
        verdict = verdicts[one.send_key]
        if one.late_at is None or isinstance(verdict, Suppress):
            continue
        at = verdict.until or now if isinstance(verdict, Wait) else now
        if at > one.late_at:
            verdicts[one.send_key] = Suppress(TOO_LATE)
