"""What is asked of the API, and what it answers."""

import json
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from rapport_common.operator.models import Ledger
from rapport_segment.api.rules import EXAMPLE, RuleDocument
from rapport_segment.domain.evaluate import Verdict
from rapport_segment.domain.membership import Entry
from rapport_segment.handlers.segments import Standing
from rapport_segment.store.definitions import Listed


def _printable(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not hold a NUL")
    return text


Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_printable),
]
Status = Literal["building", "ready", "incomplete", "archived"]


class NewSegment(BaseModel):
    """A segment to define."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "Best", "rule": EXAMPLE}]}
    )

    name: Name
    rule: RuleDocument


class SegmentChange(BaseModel):
    """What shall be otherwise; while a segment is not `active` nobody is in it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"active": False}]})

    name: Name | None = None
    rule: RuleDocument | None = None
    active: bool | None = None


class Preview(BaseModel):
    """A rule to try."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"rule": EXAMPLE}]})

    rule: RuleDocument


class PreviewCount(BaseModel):
    """How many people a rule fits, of how many."""

    count: int
    of: int


class Segment(BaseModel):
    """A segment as it is now. `members` is right when `status` is `ready`."""

    id: UUID
    version: int
    name: str
    rule: dict[str, Any]
    active: bool
    status: Status = Field(
        description="`building` while the job holds everybody against the rule; `incomplete` when "
        "that job failed or was cancelled"
    )
    job_id: str | None = Field(description="the newest build, see /v1/jobs")
    members: int
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


class SegmentVersion(BaseModel):
    """A definition as it was."""

    version: int
    name: str
    rule: dict[str, Any]
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


class Comparison(BaseModel):
    """One comparison of a rule, with what was found."""

    path: str
    subject: str
    op: str
    wanted: Any
    actual: Any
    result: bool


class Membership(BaseModel):
    """Where a person stands towards a segment; `id` is the profile's, after merges."""

    id: UUID
    member: bool
    entered_at: datetime | None
    left_at: datetime | None
    reason: str
    entry_id: UUID | None
    explanation: list[Comparison]


def segment(listed: Listed) -> dict[str, Any]:
    """A `Segment`."""
    one = listed.stored
    return {
        "id": one.segment_id,
        "version": one.version,
        "name": one.name,
        "rule": json.loads(one.rule),
        "active": one.active,
        "status": listed.status,
        "job_id": one.job,
        "members": listed.members,
        "created_at": one.created_at,
        "updated_at": one.updated_at,
        "archived_at": one.archived_at,
    }


def version(row: dict[str, Any]) -> dict[str, Any]:
    """A `SegmentVersion`."""
    return {**row, "rule": json.loads(row["rule"])}


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
    is_member = stay is not None and stay.exited_at is None
    return {
        "id": found.person.profile_id,
        "member": is_member,
        "entered_at": stay.entered_at if stay and is_member else None,
        "left_at": stay.exited_at if stay else None,
        "reason": found.reason,
        "entry_id": stay.entry_id if stay and is_member else None,
        "explanation": [_comparison(one) for one in found.verdicts],
    }


def _comparison(one: Verdict) -> dict[str, Any]:
    return {
        "path": one.leaf.path or "rule",
        "subject": one.leaf.subject.label,
        "op": one.leaf.op,
        "wanted": one.leaf.value,
        "actual": one.actual,
        "result": one.result,
    }


class SegmentLedger(Ledger):
    """Entered - exited = open memberships, always."""

    entered: int
    exited: int
    persons: int
    open_memberships: int
    lacking: int = Field(description="profiles of which a record was missed")
