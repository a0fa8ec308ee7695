"""Offers and price guards as operators send them, and as they are shown."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from rapport_campaign.api.contact_rules import WindowBody
from rapport_campaign.domain.offers import (
    MAX_TEXT,
    MAX_WORD,
    MOST_PRODUCTS,
    MOST_RULES,
    MOST_VALUES,
    Choose,
    Offer,
    WhenMissing,
)
from rapport_campaign.domain.price_guards import (
    HUNDRED,
    MOST_CITIES,
    MOST_TRAITS,
    USUAL,
    PriceGuards,
)
from rapport_campaign.domain.protected import MOST_WORDS
from rapport_campaign.domain.quiet_hours import MAX_WINDOWS
from rapport_common.operator.texts import StorableText
from rapport_common.paging import MAX_BIGINT

Reason = Annotated[StorableText, Field(min_length=1, max_length=1000)]
Word = Annotated[StorableText, Field(min_length=1, max_length=MAX_WORD)]
Amount = Annotated[str, Field(max_length=24, description="a decimal text such as `12.90`")]
Percent = Annotated[str, Field(max_length=16, description="a decimal text such as `12.5`")]
Words = Annotated[list[Word], Field(max_length=MOST_VALUES)]
Time = Annotated[str, Field(max_length=40)]
Seen = Annotated[
    int,
    Field(ge=0, le=MAX_BIGINT, strict=True, description="whose place it takes; 0: there is none"),
]
Value = (
    Annotated[StorableText, Field(max_length=MAX_TEXT)]
    | bool
    | Annotated[int, Field(ge=-MAX_BIGINT, le=MAX_BIGINT)]
    | Annotated[float, Field(allow_inf_nan=False)]
)
_OFFER: JsonDict = {
    "currency": "EUR",
    "timezone": "Europe/Berlin",
    "choose": "best",
    "rails": {"floor_percent": "60"},
    "products": [
        {"sku": "TEA-1", "name": "Assam", "price": "10.00", "categories": ["tea"], "floor": "5.50"}
    ],
    "rules": [
        {
            "id": "gold",
            "when": {"tiers": ["gold"], "channels": ["email", "store"], "to": "2027-01-31"},
            "then": {"percent_off": "15"},
            "categories": ["tea"],
        }
    ],
    "version": 0,
    "reason": "spring",
}


class RailsBody(BaseModel):
    """How far a price may be from its list price; percentages are those of the list price."""

    model_config = ConfigDict(extra="forbid")

    floor_percent: Percent = "0"
    ceiling_percent: Percent = Field(HUNDRED, description="100: never above the list price")
    max_off: dict[Word, Amount] = Field(
        default_factory=dict, max_length=50, description="by currency, the most that is taken off"
    )


class ProductBody(BaseModel):
    """A line of the price list."""

    model_config = ConfigDict(extra="forbid")

    sku: Word
    price: Amount
    name: Annotated[StorableText, Field(max_length=MAX_TEXT)] = ""
    categories: Words = Field(default_factory=list)
    floor: Amount | None = None
    ceiling: Amount | None = None


class TraitIsBody(BaseModel):
    """A trait that the price guards name, and values one of which it is."""

    model_config = ConfigDict(extra="forbid")

    trait: Word
    any_of: list[Value] = Field(alias="in", min_length=1, max_length=MOST_VALUES)


class WhenBody(BaseModel):
    """All of it has to hold, and of each list one; nothing: it holds for everybody."""

    model_config = ConfigDict(extra="forbid")

    segments: Words = Field(default_factory=list, description="ids")
    tiers: Words = Field(default_factory=list, description="of loyalty")
    city_tiers: Words = Field(default_factory=list)
    traits: list[TraitIsBody] = Field(default_factory=list, max_length=MOST_TRAITS)
    channels: Words = Field(default_factory=list, description="email, sms, store, …")
    since: Time | None = Field(None, alias="from", description="in the offer's zone, or a day")
    until: Time | None = Field(None, alias="to", description="behind the end; a day to its end")
    hours: list[WindowBody] = Field(
        default_factory=list, max_length=MAX_WINDOWS, description="in the offer's zone"
    )


class ThenBody(BaseModel):
    """One of these."""

    model_config = ConfigDict(extra="forbid")

    percent_off: Percent | None = None
    amount_off: Amount | None = None
    price: Amount | None = None


class RuleBody(BaseModel):
    """Another price than the list price; of all products where none is named."""

    model_config = ConfigDict(extra="forbid")

    id: Word = Field(description="what is kept with each price that it makes")
    then: ThenBody
    when: WhenBody = Field(default_factory=WhenBody)
    skus: list[Word] = Field(default_factory=list, max_length=MOST_PRODUCTS)
    categories: Words = Field(default_factory=list)


class VouchedBody(BaseModel):
    """You answer for a segment of which Rapport can't know what it reads, such as a list."""

    model_config = ConfigDict(extra="forbid")

    segment: Word
    reason: Reason


class OfferBody(BaseModel):
    """What an offer says."""

    model_config = ConfigDict(extra="forbid")

    currency: Word = Field(description="ISO 4217")
    products: list[ProductBody] = Field(min_length=1, max_length=MOST_PRODUCTS)
    rules: list[RuleBody] = Field(default_factory=list, max_length=MOST_RULES)
    timezone: Word = "UTC"
    choose: Choose = Field("first", description="of the rules that hold: in order, or the cheapest")
    when_missing: WhenMissing = Field("fail", description="of messages, once it is archived")
    rails: RailsBody = Field(default_factory=RailsBody)
    vouched: list[VouchedBody] = Field(default_factory=list, max_length=MOST_VALUES)


class NewOffer(OfferBody):
    """An offer in place of what it was, as a whole."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _OFFER})

    version: Seen
    reason: Reason

    def offer(self) -> Offer:
        """As it is kept."""
        told = self.model_dump(by_alias=True, exclude={"version", "reason"})
        return msgspec.convert(told, Offer)


class ClampView(BaseModel):
    """What a guard rail changes of what a rule would make of a product."""

    rule: str
    sku: str
    wanted: str
    price: str
    clamped_by: str


class OfferView(OfferBody):
    """An offer at a version; `clamps`: the first 50 prices that guard rails change."""

    name: str
    version: int
    newest: int
    archived_at: datetime | None
    actor: str
    reason: str
    created_at: datetime
    clamps: list[ClampView]


class OfferBrief(BaseModel):
    """An offer in a list."""

    name: str
    version: int
    changed_at: datetime
    archived_at: datetime | None


class VersionBrief(BaseModel):
    """A version of an offer: by whom, and why."""

    version: int
    actor: str
    reason: str
    created_at: datetime


class GuardsBody(BaseModel):
    """Guard rails of all offers, and what their rules may read of people."""

    model_config = ConfigDict(extra="forbid")

    rails: RailsBody = Field(default_factory=RailsBody)
    traits: list[Word] = Field(default_factory=list, max_length=MOST_TRAITS)
    protected: list[Word] = Field(
        default_factory=list, max_length=MOST_WORDS, description="beside those that are shipped"
    )
    unprotected: dict[Word, Reason] = Field(
        default_factory=dict, max_length=MOST_WORDS, description="names that are free, and why"
    )
    tier_trait: Word = USUAL.tier_trait
    city_tier_trait: Word = USUAL.city_tier_trait
    city_trait: Word = USUAL.city_trait
    cities: dict[Annotated[StorableText, Field(max_length=MAX_TEXT)], Word] = Field(
        default_factory=dict, max_length=MOST_CITIES, description="the tier of each city"
    )


class NewGuards(GuardsBody):
    """Guards in place of others, as a whole."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "rails": {"floor_percent": "50", "max_off": {"EUR": "100"}},
                "traits": ["plan"],
                "cities": {"Shanghai": "1", "Hefei": "2"},
                "version": 0,
                "reason": "spring",
            }
        },
    )

    version: Seen
    reason: Reason

    def guards(self) -> PriceGuards:
        """As they are kept."""
        return msgspec.convert(self.model_dump(exclude={"version", "reason"}), PriceGuards)


class ShownGuards(GuardsBody):
    """One version, by whom and why. Version 0: none were ever declared.

    `shipped`: the words that are protected in every workspace, by what they tell of people.
    """

    version: int
    actor: str | None
    reason: str | None
    created_at: datetime | None
    shipped: dict[str, list[str]]


def shown_document(document: Any) -> dict[str, Any]:
    """A document as it was sent."""
    found: dict[str, Any] = msgspec.to_builtins(document)
    return found
