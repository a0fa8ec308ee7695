"""The brand of a workspace: kept by each service that shows pages, set over its API."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy import Column, DateTime, MetaData, Table, Text, func
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common.auth import Operator, operator
from rapport_common.operator.texts import StorableText
from rapport_common.pages import brand as rules
from rapport_common.pages.brand import Brand
from rapport_common.routes import Router
from rapport_common.statements import text


def brand_table(metadata: MetaData) -> None:
    """Declare `brand` in the service's schema: one row for a workspace that has set one."""
    Table(
        "brand",
        metadata,
        Column("workspace", Text, primary_key=True),
        Column("name", Text, nullable=False),
        Column("color", Text, nullable=False),
        Column("logo", Text, nullable=False, comment="A data: address, or nothing."),
        Column("website", Text, nullable=False),
        Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    )


class BrandBody(BaseModel):
    """How a workspace shows itself on the pages its customers see."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"name": "Shop", "color": "#1f4fbf", "website": "https://shop.example.com"}
            ]
        },
    )

    name: StorableText = Field(
        default="", max_length=rules.MAX_NAME, description="The sender's name."
    )
    color: Annotated[str, AfterValidator(rules.color)] = Field(
        default=rules.DEFAULT_COLOR, description="#rrggbb; text on it is black or white."
    )
    logo: Annotated[str, AfterValidator(rules.logo)] = Field(
        default="",
        max_length=2 * rules.MAX_LOGO_BYTES,
        description="A PNG, JPEG, GIF or WebP of at most 64 KiB, as base64 or data: address.",
    )
    website: Annotated[StorableText, AfterValidator(rules.website)] = Field(
        default="", description="Where the pages lead on to."
    )


class ShownBrand(BaseModel):
    """A workspace's brand, and the colour of text on it."""

    name: str
    color: str
    logo: str
    website: str
    text_color: str


async def brand_of(tx: AsyncConnection, schema: str, workspace: str) -> Brand:
    """A workspace's brand; without a name, in our own colour, when it has set none."""
    found = await tx.execute(
        text(f"SELECT name, color, logo, website FROM {schema}.brand WHERE workspace = :workspace"),
        {"workspace": workspace},
    )
    row = found.first()
    return Brand(*row) if row is not None else Brand()


async def set_brand(tx: AsyncConnection, schema: str, workspace: str, brand: Brand) -> None:
    """Replace a workspace's brand."""
    await tx.execute(
        text(
            f"INSERT INTO {schema}.brand (workspace, name, color, logo, website) "
            "VALUES (:workspace, :name, :color, :logo, :website) "
            "ON CONFLICT (workspace) DO UPDATE SET name = excluded.name, color = excluded.color, "
            "logo = excluded.logo, website = excluded.website, updated_at = now()"
        ),
        {
            "workspace": workspace,
            "name": brand.name,
            "color": brand.color,
            "logo": brand.logo,
            "website": brand.website,
        },
    )


def brand_routes(engine: AsyncEngine, schema: str, scope: str) -> APIRouter:
    """GET and PUT /v1/brand: scope `<scope>:read` to see it, `<scope>:write` to set it."""
    router = Router(tags=["brand"])

    @router.get("/v1/brand", summary="How this service's pages look")
    async def show(
        caller: Annotated[Operator, Depends(operator(f"{scope}:read"))],
    ) -> ShownBrand:
        async with engine.begin() as tx:
            return _shown(await brand_of(tx, schema, caller.workspace))

    @router.put("/v1/brand", summary="Set how this service's pages look")
    async def replace(
        body: BrandBody, caller: Annotated[Operator, Depends(operator(f"{scope}:write"))]
    ) -> ShownBrand:
        brand = Brand(**body.model_dump())
        async with engine.begin() as tx:
            await set_brand(tx, schema, caller.workspace, brand)
        return _shown(brand)

    return router


def _shown(brand: Brand) -> ShownBrand:
    return ShownBrand(
        name=brand.name,
        color=brand.color,
        logo=brand.logo,
        website=brand.website,
        text_color=brand.on_color,
    )
