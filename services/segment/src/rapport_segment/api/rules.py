"""A rule in the API's document: what belongs where. What it means is in `domain/rules.py`."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, RootModel
from pydantic.config import JsonDict
from pydantic.json_schema import JsonSchemaValue

from rapport_segment.domain import operands, rules

Text = Annotated[str, Field(max_length=operands.MAX_TEXT)]
Scalar = Text | bool | float
Operand = Scalar | Annotated[list[Scalar], Field(min_length=1, max_length=rules.MAX_LIST)]
Presence = Literal["exists", "not_exists"]
Equality = Literal["eq", "ne", "in"]
Order = Literal["gt", "gte", "lt", "lte"]
Texts = Literal["contains", "starts_with"]
VALUE = Field(
    default=None, description="not with exists and not_exists; with in a list of 1 to 1,000"
)
EXAMPLE: JsonDict = {
    "and": [
        {"computed": "revenue", "currency": "USD", "op": "gte", "value": "500"},
        {"not": {"trait": "plan", "op": "in", "value": ["gold", "platinum"]}},
        {"identifier": "email", "op": "exists"},
    ]
}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


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
    op: Presence | Equality | Order | Texts
    value: Operand | None = VALUE


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
    op: Presence | Equality | Order
    value: Operand | None = VALUE


class DefinedRule(_Part):
    """A computed trait that the workspace has defined; of a list, one element is enough."""

    defined: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
    currency: str | None = Field(None, description="ISO 4217; with a trait of money")
    op: Presence | Equality | Order | Texts
    value: Operand | None = VALUE


class IdentifierRule(_Part):
    """One of the person's identifiers of a kind compared, in the form in which they are kept."""

    identifier: Annotated[str, Field(min_length=1, max_length=operands.MAX_TEXT)]
    op: Presence | Equality | Texts
    value: Operand | None = VALUE


class Rule(
    RootModel[AllOf | OneOf | NotThis | TraitRule | ComputedRule | DefinedRule | IdentifierRule]
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


RuleDocument = Annotated[dict[str, Any], _Documented]
