"""/v1/products: what may be recommended, as operators say, and trusted events."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_campaign.domain import products as domain
from rapport_campaign.domain.products import Product, Told, Value
from rapport_campaign.handlers import products as use
from rapport_campaign.store import products as store
from rapport_common import clock
from rapport_common.auth import Operator, operator
from rapport_common.errors import NotFoundError
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router

Reader = Annotated[Operator, Depends(operator("campaigns:read"))]
Writer = Annotated[Operator, Depends(operator("campaigns:write"))]
Sku = Annotated[str, Path(max_length=domain.MAX_SKU, description="What the product is called.")]
MOST_AT_ONCE = 1000
_EXAMPLE: dict[str, Any] = {
    "name": "Wool hat",
    "url": "https://shop.example.com/p/hat-1",
    "image_url": "https://shop.example.com/i/hat-1.jpg",
    "price": "29.90",
    "currency": "EUR",
    "category": "Hats",
}


def _sku(text: str) -> str:
    found = domain.sku_of(text)
    if found is None:
        raise PydanticCustomError("sku", "must be one line of visible text")
    return found


def _line(text: str) -> str:
    found = domain.line_of(text, domain.MAX_NAME)
    if found is None:
        raise PydanticCustomError("line", "must be one line of visible text")
    return found


def _link(text: str) -> str:
    found = domain.link_of(text)
    if found is None:
        message = "must be an address such as https://shop.example.com/p/1: https, without password"
        raise PydanticCustomError("link", message)
    return found


Line = Annotated[str, Field(max_length=domain.MAX_NAME), AfterValidator(_line)]
Category = Annotated[str, Field(max_length=domain.MAX_CATEGORY), AfterValidator(_line)]
Link = Annotated[str, Field(max_length=domain.MAX_URL), AfterValidator(_link)]


class ProductBody(BaseModel):
    """All that is said of a product; what is left out is unknown. Without a name and an address it
    is not recommended.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _EXAMPLE})

    name: Line | None = None
    url: Link | None = Field(None, description="https, where it is sold")
    image_url: Link | None = Field(None, description="https")
    price: str | None = Field(None, max_length=40, description="such as `129.90`")
    currency: str | None = Field(None, max_length=3, description="ISO 4217; with a price")
    category: Category | None = None
    in_stock: bool = Field(default=True, strict=True)
    blocked: bool = Field(default=False, strict=True, description="never recommended")

    @model_validator(mode="after")
    def _has_a_price_or_none(self) -> "ProductBody":
        if (self.price, self.currency) != (None, None) and self.whole_price is None:
            message = "price and currency must be such as `129.90` and `EUR`, or neither is there"
            raise PydanticCustomError("price", message)
        return self

    @property
    def whole_price(self) -> str | None:
        """`129.90 EUR`."""
        return domain.price_of(self.price, self.currency)

    def told(self, workspace: str, sku: str, at: datetime) -> Told:
        """As it is kept."""
        values = {
            "name": self.name,
            "url": self.url,
            "image_url": self.image_url,
            "price": self.whole_price,
            "category": self.category,
        }
        return Told(workspace, sku, {name: Value(one, at) for name, one in values.items()})


class ProductLine(ProductBody):
    """One of many."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"sku": "hat-1", **_EXAMPLE}}
    )

    sku: Annotated[str, Field(max_length=domain.MAX_SKU), AfterValidator(_sku)]


class ProductLines(BaseModel):
    """Products to be put, each as a whole; of two with one sku the last counts."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"items": [{"sku": "hat-1", **_EXAMPLE}]}}
    )

    items: list[ProductLine] = Field(min_length=1, max_length=MOST_AT_ONCE)


class Saved(BaseModel):
    """How many products were put."""

    saved: int


class ProductMarks(BaseModel):
    """What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"in_stock": False}})

    in_stock: bool | None = Field(None, strict=True)
    blocked: bool | None = Field(None, strict=True)


class ProductView(BaseModel):
    """A product as it is known."""

    sku: str
    name: str | None
    url: str | None
    image_url: str | None
    price: str | None
    currency: str | None
    category: str | None
    in_stock: bool
    blocked: bool
    recommendable: bool = Field(description="it is sold, and has a name and an address")
    created_at: datetime | None
    told_at: datetime | None = Field(description="when something was last said of it")
    archived_at: datetime | None


def product_routes(engine: AsyncEngine) -> APIRouter:
    """For operators."""
    router = Router(tags=["products"])
    _reading(router, engine)
    _changing(router, engine)
    return router


def _reading(router: APIRouter, engine: AsyncEngine) -> None:
    @router.get("/v1/products", response_model=Listed[ProductView])
    async def listed(
        caller: Reader,
        page: Paging,
        *,
        category: Annotated[str | None, Query(max_length=domain.MAX_CATEGORY)] = None,
        archived: Annotated[bool, Query()] = False,
    ) -> dict[str, Any]:
        """Products by their skus: those that are sold, or the archived ones."""
        [after] = page.after(str) or [None]
        named = None if category is None else category.replace("\0", "")
        async with engine.begin() as tx:
            found = await store.listed(
                tx,
                caller.workspace,
                category=named,
                archived=archived,
                after=after,
                limit=page.ask,
            )
        return page.answer(found, key=lambda one: [one.sku], show=_view)

    @router.get("/v1/products/{sku:path}")
    async def show(sku: Sku, caller: Reader) -> ProductView:
        """A product, archived ones too."""
        async with engine.begin() as tx:
            return _view(await use.require(tx, caller.workspace, _known(sku)))


def _changing(router: APIRouter, engine: AsyncEngine) -> None:
    @router.post("/v1/products/import")
    async def put_all(body: ProductLines, caller: Writer) -> Saved:
        """Put up to 1,000 products, each as a whole; others stay as they are."""
        lines = {one.sku: one for one in body.items}
        now = clock.now()
        told = [one.told(caller.workspace, sku, now) for sku, one in lines.items()]
        marks = {sku: (one.in_stock, one.blocked) for sku, one in lines.items()}
        async with engine.begin() as tx:
            await use.put(tx, caller.workspace, told, marks)
        return Saved(saved=len(lines))

    @router.put("/v1/products/{sku:path}")
    async def put(sku: Sku, body: ProductBody, caller: Writer) -> ProductView:
        """Let a product be so. Who is trusted and tells of it later is believed again, of each
        field that is told.
        """
        told = body.told(caller.workspace, _known(sku), clock.now())
        async with engine.begin() as tx:
            await use.put(tx, caller.workspace, [told], {told.sku: (body.in_stock, body.blocked)})
            return _view(await use.require(tx, caller.workspace, told.sku))

    @router.patch("/v1/products/{sku:path}")
    async def mark(sku: Sku, body: ProductMarks, caller: Writer) -> ProductView:
        """Let a product be in stock or not, blocked or not; no event changes either."""
        known = _known(sku)
        async with engine.begin() as tx:
            await use.require(tx, caller.workspace, known)
            await use.put(tx, caller.workspace, [], {known: (body.in_stock, body.blocked)})
            return _view(await use.require(tx, caller.workspace, known))

    @router.delete("/v1/products/{sku:path}", status_code=204)
    async def archive(sku: Sku, caller: Writer) -> None:
        """Archive a product: it is recommended no more, until it is put again."""
        async with engine.begin() as tx:
            await use.archive(tx, caller.workspace, _known(sku))


def _known(sku: str) -> str:
    found = domain.sku_of(sku)
    if found is None:
        raise NotFoundError("A product is called by one line of visible text.")
    return found


def _view(one: Product) -> ProductView:
    return ProductView(
        sku=one.sku,
        name=one.name,
        url=one.url,
        image_url=one.image_url,
        price=one.amount,
        currency=one.currency,
        category=one.category,
        in_stock=one.in_stock,
        blocked=one.blocked,
        recommendable=one.is_shown,
        created_at=one.created_at,
        told_at=max(one.told.values(), default=None) if one.told else None,
        archived_at=one.archived_at,
    )
