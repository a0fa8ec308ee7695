"""The bodies of the operator API of cases: what may come in, and what goes out."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from rapport_feedback.api.models import Body, Line, Named, Note, Request, Word
from rapport_feedback.domain import cases as rules
from rapport_feedback.domain.case_fields import Fields, Severity
from rapport_feedback.domain.cases import Clock, Complaint, State
from rapport_feedback.domain.clocks import Outcome
from rapport_feedback.domain.winding import Kept
from rapport_feedback.handlers.cases import CaseRecord
from rapport_feedback.store.case_messages import Message

Seeing = Annotated[
    int | None,
    Field(ge=1, le=2**31 - 1, strict=True, description="refused if the case is at another by now"),
]


class KnownOfCase(Request):
    """What is known of a case beside the customer's words; empty: not known."""

    severity: Severity = Severity.NORMAL
    category: Word = ""
    product: Word = ""
    order_id: Word = ""
    tier: Word = Field("", description="the customer's")
    team: Word = ""
    owner: Word = ""
    channel: Word = Field("", description="by which way it came")
    language: Word = Field("", description="in which the customer wants to be answered, such as de")

    def fields(self) -> Fields:
        """The same for the domain."""
        return Fields(**{name: getattr(self, name) for name in KnownOfCase.model_fields})


class NewCase(KnownOfCase, Named):
    subject: Line
    body: Body


class Seen(Request):
    version: Seeing = None


class NewState(Seen):
    state: State
    note: Note = ""


class CaseChange(Seen):
    """What shall be otherwise; what is left out stays."""

    severity: Severity | None = None
    category: Word | None = None
    product: Word | None = None
    order_id: Word | None = None
    tier: Word | None = None
    team: Word | None = None
    owner: Word | None = None
    channel: Word | None = None
    language: Word | None = None
    reason: Note = ""

    def changes(self) -> dict[str, Any]:
        """The fields that are given."""
        given = {name: getattr(self, name) for name in KnownOfCase.model_fields}
        return {name: value for name, value in given.items() if value is not None}


class NewEntryBody(Seen):
    """Something that was done about a case: `note` is for staff only."""

    kind: Literal["note", "contact", "extended"] = Field(
        description="contact: the customer was told something; extended: was sent a holding reply"
    )
    note: Body


class CaseView(BaseModel):
    id: UUID
    number: int
    state: State
    overdue: bool
    overdue_at: datetime | None = Field(description="since when: the limit that has passed")
    subject: str
    body: str
    user_id: str | None
    email: str | None
    anonymous_id: str | None
    opened_at: datetime
    acknowledge_due_at: datetime | None = Field(description="null: no such clock, or it is paused")
    due_at: datetime | None = Field(description="of the clock resolve, else of external")
    closed_at: datetime | None
    version: int = Field(description="counts all changes")
    severity: Severity
    category: str
    product: str
    order_id: str
    tier: str
    team: str
    owner: str
    channel: str
    language: str
    queue: str = Field(description="the first that fits; empty: none does")
    heir_id: UUID | None = Field(description="it was merged into that one, which goes on")

    @classmethod
    def of(cls, one: Complaint, now: datetime) -> Self:
        """A case as it stands at `now`."""
        return cls(
            id=one.case_id,
            number=one.number,
            state=one.case.state,
            overdue=rules.is_overdue(one.case, now),
            overdue_at=rules.overdue_at(one.case, now),
            subject=one.subject,
            body=one.body,
            user_id=one.contact.user_id,
            email=one.contact.email,
            anonymous_id=one.contact.anonymous_id,
            opened_at=one.case.opened_at,
            acknowledge_due_at=one.case.acknowledge_due_at,
            due_at=one.case.due_at,
            closed_at=one.case.closed_at,
            version=one.case.version,
            heir_id=one.heir_id,
            **asdict(one.fields),
        )


class StepView(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    step: int
    actor: str
    at: datetime
    from_state: State | None
    to_state: State
    note: str
    acknowledge_due_at: datetime | None
    due_at: datetime | None


class BreachView(BaseModel):
    """A limit that passed while it ran, and when that was noted."""

    model_config = ConfigDict(from_attributes=True)

    clock: Clock
    due_at: datetime
    at: datetime


class CaseMessageView(BaseModel):
    """What the customer has written by mail, as an answer to the message `in_reply_to`."""

    id: str
    at: datetime
    in_reply_to: str = Field(description="campaign shows it: GET /v1/messages/{id}")
    subject: str
    body: str

    @classmethod
    def of(cls, one: Message) -> Self:
        """A message as staff see it."""
        return cls(
            id=one.message_id,
            at=one.at,
            in_reply_to=one.send_key,
            subject=one.subject,
            body=one.body,
        )


class ClockView(BaseModel):
    """One run of a clock: what has ended has an outcome."""

    clock: Clock
    lap: int
    started_at: datetime
    due_at: datetime | None = Field(description="null while it is paused")
    warn_at: datetime | None
    paused: bool
    extended: bool
    ended_at: datetime | None
    outcome: Outcome | None
    policy: str = Field(description="empty: the settings")
    policy_version: int

    @classmethod
    def of(cls, one: Kept) -> Self:
        """A lap as staff see it."""
        return cls.model_validate(
            {
                **{name: getattr(one.lap, name) for name in _OF_LAP},
                "lap": one.lap.number,
                "policy": one.policy,
                "policy_version": one.policy_version,
            }
        )


_OF_LAP = (
    *("clock", "started_at", "due_at", "warn_at", "paused", "extended", "ended_at", "outcome"),
)


class EntryView(BaseModel):
    """Something that was done about a case beside its steps."""

    model_config = ConfigDict(from_attributes=True)

    version: int
    kind: str
    actor: str
    at: datetime
    note: str
    data: dict[str, Any]


class NoticeView(BaseModel):
    """What was told of a limit: level 0 before it, the others after it."""

    model_config = ConfigDict(from_attributes=True)

    clock: Clock
    due_at: datetime
    level: int
    to: str
    at: datetime


class MergedView(BaseModel):
    """A duplicate that goes on as this case, with what was written at it."""

    id: UUID
    number: int
    subject: str
    body: str
    opened_at: datetime
    entries: list[EntryView]
    messages: list[CaseMessageView]

    @classmethod
    def of(cls, told: CaseRecord) -> Self:
        """A merged case as staff see it at the other."""
        one = told.complaint
        return cls(
            id=one.case_id,
            number=one.number,
            subject=one.subject,
            body=one.body,
            opened_at=one.case.opened_at,
            entries=[EntryView.model_validate(entry) for entry in told.entries],
            messages=[CaseMessageView.of(message) for message in told.messages],
        )


class CaseWithHistory(CaseView):
    """A case, what may follow, and how it came to be as it is, oldest step first."""

    allowed: list[State]
    clocks: list[ClockView]
    history: list[StepView]
    entries: list[EntryView]
    breaches: list[BreachView]
    notices: list[NoticeView]
    messages: list[CaseMessageView]
    merged: list[MergedView]

    @classmethod
    def told(cls, told: CaseRecord, allowed: frozenset[State], now: datetime) -> Self:
        """A case with its history, its clocks, and what was written."""
        return cls(
            **CaseView.of(told.complaint, now).model_dump(),
            allowed=sorted(allowed),
            clocks=[ClockView.of(one) for one in told.clocks],
            history=[StepView.model_validate(step) for step in told.steps],
            entries=[EntryView.model_validate(entry) for entry in told.entries],
            breaches=[BreachView.model_validate(breach) for breach in told.breaches],
            notices=[NoticeView.model_validate(notice) for notice in told.notices],
            messages=[CaseMessageView.of(message) for message in told.messages],
            merged=[MergedView.of(one) for one in told.merged],
        )
