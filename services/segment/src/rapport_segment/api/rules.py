"""A rule in the API's document: what belongs where. What it means is in `domain/rules.py`."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, RootModel
from pydantic.config import JsonDict
from pydantic.json_schema import JsonSchemaValue

from rapport_segment.api.event_rules import (
    AnswerRule,
    AverageRule,
    CaseRule,
    CountRule,
    DistinctRule,
    FirstRule,
    FirstToldRule,
    GroupRule,
    LastRule,
    LastToldRule,
    MaxRule,
    MinRule,
    NthRule,
    NthToldRule,
    PerformedRule,
    SequenceRule,
    SumRule,
)
from rapport_segment.api.rule_parts import (
    OF,
    PURPOSE,
    VALUE,
    Channel,
    Equality,
    Instant,
    Of,
    Operand,
    Order,
    Part,
    Pattern,
    Presence,
    States,
    Texts,
    Times,
)
from rapport_segment.domain import operands

EXAMPLE: JsonDict = {
    "and": [
        {"computed": "revenue", "currency": "USD", "op": "gte", "value": "500"},
        {"not": {"trait": "plan", "op": "in", "value": ["gold", "platinum"]}},
        {"identifier": "email", "op": "exists"},
    ]
}

LINE = 'revenue USD >= 500 and not plan in ("gold", "platinum") and identifier email exists'


class AllOf(Part):
    """Everyone of these holds."""

    parts: list["Rule"] = Field(alias="and", min_length=1)


class OneOf(Part):
    """At least one of these holds."""

    parts: list["Rule"] = Field(alias="or", min_length=1)


class NotThis(Part):
    """This does not hold."""

    part: "Rule" = Field(alias="not")


class TraitRule(Part):
    """A trait compared; of a list, one element that fits is enough."""

    trait: Annotated[str, Field(min_length=1, max_length=operands.MAX_TEXT)]
    of: Of = OF
    op: Presence | Equality | Order | Texts | Pattern | Times
    value: Operand | Instant | None = VALUE


class ComputedRule(Part):
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


class DefinedRule(Part):
    """A computed trait that the workspace has defined; of a list, one element is enough."""

    defined: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
    currency: str | None = Field(None, description="ISO 4217; with a trait of money")
    of: Of = OF
    op: Presence | Equality | Order | Texts | Pattern | Times
    value: Operand | Instant | None = VALUE


class IdentifierRule(Part):
    """One of the person's identifiers of a kind compared, in the form in which they are kept."""

    identifier: Annotated[str, Field(min_length=1, max_length=operands.MAX_TEXT)]
    op: Presence | Equality | Texts
    value: Operand | None = VALUE


class ContactPointRule(Part):
    """Where the person is reached by a channel now, or only what is verified of that."""

    contact_point: Channel
    verified: bool = False
    op: Presence | Equality | Texts
    value: Operand | None = VALUE


class ConsentRule(Part):
    """The person's word about a channel and purpose; of several places one is enough."""

    consent: Channel
    purpose: str = PURPOSE
    op: Presence | Equality
    value: States | list[States] | None = VALUE


class ReachableRule(Part):
    """There is a verified contact point of the channel, with a yes to the purpose."""

    reachable: Channel
    purpose: str = PURPOSE


class BucketRule(Part):
    """A part of everybody, drawn once and for all by a word: percent from and below."""

    bucket: Annotated[str, Field(min_length=1, max_length=operands.MAX_TEXT)]
    first: float = Field(0, alias="from", ge=0, le=100)
    behind: float = Field(alias="to", ge=0, le=100)


class SegmentRule(Part):
    """The person is in another segment."""

    segment: UUID


class ScoreRule(Part):
    """A score compared: of RFM three from 1 to 5, and the tier; or what others have published."""

    score: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$", examples=["rfm_tier"])]
    op: Presence | Equality | Order
    value: Operand | None = VALUE


class ListRule(Part):
    """An identifier of the person is on a list."""

    list: UUID


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
        | GroupRule
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
        | FirstToldRule
        | LastToldRule
        | NthToldRule
        | AnswerRule
        | CaseRule
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
