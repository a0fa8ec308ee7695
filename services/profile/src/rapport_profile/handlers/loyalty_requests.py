"""What is asked for: points spent, reserved first or at once; given and taken; who takes part.

A member's row is locked for as long as the transaction lasts. So two tills can't spend the same
points, and who is merged meanwhile is looked at as what they have become.
"""

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.errors import ConflictError, NotFoundError
from rapport_profile.domain.loyalty.account import MissingError
from rapport_profile.domain.loyalty.operations import Kind, Operation
from rapport_profile.domain.loyalty.standing import Standing
from rapport_profile.domain.naming import Id
from rapport_profile.handlers import loyalty_accounts
from rapport_profile.handlers.loyalty_settling import Settling
from rapport_profile.store import loyalty as store
from rapport_profile.store import loyalty_programmes as programmes
from rapport_profile.store import reads
from rapport_profile.store.people import Scoped

By = tuple[str, str]
"""Who wants it, and why."""


class Held(NamedTuple):
    """A member who is locked: what others have been told, the strongest identifier, the standing.

    Of a large account the standing has the lots that are spent first.
    """

    member: Scoped
    told: bytes
    anchor: Id
    standing: Standing
    now: datetime


class Requests:
    """Carries out what is asked for, and settles the member with the same transaction."""

    def __init__(self, settling: Settling) -> None:
        self._settling = settling

    async def standing(
        self, tx: AsyncConnection, workspace: str, profile_id: UUID
    ) -> tuple[Id, Standing]:
        """Whose it is by now, and how they stand, with all lots; nothing is locked or written."""
        member = (workspace, await _alive(tx, workspace, profile_id))
        now = await self._settling.now(tx)
        versions = (await programmes.versions(tx, [workspace]))[workspace]
        found = await loyalty_accounts.whole(tx, member, versions, now) if versions else None
        if found is None:
            raise _no_programme()
        return member[1], found

    async def redeem(
        self,
        tx: AsyncConnection,
        whose: tuple[str, UUID],
        points: int,
        *,
        new_id: Id,
        seconds: int | None,
        by: By,
    ) -> Operation:
        """Reserve points for so many `seconds`, or (None) spend them at once.

        ConflictError `insufficient_points` says how many there are.
        """
        held = await self._held(tx, *whose)
        _require_points(held.standing, points)
        until = None if seconds is None else held.now + timedelta(seconds=seconds)
        one = Operation(
            id=new_id,
            anchor=held.anchor,
            kind="redeem",
            at=held.now,
            points=points,
            lots=await self._allocation(tx, held, points),
            until=until,
            confirmed_at=held.now if seconds is None else None,
        )
        await self._add(tx, held, one, by)
        return one

    async def confirm(self, tx: AsyncConnection, workspace: str, operation_id: Id) -> Operation:
        """What was reserved is spent; said twice it is done once."""
        held, one = await self._redemption(tx, workspace, operation_id)
        state = one.state(held.now)
        if state == "confirmed":
            return one
        if state != "reserved":
            raise _impossible(one, state, "it was not confirmed in time")
        found = sum(lot.held.get(one.id, 0) for lot in held.standing.lots)
        if found < one.points:
            message = (
                f"{one.points - found} of the points were taken back since they were reserved, by "
                "a refund for example: cancel it, and reserve what there is."
            )
            details = {"id": one.id, "available": held.standing.points.available}
            raise ConflictError(message, code="insufficient_points", details=details)
        return await self._change(tx, held, one, confirmed_at=held.now)

    async def cancel(self, tx: AsyncConnection, workspace: str, operation_id: Id) -> Operation:
        """What was reserved is free again; said twice, or when its time is over, that is so."""
        held, one = await self._redemption(tx, workspace, operation_id)
        state = one.state(held.now)
        if state in {"cancelled", "expired"}:
            return one
        if state != "reserved":
            raise _impossible(one, state, "reverse it instead")
        return await self._change(tx, held, one, released_at=held.now)

    async def reverse(self, tx: AsyncConnection, workspace: str, operation_id: Id) -> Operation:
        """What was spent goes back to its lots; said twice it is done once."""
        held, one = await self._redemption(tx, workspace, operation_id)
        state = one.state(held.now)
        if state == "reversed":
            return one
        if state != "confirmed":
            raise _impossible(one, state, "only what was spent can be given back")
        return await self._change(tx, held, one, released_at=held.now)

    async def adjust(
        self,
        tx: AsyncConnection,
        whose: tuple[str, UUID],
        points: int,
        *,
        new_id: Id,
        expires_at: datetime | None,
        by: By,
    ) -> Operation:
        """Give points or, below nothing, take them; no more than there are."""
        held = await self._held(tx, *whose)
        if points < 0:
            _require_points(held.standing, -points)
        one = Operation(
            id=new_id,
            anchor=held.anchor,
            kind="adjust",
            at=held.now,
            points=points,
            lots=await self._allocation(tx, held, -points),
            expires_at=expires_at,
        )
        await self._add(tx, held, one, by)
        return one

    async def take_part(
        self, tx: AsyncConnection, whose: tuple[str, UUID], kind: Kind, *, new_id: Id, by: By
    ) -> Held:
        """Let somebody take part (`enrol`) or not (`leave`: the points are gone)."""
        held = await self._held(tx, *whose)
        if held.standing.is_member == (kind == "enrol"):
            return held
        one = Operation(id=new_id, anchor=held.anchor, kind=kind, at=held.now)
        return held._replace(standing=await self._add(tx, held, one, by))

    async def _held(self, tx: AsyncConnection, workspace: str, profile_id: UUID) -> Held:
        """Lock a member; who is merged while that is waited for is followed."""
        found = await _alive(tx, workspace, profile_id)
        while True:
            member = (workspace, found)
            await store.make(tx, [member])
            told = await store.hold(tx, [member])
            still = await _alive(tx, workspace, profile_id)
            if still == found:
                return await self._seen(tx, member, told[member])
            found = still

    async def _seen(
        self, tx: AsyncConnection, member: Scoped, told: bytes, *, whole: bool = False
    ) -> Held:
        now = await self._settling.now(tx)
        versions = (await programmes.versions(tx, [member[0]]))[member[0]]
        accounts = await loyalty_accounts.accounts(tx, [member], {member[0]: versions}, now)
        if not versions or member not in accounts:
            raise _no_programme()
        account = accounts[member]
        worked = await account.standing(tx, whole=whole, spends=True)
        return Held(member, told, account.kept.anchor, worked.standing, now)

    async def _allocation(self, tx: AsyncConnection, held: Held, points: int) -> dict[str, int]:
        """From which lots points are taken; of a large account by all lots, if need be."""
        try:
            return held.standing.allocation(points)
        except MissingError:
            everything = await self._seen(tx, held.member, held.told, whole=True)
            return everything.standing.allocation(points)

    async def _redemption(
        self, tx: AsyncConnection, workspace: str, operation_id: Id
    ) -> tuple[Held, Operation]:
        """A redemption, and its member, locked."""
        found = await _of(tx, workspace, operation_id)
        held = await self._held(tx, workspace, UUID(found.profile_id))
        # It may have been changed, or have become another member's, while that was waited for.
        again = await _of(tx, workspace, operation_id)
        if again.profile_id != held.member[1]:
            held = await self._held(tx, workspace, UUID(again.profile_id))
        return held, again.operation

    async def _add(self, tx: AsyncConnection, held: Held, one: Operation, by: By) -> Standing:
        await store.add_operation(tx, held.member[0], one, by=by)
        return await self._settled(tx, held)

    async def _change(
        self, tx: AsyncConnection, held: Held, one: Operation, **changed: datetime
    ) -> Operation:
        changed_one = msgspec.structs.replace(one, **changed)
        await store.change_operation(tx, held.member[0], changed_one, held.now)
        await self._settled(tx, held)
        return changed_one

    async def _settled(self, tx: AsyncConnection, held: Held) -> Standing:
        settled = await self._settling.settle(tx, {held.member: held.told}, at_once=True)
        if held.member not in settled:
            raise _unknown(held.member[1])
        return settled[held.member]


async def redemption(tx: AsyncConnection, workspace: str, operation_id: Id) -> store.Told:
    """A redemption as it is; NotFoundError where there is none."""
    return await _of(tx, workspace, operation_id)


async def operation_of(tx: AsyncConnection, workspace: str, operation_id: Id) -> Operation:
    """What a request has made; NotFoundError when it is forgotten."""
    found = await store.operation(tx, workspace, operation_id)
    if found is None:
        message = "What this request has made is forgotten: send it under another key."
        raise NotFoundError(message, details={"id": operation_id})
    return found.operation


async def _of(tx: AsyncConnection, workspace: str, operation_id: Id) -> store.Told:
    found = await store.operation(tx, workspace, operation_id)
    if found is None or found.operation.kind != "redeem" or found.profile_id is None:
        message = f"There is no redemption {operation_id} in this workspace."
        raise NotFoundError(message, details={"id": operation_id})
    return found


async def _alive(tx: AsyncConnection, workspace: str, profile_id: UUID) -> Id:
    found = await reads.alive(tx, workspace, profile_id)
    if found is None:
        raise _unknown(profile_id)
    return str(found.id)


def _unknown(profile_id: UUID | Id) -> NotFoundError:
    message = f"There is no profile {profile_id} in this workspace."
    return NotFoundError(message, details={"id": str(profile_id)})


def _no_programme() -> ConflictError:
    message = "This workspace has no loyalty programme: declare one first."
    return ConflictError(message, code="no_programme")


def _require_points(standing: Standing, points: int) -> None:
    there = standing.points
    if there.available < points:
        message = f"There are {there.available} points, not {points}."
        details = {"available": there.available, "balance": there.balance}
        raise ConflictError(message, code="insufficient_points", details=details)


def _impossible(one: Operation, state: str, why: str) -> ConflictError:
    message = f"This redemption is {state}: {why}."
    return ConflictError(message, details={"id": one.id, "state": state})
