"""Comparisons with events, and with groups, in the API's document."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from rapport_segment.api.rule_parts import (
    OF,
    VALUE,
    Equality,
    Instant,
    Last,
    Length,
    Of,
    Operand,
    Order,
    Part,
    Pattern,
    Presence,
    Text,
    Texts,
    This,
)
from rapport_segment.domain import event_leaves, happenings, operands


class PropertyTest(Part):
    """A property of an event compared, as a trait is."""

    name: Annotated[str, Field(alias="property", min_length=1, max_length=operands.MAX_TEXT)]
    of: Of = OF
    op: Presence | Equality | Order | Texts | Pattern
    value: Operand | None = VALUE


class BetweenInstants(Part):
    """From an instant on, and before another; each may be missing."""

    after: str | None = None
    before: str | None = None


Event = Annotated[str, Field(min_length=1, max_length=happenings.MAX_NAME)]
Where = Annotated[list[PropertyTest], Field(max_length=event_leaves.MOST_CONDITIONS)]
WHERE: Any = Field(default=[], description="all of these hold of the event's properties")
EventWindow = Last | This | BetweenInstants
AnswerScore = Literal["detractor", "passive", "promoter"] | float
WINDOW: Any = Field(None, alias="within", description="when the events were; at any time if none")


class GroupTest(Part):
    """A trait of a group compared; its key is `id`, and the person's part in it `role`."""

    name: Annotated[str, Field(alias="property", min_length=1, max_length=operands.MAX_TEXT)]
    of: Of = OF
    op: Presence | Equality | Order | Texts | Pattern | Literal["within"]
    value: Operand | Instant | None = VALUE


class GroupRule(Part):
    """The person is in a group of a kind that has all of this, one and the same."""

    group: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$", examples=["company"])]
    where: Annotated[list[GroupTest], Field(max_length=event_leaves.MOST_CONDITIONS)] = Field(
        default=[], description="all of these hold of one and the same group"
    )


class PerformedRule(Part):
    """There is such an event."""

    performed: Event
    where: Where = WHERE
    window: EventWindow | None = WINDOW


class CountRule(Part):
    """How many such events there are."""

    count: Event
    where: Where = WHERE
    window: EventWindow | None = WINDOW
    op: Literal["eq", "ne"] | Order
    value: float | Text


class _AmountRule(Part):
    name: Annotated[str, Field(alias="property", min_length=1, max_length=operands.MAX_TEXT)]
    where: Where = WHERE
    window: EventWindow | None = WINDOW
    op: Literal["eq", "ne"] | Order
    value: float | Text


class SumRule(_AmountRule):
    """What a property of such events adds up to; 0 of none."""

    sum: Event


class AverageRule(_AmountRule):
    """The average of a property of such events."""

    average: Event


class MinRule(_AmountRule):
    """The least of a property of such events."""

    min: Event


class MaxRule(_AmountRule):
    """The greatest of a property of such events."""

    max: Event


class DistinctRule(_AmountRule):
    """How many different values a property of such events has."""

    distinct: Event


class _PlaceRule(Part):
    where: Where = WHERE
    op: Order | Literal["within"]
    value: Text | Instant


class FirstRule(_PlaceRule):
    """When the first of such events was."""

    first: Event


class LastRule(_PlaceRule):
    """When the last of such events was."""

    last: Event


class NthRule(_PlaceRule):
    """When the nth of such events was, from 1 on."""

    nth: Event
    n: int = Field(ge=1, le=happenings.MOST)


class _ToldRule(Part):
    name: Annotated[str, Field(alias="property", min_length=1, max_length=operands.MAX_TEXT)]
    where: Where = WHERE
    window: EventWindow | None = WINDOW
    op: Presence | Equality | Order | Texts | Pattern
    value: Operand | None = VALUE


class FirstToldRule(_ToldRule):
    """What a property of the first of such events is."""

    first: Event


class LastToldRule(_ToldRule):
    """What a property of the last of such events is."""

    last: Event


class NthToldRule(_ToldRule):
    """What a property of the nth of such events is, from 1 on."""

    nth: Event
    n: int = Field(ge=1, le=happenings.MOST)


class AnswerRule(Part):
    """The last answer in surveys of a kind: its score, what that is called, or its instant."""

    answer: Literal["nps"]
    survey: UUID | None = Field(None, description="of this one only")
    op: Presence | Equality | Order | Literal["within"]
    value: AnswerScore | list[AnswerScore] | Text | Instant | None = VALUE


class CaseRule(Part):
    """There is a complaint that is open, or closed, now, of whose last step all of this holds."""

    case: Literal["open", "closed", "any"]
    where: Annotated[list[GroupTest], Field(max_length=event_leaves.MOST_CONDITIONS)] = Field(
        default=[], description="such as state, subject, due_at; and since, when it came to be so"
    )


class Step(Part):
    """An event later than the one before, and less than `within` later."""

    performed: Event
    where: Where = WHERE
    within: Length | None = None


class NoStep(Part):
    """The last step: no such event in that time after the one before."""

    not_performed: Event
    where: Where = WHERE
    within: Length


class SequenceRule(Part):
    """Events one after the other; the first of them in the window."""

    sequence: Annotated[
        list[Step | NoStep], Field(min_length=2, max_length=event_leaves.MOST_STEPS)
    ]
    same: Text | list[Text] = Field([], description="properties with one value in all of them")
    window: EventWindow | None = WINDOW
