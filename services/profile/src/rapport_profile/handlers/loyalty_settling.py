"""Members are settled: their ledger, what others are told, and when to look at them again.

All is worked out anew from what is kept of the member, at the database's time. So it can be done
at any time, and any number of times.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.due.store import Due, DueStore, NewDue
from rapport_common.due.worker import Handler
from rapport_common.events.topics import EVENTS
from rapport_common.publisher import Publisher
from rapport_profile import metrics
from rapport_profile.domain.loyalty import ledger
from rapport_profile.domain.loyalty.news import Member, Told, news
from rapport_profile.domain.loyalty.programme import Versions
from rapport_profile.domain.loyalty.replay import replay
from rapport_profile.domain.loyalty.standing import Standing
from rapport_profile.store import loyalty as store
from rapport_profile.store import loyalty_programmes as programmes
from rapport_profile.store.due import DUE, LOYALTY, LOYALTY_EVERYBODY
from rapport_profile.store.people import Scoped
from rapport_profile.store.privacy import PRIVACY
from rapport_profile.tables import SCHEMA

AT_ONCE = 50
"""Members of one transaction: their locks are wanted by others."""
PAGE = 500
"""Members that are told to be settled at once."""
LARGE = 500
"""Facts of a member that are gone through beside the loop."""
AGAIN = timedelta(seconds=1)

_told = msgspec.json.Decoder(Told)


class Settling:
    """Settles members; what is told on `events` is keyed by `secret`.

    `now` takes the place of the database's clock.
    """

    def __init__(
        self,
        secret: bytes,
        due: DueStore = DUE,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self._publisher = Publisher(SCHEMA, EVENTS, secret)
        self._due = due
        self._now = now

    @property
    def kinds(self) -> dict[str, Handler]:
        """What is done when each kind is due."""
        return {LOYALTY: self.reached, LOYALTY_EVERYBODY: self.everybody}

    async def reached(self, tx: AsyncConnection, rows: Sequence[Due], now: datetime) -> None:
        """Settle those members whose time has come; who is just spending is looked at again."""
        asked: list[Scoped] = [(one.workspace, one.key) for one in rows]
        await store.make(tx, asked[:AT_ONCE])
        held = await store.hold(tx, asked[:AT_ONCE], only_free=True)
        busy = [one for one in asked[:AT_ONCE] if one not in held]
        later = [NewDue(one[0], LOYALTY, one[1], now + AGAIN) for one in busy]
        later += [NewDue(one[0], LOYALTY, one[1], now) for one in asked[AT_ONCE:]]
        await self._due.schedule(tx, later)
        await self.settle(tx, held)

    async def everybody(self, tx: AsyncConnection, rows: Sequence[Due], now: datetime) -> None:
        """Let all members of workspaces be settled, a page of them at a time."""
        for one in rows:
            after = one.payload.get("after")
            found = await store.members(tx, one.workspace, after, PAGE)
            later = [NewDue(one.workspace, LOYALTY, each, now) for each in found]
            if len(found) == PAGE:
                place = {"after": found[-1]}
                later.append(NewDue(one.workspace, LOYALTY_EVERYBODY, one.key, now, place))
            await self._due.schedule(tx, later)

    async def now(self, tx: AsyncConnection) -> datetime:
        """The time: asked for when the members are locked, it is never before their last change."""
        return self._now() if self._now is not None else await programmes.now(tx)

    async def settle(
        self, tx: AsyncConnection, held: Mapping[Scoped, bytes]
    ) -> dict[Scoped, Standing]:
        """Settle members that are locked, each with what others have been told (JSON).

        Who is being forgotten is not: what is told of them now would make somebody new. A wish
        waits for whoever has looked (see `store.privacy.hold`).
        """
        if not held:
            return {}
        gone = await PRIVACY.erased(tx, list(held))
        now = await self.now(tx)
        kept = await store.kept(tx, sorted(held))
        versions = await programmes.versions(tx, {one[0] for one in held})
        found: dict[Scoped, Standing] = {}
        for member, told in held.items():
            if member in gone or member not in kept:
                # Merged into another, or forgotten: what was theirs is settled there.
                await store.drop_members(tx, member[0], [member[1]])
                continue
            found[member] = await standing_of(kept[member], versions[member[0]], now)
            await self._book(tx, member, kept[member], found[member], now)
            await self._tell(tx, member, kept[member], found[member], (told, now))
        metrics.LOYALTY_SETTLED.inc(len(found))
        return found

    async def _book(
        self, tx: AsyncConnection, member: Scoped, kept: store.Kept, one: Standing, now: datetime
    ) -> None:
        entries = ledger.due(one, kept.booked, now)
        if entries:
            await store.book(tx, member[0], entries, now)
        if one.next_at is not None:
            await self._due.schedule(tx, [NewDue(member[0], LOYALTY, member[1], one.next_at)])

    async def _tell(
        self,
        tx: AsyncConnection,
        member: Scoped,
        kept: store.Kept,
        one: Standing,
        then: tuple[bytes, datetime],
    ) -> None:
        before, now = _told.decode(then[0]), then[1]
        events, after = news(Member(*member, kept.name), one, before, now)
        if after != before:
            await store.tell(tx, member, msgspec.json.encode(after))
        await self._publisher.tell(tx, *events)


async def standing_of(kept: store.Kept, versions: Versions, now: datetime) -> Standing:
    """How a member stands; of one with many facts beside the loop, which others need."""
    if len(kept.facts) > LARGE:
        return await asyncio.to_thread(replay, versions, kept.facts, kept.operations, now)
    return replay(versions, kept.facts, kept.operations, now)
