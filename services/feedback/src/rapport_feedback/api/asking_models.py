"""The bodies of standing orders: what may come in, and what goes out."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

import msgspec
from pydantic import BaseModel, ConfigDict, Field, model_validator

from rapport_common.operator.texts import StorableText
from rapport_feedback.api.models import Line
from rapport_feedback.api.rule_models import Body
from rapport_feedback.domain.askings import (
    MAX_MINUTES,
    Asking,
    AskingDocument,
    Occasion,
    State,
)

Key = Annotated[StorableText, Field(min_length=1, max_length=200)]
Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}$")]
Sentence = Annotated[StorableText, Field(min_length=1, max_length=1000)]
Words = Annotated[dict[Language, Sentence], Field(min_length=1, max_length=20)] | Sentence
Value = Annotated[StorableText, Field(max_length=500)] | bool | int | float

_EXAMPLE: dict[str, Any] = {
    "event": "Order Delivered",
    "where": [{"property": "channel", "op": "eq", "value": "online"}],
    "delay_minutes": 4320,
    "share": 0.5,
    "daily_quota": 1000,
    "channels": ["email", "sms"],
    "reminders": [3],
    "expires_days": 14,
}
_ID = "0190a5c0-0000-7000-8000-000000000001"


class FilterBody(Body):
    """A condition on a property of the event."""

    property: Annotated[StorableText, Field(min_length=1, max_length=100)]
    op: Literal["eq", "ne", "in", "gte", "lte"]
    value: Value | list[Value]


class OrderBody(Body):
    """After what people are asked, and how; one of `segment_id` and `event`."""

    segment_id: Key | None = Field(default=None, description="Who enters it is asked.")
    include_existing: bool = Field(default=False, description="Who is in it already, too.")
    repeat_days: Annotated[int, Field(ge=1, le=3650)] | None = Field(
        default=None, description="So often a wave begins, and who is in the segment is asked."
    )
    event: Key | None = Field(default=None, description="Of whom this is told is asked.")
    where: list[FilterBody] = Field(default_factory=list, max_length=20)
    allow_old_events: bool = False
    delay_minutes: int = Field(default=0, ge=0, le=MAX_MINUTES)
    share: float = Field(default=1.0, gt=0, le=1, description="A sample: always the same people.")
    daily_quota: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    channels: list[Literal["email", "sms"]] = Field(
        default_factory=lambda: ["email"],  # type: ignore[arg-type] # a list of its words
        min_length=1,
        max_length=2,
        description="The first by which somebody is reached.",
    )
    reminders: list[Annotated[int, Field(ge=1, le=365)]] = Field(
        default_factory=list, max_length=3, description="Days after the invitation."
    )
    expires_days: int = Field(default=30, ge=1, le=365)
    when_closed: Literal["skip", "wait"] = Field(
        default="skip", description="What to do while the contact policy is against it."
    )
    subject: Words | None = None
    intro: Words | None = None

    def document(self) -> AskingDocument:
        """The same for the domain."""
        names = OrderBody.model_fields
        return msgspec.convert(self.model_dump(include=set(names)), AskingDocument)


class NewAsking(OrderBody):
    """A standing order for a survey."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name": "After delivery", "survey_id": _ID, **_EXAMPLE}]},
    )

    name: Line
    survey_id: UUID


class AskingChange(Body):
    """What shall be otherwise; `order` replaces how people are asked as a whole."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "After delivery"}]}
    )

    name: Line | None = None
    order: OrderBody | None = None

    @model_validator(mode="after")
    def _changes(self) -> Self:
        if self.name is None and self.order is None:
            message = "give a name, an order, or both"
            raise ValueError(message)
        return self


class AskingView(BaseModel):
    """A standing order as staff see it."""

    id: UUID
    survey_id: UUID
    name: str
    order: OrderBody
    actor: str
    created_at: datetime
    changed_at: datetime
    archived_at: datetime | None

    @classmethod
    def of(cls, one: Asking) -> Self:
        """As it holds."""
        return cls(
            id=one.asking_id,
            survey_id=one.survey_id,
            name=one.name,
            order=OrderBody.model_validate(msgspec.to_builtins(one.document)),
            actor=one.actor,
            created_at=one.created_at,
            changed_at=one.changed_at,
            archived_at=one.archived_at,
        )


class Count(BaseModel):
    """How many occasions are so, and why."""

    state: State
    reason: str | None
    occasions: int


class AskingWithCounts(AskingView):
    """A standing order with what has become of its occasions."""

    counts: list[Count]

    @classmethod
    def told(cls, one: Asking, counts: list[tuple[str, str | None, int]]) -> Self:
        """`counts` are (state, reason, how many)."""
        told = [
            Count(state=State(state), reason=reason, occasions=many)
            for state, reason, many in counts
        ]
        return cls(**AskingView.of(one).model_dump(), counts=told)


class OccasionView(BaseModel):
    """One person and occasion: what has become of it; `reason` and `opens_at`: why not (yet)."""

    occasion: str
    profile_id: str
    state: State
    reason: str | None
    opens_at: datetime | None
    planned_at: datetime
    due_at: datetime
    next_at: datetime | None
    channel: str | None
    asked_at: datetime | None
    reminders: int
    answered_at: datetime | None
    invitation_id: UUID | None

    @classmethod
    def of(cls, one: Occasion) -> Self:
        """As staff see it."""
        return cls(**{name: getattr(one, name) for name in cls.model_fields})
