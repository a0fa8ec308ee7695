"""What is asked of the API, and what it answers."""

import json
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from rapport_common import clock
from rapport_common.operator.models import Ledger
from rapport_segment.api.rules import EXAMPLE, LINE, RuleDocument
from rapport_segment.domain import printing, reading
from rapport_segment.domain.event_needs import beyond
from rapport_segment.domain.explaining import Verdict
from rapport_segment.domain.membership import Entry
from rapport_segment.domain.operands import RuleError
from rapport_segment.domain.rules import parse
from rapport_segment.domain.sections import exact
from rapport_segment.handlers import adopting
from rapport_segment.handlers.standing import Standing
from rapport_segment.store.definitions import Listed, Upcoming


def _printable(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not hold a NUL")
    return text


Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_printable),
]
TEXT = Field(description="the rule as one line; empty for one that is not understood any more")
State = Literal["draft", "active", "archived"]
Status = Literal["building", "ready", "incomplete", "archived"]


class _Ruled(BaseModel):
    """What has a rule: as a document, or as a line."""

    rule: RuleDocument | None = None
    text: str | None = Field(
        None, description="the rule as one line, in place of `rule`", examples=[LINE]
    )

    @model_validator(mode="after")
    def _not_both(self) -> Self:
        if self.rule is not None and self.text is not None:
            raise ValueError("give rule or text, not both")
        return self

    @property
    def document(self) -> dict[str, Any] | None:
        """The rule, if there is one; LineError for a line that can't be read."""
        return self.rule if self.text is None else reading.read(self.text)


class _OfARule(_Ruled):
    """What is about a rule."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.rule is None and self.text is None:
            raise ValueError("give the rule: rule, or text")
        return self

    @property
    def wanted(self) -> dict[str, Any]:
        """The rule; LineError for a line that can't be read."""
        return self.document or {}


class NewSegment(_OfARule):
    """A segment to define; its rule is given as `rule` or as `text`."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"name": "Best", "rule": EXAMPLE}, {"name": "Best", "text": LINE}]
        },
    )

    name: Name
    active: bool = Field(True, description="false: a draft, which nobody is in")


class SegmentChange(_Ruled):
    """What shall be otherwise; while a segment is not `active` nobody is in it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"active": False}]})

    name: Name | None = None
    active: bool | None = None


class Preview(_OfARule):
    """A rule to try, as `rule` or as `text`."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"rule": EXAMPLE}]})

    seconds: float = Field(
        2.5,
        ge=0.1,
        le=5,
        description="so long everybody is counted; then it is estimated. More than 2.5 is as 2.5",
    )


class Hint(BaseModel):
    """What may not be meant so."""

    path: str
    message: str = Field(examples=["14 people have age as a text"])


class UpcomingRule(BaseModel):
    """A rule that is built beside the one in force, and takes its place when that is done."""

    rule: dict[str, Any]
    text: str = TEXT
    status: Literal["building", "incomplete"] = Field(
        description="`incomplete` when its job failed or was cancelled: build it again, or give "
        "the segment another rule"
    )
    job_id: str = Field(description="see /v1/jobs; cancel it, and the rule in force stays")
    created_at: datetime
    created_by: str


class Segment(BaseModel):
    """A segment as it is now. `members` is right when `status` is `ready`."""

    id: UUID
    version: int
    name: str
    rule: dict[str, Any]
    text: str = TEXT
    active: bool
    state: State = Field(
        description="`draft`: nobody is in it, yet or any more; `archived`: for good"
    )
    status: Status = Field(
        description="`building` while the job holds everybody against the rule; `incomplete` when "
        "that job failed or was cancelled"
    )
    job_id: str | None = Field(
        description="the newest build, see /v1/jobs: that of `upcoming`, if there is one"
    )
    upcoming: UpcomingRule | None
    members: int
    warnings: list[Hint] = Field(
        description="where the rule looks back further than events are kept "
        "(`RAPPORT_EVENT_RETENTION_DAYS`)"
    )
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


class Adopted(BaseModel):
    """The segments that were made, and those of the same names that there were already."""

    added: list[Segment]
    present: list[Segment]


class SegmentVersion(BaseModel):
    """A definition as it was."""

    version: int
    name: str
    rule: dict[str, Any]
    text: str = TEXT
    active: bool
    created_at: datetime
    created_by: str


class Member(BaseModel):
    """Who is in a segment, since when and why; `id` is the profile's."""

    id: UUID
    entered_at: datetime
    reason: str
    entry_id: UUID
    segment_version: int


class DecidingEvent(BaseModel):
    """An event that a comparison rests on: `id` is its message id, `at` when it happened."""

    id: str
    source: str
    at: datetime


class Comparison(BaseModel):
    """One comparison of a rule, with what was found."""

    path: str
    subject: str
    op: str
    wanted: Any
    actual: Any
    result: bool
    until: datetime | None = Field(description="when the result may change by itself")
    events: list[DecidingEvent] = Field(description="those that decide, the newest ten at most")


class Membership(BaseModel):
    """Where a person stands towards a segment; `id` is the profile's, after merges.

    With `as_of` as of then: `member` by the stays that are kept, of an instant to come by what is
    known now; `fits` and `explanation` by what is known now, looked at from then.
    """

    id: UUID
    at: datetime
    segment_version: int = Field(description="the version that was in force then")
    member: bool
    fits: bool = Field(description="whether the rule holds; differs from `member` during a build")
    changes_at: datetime | None = Field(description="when `fits` changes next by itself")
    entered_at: datetime | None
    left_at: datetime | None
    reason: str
    entry_id: UUID | None
    explanation: list[Comparison]


def segment(listed: Listed, kept: timedelta) -> dict[str, Any]:
    """A `Segment`; `kept`: how long events are."""
    one, upcoming = listed.stored, listed.upcoming
    state = "archived" if one.archived_at else "active" if one.active else "draft"
    return {
        "id": one.segment_id,
        "version": one.version,
        "name": one.name,
        "rule": json.loads(one.rule),
        "text": line_of(one.rule),
        "active": one.active,
        "state": state,
        "status": listed.status,
        "job_id": one.job if upcoming is None else upcoming.job,
        "upcoming": None if upcoming is None else _upcoming(upcoming),
        "members": listed.members,
        "warnings": _warnings(one.rule if upcoming is None else upcoming.rule, kept),
        "created_at": one.created_at,
        "updated_at": one.updated_at,
        "archived_at": one.archived_at,
    }


def _warnings(rule: str, kept: timedelta) -> list[dict[str, str]]:
    try:
        found = beyond(parse(exact(rule)), kept, clock.now())
    except RuleError:
        return []
    return [{"path": path, "message": message} for path, message in found]


def adopted(done: adopting.Adopted, kept: timedelta) -> dict[str, Any]:
    """An `Adopted`."""
    return {
        "added": [segment(one, kept) for one in done.added],
        "present": [segment(one, kept) for one in done.present],
    }


def _upcoming(one: Upcoming) -> dict[str, Any]:
    return {
        "rule": json.loads(one.rule),
        "text": line_of(one.rule),
        "status": one.status,
        "job_id": one.job,
        "created_at": one.created_at,
        "created_by": one.created_by,
    }


def version(row: dict[str, Any]) -> dict[str, Any]:
    """A `SegmentVersion`."""
    return {**row, "rule": json.loads(row["rule"]), "text": line_of(row["rule"])}


def line_of(rule: str) -> str:
    """A stored rule as one line; empty if it is not understood any more."""
    try:
        return printing.line(parse(exact(rule)))
    except RuleError:
        return ""


def member(one: Entry) -> dict[str, Any]:
    """A `Member`."""
    return {
        "id": one.profile_id,
        "entered_at": one.entered_at,
        "reason": one.reason,
        "entry_id": one.entry_id,
        "segment_version": one.segment_version,
    }


def membership(found: Standing) -> dict[str, Any]:
    """A `Membership`."""
    stay = found.stay
    goes_on = stay is not None and (stay.exited_at is None or stay.exited_at > found.at)
    return {
        "id": found.person.profile_id,
        "at": found.at,
        "segment_version": found.version,
        "member": found.is_member,
        "fits": found.fits,
        "changes_at": found.changes_at,
        "entered_at": stay.entered_at if stay and goes_on else None,
        "left_at": stay.exited_at if stay else None,
        "reason": found.reason,
        "entry_id": stay.entry_id if stay and goes_on else None,
        "explanation": [_comparison(one) for one in found.verdicts],
    }


def _comparison(one: Verdict) -> dict[str, Any]:
    return {
        "path": one.leaf.path or "rule",
        "subject": one.label,
        "op": one.leaf.op,
        "wanted": str(one.leaf.value) if one.leaf.is_timed else one.leaf.value,
        "actual": one.actual,
        "result": one.result,
        "until": one.until,
        "events": [
            {"id": each.message_id, "source": each.source, "at": each.at} for each in one.events
        ],
    }


class SegmentLedger(Ledger):
    """Entered - exited = open memberships, always."""

    entered: int
    exited: int
    persons: int
    open_memberships: int
    lacking: int = Field(description="profiles of which a record was missed")
