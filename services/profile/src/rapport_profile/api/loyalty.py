"""Members' points: how they stand, their statement, spending, giving, and who takes part."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common.auth import Operator, operator
from rapport_common.errors import InvalidRequestError
from rapport_common.idempotency import Repeatable
from rapport_common.ids import uuid7_text
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router, add_routes
from rapport_profile.api import loyalty_models as models
from rapport_profile.api.asking import Reader, person
from rapport_profile.domain.loyalty.operations import Operation
from rapport_profile.domain.loyalty.standing import Standing
from rapport_profile.handlers.loyalty_requests import Requests, operation_of, redemption
from rapport_profile.handlers.loyalty_settling import Settling
from rapport_profile.store import loyalty as store
from rapport_profile.store import loyalty_programmes as programmes
from rapport_profile.tables import SCHEMA

Writer = Annotated[Operator, Depends(operator("profiles:write"))]
Till = Annotated[Operator, Depends(operator("loyalty:redeem"))]
MOST_CHANGES = 100
_Answer = dict[str, Any]
_Change = Callable[[AsyncConnection, str, str], Awaitable[Operation]]


def loyalty_routes(engine: AsyncEngine, settling: Settling) -> APIRouter:
    """What members have, and what is done with it."""
    router, requests = Router(tags=["loyalty"]), Requests(settling)
    add_routes(
        router,
        _shown(engine, requests),
        _redeemed(engine, requests),
        _ended(engine, requests),
        _managed(engine, requests),
    )
    return router


def _shown(engine: AsyncEngine, requests: Requests) -> APIRouter:
    router = Router()

    @router.get("/v1/profiles/{profile_id}/loyalty", response_model=models.Standing)
    async def loyalty(profile_id: UUID, caller: Reader) -> _Answer:
        """How somebody stands now: points, lots, tier, what is missing for the next one."""
        async with engine.begin() as tx:
            alive, found = await requests.standing(tx, caller.workspace, profile_id)
        return _standing(alive, found)

    @router.get("/v1/profiles/{profile_id}/loyalty/entries", response_model=Listed[models.Entry])
    async def loyalty_entries(profile_id: UUID, caller: Reader, page: Paging) -> _Answer:
        """The statement: what came and went, newest first, each with the total up to it."""
        after = page.after(int)
        async with engine.begin() as tx:
            who, _found = await person(tx, caller.workspace, profile_id)
            before = after[0] if after else None
            rows = await store.statement(
                tx, caller.workspace, str(who.profile_id), page.ask, before
            )
        return page.answer(rows, key=lambda row: [row.id], show=_entry)

    @router.get("/v1/loyalty/redemptions/{redemption_id}", response_model=models.Redemption)
    async def loyalty_redemption(redemption_id: UUID, caller: Till) -> _Answer:
        """A redemption as it is."""
        async with engine.begin() as tx:
            found = await redemption(tx, caller.workspace, str(redemption_id))
            return _redemption(found.operation, await programmes.now(tx))

    return router


def _redeemed(engine: AsyncEngine, requests: Requests) -> APIRouter:
    router = Router()

    @router.post(
        "/v1/profiles/{profile_id}/loyalty/redemptions",
        status_code=201,
        response_model=models.Redemption,
    )
    async def redeem_points(
        profile_id: UUID, body: models.NewRedemption, caller: Till, once: Repeatable
    ) -> _Answer:
        """Reserve points, or spend them at once; 409 `insufficient_points` says what there is."""
        new, whose = uuid7_text(), (caller.workspace, profile_id)
        by = (caller.subject, body.reason)
        async with engine.begin() as tx:
            earlier = await once.earlier(
                tx, SCHEMA, caller.workspace, body=body.model_dump(), made_id=new
            )
            if earlier is not None:
                one = (await redemption(tx, caller.workspace, earlier)).operation
            else:
                one = await requests.redeem(
                    tx, whose, body.points, new_id=new, seconds=body.seconds, by=by
                )
            return _redemption(one, await programmes.now(tx))

    return router


def _ended(engine: AsyncEngine, requests: Requests) -> APIRouter:
    router = Router()

    async def changed(caller: Operator, redemption_id: UUID, change: _Change) -> _Answer:
        async with engine.begin() as tx:
            one = await change(tx, caller.workspace, str(redemption_id))
            return _redemption(one, await programmes.now(tx))

    @router.post(
        "/v1/loyalty/redemptions/{redemption_id}/confirm", response_model=models.Redemption
    )
    async def confirm_redemption(redemption_id: UUID, caller: Till) -> _Answer:
        """What was reserved is spent; 409 when its time is over."""
        return await changed(caller, redemption_id, requests.confirm)

    @router.post("/v1/loyalty/redemptions/{redemption_id}/cancel", response_model=models.Redemption)
    async def cancel_redemption(redemption_id: UUID, caller: Till) -> _Answer:
        """What was reserved is free again."""
        return await changed(caller, redemption_id, requests.cancel)

    @router.post(
        "/v1/loyalty/redemptions/{redemption_id}/reverse", response_model=models.Redemption
    )
    async def reverse_redemption(redemption_id: UUID, caller: Till) -> _Answer:
        """What was spent goes back to the lots that it is from; what has expired since is gone."""
        return await changed(caller, redemption_id, requests.reverse)

    return router


def _managed(engine: AsyncEngine, requests: Requests) -> APIRouter:
    router = Router()

    @router.post(
        "/v1/profiles/{profile_id}/loyalty/adjustments",
        status_code=201,
        response_model=models.Adjustment,
    )
    async def adjust_points(
        profile_id: UUID, body: models.NewAdjustment, caller: Writer, once: Repeatable
    ) -> _Answer:
        """Give points or, below nothing, take them: kept with who did it, and why."""
        if body.points == 0:
            raise InvalidRequestError("points: none are no adjustment.")
        new, whose = uuid7_text(), (caller.workspace, profile_id)
        spec = body.model_dump(mode="json")
        async with engine.begin() as tx:
            earlier = await once.earlier(tx, SCHEMA, caller.workspace, body=spec, made_id=new)
            if earlier is not None:
                one = await operation_of(tx, caller.workspace, earlier)
            else:
                one = await requests.adjust(
                    tx,
                    whose,
                    body.points,
                    new_id=new,
                    expires_at=body.expires_at,
                    by=(caller.subject, body.reason),
                )
        return {"id": one.id, "points": one.points, "at": one.at}

    async def take_part(caller: Operator, profile_id: UUID, kind: Any, reason: str) -> _Answer:
        whose, by = (caller.workspace, profile_id), (caller.subject, reason)
        async with engine.begin() as tx:
            held = await requests.take_part(tx, whose, kind, new_id=uuid7_text(), by=by)
        return {"id": held.member[1], "is_member": held.standing.is_member}

    @router.post("/v1/profiles/{profile_id}/loyalty/enrol", response_model=models.Membership)
    async def enrol_member(profile_id: UUID, body: models.Because, caller: Writer) -> _Answer:
        """Somebody takes part from now on."""
        return await take_part(caller, profile_id, "enrol", body.reason)

    @router.post("/v1/profiles/{profile_id}/loyalty/leave", response_model=models.Membership)
    async def end_membership(profile_id: UUID, body: models.Because, caller: Writer) -> _Answer:
        """Somebody takes part no more: the points expire, and nothing is earned."""
        return await take_part(caller, profile_id, "leave", body.reason)

    return router


def _standing(profile_id: str, one: Standing) -> _Answer:
    points, tier, above = one.points, one.tier, one.next_tier
    changes = list(reversed(one.tier_changes))[:MOST_CHANGES]
    return {
        "id": profile_id,
        "is_member": one.is_member,
        "points_name": "points" if one.programme is None else one.programme.points,
        "points": {**points._asdict(), "total": points.total, "balance": points.balance},
        "tier": None
        if tier is None
        else {"id": tier.id, "benefits": tier.benefits, "until": one.tier_until},
        "next_tier": None if above is None else {"id": above.id, "gap": format(one.gap, "f")},
        "counts": format(one.counts, "f"),
        "tier_changes": [
            {"at": each.at, "from_tier": each.before, "to_tier": each.after, "reason": each.reason}
            for each in changes
        ],
        "lots": [
            {
                "lot": lot.key,
                "points": lot.free,
                "reserved_or_spent": sum(lot.held.values()),
                "earned_at": lot.at,
                "opens_at": lot.opens_at,
                "expires_at": lot.expires_at,
            }
            for lot in one.lots
            if lot.free
        ],
        "expiring": [{"expires_at": each.at, "points": each.points} for each in one.expiring],
    }


def _entry(row: Row[Any]) -> _Answer:
    return {
        "id": str(row.id),
        "kind": row.kind,
        "points": row.points,
        "total": row.total,
        "lot": row.lot,
        "operation_id": row.operation_id or None,
        "at": row.at,
        "booked_at": row.booked_at,
    }


def _redemption(one: Operation, now: Any) -> _Answer:
    return {
        "id": one.id,
        "state": one.state(now),
        "points": one.points,
        "lots": one.lots,
        "reserved_at": one.at,
        "expires_at": one.until,
        "confirmed_at": one.confirmed_at,
        "released_at": one.released_at,
    }
