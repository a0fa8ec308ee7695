"""Verdicts that change because time has passed: who is to be looked at again, and when.

Of each person there is one row at most, at the first instant at which any verdict may change by
itself. Whoever moves it holds the person's lock, or only brings it forward.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.due.store import Due, DueStore, NewDue
from rapport_common.due.worker import Handler
from rapport_common.follower.domain import Key
from rapport_common.follower.follower import Batch
from rapport_segment import metrics
from rapport_segment.domain.membership import Change, Person
from rapport_segment.domain.sections import ALL_SECTIONS
from rapport_segment.domain.stays import Stays
from rapport_segment.handlers.happenings import EventReading
from rapport_segment.handlers.ledger import tally
from rapport_segment.handlers.publish import publish
from rapport_segment.handlers.rolls import with_rolls
from rapport_segment.handlers.rulebooks import Rulebooks
from rapport_segment.store import entries, happenings, people
from rapport_segment.store.due import CHECK, DUE, STRAY, stray

AGAIN_AFTER = timedelta(seconds=1)


class Passing:
    """Looks again at people when it is time."""

    def __init__(self, due: DueStore = DUE) -> None:
        self._due = due
        self._rulebooks = Rulebooks({})

    @property
    def kinds(self) -> dict[str, Handler]:
        """What is done when each kind is due."""
        return {CHECK: self.check, STRAY: self.search}

    async def check(self, tx: AsyncConnection, rows: Sequence[Due], now: datetime) -> None:
        """Let those enter and leave for whom it is time, each at the instant at which it was.

        Whom a batch has in hand is looked at again at once, when it has done its part.
        """
        in_force = await self._rulebooks.in_force(tx, sorted({one.workspace for one in rows}))
        since = {(one.workspace, one.key): one.at for one in rows}
        free = await people.free(tx, since)
        wanted = {key: in_force[key[0]].moved_by for key in free if key[0] in in_force}
        held, stored = await people.FOLLOWER.store.lock(tx, wanted, reads=True)
        loaded = await people.loaded(tx, Batch(people.FOLLOWER.following(held), stored))
        persons = await with_rolls(tx, loaded, in_force)
        kept = await EventReading(in_force, min(since.values())).read(tx, (), persons)
        stays = Stays(in_force, persons, now, kept)
        changes: list[Change] = []
        for key in sorted(persons):
            changes += stays.lapsed(key, since[key])
        again = [NewDue(key[0], CHECK, key[1], since[key]) for key in since if key not in free]
        await self._keep(tx, stays, changes, again)

    async def search(self, tx: AsyncConnection, rows: Sequence[Due], now: datetime) -> None:
        """Judge those anew who have these anchors; who is in a batch's hand a moment later."""
        in_force = await self._rulebooks.in_force(tx, sorted({one.workspace for one in rows}))
        anchors = [(one.workspace, bytes.fromhex(one.key)) for one in rows]
        owners = await happenings.owners(tx, anchors)
        free = await people.free(tx, owners)
        held, stored = await people.FOLLOWER.store.lock(
            tx, dict.fromkeys(free, ALL_SECTIONS), reads=True
        )
        loaded = await people.loaded(tx, Batch(people.FOLLOWER.following(held), stored))
        persons = await with_rolls(tx, loaded, in_force)
        kept = await EventReading(in_force, now).read(tx, (), persons)
        stays = Stays(in_force, persons, now, kept)
        changes = [change for key in sorted(persons) for change in stays.looked_at(key)]
        waits = {workspace for workspace, _id in owners - free}
        again = [
            stray(workspace, anchor, now + AGAIN_AFTER)
            for workspace, anchor in anchors
            if workspace in waits
        ]
        await self._keep(tx, stays, changes, again)

    async def _keep(
        self, tx: AsyncConnection, stays: Stays, changes: list[Change], again: list[NewDue]
    ) -> None:
        metrics.JUDGED.inc(len(stays.people))
        await entries.save_entries(tx, stays)
        await tally(tx, changes)
        await publish(tx, [(change, None) for change in changes])
        await self._due.schedule(tx, [*again, *ahead(stays.people.values())], sooner=True)


def ahead(some: Iterable[Person]) -> list[NewDue]:
    """When these are to be looked at again."""
    return [
        NewDue(one.workspace, CHECK, str(one.profile_id), one.check)
        for one in some
        if one.check is not None
    ]


async def plan(
    tx: AsyncConnection,
    stays: Stays,
    planned: Mapping[Key, datetime],
    late: Mapping[Key, datetime],
    now: datetime,
) -> None:
    """Note when those who were judged are to be looked at again; `planned` is what is noted.

    For who was `late` all is worked out till now: what is noted is over.
    """
    caught_up = [
        NewDue(key[0], CHECK, key[1], stays.people[key].check or now) for key in sorted(late)
    ]
    await DUE.schedule(tx, caught_up)
    others = (one for key, one in stays.people.items() if key not in late)
    sooner = [
        one
        for one in ahead(others)
        if (known := planned.get((one.workspace, one.key))) is None or one.at < known
    ]
    await DUE.schedule(tx, sooner, sooner=True)
