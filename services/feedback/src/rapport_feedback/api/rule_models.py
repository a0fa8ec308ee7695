"""The bodies of calendars and policies: what may come in, and what goes out."""

import re
from datetime import date, datetime
from typing import Annotated, Any, Self

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from rapport_common.errors import NotFoundError
from rapport_common.operator.texts import StorableText
from rapport_feedback.domain import ical, policies
from rapport_feedback.domain.calendars import (
    DAYS,
    MAX_DAYS,
    MAX_HOLIDAYS,
    MAX_WINDOWS,
    MAX_YEARLY,
    CalendarDocument,
    Day,
)
from rapport_feedback.domain.case_fields import Severity
from rapport_feedback.domain.cases import Clock
from rapport_feedback.domain.clocks import Counted, Until
from rapport_feedback.domain.policies import PolicyDocument
from rapport_feedback.store.case_rules import Version

Reason = Annotated[StorableText, Field(min_length=1, max_length=1000)]
Replaced = Annotated[
    int, Field(ge=0, le=2**31 - 2, strict=True, description="whose place it takes; 0: none")
]
Word = Annotated[StorableText, Field(max_length=100)]
Time = Annotated[str, Field(max_length=5)]
Number = Annotated[int | None, Field(ge=0, le=10_000_000, strict=True)]


def rule_name(told: str) -> str:
    """A name in a path; NotFoundError for what can't be one."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,62}", told):
        message = f"{told[:80]!r} is no name: small letters, digits, '.', '_', '-', 63 at most."
        raise NotFoundError(message)
    return told


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class HoursBody(Body):
    since: Time = Field(alias="from", description="such as 09:00")
    until: Time = Field(alias="to", description="such as 17:00; 24:00; 06:00 of the next day")


class OpeningBody(HoursBody):
    days: list[Day] = Field(default_factory=lambda: list(DAYS), max_length=len(DAYS))


class DayBody(Body):
    date: date
    open: list[HoursBody] = Field(default_factory=list, max_length=20)


class CalendarBody(Body):
    """When there is somebody: by weekday, on single days, and not on holidays."""

    timezone: Word = Field(description="IANA")
    week: list[OpeningBody] = Field(max_length=MAX_WINDOWS)
    days: list[DayBody] = Field(default_factory=list, max_length=MAX_DAYS)
    holidays: list[date] = Field(default_factory=list, max_length=MAX_HOLIDAYS)
    yearly: list[Time] = Field(
        default_factory=list, max_length=MAX_YEARLY, description="such as 12-25"
    )


_OFFICE: dict[str, Any] = {
    "timezone": "Europe/Berlin",
    "week": [
        {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "09:00", "to": "12:00"},
        {"days": ["mon", "tue", "wed", "thu"], "from": "13:00", "to": "17:30"},
    ],
    "days": [{"date": "2026-12-24", "open": [{"from": "09:00", "to": "12:00"}]}],
    "yearly": ["12-25", "12-26", "01-01"],
}


class NewCalendar(CalendarBody):
    """A calendar that takes the place of another, as a whole."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{**_OFFICE, "version": 0, "reason": "first"}]},
    )

    version: Replaced
    reason: Reason

    def document(self) -> CalendarDocument:
        """As it is kept, not checked yet."""
        told = self.model_dump(by_alias=True, mode="json", exclude={"version", "reason"})
        return msgspec.convert(told, CalendarDocument)


class NewHolidays(Body):
    """Holidays of an iCalendar text, which take the place of those that a calendar has."""

    ical: Annotated[str, Field(min_length=1, max_length=ical.MAX_TEXT)]
    version: Replaced
    reason: Reason


class LimitBody(Body):
    """One of the numbers; minutes and hours of wall time or of open time."""

    minutes: Number = None
    hours: Number = None
    days: Number = None
    business_days: Number = None
    counted: Counted = Field(Counted.WALL, alias="in")


class ToldBody(Body):
    after_minutes: int = Field(ge=0, le=1_000_000, strict=True)
    to: Annotated[StorableText, Field(min_length=1, max_length=100)]


class ClockBody(Body):
    clock: Clock
    limit: LimitBody
    calendar: Word | None = Field(None, description="null: the one named default, or the settings'")
    pauses: bool = Field(default=False, description="while the case waits for the customer")
    warn_minutes: Annotated[int | None, Field(ge=1, le=10_000_000, strict=True)] = None
    extended: LimitBody | None = Field(None, description="from the start, after a holding reply")
    until: Until = Field(Until.CLOSED, description="what ends the clocks resolve and external")
    restart: bool = Field(default=True, description="whether it runs again after a reopening")
    escalate: list[ToldBody] = Field(default_factory=list, max_length=policies.MAX_ESCALATIONS)


Words = Annotated[list[Word], Field(max_length=policies.MAX_VALUES)]


class WhenBody(Body):
    """Cases that have one of the values of each list that is not empty."""

    severity: list[Severity] = Field(default_factory=list, max_length=len(Severity))
    category: Words = Field(default_factory=list)
    product: Words = Field(default_factory=list)
    tier: Words = Field(default_factory=list)
    channel: Words = Field(default_factory=list)
    language: Words = Field(default_factory=list)


class PolicyBody(Body):
    """Which clocks some cases have; of those that fit the one of the lowest `order` holds."""

    when: WhenBody = Field(default_factory=WhenBody)
    order: int = Field(100, ge=0, le=10_000, strict=True)
    clocks: list[ClockBody] = Field(max_length=policies.MAX_CLOCKS)


_GOLD: dict[str, Any] = {
    "when": {"severity": ["high", "critical"], "tier": ["gold"]},
    "order": 10,
    "clocks": [
        {
            "clock": "first_response",
            "limit": {"hours": 1, "in": "open"},
            "pauses": True,
            "warn_minutes": 15,
            "escalate": [{"after_minutes": 60, "to": "team lead"}],
        },
        {"clock": "resolve", "limit": {"days": 14}},
    ],
}


class NewPolicy(PolicyBody):
    """A policy that takes the place of another, as a whole."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{**_GOLD, "version": 0, "reason": "first"}]},
    )

    version: Replaced
    reason: Reason

    def document(self) -> PolicyDocument:
        """As it is kept, not checked yet."""
        told = self.model_dump(by_alias=True, mode="json", exclude={"version", "reason"})
        return msgspec.convert(told, PolicyDocument)


class _Shown(BaseModel):
    name: str
    version: int
    actor: str
    reason: str
    created_at: datetime

    @classmethod
    def of(cls, found: Version) -> Self:
        """A version as operators see it."""
        head = {one: getattr(found, one) for one in _Shown.model_fields}
        told: dict[str, Any] = {"timezone": "", "week": [], "clocks": []}
        if found.document is not None:
            told = msgspec.to_builtins(found.document)
        fields = {one.alias or name for name, one in cls.model_fields.items()}
        body = {name: value for name, value in told.items() if name in fields}
        return cls.model_validate({**body, **head, "removed": found.document is None})


class ShownCalendar(CalendarBody, _Shown):
    """One version of a calendar, by whom and why."""

    removed: bool


class ShownPolicy(PolicyBody, _Shown):
    """One version of a policy, by whom and why."""

    removed: bool


class Declared(BaseModel):
    """What holds now, and the job by which open cases follow: GET /v1/jobs/{job_id}."""

    name: str
    version: int
    job_id: str


class DueView(BaseModel):
    """When so much open time, or so many business days, will have passed."""

    due_at: datetime
    open_seconds: int = Field(description="from `at` until then")


class PreviewBody(Body):
    """A case as it could be."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"severity": "high", "tier": "gold"}]}
    )

    severity: Severity = Severity.NORMAL
    category: Word = ""
    product: Word = ""
    tier: Word = ""
    channel: Word = ""
    language: Word = ""
    at: datetime | None = Field(None, description="when it is opened; null: now")


class PreviewClock(BaseModel):
    clock: Clock
    due_at: datetime | None
    warn_at: datetime | None


class PreviewView(BaseModel):
    """The policy that such a case would have (empty: the settings), and its clocks."""

    policy: str
    policy_version: int
    clocks: list[PreviewClock]


class ShippedPolicy(BaseModel):
    """A policy that comes with Rapport, to be declared under its name."""

    name: str
    about: str
    policy: PolicyBody
