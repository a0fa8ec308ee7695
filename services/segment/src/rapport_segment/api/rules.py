"""A rule in the API's document: what belongs where. What it means is in `domain/rules.py`."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, RootModel
from pydantic.config import JsonDict
from pydantic.json_schema import JsonSchemaValue

from rapport_segment.domain import event_leaves, happenings, leaves, operands

Text = Annotated[str, Field(max_length=operands.MAX_TEXT)]
Scalar = Text | bool | float
Operand = Scalar | Annotated[list[Scalar], Field(min_length=1, max_length=leaves.MAX_LIST)]
Presence = Literal["exists", "not_exists"]
Equality = Literal["eq", "ne", "in"]
Order = Literal["gt", "gte", "lt", "lte"]
Texts = Literal["contains", "starts_with"]
Times = Literal["within", "anniversary"]
Pattern = Literal["matches"]
VALUE = Field(
    default=None, description="not with exists and not_exists; with in a list of 1 to 1,000"
)
States = Literal["granted", "denied", "withdrawn", "expired", "unconfirmed"]
Of = Literal["any", "all", "none", "size"]
OF: Any = Field(
    "any", description="of a list: one element fits, all do, none does; or how many it has"
)
Length = Annotated[str, Field(pattern=r"^[0-9]{1,6}(min|h|d|w|mo|y)$")]
Zone = Annotated[str, Field(description="of IANA's list, such as Europe/Berlin")]
Channel = Annotated[str, Field(min_length=1, description="such as email or sms, or x_yours")]
PURPOSE = Field("promotion", description="such as promotion or survey, or x_yours")
EXAMPLE: JsonDict = {
    "and": [
        {"computed": "revenue", "currency": "USD", "op": "gte", "value": "500"},
        {"not": {"trait": "plan", "op": "in", "value": ["gold", "platinum"]}},
        {"identifier": "email", "op": "exists"},
    ]
}

LINE = 'revenue USD >= 500 and not plan in ("gold", "platinum") and identifier email exists'


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Now(_Part):
    """An instant beside now: `-30d` is 30 days ago."""

    distance: str = Field(alias="now", pattern=r"^(|0|[+-][0-9]{1,6}(min|h|d|w|mo|y))$")


class Last(_Part):
    """So long up to now; with anniversary whole days, today among them, in the person's zone."""

    length: Length = Field(alias="last")
    zone: Zone | None = Field(None, description="with anniversary: of who has none")


class Next(_Part):
    """So long from now on; with anniversary whole days, today among them, in the person's zone."""

    length: Length = Field(alias="next")
    zone: Zone | None = Field(None, description="with anniversary: of who has none")


class This(_Part):
    """The period that is now in a zone."""

    period: Literal["day", "week", "month", "quarter", "year"] = Field(alias="this")
    zone: Zone = "UTC"


Instant = Now | Last | Next | This


class AllOf(_Part):
    """Everyone of these holds."""

    parts: list["Rule"] = Field(alias="and", min_length=1)


class OneOf(_Part):
    """At least one of these holds."""

    parts: list["Rule"] = Field(alias="or", min_length=1)


class NotThis(_Part):
    """This does not hold."""

    part: "Rule" = Field(alias="not")


class TraitRule(_Part):
    """A trait compared; of a list, one element that fits is enough."""

    trait: Annotated[str, Field(min_length=1, max_length=operands.MAX_TEXT)]
    of: Of = OF
    op: Presence | Equality | Order | Texts | Pattern | Times
    value: Operand | Instant | None = VALUE


class ComputedRule(_Part):
    """An aggregate compared. Amounts are decimal strings or numbers, instants RFC 3339 or dates."""

    computed: Literal[
        "events",
        "orders",
        "open_cases",
        "revenue",
        "first_order_at",
        "last_order_at",
        "first_seen_at",
        "last_seen_at",
    ]
    currency: str | None = Field(None, description="ISO 4217; with revenue, and only there")
    op: Presence | Equality | Order | Times
    value: Operand | Instant | None = VALUE


class DefinedRule(_Part):
    """A computed trait that the workspace has defined; of a list, one element is enough."""

    defined: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
    currency: str | None = Field(None, description="ISO 4217; with a trait of money")
    of: Of = OF
    op: Presence | Equality | Order | Texts | Pattern | Times
    value: Operand | Instant | None = VALUE


class IdentifierRule(_Part):
    """One of the person's identifiers of a kind compared, in the form in which they are kept."""

    identifier: Annotated[str, Field(min_length=1, max_length=operands.MAX_TEXT)]
    op: Presence | Equality | Texts
    value: Operand | None = VALUE


class ContactPointRule(_Part):
    """Where the person is reached by a channel now, or only what is verified of that."""

    contact_point: Channel
    verified: bool = False
    op: Presence | Equality | Texts
    value: Operand | None = VALUE


class ConsentRule(_Part):
    """The person's word about a channel and purpose; of several places one is enough."""

    consent: Channel
    purpose: str = PURPOSE
    op: Presence | Equality
    value: States | list[States] | None = VALUE


class ReachableRule(_Part):
    """There is a verified contact point of the channel, with a yes to the purpose."""

    reachable: Channel
    purpose: str = PURPOSE


class BucketRule(_Part):
    """A part of everybody, drawn once and for all by a word: percent from and below."""

    bucket: Annotated[str, Field(min_length=1, max_length=operands.MAX_TEXT)]
    first: float = Field(0, alias="from", ge=0, le=100)
    behind: float = Field(alias="to", ge=0, le=100)


class SegmentRule(_Part):
    """The person is in another segment."""

    segment: UUID


class ScoreRule(_Part):
    """A score compared: of RFM three from 1 to 5, and the tier that they come to."""

    score: Literal["rfm_recency", "rfm_frequency", "rfm_monetary", "rfm_tier"]
    op: Presence | Equality | Order
    value: Operand | None = VALUE


class ListRule(_Part):
    """An identifier of the person is on a list."""

    list: UUID


class PropertyTest(_Part):
    """A property of an event compared, as a trait is."""

    name: Annotated[str, Field(alias="property", min_length=1, max_length=operands.MAX_TEXT)]
    of: Of = OF
    op: Presence | Equality | Order | Texts | Pattern
    value: Operand | None = VALUE


class BetweenInstants(_Part):
    """From an instant on, and before another; each may be missing."""

    after: str | None = None
    before: str | None = None


Event = Annotated[str, Field(min_length=1, max_length=happenings.MAX_NAME)]
Where = Annotated[list[PropertyTest], Field(max_length=event_leaves.MOST_CONDITIONS)]
WHERE: Any = Field(default=[], description="all of these hold of the event's properties")
EventWindow = Last | This | BetweenInstants
WINDOW: Any = Field(None, alias="within", description="when the events were; at any time if none")


class PerformedRule(_Part):
    """There is such an event."""

    performed: Event
    where: Where = WHERE
    window: EventWindow | None = WINDOW


class CountRule(_Part):
    """How many such events there are."""

    count: Event
    where: Where = WHERE
    window: EventWindow | None = WINDOW
    op: Literal["eq", "ne"] | Order
    value: float | Text


class _AmountRule(_Part):
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


class _PlaceRule(_Part):
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


class Step(_Part):
    """An event later than the one before, and less than `within` later."""

    performed: Event
    where: Where = WHERE
    within: Length | None = None


class NoStep(_Part):
    """The last step: no such event in that time after the one before."""

    not_performed: Event
    where: Where = WHERE
    within: Length


class SequenceRule(_Part):
    """Events one after the other; the first of them in the window."""

    sequence: Annotated[
        list[Step | NoStep], Field(min_length=2, max_length=event_leaves.MOST_STEPS)
    ]
    same: Text | list[Text] = Field([], description="properties with one value in all of them")
    window: EventWindow | None = WINDOW


class Rule(
    RootModel[
        AllOf
        | OneOf
        | NotThis
        | TraitRule
        | ComputedRule
        | DefinedRule
        | IdentifierRule
        | ContactPointRule
        | ConsentRule
        | ReachableRule
        | BucketRule
        | SegmentRule
        | ListRule
        | PerformedRule
        | CountRule
        | SumRule
        | AverageRule
        | MinRule
        | MaxRule
        | DistinctRule
        | FirstRule
        | LastRule
        | NthRule
        | SequenceRule
        | ScoreRule
    ]
):
    """Whom a segment holds: a tree of at most 16 levels and 500 nodes."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})


class _Documented:
    """Shows `Rule` in the API's document; the domain judges, since it names the place."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, _schema: Any, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(Rule.__pydantic_core_schema__)


class RuleSchema(BaseModel):
    """A JSON Schema, with all that such a document has."""

    model_config = ConfigDict(extra="allow")

    dialect: str = Field(alias="$schema")
    definitions: dict[str, Any] = Field(alias="$defs")


def schema() -> dict[str, Any]:
    """The JSON Schema of rules (draft 2020-12)."""
    found = Rule.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


RuleDocument = Annotated[dict[str, Any], _Documented]
