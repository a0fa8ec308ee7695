"""/v1/provider-accounts: accounts with the providers of channels, and a message to try one."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_campaign.api.provider_bodies import (
    NewProviderAccount,
    PriceBody,
    ProviderAccountChange,
    ShownProviderAccount,
    ShownVendor,
    Trial,
    TrialView,
    WarmupBody,
    shown,
    shown_vendor,
    trial,
)
from rapport_campaign.domain.accounts import ProviderAccount
from rapport_campaign.domain.pacing import Pace, Warmup
from rapport_campaign.domain.parcels import Parcel
from rapport_campaign.domain.providers import VENDORS
from rapport_campaign.domain.sms import Price
from rapport_campaign.handlers import providers as use
from rapport_campaign.handlers.carrying import Carriers
from rapport_campaign.store import providers as store
from rapport_common import clock
from rapport_common.auth import Operator, operator
from rapport_common.ids import uuid7_text
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router

Reader = Annotated[Operator, Depends(operator("campaigns:read"))]
Writer = Annotated[Operator, Depends(operator("campaigns:write"))]
AccountId = Annotated[str, Path(max_length=100)]


def provider_routes(engine: AsyncEngine, carriers: Carriers) -> APIRouter:
    """For operators."""
    router = Router(tags=["provider accounts"])
    _reading(router, engine)
    _changing(router, engine, carriers)
    _asking(router, engine, carriers)
    return router


def _reading(router: APIRouter, engine: AsyncEngine) -> None:
    @router.get("/v1/vendors", response_model=Listed[ShownVendor])
    async def vendors(_caller: Reader, page: Paging) -> dict[str, Any]:
        """The vendors that messages can go by, and what an account with each needs."""
        [after] = page.after(str) or [""]
        found = [VENDORS[name] for name in sorted(VENDORS) if name > after][: page.ask]
        return page.answer(found, key=lambda one: [one.name], show=shown_vendor)

    @router.get("/v1/provider-accounts", response_model=Listed[ShownProviderAccount])
    async def listed(caller: Reader, page: Paging) -> dict[str, Any]:
        """The accounts of the workspace, by their names."""
        [after] = page.after(str) or [None]
        async with engine.begin() as tx:
            found = await store.listed(tx, caller.workspace, after=after, limit=page.ask)
        return page.answer(found, key=lambda one: [one[0].name], show=shown)

    @router.get("/v1/provider-accounts/{account_id}")
    async def show(account_id: AccountId, caller: Reader) -> ShownProviderAccount:
        """An account, and how it stands now."""
        async with engine.begin() as tx:
            return shown(await use.require(tx, caller.workspace, account_id))


def _changing(router: APIRouter, engine: AsyncEngine, carriers: Carriers) -> None:
    @router.post("/v1/provider-accounts", status_code=201)
    async def add(body: NewProviderAccount, caller: Writer) -> ShownProviderAccount:
        """Add an account. Its secrets are sealed, and never shown."""
        made = _made(body, caller, carriers)
        async with engine.begin() as tx:
            await use.add(tx, made)
            return shown(await use.require(tx, made.workspace, made.account_id))

    @router.patch("/v1/provider-accounts/{account_id}")
    async def change(
        account_id: AccountId, body: ProviderAccountChange, caller: Writer
    ) -> ShownProviderAccount:
        """Change an account, or pause it. What it was left alone for is tried again at once."""
        changes = _changes(body)
        async with engine.begin() as tx:
            found = await use.require(tx, caller.workspace, account_id, lock=True)
            if changes.keys() & {"per_second", "burst"}:
                pace = found[0].pace
                changes["pace"] = Pace(
                    changes.pop("per_second", pace.per_second), changes.pop("burst", pace.burst)
                )
            return shown(await use.change(tx, carriers, found, body.version, changes))

    @router.delete("/v1/provider-accounts/{account_id}", status_code=204)
    async def remove(account_id: AccountId, caller: Writer) -> None:
        """Take an account away. Its secrets are destroyed; what went by it stays known."""
        async with engine.begin() as tx:
            found, _ = await use.require(tx, caller.workspace, account_id, lock=True)
            await store.remove(tx, caller.workspace, found.account_id)


def _asking(router: APIRouter, engine: AsyncEngine, carriers: Carriers) -> None:
    @router.post("/v1/provider-accounts/{account_id}/check")
    async def check(account_id: AccountId, caller: Writer) -> ShownProviderAccount:
        """Ask the vendor whether it takes the account's credentials; nobody gets a message."""
        async with engine.begin() as tx:
            account, _ = await use.require(tx, caller.workspace, account_id)
        outcome = await use.asked(carriers, account)
        async with engine.begin() as tx:
            found = await use.checked(tx, caller.workspace, account.account_id, outcome)
        return shown(found)

    @router.post("/v1/provider-accounts/{account_id}/test")
    async def try_out(account_id: AccountId, body: Trial, caller: Writer) -> TrialView:
        """Send one message, whatever consents say: to a phone or device of your own."""
        async with engine.begin() as tx:
            account, _ = await use.require(tx, caller.workspace, account_id)
        content = body.content.content(account.channel)
        parcel = Parcel(f"test-{uuid7_text()}", body.to, content)
        carried = await carriers.carry(account, parcel)
        async with engine.begin() as tx:
            await use.tried(tx, carriers, carried)
        return trial(carried)


def _made(body: NewProviderAccount, caller: Operator, carriers: Carriers) -> ProviderAccount:
    account_id, now = uuid7_text(), clock.now()
    place = (caller.workspace, account_id)
    return ProviderAccount(
        workspace=caller.workspace,
        account_id=account_id,
        name=body.name,
        channel=VENDORS[body.vendor].channel,
        vendor=body.vendor,
        settings=use.settled(body.vendor, body.settings, carriers.http.own),
        secrets=use.sealed(carriers.keys, place, body.vendor, body.secrets),
        pace=Pace(body.per_second, body.burst),
        priority=body.priority,
        state="active",
        version=1,
        created_at=now,
        created_by=caller.subject,
        changed_at=now,
        warmup=_warmup(body.warmup),
        prices=_prices(body.prices),
        currency=body.currency,
    )


def _changes(body: ProviderAccountChange) -> dict[str, Any]:
    """What is named, in the domain's words; null takes a warm-up or a currency away."""
    found = {name: getattr(body, name) for name in body.model_fields_set - {"version"}}
    may_be_none = {"warmup", "currency"}
    found = {name: one for name, one in found.items() if one is not None or name in may_be_none}
    if "warmup" in found:
        found["warmup"] = _warmup(body.warmup)
    if "prices" in found:
        found["prices"] = _prices(body.prices or [])
    return found


def _warmup(body: WarmupBody | None) -> Warmup | None:
    if body is None:
        return None
    return Warmup(body.starts_on, body.first, body.growth, body.enough)


def _prices(bodies: list[PriceBody]) -> tuple[Price, ...]:
    return tuple(Price(one.prefix, one.amount) for one in bodies)
