"""The bodies of the operator API: what may come in, and what goes out."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from rapport_common.errors import NotFoundError
from rapport_common.events.contact import email_address
from rapport_common.operator.models import Ledger
from rapport_common.operator.texts import storable_text
from rapport_feedback.domain import cases as rules
from rapport_feedback.domain.cases import Breach, Clock, Complaint, State, Step
from rapport_feedback.domain.naming import Contact, named
from rapport_feedback.store.case_messages import Message


def _address(value: str) -> str:
    address = email_address(value)
    if address is None:
        message = "is not an e-mail address"
        raise ValueError(message)
    return address


def _constraints(longest: int, shortest: int = 1) -> StringConstraints:
    return StringConstraints(
        strip_whitespace=True, min_length=shortest, max_length=longest, strict=True
    )


Line = Annotated[str, _constraints(200), AfterValidator(storable_text)]
Question = Annotated[str, _constraints(500), AfterValidator(storable_text)]
Body = Annotated[str, _constraints(10_000), AfterValidator(storable_text)]
Note = Annotated[str, _constraints(4000, 0), AfterValidator(storable_text)]
Name = Annotated[str, _constraints(512), AfterValidator(storable_text)]
Address = Annotated[str, _constraints(254), AfterValidator(storable_text), AfterValidator(_address)]


def id_of(value: str, what: str) -> UUID:
    """The id in a path; NotFoundError for what can't be one, since nothing has such an id."""
    try:
        return UUID(value)
    except ValueError as error:
        message = f"There is no {what} {value[:100]!r} in this workspace."
        raise NotFoundError(message) from error


class Request(BaseModel):
    """A body from outside: unknown members are refused, not ignored."""

    model_config = ConfigDict(extra="forbid")


class SurveyChange(Request):
    """What shall be otherwise."""

    name: Line


class Named(Request):
    """Somebody, by one identifier or more that are all theirs."""

    user_id: Name | None = None
    email: Address | None = None
    anonymous_id: Name | None = None

    _contact: Contact

    @model_validator(mode="after")
    def _has_a_name(self) -> Self:
        given = (self.user_id, self.email, self.anonymous_id)
        contact = named(*given)
        if contact is None:
            what = " and ".join(repr(one) for one in given if one)
            nobody = f"no person is named by {what}: " if what else ""
            message = f"{nobody}give the person's user_id, email or anonymous_id"
            raise ValueError(message)
        self._contact = contact
        return self

    def contact(self) -> Contact:
        """The same for the domain, without what names nobody."""
        return self._contact


class NewCase(Named):
    subject: Line
    body: Body


class NewState(Request):
    state: State
    note: Note = ""


class Wave(BaseModel):
    """The run of a survey that has just begun."""

    wave: int


class Invited(BaseModel):
    """The link of a person to a survey."""

    url: str


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
    acknowledge_due_at: datetime
    due_at: datetime
    closed_at: datetime | None

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
        )


class StepView(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    step: int
    actor: str
    at: datetime
    from_state: State | None
    to_state: State
    note: str
    acknowledge_due_at: datetime
    due_at: datetime


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


class CaseWithHistory(CaseView):
    """A case, what may follow, and how it came to be as it is, oldest step first."""

    allowed: list[State]
    history: list[StepView]
    breaches: list[BreachView]
    messages: list[CaseMessageView]

    @classmethod
    def told(
        cls,
        one: Complaint,
        kept: tuple[list[Step], list[Breach], list[Message]],
        allowed: frozenset[State],
        now: datetime,
    ) -> Self:
        """A case with its history, the limits it has missed, and what was written."""
        steps, breaches, messages = kept
        return cls(
            **CaseView.of(one, now).model_dump(),
            allowed=sorted(allowed),
            history=[StepView.model_validate(step) for step in steps],
            breaches=[BreachView.model_validate(breach) for breach in breaches],
            messages=[CaseMessageView.of(message) for message in messages],
        )


class FeedbackLedger(Ledger):
    """Events published = answers + case_steps + case_breaches; some may be in `outbox`."""

    persons: int
    lacking: int
    invitations: int
    responses: int
    answers: int
    cases: int
    open_cases: int
    case_steps: int
    case_breaches: int
