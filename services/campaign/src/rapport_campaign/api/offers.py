"""/v1/offers, /v1/price-guards: list prices, and by which rules somebody pays another price."""

from collections import defaultdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_campaign.api.offer_bodies import (
    NewGuards,
    NewOffer,
    OfferBrief,
    OfferView,
    ShownGuards,
    VersionBrief,
    shown_document,
)
from rapport_campaign.domain.price_guards import USUAL, PriceGuards
from rapport_campaign.domain.protected import SHIPPED
from rapport_campaign.handlers import offers as use
from rapport_campaign.handlers.offers import Whole
from rapport_campaign.store import offers as store
from rapport_campaign.store.offers import Version
from rapport_common.auth import Operator, operator
from rapport_common.paging import MAX_BIGINT, Listed, Paging
from rapport_common.routes import Router

Reader = Annotated[Operator, Depends(operator("campaigns:read"))]
Writer = Annotated[Operator, Depends(operator("campaigns:write"))]
Name = Annotated[str, Path(max_length=63, description="The offer's name, such as `summer`.")]
Number = Annotated[int | None, Query(alias="version", ge=1, le=MAX_BIGINT)]


def offer_routes(engine: AsyncEngine) -> APIRouter:
    """For operators."""
    router = Router(tags=["offers"])
    _reading(router, engine)
    _changing(router, engine)
    _guards(router, engine)
    return router


def _reading(router: APIRouter, engine: AsyncEngine) -> None:
    @router.get("/v1/offers", response_model=Listed[OfferBrief])
    async def listed(caller: Reader, page: Paging, *, archived: bool = False) -> dict[str, Any]:
        """The offers of the workspace, by their names."""
        [after] = page.after(str) or [None]
        async with engine.begin() as tx:
            found = await store.listed(
                tx, caller.workspace, archived=archived, after=after, limit=page.ask
            )
        return page.answer(found, key=lambda one: [one.name], show=_brief)

    @router.get("/v1/offers/{name}")
    async def show(name: Name, caller: Reader, number: Number = None) -> OfferView:
        """An offer, with what guard rails change in it; `version`: as it was then."""
        async with engine.begin() as tx:
            head = await use.require(tx, caller.workspace, name)
            return _shown(await use.whole(tx, head, number))

    @router.get("/v1/offers/{name}/history", response_model=Listed[VersionBrief])
    async def history(name: Name, caller: Reader, page: Paging) -> dict[str, Any]:
        """All versions, the newest first: by whom, and why."""
        [before] = page.after(int) or [None]
        async with engine.begin() as tx:
            await use.require(tx, caller.workspace, name)
            rows = await store.history(tx, caller.workspace, name, before=before, limit=page.ask)
        return page.answer(
            rows,
            key=lambda row: [row.version],
            show=lambda row: VersionBrief.model_validate(row, from_attributes=True),
        )


def _changing(router: APIRouter, engine: AsyncEngine) -> None:
    @router.put("/v1/offers/{name}")
    async def declare(name: Name, body: NewOffer, caller: Writer) -> OfferView:
        """Let an offer be so from now on, in messages that are not sent yet as well.

        A rule by what is protected is refused, as is one that guard rails never let be; where they
        change only some prices, `clamps` tells which.
        """
        async with engine.begin() as tx:
            head = await use.declare(
                tx,
                caller.workspace,
                name,
                body.offer(),
                seen=body.version,
                by=(caller.subject, body.reason),
            )
            return _shown(await use.whole(tx, head))

    @router.delete("/v1/offers/{name}", status_code=204)
    async def archive(name: Name, caller: Writer) -> None:
        """Archive an offer. Its name is taken for ever: prices were said by it. Messages that name
        it fail, or say list prices (`when_missing`).
        """
        async with engine.begin() as tx:
            await use.archive(tx, caller.workspace, name)


def _guards(router: APIRouter, engine: AsyncEngine) -> None:
    @router.get("/v1/price-guards")
    async def guards(caller: Reader) -> ShownGuards:
        """The guard rails of all offers, and what rules may read and may not."""
        async with engine.begin() as tx:
            found = await store.guards_history(tx, caller.workspace, 1)
        return _shown_guards(found[0] if found else None)

    @router.get("/v1/price-guards/history", response_model=Listed[ShownGuards])
    async def guards_history(caller: Reader, page: Paging) -> dict[str, Any]:
        """All versions, the newest first."""
        [before] = page.after(int) or [None]
        async with engine.begin() as tx:
            found = await store.guards_history(tx, caller.workspace, page.ask, before)
        return page.answer(found, key=lambda one: [one.version], show=_shown_guards)

    @router.put("/v1/price-guards")
    async def declare_guards(body: NewGuards, caller: Writer) -> ShownGuards:
        """Let these hold from now on, for all offers: prices that they don't let be are changed."""
        async with engine.begin() as tx:
            await use.declare_guards(
                tx, caller.workspace, body.guards(), body.version, (caller.subject, body.reason)
            )
            return _shown_guards((await store.guards_history(tx, caller.workspace, 1))[0])


def _brief(one: store.Head) -> OfferBrief:
    return OfferBrief.model_validate(one, from_attributes=True)


def _shown(one: Whole) -> OfferView:
    return OfferView.model_validate(
        {
            **shown_document(one.version.document),
            "name": one.head.name,
            "version": one.version.version,
            "newest": one.head.version,
            "archived_at": one.head.archived_at,
            "actor": one.version.actor,
            "reason": one.version.reason,
            "created_at": one.version.created_at,
            "clamps": [shown_document(each) for each in one.clamps],
        }
    )


def _shown_guards(found: Version[PriceGuards] | None) -> ShownGuards:
    by: dict[str, str | int | datetime | None] = {
        "version": found.version if found else 0,
        "actor": found.actor if found else None,
        "reason": found.reason if found else None,
        "created_at": found.created_at if found else None,
    }
    guards = found.document if found else USUAL
    return ShownGuards.model_validate({**shown_document(guards), **by, "shipped": _SHIPPED})


def _by_what_they_tell() -> dict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for word, about in SHIPPED.items():
        found[about].append(word)
    return dict(found)


_SHIPPED = _by_what_they_tell()
