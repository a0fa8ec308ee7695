"""Prices for who asks: tills and shops, and whoever wants to know what a message has said."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_campaign.api.offer_bodies import Value, Word
from rapport_campaign.api.offers import Name
from rapport_campaign.domain.model import MessageState
from rapport_campaign.domain.pricing import PriceFacts
from rapport_campaign.handlers import quoting as use
from rapport_campaign.handlers.quoting import Question
from rapport_campaign.store.prices import Quote
from rapport_campaign.tables import SCHEMA
from rapport_common import clock, ids
from rapport_common.auth import Operator, operator
from rapport_common.idempotency import Repeatable
from rapport_common.routes import Router

Till = Annotated[Operator, Depends(operator("offers:quote", "campaigns:write"))]
Reader = Annotated[Operator, Depends(operator("campaigns:read"))]
MOST_SKUS = 200
EARLIEST, LATEST = 2000, 2200
_EXAMPLE: JsonDict = {
    "profile_id": "0190a5b0-0000-7000-8000-000000000001",
    "skus": ["TEA-1"],
    "channel": "store",
}


def _in_our_time(at: datetime) -> datetime:
    if not EARLIEST <= at.year <= LATEST:
        message = "must be a time of the years {first} to {last}"
        raise PydanticCustomError("at", message, {"first": EARLIEST, "last": LATEST})
    return at


class FactsBody(BaseModel):
    """What is told of somebody who has no profile, or is not to be looked up."""

    model_config = ConfigDict(extra="forbid")

    tier: Word | None = None
    city_tier: Word | None = None
    segments: list[Word] = Field(default_factory=list, max_length=100, description="ids")
    traits: dict[Word, Value] = Field(default_factory=dict, max_length=50)


class QuoteAsked(BaseModel):
    """What something costs: for a person as they are known, or for who has these facts."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _EXAMPLE})

    skus: list[Word] = Field(min_length=1, max_length=MOST_SKUS)
    channel: Word = Field(description="such as store, web, app, email")
    profile_id: Word | None = None
    facts: FactsBody | None = None
    at: Annotated[AwareDatetime, AfterValidator(_in_our_time)] | None = Field(
        None, description="when it is bought; null: now"
    )

    @model_validator(mode="after")
    def _of_one(self) -> Self:
        if self.profile_id is not None and self.facts is not None:
            raise PydanticCustomError("two", "name a profile_id or facts, not both")
        return self

    def question(self, *, kept: bool = False) -> Question:
        """As it is asked; `kept`: the answer is."""
        facts = self.facts or FactsBody()
        told = PriceFacts(
            frozenset(facts.segments), facts.tier, facts.city_tier, dict(facts.traits)
        )
        skus = list(dict.fromkeys(self.skus))
        at = self.at or clock.now()
        return Question(self.profile_id, told, skus, self.channel, at, kept)


class PriceView(BaseModel):
    """A price; `rule` null: the list price. `wanted`: what the rule would make it, if a guard
    rail (`clamped_by`) has changed that. `ends_at`: when the rule does.
    """

    offer: str
    version: int
    sku: str
    price: str
    list_price: str
    currency: str
    rule: str | None
    wanted: str | None
    clamped_by: str | None
    ends_at: datetime | None
    why: str


class AnsweredPrice(PriceView):
    """A price, and the rules that did not make it, each with the reason."""

    passed: dict[str, str]


class Answer(BaseModel):
    """What something costs; nothing of it is kept."""

    profile_id: str | None
    channel: str
    at: datetime
    prices: list[AnsweredPrice]


class QuoteView(BaseModel):
    """An answer that is kept."""

    id: UUID
    profile_id: str | None
    channel: str
    at: datetime
    created_at: datetime
    prices: list[PriceView]


class MessagePrices(BaseModel):
    """The prices that a message names, as they were when it was sent; none: it names none, or
    they were kept long enough (`prices` of the retention rules).
    """

    message_id: str
    state: MessageState
    said_at: datetime | None
    prices: list[PriceView]


def quote_routes(engine: AsyncEngine) -> APIRouter:
    """All of it."""
    router = Router(tags=["offers"])
    _asking(router, engine)
    _keeping(router, engine)

    @router.get("/v1/messages/{message_id}/prices")
    async def of_message(message_id: str, caller: Reader) -> MessagePrices:
        """The prices that a message has named, and which rule gave each."""
        async with engine.begin() as tx:
            row, at, prices = await use.in_message(tx, caller.workspace, message_id)
        return MessagePrices.model_validate(
            {
                "message_id": row.send_key,
                "state": row.state,
                "said_at": at,
                "prices": [_priced(one) for one in prices],
            }
        )

    return router


def _asking(router: APIRouter, engine: AsyncEngine) -> None:
    @router.post("/v1/offers/{name}/quote")
    async def quote(name: Name, body: QuoteAsked, caller: Till) -> Answer:
        """What something costs somebody, by which rule, and why, in a sentence; nothing is kept."""
        asked = body.question()
        async with engine.begin() as tx:
            found = await use.ask(tx, caller.workspace, name, asked)
        return Answer.model_validate(
            {
                "profile_id": asked.profile_id,
                "channel": asked.channel,
                "at": asked.at,
                "prices": [_priced(one.price) | {"passed": dict(one.passed)} for one in found],
            }
        )


def _keeping(router: APIRouter, engine: AsyncEngine) -> None:
    @router.post("/v1/offers/{name}/quotes", status_code=201)
    async def keep(name: Name, body: QuoteAsked, caller: Till, once: Repeatable) -> QuoteView:
        """The same, and the answer is kept, to be asked for by its id."""
        asked = body.question(kept=True)
        async with engine.begin() as tx:
            quote_id = str(ids.uuid7())
            told = {"offer": name, **body.model_dump(mode="json")}
            made = await once.earlier(tx, SCHEMA, caller.workspace, body=told, made_id=quote_id)
            if made is None:
                found = await use.ask(tx, caller.workspace, name, asked)
                await use.keep(tx, caller.workspace, quote_id, asked, found, by=caller.subject)
            return _kept(await use.kept(tx, caller.workspace, name, made or quote_id))

    @router.get("/v1/offers/{name}/quotes/{quote_id}")
    async def kept(name: Name, quote_id: UUID, caller: Till) -> QuoteView:
        """A quote that was kept, as it was answered then."""
        async with engine.begin() as tx:
            return _kept(await use.kept(tx, caller.workspace, name, str(quote_id)))


def _priced(one: Any) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__struct_fields__}


def _kept(one: Quote) -> QuoteView:
    return QuoteView.model_validate(
        {
            "id": one.quote_id,
            "profile_id": one.profile_id,
            "channel": one.channel,
            "at": one.at,
            "created_at": one.created_at,
            "prices": [_priced(each) for each in one.prices],
        }
    )
