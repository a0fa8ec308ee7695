"""/v1/recommendations: what templates recommend, and what somebody would be recommended now."""

from datetime import datetime
from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, Depends, Path, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_campaign.api.products import Category
from rapport_campaign.domain.recommenders import LONGEST_MS, SHORTEST_MS, USUAL_MS, Account
from rapport_campaign.domain.recommending import (
    CHAIN,
    LEAST_BUYERS,
    MOST_N,
    WINDOWS,
    Slot,
    Strategy,
    shown,
)
from rapport_campaign.handlers import recommenders
from rapport_campaign.handlers import slots as use
from rapport_campaign.handlers.recommenders import Means, Outside
from rapport_campaign.handlers.recommending import Inside
from rapport_campaign.store import recommenders as recommender_store
from rapport_campaign.store import recommending as store
from rapport_campaign.store.recommending import Kept
from rapport_common import clock
from rapport_common.auth import Operator, operator
from rapport_common.errors import NotFoundError
from rapport_common.operator.texts import StorableText
from rapport_common.outside.addresses import MAX_URL
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router

Reader = Annotated[Operator, Depends(operator("campaigns:read"))]
Writer = Annotated[Operator, Depends(operator("campaigns:write"))]
NAME = "^[a-z][a-z0-9_]{0,62}$"
Name = Annotated[
    str, Path(pattern=NAME, description="Templates say `recommendations.` and this name.")
]
Days = Annotated[int, Field(ge=1, le=max(WINDOWS), strict=True)]
_EXAMPLE: dict[str, Any] = {"n": 3, "strategies": ["bought_together", "best_sellers"], "days": 30}


def _each_once(chain: list[Strategy]) -> list[Strategy]:
    return list(dict.fromkeys(chain))


class SlotBody(BaseModel):
    """By what a slot is filled."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _EXAMPLE})

    strategies: Annotated[list[Strategy], AfterValidator(_each_once)] = Field(
        default_factory=lambda: list(CHAIN),
        min_length=1,
        max_length=len(get_args(Strategy)),
        description="the first one that has something gives it, the next ones fill up",
    )
    n: int = Field(4, ge=1, le=MOST_N, strict=True, description="products at most")
    categories: list[Category] = Field(
        default_factory=list, max_length=20, description="only these; empty: all"
    )
    most_of_category: int | None = Field(
        None, ge=1, le=MOST_N, strict=True, description="so many of one category"
    )
    days: Literal[1, 7, 30, 90] = Field(30, description="best sellers are of so many days")
    viewed_days: Days = Field(30, description="what was looked at within so many days")
    bought_days: Days = Field(
        30, description="what was bought or given back within so many days is left out"
    )
    least_buyers: int = Field(
        5,
        ge=LEAST_BUYERS,
        le=1_000_000,
        strict=True,
        description="what fewer people have bought, or bought together, is left out",
    )
    when_empty: Literal["send", "suppress"] = Field(
        "send", description="whether a message goes that has nothing to recommend"
    )
    provider: Literal["inside", "http"] = Field(
        "inside", description="`http`: the workspace's own is asked first (/v1/recommender)"
    )

    def rules(self, name: str) -> Slot:
        """As it is kept."""
        told = self.model_dump()
        return Slot(
            name=name,
            **told
            | {
                "strategies": tuple(self.strategies),
                "categories": tuple(dict.fromkeys(self.categories)),
            },
        )


class SlotView(SlotBody):
    """A slot as it stands."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                **_EXAMPLE,
                "slot": "home",
                "categories": [],
                "most_of_category": None,
                "viewed_days": 30,
                "bought_days": 30,
                "least_buyers": 5,
                "when_empty": "send",
                "provider": "inside",
                "updated_at": "2026-12-01T09:30:00Z",
                "updated_by": "ada",
            }
        }
    )

    slot: str
    updated_at: datetime
    updated_by: str


class Recommended(BaseModel):
    """A product, and why: `reason` for programs, `because` in words."""

    sku: str
    name: str
    url: str
    image_url: str
    price: str
    currency: str
    category: str
    reason: str
    because: str
    bought_with: str = Field(description="the name of what it is bought with, or empty")


class RecommendedView(BaseModel):
    """What somebody would be recommended now."""

    profile_id: str
    slot: str
    ranked_at: datetime | None = Field(description="when best sellers and pairs were worked out")
    products: list[Recommended]


class Said(BaseModel):
    """A product that a message recommended, and why."""

    sku: str
    reason: str


class SaidInSlot(BaseModel):
    """What stood in a slot."""

    slot: str
    products: list[Said]


class SaidInMessage(BaseModel):
    """What a message recommended, as long as it is kept."""

    slots: list[SaidInSlot]


class RecommenderBody(BaseModel):
    """Where a recommender of your own is asked."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"url": "https://picks.example.com/rapport"}},
    )

    url: StorableText = Field(max_length=MAX_URL, description="https")
    deadline_ms: int = Field(
        USUAL_MS,
        ge=SHORTEST_MS,
        le=LONGEST_MS,
        strict=True,
        description="who answers later is not waited for",
    )
    new_secret: bool = Field(default=False, strict=True, description="in place of the one it has")


class RecommenderView(BaseModel):
    """A recommender of a workspace; its secret is told when it is new, and never again."""

    url: str
    deadline_ms: int
    updated_at: datetime
    updated_by: str
    secret: str | None = Field(None, description="questions are signed with it: Standard Webhooks")


def recommendation_routes(means: Means) -> APIRouter:
    """For operators; `means`: with what recommenders of workspaces are asked."""
    router = Router(tags=["recommendations"])
    _reading(router, means.engine)
    _looking(router, means)
    _changing(router, means.engine)
    _recommenders(router, means)
    return router


def _reading(router: APIRouter, engine: AsyncEngine) -> None:
    @router.get("/v1/recommendations", response_model=Listed[SlotView])
    async def listed(caller: Reader, page: Paging) -> dict[str, Any]:
        """The slots of the workspace, by their names."""
        [after] = page.after(str) or [None]
        async with engine.begin() as tx:
            found = await store.listed(tx, caller.workspace, after=after, limit=page.ask)
        return page.answer(found, key=lambda one: [one.slot.name], show=_view)

    @router.get("/v1/recommendations/{slot}")
    async def show(slot: Name, caller: Reader) -> SlotView:
        """A slot."""
        async with engine.begin() as tx:
            return _view(await use.require(tx, caller.workspace, slot))

    @router.get("/v1/messages/{message_id}/recommendations")
    async def of_message(
        message_id: Annotated[str, Path(max_length=200, description="its send key")],
        caller: Reader,
    ) -> SaidInMessage:
        """What a message recommended, and why; nothing of one that shows no slot."""
        if "\0" in message_id:
            raise NotFoundError("There is no such message.")
        async with engine.begin() as tx:
            found = await store.in_message(tx, caller.workspace, message_id)
        return SaidInMessage(
            slots=[
                SaidInSlot(
                    slot=slot, products=[Said(sku=sku, reason=reason) for sku, reason in some]
                )
                for slot, some in found.items()
            ]
        )


def _looking(router: APIRouter, means: Means) -> None:
    outside = Outside(means)

    @router.get("/v1/people/{profile_id}/recommendations")
    async def of_person(
        profile_id: Annotated[str, Path(max_length=64)],
        caller: Reader,
        slot: Annotated[str, Query(pattern=NAME, description="the slot's name")],
    ) -> RecommendedView:
        """What somebody would be recommended now, and why."""
        if "\0" in profile_id:
            raise NotFoundError("There is no such profile.")
        async with means.engine.begin() as tx:
            found = await use.of_person(tx, caller.workspace, profile_id, slot)
            is_outside = found.asked.slot.provider == "http"
            picks = {} if is_outside else await Inside(tx).recommend(found.asked)
        if is_outside:
            picks = await outside.recommend(found.asked)
        return RecommendedView(
            profile_id=found.profile_id,
            slot=slot,
            ranked_at=found.ranked_at,
            products=[Recommended(**one) for one in shown(picks[found.profile_id])],
        )


def _changing(router: APIRouter, engine: AsyncEngine) -> None:
    @router.put("/v1/recommendations/{slot}")
    async def put(slot: Name, body: SlotBody, caller: Writer) -> SlotView:
        """Let a slot be so, in all messages that are made from now on."""
        async with engine.begin() as tx:
            await use.put(tx, caller.workspace, body.rules(slot), caller.subject)
            return _view(await use.require(tx, caller.workspace, slot))

    @router.delete("/v1/recommendations/{slot}", status_code=204)
    async def archive(slot: Name, caller: Writer) -> None:
        """Archive a slot: it has nothing from now on, and no template that names it is saved."""
        async with engine.begin() as tx:
            await use.require(tx, caller.workspace, slot)
            await store.archive(tx, caller.workspace, slot, clock.now())


def _recommenders(router: APIRouter, means: Means) -> None:
    @router.get("/v1/recommender")
    async def show_recommender(caller: Reader) -> RecommenderView:
        """The workspace's own recommender."""
        async with means.engine.begin() as tx:
            return _recommender(await recommenders.require(tx, caller.workspace))

    @router.put("/v1/recommender")
    async def put_recommender(body: RecommenderBody, caller: Writer) -> RecommenderView:
        """Let a recommender of your own be asked by slots that say so (`"provider": "http"`)."""
        told = (body.url, "", body.deadline_ms, clock.now(), caller.subject)
        wanted = Account(caller.workspace, *told)
        async with means.engine.begin() as tx:
            made, secret = await recommenders.put(tx, means, wanted, anew=body.new_secret)
        return _recommender(made, secret)

    @router.delete("/v1/recommender", status_code=204)
    async def end_recommender(caller: Writer) -> None:
        """Ask it no more; the one inside recommends."""
        async with means.engine.begin() as tx:
            await recommenders.require(tx, caller.workspace)
            await recommender_store.end(tx, caller.workspace)


def _recommender(one: Account, secret: str | None = None) -> RecommenderView:
    return RecommenderView(
        url=one.url,
        deadline_ms=one.deadline_ms,
        updated_at=one.updated_at,
        updated_by=one.updated_by,
        secret=secret,
    )


def _view(kept: Kept) -> SlotView:
    slot = kept.slot
    return SlotView(
        slot=slot.name,
        strategies=list(slot.strategies),
        n=slot.n,
        categories=list(slot.categories),
        most_of_category=slot.most_of_category,
        days=slot.days,  # type: ignore[arg-type] # one of these, or it was not taken
        viewed_days=slot.viewed_days,
        bought_days=slot.bought_days,
        least_buyers=slot.least_buyers,
        when_empty=slot.when_empty,
        provider=slot.provider,
        updated_at=kept.updated_at,
        updated_by=kept.updated_by,
    )
