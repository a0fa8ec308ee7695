"""What parts of rules are made of in the API's document."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from rapport_segment.domain import leaves, operands

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


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Now(Part):
    """An instant beside now: `-30d` is 30 days ago."""

    distance: str = Field(alias="now", pattern=r"^(|0|[+-][0-9]{1,6}(min|h|d|w|mo|y))$")


class Last(Part):
    """So long up to now; with anniversary whole days, today among them, in the person's zone."""

    length: Length = Field(alias="last")
    zone: Zone | None = Field(None, description="with anniversary: of who has none")


class Next(Part):
    """So long from now on; with anniversary whole days, today among them, in the person's zone."""

    length: Length = Field(alias="next")
    zone: Zone | None = Field(None, description="with anniversary: of who has none")


class This(Part):
    """The period that is now in a zone."""

    period: Literal["day", "week", "month", "quarter", "year"] = Field(alias="this")
    zone: Zone = "UTC"


Instant = Now | Last | Next | This
