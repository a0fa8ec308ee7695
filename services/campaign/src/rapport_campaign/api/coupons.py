"""/v1/coupon-pools: codes that are given to one message each, once."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_campaign.api.words import PoolName
from rapport_campaign.domain.coupons import FileFormat, Pool
from rapport_campaign.handlers import coupons as use
from rapport_campaign.store import coupons as store
from rapport_campaign.store.jobs import JOBS
from rapport_common import clock
from rapport_common.auth import Operator, operator
from rapport_common.errors import InvalidRequestError
from rapport_common.jobs.routes import ShownJob, shown
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router

Reader = Annotated[Operator, Depends(operator("campaigns:read"))]
Writer = Annotated[Operator, Depends(operator("campaigns:write"))]
Name = Annotated[str, Path(max_length=63, description="The pool's name, such as `summer`.")]
MOST_LOW = 100_000


LowBelow = Annotated[int, Field(ge=0, le=MOST_LOW, strict=True)]


class NewPool(BaseModel):
    """A pool to be made, with nothing in it."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"name": "summer", "low_below": 500}}
    )

    name: PoolName
    low_below: LowBelow = Field(100, description="with so many left, or fewer, it counts as low")


class PoolChange(BaseModel):
    """When it counts as low."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"low_below": 50}})

    low_below: LowBelow


class PoolBrief(BaseModel):
    """A pool; `low_at`: since when few codes are left, as was seen when one was given."""

    name: str
    low_below: int
    created_at: datetime
    low_at: datetime | None


class PoolView(PoolBrief):
    """A pool with its stock: codes that are free, given, and past their time in the pool."""

    free: int
    given: int
    expired: int


def coupon_routes(engine: AsyncEngine) -> APIRouter:
    """For operators."""
    router = Router(tags=["coupons"])
    _reading(router, engine)
    _changing(router, engine)
    return router


def _reading(router: APIRouter, engine: AsyncEngine) -> None:
    @router.get("/v1/coupon-pools", response_model=Listed[PoolBrief])
    async def listed(caller: Reader, page: Paging) -> dict[str, Any]:
        """The pools of the workspace, by their names."""
        [after] = page.after(str) or [None]
        async with engine.begin() as tx:
            found = await store.listed(tx, caller.workspace, after=after, limit=page.ask)
        return page.answer(found, key=lambda one: [one.name], show=_brief)

    @router.get("/v1/coupon-pools/{name}")
    async def show(name: Name, caller: Reader) -> PoolView:
        """A pool and its stock."""
        async with engine.begin() as tx:
            return await _view(tx, await use.require(tx, caller.workspace, name))


def _changing(router: APIRouter, engine: AsyncEngine) -> None:
    @router.post("/v1/coupon-pools", status_code=201)
    async def create(body: NewPool, caller: Writer) -> PoolView:
        """Make a pool. Its name is taken for ever: codes were given by it."""
        pool = Pool(caller.workspace, body.name, body.low_below, clock.now())
        async with engine.begin() as tx:
            await use.create(tx, pool)
            return await _view(tx, await use.require(tx, caller.workspace, body.name))

    @router.patch("/v1/coupon-pools/{name}")
    async def change(name: Name, body: PoolChange, caller: Writer) -> PoolView:
        """Let a pool count as low at another number."""
        async with engine.begin() as tx:
            found = await use.change(tx, caller.workspace, name, body.low_below)
            return await _view(tx, found)

    @router.delete("/v1/coupon-pools/{name}", status_code=204)
    async def archive(name: Name, caller: Writer) -> None:
        """Archive a pool: nothing more is given of it, and who has a code keeps it."""
        async with engine.begin() as tx:
            await use.archive(tx, caller.workspace, name)

    @router.post("/v1/coupon-pools/{name}/imports", status_code=202, response_model=ShownJob)
    async def put_in(
        name: Name,
        request: Request,
        caller: Writer,
        *,
        form: Annotated[FileFormat, Query(alias="format", description="What the body is.")] = "csv",
    ) -> Any:
        """Put the codes of a file into a pool, by a job; what is in it already stays.

        The body is the file: CSV whose first line names its columns (`code`, `expires_at`), or a
        JSON object on each line.
        """
        content = await request.body()
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            message = f"The file is not UTF-8: byte {error.start}."
            raise InvalidRequestError(message, details={"path": "body"}) from error
        async with engine.begin() as tx:
            job = await use.begin_import(tx, caller.workspace, name, text, form)
            found = await JOBS.find(tx, caller.workspace, job)
        return found and shown(found)


def _brief(pool: Pool) -> PoolBrief:
    return PoolBrief.model_validate(pool, from_attributes=True)


async def _view(tx: AsyncConnection, pool: Pool) -> PoolView:
    stock = await store.stock(tx, pool.workspace, pool.name)
    return PoolView(
        **_brief(pool).model_dump(), free=stock.free, given=stock.given, expired=stock.expired
    )
