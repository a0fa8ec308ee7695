"""The bodies of the operator API: what may come in, and what goes out."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    StringConstraints,
    model_validator,
)

from rapport_common.errors import NotFoundError
from rapport_common.events.contact import email_address
from rapport_common.operator.models import Ledger
from rapport_common.operator.texts import storable_text
from rapport_feedback.domain.naming import Contact, named


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
Word = Annotated[str, _constraints(100, 0), AfterValidator(storable_text)]
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


class Wave(BaseModel):
    """The run of a survey that has just begun."""

    wave: int


class Invited(BaseModel):
    """The link of a person to a survey."""

    url: str


class FeedbackLedger(Ledger):
    """Events published = answers + case_steps + case_breaches + case_notices + case_verifications
    + goodwill, `outbox` included (with it requests of messages).
    """

    persons: int
    lacking: int
    invitations: int
    responses: int
    answers: int
    cases: int
    open_cases: int
    case_steps: int
    case_breaches: int
    case_notices: int
    case_verifications: int
    goodwill: int
