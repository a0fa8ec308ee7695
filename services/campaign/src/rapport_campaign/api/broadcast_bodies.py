"""Broadcasts as operators send them: whole, and what of one is to be otherwise."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self

import msgspec
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    NaiveDatetime,
    model_validator,
)
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError
from typing_extensions import override

from rapport_campaign.api.campaign_bodies import NewSaying, SayingChange
from rapport_campaign.api.words import SegmentId
from rapport_campaign.domain.broadcasts import MAX_SEGMENTS, USUAL_LATENESS, Audience
from rapport_campaign.domain.schedules import YEARS, Schedule, ScheduleError, checked
from rapport_campaign.domain.throttles import MAX_AT_MOST, Throttle

_SEGMENT = "0190a5b0-0000-7000-8000-000000000001"
_BROADCAST: JsonDict = {
    "name": "Christmas",
    "audience": {"any": [_SEGMENT], "except": ["0190a5b0-0000-7000-8000-000000000002"]},
    "schedule": {"kind": "local", "local_at": "2026-12-24T09:00:00", "past": "skip"},
    "throttle": {"at_most": 6000, "per": "minute"},
    "purpose": "promotion",
    "from_address": "Shop <hello@shop.example.com>",
    "subject": "Merry Christmas",
    "html": "<p>Merry Christmas, {{ profile.traits.name }}</p>",
}
_SENDS = ("audience", "schedule", "throttle", "lateness_seconds", "joins_end_at")
MAX_LATENESS = timedelta(days=30)


def _of_this_age(at: datetime) -> datetime:
    if at.year not in YEARS:
        message = "must be in a year from {first} to {last}"
        raise PydanticCustomError("year", message, {"first": YEARS[0], "last": YEARS[-1]})
    return at


OfThisAge = Annotated[AwareDatetime, AfterValidator(_of_this_age)]
Segments = Annotated[list[SegmentId], Field(max_length=MAX_SEGMENTS)]
Lateness = Annotated[int, Field(ge=60, le=int(MAX_LATENESS.total_seconds()), strict=True)]


class AudienceBody(BaseModel):
    """Who is in one segment of `any`, in every one of `all`, and in none of `except`."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    any: Annotated[Segments, Field(min_length=1)]
    every: Segments = Field([], alias="all")
    excluded: Segments = Field([], alias="except")

    def audience(self) -> Audience:
        """As it is kept."""
        once = [tuple(dict.fromkeys(each)) for each in (self.any, self.every, self.excluded)]
        return Audience(*once)


class NowBody(BaseModel):
    """At once, when it is scheduled."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["now"]


class AtBody(BaseModel):
    """At an instant."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["at"]
    at: AwareDatetime


class LocalBody(BaseModel):
    """At a time by the clock of each recipient."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["local"]
    local_at: NaiveDatetime = Field(description="a time without an offset")
    past: Literal["at_once", "skip"] = Field(
        "at_once", description="of those for whom it is over when the run begins"
    )


class RecurringBody(BaseModel):
    """At each instant that an expression of cron names in a time zone."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["recurring"]
    cron: str = Field(max_length=100, description="minute, hour, day, month, weekday")
    timezone: str = Field(max_length=64, description="by IANA's name")
    ends_at: AwareDatetime | None = None


def _sound(body: "ScheduleBody") -> "ScheduleBody":
    try:
        schedule_of(body)
    except ScheduleError as error:
        message = "{where}: {problem}"
        told = {"where": error.where, "problem": str(error)}
        raise PydanticCustomError("schedule", message, told) from error
    return body


ScheduleBody = NowBody | AtBody | LocalBody | RecurringBody
KeptSchedule = Annotated[ScheduleBody, Field(discriminator="kind")]
"""As it is shown: what is kept is shown whatever has become of its zone since."""
SoundSchedule = Annotated[KeptSchedule, AfterValidator(_sound)]


class ThrottleBody(BaseModel):
    """At most so many messages in any window of a minute, or of an hour."""

    model_config = ConfigDict(extra="forbid")

    at_most: Annotated[int, Field(ge=1, le=MAX_AT_MOST, strict=True)]
    per: Literal["minute", "hour"] = "minute"


class NewBroadcast(NewSaying):
    """A broadcast to be made: who gets it and when, and what it says, as campaigns do."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _BROADCAST})

    audience: AudienceBody
    schedule: SoundSchedule = NowBody(kind="now")
    throttle: ThrottleBody | None = Field(None, description="null: as fast as it goes")
    lateness_seconds: Lateness = Field(
        int(USUAL_LATENESS.total_seconds()),
        description="so long behind its time a run is not begun, and a message not sent",
    )
    joins_end_at: OfThisAge | None = Field(
        None, description="who enters its one segment before then gets it, too"
    )

    def says(self) -> dict[str, Any]:
        """The fields of the campaign that says what it says."""
        given = {name: value for name, value in self.fields().items() if name not in _SENDS}
        own = {"segment_id": "", "allow_old_events": True, "include_existing": False}
        return given | own

    def sends(self) -> dict[str, Any]:
        """The other fields."""
        return _sends(self, set(_SENDS))


class BroadcastChange(SayingChange):
    """What of a broadcast that has not begun is to be another; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    audience: AudienceBody | None = None
    schedule: SoundSchedule | None = None
    throttle: ThrottleBody | None = Field(None, description="null: as fast as it goes")
    lateness_seconds: Lateness | None = None
    joins_end_at: OfThisAge | None = Field(None, description="null: nobody who comes later")

    @classmethod
    @override
    def can_go(cls) -> set[str]:
        """The names of what may be null."""
        return super().can_go() | {"throttle", "joins_end_at"}

    def says(self) -> dict[str, Any]:
        """The fields of what it says that were given."""
        return {name: value for name, value in self.changes().items() if name not in _SENDS}

    def sends(self) -> dict[str, Any]:
        """The other fields that were given."""
        return _sends(self, self.model_fields_set)

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.model_fields_set:
            raise PydanticCustomError("nothing", "needs a field to be changed")
        return self


def schedule_of(body: ScheduleBody) -> Schedule:
    """As it is kept; ScheduleError for what can't be."""
    return checked(msgspec.convert(body.model_dump(), Schedule))


def _sends(body: NewBroadcast | BroadcastChange, names: set[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "audience" in names and body.audience is not None:
        found["audience"] = body.audience.audience()
    if "schedule" in names and body.schedule is not None:
        found["schedule"] = schedule_of(body.schedule)
    if "throttle" in names:
        throttle = body.throttle
        found["throttle"] = None if throttle is None else Throttle(throttle.at_most, throttle.per)
    if "lateness_seconds" in names and body.lateness_seconds is not None:
        found["lateness"] = timedelta(seconds=body.lateness_seconds)
    if "joins_end_at" in names:
        found["joins_until"] = body.joins_end_at
    return found
