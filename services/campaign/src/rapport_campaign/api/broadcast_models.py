"""Broadcasts as operators get them."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal

import msgspec
from pydantic import BaseModel, Field

from rapport_campaign.api.broadcast_bodies import AudienceBody, KeptSchedule, ThrottleBody
from rapport_campaign.domain.broadcasts import Audience, Broadcast, BroadcastState, Run, RunState
from rapport_campaign.domain.model import STATES, Campaign, MessageState, Purpose
from rapport_campaign.domain.schedules import Schedule
from rapport_campaign.store.answers import Answer
from rapport_campaign.store.broadcasts import Act


class BroadcastView(BaseModel):
    """A broadcast, and how many messages of all its runs are in each state."""

    id: str = Field(description="also the campaign's that says what it says: for a test send")
    name: str
    state: BroadcastState
    reason: str | None
    audience: AudienceBody
    schedule: KeptSchedule
    throttle: ThrottleBody | None
    lateness_seconds: int
    joins_end_at: datetime | None
    purpose: Purpose
    channel: str
    subject: str
    created_at: datetime
    edited_by: str
    approved_by: str | None
    next_at: datetime | None = Field(description="when its next run begins")
    runs: int
    counts: dict[MessageState, int]


class RunView(BaseModel):
    """One run; its messages are those of the campaign of its id."""

    id: str
    broadcast_id: str
    number: int
    state: RunState
    reason: str | None
    again_of_id: str | None = Field(description="the run whose failed messages it is for")
    at: datetime = Field(description="who is in the audience then gets it")
    began_at: datetime
    ended_at: datetime | None
    job_id: str | None = Field(description="its planning: see /v1/jobs")
    counts: dict[MessageState, int]


class ActView(BaseModel):
    """What somebody did, or what it did itself (`rapport`)."""

    id: str
    at: datetime
    actor: str
    action: str
    details: dict[str, Any]


class AnswerView(BaseModel):
    """What a dry run found of somebody."""

    profile_id: str
    outcome: Literal["gets", "waits", "never", "fails"] = Field(
        description="`waits`: gets it once that is over, if it ends; `fails`: none can be made"
    )
    reason: str | None
    due_at: datetime = Field(description="when it would go, or that is known, at the earliest")


def broadcast_view(
    broadcast: Broadcast, campaign: Campaign | None, counts: Mapping[str, int]
) -> BroadcastView:
    """A broadcast as it is shown."""
    fields = asdict(broadcast)
    said = {name: getattr(campaign, name, "") for name in ("name", "channel", "subject")}
    return BroadcastView.model_validate(
        {
            **fields,
            **said,
            "purpose": campaign.purpose if campaign is not None else "service",
            "id": broadcast.broadcast_id,
            "audience": _audience(broadcast.audience),
            "schedule": _schedule(broadcast.schedule),
            "throttle": broadcast.throttle and msgspec.to_builtins(broadcast.throttle),
            "lateness_seconds": int(broadcast.lateness.total_seconds()),
            "joins_end_at": broadcast.joins_until,
            "counts": counts,
        }
    )


def run_view(run: Run, counts: Mapping[str, int]) -> RunView:
    """A run as it is shown."""
    fields = {
        **asdict(run),
        "id": run.run_id,
        "again_of_id": run.again,
        "job_id": run.job,
        "counts": dict.fromkeys(STATES, 0) | dict(counts),
    }
    return RunView.model_validate(fields)


def act_view(act: Act) -> ActView:
    """What was done, as it is shown."""
    return ActView.model_validate({**asdict(act), "id": act.act_id})


def answer_view(answer: Answer) -> AnswerView:
    """What was found of somebody, as it is shown."""
    return AnswerView.model_validate(answer._asdict())


def _audience(audience: Audience) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(audience)
    return found


def _schedule(schedule: Schedule) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(schedule, builtin_types=(datetime,))
    return found
