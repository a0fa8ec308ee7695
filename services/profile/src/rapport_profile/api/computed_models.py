"""Computed traits as the API takes and shows them. What makes sense is said by the domain."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from rapport_common.paging import MAX_BIGINT
from rapport_profile.domain.computed import definition as domain

NO_NUL = r"^[^\x00]*$"
Text = Annotated[str, Field(min_length=1, max_length=domain.MAX_TEXT, pattern=NO_NUL)]
Path = Annotated[str, Field(min_length=1, max_length=1000, pattern=NO_NUL)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Scalar = bool | int | Number | Annotated[str, Field(max_length=domain.MAX_TEXT, pattern=NO_NUL)]
Reason = Annotated[str, Field(min_length=1, max_length=1000, pattern=NO_NUL)]
Zone = Annotated[str, Field(min_length=1, max_length=64, pattern=NO_NUL)]
EXAMPLE: dict[str, Any] = {
    "aggregate": "sum",
    "events": [{"event": "Order Completed"}, {"event": "Order Refunded", "minus": True}],
    "value": {"property": "total"},
    "kind": "money",
    "window": {"days": 365},
    "zone": "Europe/Berlin",
}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Condition(_Part):
    """What has to hold of a property; of a list one element that fits is enough."""

    property: Path = Field(description="a path such as `total`, `address.city`, `products[].sku`")
    op: domain.Op
    value: Scalar | list[Scalar] | None = Field(
        None, description="not with exists and not_exists; with in a list of 1 to 100"
    )


class Value(_Part):
    """What of an event is aggregated: one of the three."""

    property: Path | None = Field(None, description="a path; `products[].category` has several")
    text: Text | None = Field(None, description="always this text")
    time: domain.Part | None = Field(None, description="of the event, in the zone")


class Selector(_Part):
    """Events by name. An event is taken by the first selector that fits it."""

    event: Text
    where: list[Condition] = Field(default_factory=list, max_length=domain.MAX_CONDITIONS)
    value: Value | None = Field(None, description="in the place of the definition's")
    minus: bool = Field(False, description="it is taken off; of count and sum")
    part: bool = Field(False, description="it is among those whose share is asked for; of share")
    dated: domain.Dated = Field(
        "event",
        description="the day it counts on: its own, or that of the order it names by `order_id`, "
        "for which it waits; of count and sum, in a window",
    )


class Window(_Part):
    """Which events count now: one of the two."""

    days: int | None = Field(
        None,
        ge=1,
        le=domain.MAX_DAYS,
        strict=True,
        description="those of the last so many days, today among them",
    )
    this: domain.Unit | None = Field(None, description="those since it began; weeks from Monday")


class Definition(_Part):
    """An aggregate over events. Without a window all events count."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    aggregate: domain.Aggregate
    events: list[Selector] = Field(min_length=1, max_length=domain.MAX_SELECTORS)
    value: Value | None = None
    kind: domain.Kind = Field("number", description="what values are read as")
    window: Window | None = None
    zone: Zone = Field("UTC", description="whose days they are: a name of IANA's")
    unit: Literal["day", "week", "month", "year"] = Field("day", description="of a streak")

    def declared(self) -> domain.Definition:
        """The same, as the domain has it."""
        given = self.model_dump(exclude_unset=True, exclude_none=True)
        return msgspec.convert(given, domain.Definition)


class NewVersion(_Part):
    """A definition that takes the place of another one of its name."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"definition": EXAMPLE, "version": 0, "reason": "For the autumn letter"}]
        },
    )

    definition: Definition
    version: int = Field(
        ge=0, le=MAX_BIGINT, strict=True, description="whose place it takes; 0: there is none"
    )
    reason: Reason


class Adopting(_Part):
    """Which of the definitions that come with Rapport shall hold here."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"names": ["favourite_category"], "zone": "Europe/Berlin", "reason": "Letters"}
            ]
        },
    )

    names: list[Text] = Field(default_factory=list, max_length=100, description="none: all")
    zone: Zone = "UTC"
    reason: Reason


class NewPreview(_Part):
    """A definition to be tried on one person."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"definition": EXAMPLE, "profile_id": "0190c6a8-0000-7000-8000-000000000000"}
            ]
        },
    )

    definition: Definition
    profile_id: UUID


class ComputedTrait(BaseModel):
    """A computed trait: the version that holds, by whom and why."""

    name: str
    version: int
    stage: str = Field(
        description="filling: its states are made of the stored events; telling: people's values "
        "are; live: these are shown; dropping and dropped: it holds no more"
    )
    shown_version: int | None = Field(
        description="whose values people have: until a new version is filled, the former one's; "
        "null: they have none yet"
    )
    type: str | None = Field(description="number, money, time, text or list")
    definition: dict[str, Any] | None = Field(description="null: with this version it ended")
    actor: str
    reason: str
    created_at: datetime


class ChangedTrait(ComputedTrait):
    """A new version, whose values take the place of the former one's once it is filled."""

    job_id: str = Field(description="the job that fills it from the stored events")


class ShippedTrait(BaseModel):
    """A definition that comes with Rapport."""

    id: str
    description: str
    type: str
    definition: dict[str, Any]


class PreviewedTrait(BaseModel):
    """What a definition gives for a person now."""

    profile_id: UUID = Field(description="of the person now, after merges")
    type: str
    value: dict[str, Any] | None = Field(
        description="`number`, `money`, `time`, `text` or `values`; null: no event fits"
    )
    looked_at: int = Field(description="how many events were read")
    complete: bool = Field(description="false: these are the newest, there are more")
