"""Members are settled: their ledger, what others are told, and when to look at them again.

All is worked out from what is kept of the member, at the database's time. So it can be done at any
time, and any number of times. Of a large account that has no checkpoint a slice is worked out with
each turn, so that others don't wait.
"""

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
from rapport_profile.domain.loyalty.checkpoint import Head, end_of_slice
from rapport_profile.domain.loyalty.news import Member, Told, news
from rapport_profile.domain.loyalty.standing import DEBT, Standing
from rapport_profile.handlers import loyalty_accounts
from rapport_profile.handlers.loyalty_accounts import Account, Worked
from rapport_profile.store import loyalty as store
from rapport_profile.store import loyalty_checkpoints as checkpoints
from rapport_profile.store import loyalty_programmes as programmes
from rapport_profile.store.due import DUE, LOYALTY, LOYALTY_EVERYBODY
from rapport_profile.store.people import Scoped
from rapport_profile.store.privacy import PRIVACY
from rapport_profile.tables import SCHEMA

AT_ONCE = 50
"""Members of one transaction: their locks are wanted by others."""
PAGE = 500
"""Members that are told to be settled at once."""
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
        self, tx: AsyncConnection, held: Mapping[Scoped, bytes], *, at_once: bool = False
    ) -> dict[Scoped, Standing]:
        """Settle members that are locked, each with what others have been told (JSON).

        Of a large account one slice is worked out, unless it is wanted `at_once`, and none is
        given: it is gone on with later.
        Who is being forgotten is not: what is told of them now would make somebody new. A wish
        waits for whoever has looked (see `store.privacy.hold`).
        """
        if not held:
            return {}
        gone = await PRIVACY.erased(tx, list(held))
        now = await self.now(tx)
        versions = await programmes.versions(tx, {one[0] for one in held})
        most = loyalty_accounts.SLICE + 1
        found = await loyalty_accounts.accounts(tx, sorted(held), versions, now, most=most)
        for member in sorted(held):
            if member in gone or member not in found:
                # Merged into another, or forgotten: what was theirs is settled there.
                await store.drop_members(tx, member[0], [member[1]])
                found.pop(member, None)
        worked: dict[Scoped, Worked] = {}
        for member, account in found.items():
            one = await self._worked(tx, account, at_once=at_once)
            if one is None:
                await self._due.schedule(tx, [NewDue(member[0], LOYALTY, member[1], now)])
            else:
                worked[member] = one
        booked = await _booked(tx, worked)
        for member, one in worked.items():
            kept = found[member].kept
            await self._book(tx, member, booked[member], one.standing, now)
            await self._tell(tx, member, kept, one.standing, (held[member], now))
        metrics.LOYALTY_SETTLED.inc(len(worked))
        return {member: one.standing for member, one in worked.items()}

    async def _worked(
        self, tx: AsyncConnection, account: Account, *, at_once: bool
    ) -> Worked | None:
        """How a member stands, with the checkpoint moved on; None: that takes more turns."""
        member, kept = account.member, account.kept
        if kept.head is None:
            await checkpoints.drop(tx, [member])
        while len(kept.facts) > loyalty_accounts.SLICE:
            until = end_of_slice(kept.facts, account.now)
            head = None if until is None else await _sliced(tx, account, until)
            if head is not None and not at_once:
                return None
            heads, most = ({member: head}, loyalty_accounts.SLICE + 1) if head else ({}, None)
            kept = (await store.kept(tx, [member], heads, most))[member]
            account.kept = kept
            if head is None:
                # It can't be divided at this moment: all at once, from the beginning.
                await checkpoints.drop(tx, [member])
                break
        until, was_booked = account.next_place(), kept.head is None or kept.head.is_booked
        worked = await account.standing(tx, until=until, whole=not was_booked)
        if until is not None and worked.kept is not None:
            await checkpoints.keep(tx, member, worked.kept, account.facts_until(until))
        elif not was_booked and kept.head is not None:
            head = msgspec.structs.replace(kept.head, is_booked=True)
            await checkpoints.set_head(tx, member, head)
        return worked

    async def _book(
        self,
        tx: AsyncConnection,
        member: Scoped,
        booked: Mapping[ledger.Key, int],
        one: Standing,
        now: datetime,
    ) -> None:
        entries = ledger.due(one, booked, now)
        if entries:
            await store.book(tx, member[0], entries, now)
        if one.next_at is not None:
            row = NewDue(member[0], LOYALTY, member[1], one.next_at)
            # A batch may have told of events that were not seen here: these are not put off.
            await self._due.schedule(tx, [row], sooner=True)

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


async def _sliced(tx: AsyncConnection, account: Account, until: datetime) -> Head | None:
    """Move the checkpoint on to a moment; None: what it would know of is being taken back."""
    found = await account.slice(tx, until)
    is_kept = await checkpoints.keep(tx, account.member, found, account.facts_until(until))
    return found.head if is_kept else None


async def _booked(
    tx: AsyncConnection, worked: Mapping[Scoped, Worked]
) -> dict[Scoped, dict[ledger.Key, int]]:
    """What has been booked of members, as far as anything of it may be other now."""
    everything = [one for one, each in worked.items() if each.standing.rest is None]
    booked = await store.booked(tx, everything) if everything else {}
    for member, one in worked.items():
        if one.standing.rest is not None:
            lots = {(lot.anchor, lot.key) for lot in one.standing.lots}
            lots |= {(each.anchor, DEBT) for each in one.standing.operations}
            booked[member] = await store.booked_of(tx, member[0], lots)
    return booked
