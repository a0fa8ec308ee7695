"""How a member stands: from the checkpoint on that is kept, or from the beginning.

What an event costs depends on what has happened since the checkpoint, and not on the account. Where
something came late, the programme's versions are other ones, or its clock was set back, a
checkpoint is worth nothing.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_profile import metrics
from rapport_profile.domain.loyalty import checkpoint
from rapport_profile.domain.loyalty.account import MissingError
from rapport_profile.domain.loyalty.checkpoint import Head
from rapport_profile.domain.loyalty.expiring import START
from rapport_profile.domain.loyalty.facts import Fact
from rapport_profile.domain.loyalty.operations import Operation
from rapport_profile.domain.loyalty.programme import Versions
from rapport_profile.domain.loyalty.replay import Replay
from rapport_profile.domain.loyalty.standing import Standing
from rapport_profile.store import loyalty as store
from rapport_profile.store import loyalty_checkpoints as checkpoints
from rapport_profile.store.people import Scoped

_Found = TypeVar("_Found")

LARGE = 500
"""Facts, or lots, of a member that are gone through beside the loop."""
SLICE = 2_000
"""Facts that are gone through at once, where others wait."""


class Worked(NamedTuple):
    """How a member stands, and the checkpoint to be kept, if any, with what it knows of."""

    standing: Standing
    kept: checkpoints.Encoded | None


class _Begun(NamedTuple):
    run: Replay
    operations: Sequence[Operation]
    stored: Mapping[str, str]


class Account:
    """A member's account, as far as it was read at a moment."""

    def __init__(self, member: Scoped, kept: store.Kept, versions: Versions, now: datetime) -> None:
        self.member, self.kept, self.versions, self.now = member, kept, versions, now

    @property
    def since(self) -> datetime:
        """Up to when all is in the checkpoint."""
        return START if self.kept.head is None else self.kept.head.at

    def next_place(self) -> datetime | None:
        """Where the next checkpoint should be."""
        kept = self.kept
        return checkpoint.next_place(kept.facts, kept.operations, self.since, self.now)

    def facts_until(self, moment: datetime) -> list[Fact]:
        """The facts since the checkpoint, up to a moment."""
        return [one for one in self.kept.facts if one.content.stamp.at <= moment]

    async def standing(
        self,
        tx: AsyncConnection,
        *,
        until: datetime | None = None,
        whole: bool = False,
        spends: bool = False,
    ) -> Worked:
        """How somebody stands, with a checkpoint of `until`, if that is given.

        `whole`: with all lots; else with those that it depends on, among them (`spends`) those
        that are spent first.
        """
        metrics.LOYALTY_FACTS.inc(len(self.kept.facts))

        def work(begun: _Begun) -> Worked:
            found = None
            if until is not None:
                found = self._taken(begun, until, is_booked=True)
            return Worked(begun.run.run().standing(), found)

        try:
            return await _beside(work, await self._begin(tx, whole=whole, spends=spends))
        except MissingError:
            return await _beside(work, await self._begin(tx, whole=True))

    async def slice(self, tx: AsyncConnection, until: datetime) -> checkpoints.Encoded:
        """A checkpoint of `until`, by which nothing is booked yet."""
        metrics.LOYALTY_FACTS.inc(len(self.kept.facts))

        def work(begun: _Begun) -> checkpoints.Encoded:
            return self._taken(begun, until, is_booked=False)

        try:
            return await _beside(work, await self._begin(tx, whole=False))
        except MissingError:
            return await _beside(work, await self._begin(tx, whole=True))

    def _taken(self, begun: _Begun, until: datetime, *, is_booked: bool) -> checkpoints.Encoded:
        found = checkpoint.taken(begun.run.run(until), begun.operations, is_booked=is_booked)
        return checkpoints.encoded(found, begun.stored)

    async def _begin(self, tx: AsyncConnection, *, whole: bool, spends: bool = False) -> _Begun:
        kept, head = self.kept, self.kept.head
        if head is None:
            run, operations = Replay(self.versions, self.now), kept.operations
            run.expect(kept.facts, operations)
            return _Begun(run, operations, {})
        wanted = checkpoint.wanted(head, self.versions, self.now, kept.facts, kept.operations)
        asks = spends or any(one.at > head.at for one in kept.operations)
        loaded = await checkpoints.load(tx, self.member, head, wanted, spends=asks, whole=whole)
        operations = [*kept.operations, *await self._others(tx, head, loaded)]
        run = checkpoint.resumed(self.versions, self.now, loaded.known)
        run.expect(kept.facts, operations)
        return _Begun(run, operations, loaded.stored)

    async def _others(
        self, tx: AsyncConnection, head: Head, loaded: checkpoints.Loaded
    ) -> list[Operation]:
        """Operations of before the checkpoint that hold points of what is loaded, or owe."""
        spenders = {*head.live, *head.debts}
        for lot in loaded.known.parts.lots.values():
            spenders.update(lot.held)
        unknown = spenders - {one.id for one in self.kept.operations}
        return await store.operations(tx, self.member[0], unknown)


async def accounts(
    tx: AsyncConnection,
    members: Sequence[Scoped],
    versions: Mapping[str, Versions],
    now: datetime,
    *,
    most: int | None = None,
) -> dict[Scoped, Account]:
    """The accounts of members, each from its checkpoint on, if that can be gone on from.

    `most`: facts of each that are read, the oldest.
    """
    heads = await checkpoints.heads(tx, members)
    usable = {
        one: head for one, head in heads.items() if checkpoint.fits(head, versions[one[0]], now)
    }
    late = await store.late(tx, usable)
    known = {one: head for one, head in usable.items() if one not in late}
    kept = await store.kept(tx, members, known, most)
    return {one: Account(one, each, versions[one[0]], now) for one, each in kept.items()}


async def whole(
    tx: AsyncConnection, member: Scoped, versions: Versions, now: datetime
) -> Standing | None:
    """How somebody stands, with all lots, where nobody is locked; None: nobody has this profile.

    Where the account is settled meanwhile its parts don't belong together: it is worked out from
    the beginning.
    """
    found = await accounts(tx, [member], {member[0]: versions}, now)
    if member not in found:
        return None
    one = found[member]
    standing = (await one.standing(tx, whole=True)).standing
    if one.kept.head is not None and not await checkpoints.is_at(tx, member, one.since):
        kept = await store.kept(tx, [member], {})
        if member not in kept:
            return None
        standing = (await Account(member, kept[member], versions, now).standing(tx)).standing
    return standing


async def _beside(work: Callable[[_Begun], _Found], begun: _Begun) -> _Found:
    """Do it; of one with many facts, or lots, beside the loop, which others need."""
    if begun.run.size > LARGE:
        return await asyncio.to_thread(work, begun)
    return work(begun)
