"""Values of computed traits that change because time has passed: a day has left their window."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.due.store import Due, NewDue
from rapport_common.due.worker import Handler
from rapport_common.events.activity import ProfileActivity
from rapport_common.ids import uuid7_text
from rapport_profile.domain.computed.values import next_change
from rapport_profile.domain.naming import Id, Ids
from rapport_profile.domain.people import Profile
from rapport_profile.domain.revising import Revising
from rapport_profile.domain.sections import COMPUTED
from rapport_profile.handlers.computing import with_values
from rapport_profile.handlers.loading import done_with
from rapport_profile.handlers.publish import publish
from rapport_profile.store import changes, people, profile_pages
from rapport_profile.store.due import DUE, VALUES_CHANGE
from rapport_profile.store.people import Scoped


class Lapsing:
    """What is done when values of profiles change by time."""

    def __init__(self, ids: Ids) -> None:
        """`ids` names identifiers."""
        self._ids = ids

    @property
    def kinds(self) -> dict[str, Handler]:
        """What is done when each kind is due."""
        return {VALUES_CHANGE: self.lapse}

    async def lapse(self, tx: AsyncConnection, rows: Sequence[Due], now: datetime) -> None:
        """Tell the values as they are at `now` of those people of whom some have changed by then.

        Who has become somebody else, or is nobody any more, needs nothing: the heir has a row.
        """
        wanted = {(one.workspace, one.key) for one in rows}
        working, profiles = await loaded(tx, self._ids, wanted)
        lapsed = {one.id: traits for one in profiles if (traits := _lapsed(one, now))}
        steps = [_stepped(working, working.profiles[one]) for one in sorted(lapsed)]
        told = await with_values(tx, working, steps, lapsed=lapsed, now=now)
        await changes.save(tx, working)
        await publish(tx, [(step, None) for step in told])
        await _wait_for_rest(tx, [one for one in profiles if one.id not in lapsed])


async def loaded(
    tx: AsyncConnection, ids: Ids, wanted: Collection[Scoped]
) -> tuple[Revising, list[Profile]]:
    """Profiles, locked as a batch of their events locks them, as far as they are somebody's."""
    held: set[Scoped] = set()

    async def load(whole: Collection[Scoped]) -> Revising:
        working = Revising(ids, uuid7_text)
        await people.load(tx, working, await profile_pages.first_members(tx, wanted), held)
        await people.load_members(tx, working, whole)
        return working

    async def told_once(working: Revising) -> None:
        # Who was never told as a whole is told so first, from all identifiers.
        for profile in working.profiles.values():
            if not profile.was_told:
                working.freshen(profile)

    working, _none = await done_with(load, told_once)
    found = [working.profiles[one] for _w, one in sorted(wanted) if one in working.profiles]
    return working, [one for one in found if one.count]


def _lapsed(profile: Profile, now: datetime) -> set[int]:
    values = profile.all_values
    return {one.trait for one in values if one.until is not None and one.until <= now}


def _stepped(working: Revising, profile: Profile) -> ProfileActivity:
    profile.due |= COMPUTED
    return working.step(profile)


async def _wait_for_rest(tx: AsyncConnection, profiles: Collection[Profile]) -> None:
    """Whose values stay as they are for longer than was thought have their time to come."""
    due = [(one, next_change(one.all_values)) for one in profiles]
    rows = [NewDue(one.workspace, VALUES_CHANGE, one.id, at) for one, at in due if at is not None]
    await DUE.schedule(tx, rows)


def step_of(working: Revising, profile_id: Id) -> ProfileActivity:
    """The next version of a loaded profile, which tells its aggregates."""
    return _stepped(working, working.profiles[profile_id])
