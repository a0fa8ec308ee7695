"""What is sent and answered about consents."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from rapport_common import clock
from rapport_common.events.consent import (
    ANY_PURPOSE,
    CHANNELS,
    OWN,
    PURPOSES,
    Lacks,
    is_channel,
    is_purpose,
    normal_channel,
    normal_purpose,
)
from rapport_common.events.contact import ANY_CHANNEL, contact_point
from rapport_profile.domain.consent_facts import MAX_EVIDENCE, Kind
from rapport_profile.domain.consent_history import Known, Standing
from rapport_profile.domain.consents import MAX_WORDING, State

Basis = Literal[
    "consent",
    "contract",
    "legitimate_interest",
    "legal_obligation",
    "vital_interest",
    "public_task",
]
NO_NUL = r"^[^\x00]*$"


def _in_utc(given: datetime) -> datetime:
    try:
        return given.astimezone(UTC)
    except OverflowError:
        message = "must be between the years 1 and 9999, also in UTC"
        raise PydanticCustomError("instant", message) from None


_Instant = Annotated[AwareDatetime, AfterValidator(_in_utc)]
_Told = Annotated[str, Field(min_length=1, max_length=MAX_EVIDENCE, pattern=NO_NUL)]


def known_channel(text: str) -> str:
    """A channel in its one form; ValueError says which there are."""
    word = normal_channel(text)
    if word is None or not is_channel(word):
        message = (
            f"channel: one of {', '.join(CHANNELS)}, all, or your own, which begins with {OWN}"
        )
        raise ValueError(message)
    return word


def known_purpose(text: str) -> str:
    """A purpose in its one form; ValueError says which there are."""
    word = normal_purpose(text)
    if word is None or not is_purpose(word):
        message = (
            f"purpose: one of {', '.join(PURPOSES)}, all, or your own, which begins with {OWN}"
        )
        raise ValueError(message)
    return word


class Consent(BaseModel):
    """The word that holds about one contact point, channel and purpose.

    `expired`: it was a yes for a time; `state` is `withdrawn` since it has ended.
    """

    contact_point: str
    channel: str
    purpose: str
    state: State
    at: datetime
    source: str
    wording_version: str | None = None
    confirmed: bool = True
    expires_at: datetime | None = None
    expired: bool = False
    lacks: Lacks | None = Field(
        None, description="what the consent rules ask for and it has not: it permits nothing"
    )
    asked_at: datetime | None = Field(
        None, description="when a yes was said that a mail is yet to confirm"
    )
    asked_wording: str | None = Field(None, description="to which wording that was")


class SaidBy(BaseModel):
    """The identifier under which something was said."""

    kind: str
    value: str


class Word(BaseModel):
    """One word on a consent and what it rests on.

    `at` is when it counts from, `received_at` when it was known here; `kind` how it counts:
    `asked` is a yes of a public source, `undated` one of an import that states no time.
    """

    source: str
    message_id: str
    said_by: SaidBy
    channel: str
    purpose: str
    contact_point: str
    kind: Kind
    state: State
    at: datetime
    received_at: datetime
    trust: Literal["trusted", "public"]
    wording_version: str | None = None
    legal_basis: Basis | None = None
    expires_at: datetime | None = None
    ip_hash: str | None = Field(None, description="a keyed digest of the address it came from")
    method: str | None = Field(None, description="how it came: preferences, operator, …")
    actor: str | None = Field(None, description="the operator who noted it")
    reason: str | None = None
    evidence: str | None = Field(None, description="where the proof lies")
    lacks: Lacks | None = Field(None, description="what the consent rules ask for and it has not")


class Explained(Word):
    """A word with what became of it."""

    standing: Standing
    meaning: str


class Why(BaseModel):
    """Whether something is permitted at an instant, and what became of each word on it."""

    permitted: bool
    state: Consent | None = Field(description="what holds; null: nothing was said that counts")
    at: datetime = Field(description="the instant that was asked about")
    known: Known
    words: list[Explained] = Field(description="the newest 10,000, newest first")


class Noted(BaseModel):
    """A word on its way: the event that tells of it."""

    profile_id: UUID
    message_id: str
    source: str


class NewWord(BaseModel):
    """What somebody has said of a consent, by which operator's account, and what proves it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "channel": "email",
                "purpose": "promotion",
                "contact_point": "ada@example.com",
                "state": "denied",
                "reason": "she called: no more offers",
            }
        },
    )

    contact_point: Annotated[str, Field(min_length=1, max_length=512, pattern=NO_NUL)]
    channel: Annotated[str, Field(max_length=64), AfterValidator(known_channel)] = "email"
    purpose: Annotated[str, Field(max_length=64), AfterValidator(known_purpose)] = "promotion"
    state: State
    reason: _Told = Field(description="why this is noted, such as `told me so on the phone`")
    evidence: _Told | None = Field(None, description="where the proof lies, such as a call's id")
    said_at: _Instant | None = Field(None, description="when it was said; now if left out")
    wording_version: Annotated[str, Field(max_length=MAX_WORDING, pattern=NO_NUL)] | None = None
    legal_basis: Basis | None = None
    expires_at: _Instant | None = Field(None, description="a yes ends then")

    @model_validator(mode="after")
    def _can_be_said(self) -> Self:
        point = contact_point(self.channel, self.contact_point)
        if point is None:
            message = "contact_point must be an e-mail address, or a number with its country's code"
            raise PydanticCustomError("contact_point", message)
        self.contact_point = point
        if self.state == "granted" and (self.channel == ANY_CHANNEL or self.purpose == ANY_PURPOSE):
            message = "a permission is for one channel and one purpose: note each alone"
            raise PydanticCustomError("one_of_each", message)
        if self.state != "granted" and self.expires_at is not None:
            message = "only a permission can end: leave expires_at out"
            raise PydanticCustomError("expires_at", message)
        if self.said_at is not None and self.said_at > clock.now():
            raise PydanticCustomError("said_at", "said_at can't be in the future")
        return self

    def said(self) -> dict[str, Any]:
        """The properties of the event that tells of it."""
        end = self.expires_at
        return {
            "contact_point": self.contact_point,
            "channel": self.channel,
            "purpose": self.purpose,
            "state": self.state,
            "wording_version": self.wording_version,
            "legal_basis": self.legal_basis,
            "expires_at": None if end is None else clock.iso(end),
            "reason": self.reason,
            "evidence": self.evidence,
        }
