"""Applies batches of profile.activity: sections and merges in, entries and exits out."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import clock
from rapport_common.errors import InvalidEvent
from rapport_common.follower.domain import Ended, Following, Key, Step
from rapport_common.kafka.batch import Record
from rapport_segment import metrics
from rapport_segment.domain.happenings import arrival, is_told_again
from rapport_segment.domain.membership import Change
from rapport_segment.domain.rulebook import Rulebook
from rapport_segment.domain.sections import ALL_SECTIONS, Section, UnreadSectionError
from rapport_segment.domain.stays import NO_RULES, Stays
from rapport_segment.handlers.happenings import (
    EventReading,
    asked_events,
    event_name,
    keep_again,
    save_events,
)
from rapport_segment.handlers.ledger import tally
from rapport_segment.handlers.passing import plan
from rapport_segment.handlers.publish import publish
from rapport_segment.handlers.rolls import with_rolls
from rapport_segment.handlers.rulebooks import Rulebooks
from rapport_segment.store import entries, people
from rapport_segment.store.due import checks
from rapport_segment.store.people import FOLLOWER
from rapport_segment.tables import FOLLOWED

_SECTION = tuple(attrgetter(one) for one in FOLLOWED.sections)

TURN_SECONDS = 0.05
"""So long people are judged before others get their turn."""


class Judging:
    """Judges people as records tell of them; compiled definitions are kept between batches."""

    def __init__(self, now: Callable[[], datetime] = clock.now) -> None:
        self._now = now
        self._rulebooks = Rulebooks({})

    async def on_activity(self, batch: Sequence[Record], tx: AsyncConnection) -> None:
        """Apply records in their order; nobody's definitions change meanwhile."""
        steps = FOLLOWER.read(batch)
        again = [one.value for one in batch if is_told_again(one.value)]
        workspaces = {step.key[0] for step, _record in steps} | {one.workspace for one in again}
        if not workspaces:
            return
        in_force = await self._rulebooks.in_force(tx, sorted(workspaces))
        if steps:
            await self._apply(tx, steps, in_force)
        if again:
            await keep_again(tx, again, in_force, self._now())

    async def _apply(
        self,
        tx: AsyncConnection,
        steps: Sequence[tuple[Step, Record]],
        in_force: Mapping[str, Rulebook],
    ) -> None:
        """Carry out what records say of people, each with what comes of it."""
        told = [step for step, _record in steps]
        try:
            asked = asked_events(told, in_force)
            work = await self._judged(tx, told, in_force, _wanted(told, in_force), asked)
        except UnreadSectionError:
            # Something was missed, and told again in the same batch. Nothing is written yet.
            everything = dict.fromkeys(_concerned(told), ALL_SECTIONS)
            work = await self._judged(tx, told, in_force, everything, None)
        await _save(tx, work.following, work.stays)
        metrics.JUDGED.inc(len(work.stays.judged))
        traced: list[tuple[Change, str | None]] = [(one, None) for one in work.lapsed]
        for (_step, record), found in zip(steps, work.changes, strict=True):
            traced += [(one, record.traceparent) for one in found]
        await tally(tx, [change for change, _trace in traced])
        await publish(tx, traced)
        await plan(tx, work.stays, work.planned, work.late, work.now)

    async def _judged(
        self,
        tx: AsyncConnection,
        steps: Sequence[Step],
        in_force: Mapping[str, Rulebook],
        wanted: Mapping[Key, int],
        asked: Mapping[Key, Collection[str]] | None,
    ) -> "_Work":
        """Carry the steps out in memory.

        `wanted` are the sections that rules may ask for, `asked` the names of events (None: all).
        UnreadSectionError if they ask for others.
        """
        loaded = await FOLLOWER.load(tx, steps, wanted, with_heirs=ALL_SECTIONS)
        known = await with_rolls(tx, await people.loaded(tx, loaded), in_force, steps)
        now = self._now()
        moved = [key for key in known if key[0] in in_force and in_force[key[0]].moved_by]
        # Under the locks of the people: nobody else moves it meanwhile.
        planned = await checks(tx, moved)
        late = {key: at for key, at in planned.items() if at <= now}
        # Heirs whom no record is about are read as a whole in any case.
        if any(wanted.get(key, 0) != ALL_SECTIONS for key in _concerned(steps) & late.keys()):
            raise UnreadSectionError
        reading = EventReading(in_force, min([now, *late.values()]))
        kept = await reading.read(tx, steps, known, asked, late)
        stays = Stays(in_force, known, now, kept, await reading.copies(tx, steps))
        # What time has done comes before what the records say.
        lapsed = [change for key in sorted(late) for change in stays.lapsed(key, late[key])]
        changes: list[list[Change]] = []
        turn = time.monotonic()
        for index, step in enumerate(steps):
            if time.monotonic() - turn > TURN_SECONDS:
                # Dear rules of one workspace must not hold up the API, nor look like a hang.
                await asyncio.sleep(0)
                turn = time.monotonic()
            changes.append(applied(index, step, loaded.following, stays))
        return _Work(loaded.following, stays, changes, lapsed, planned, late, now)


@dataclass(frozen=True, slots=True)
class _Work:
    """What has come of a batch: by record, and before by time for who was `late`."""

    following: Following
    stays: Stays
    changes: list[list[Change]]
    lapsed: list[Change]
    planned: Mapping[Key, datetime]
    late: Mapping[Key, datetime]
    now: datetime


def _concerned(steps: Sequence[Step]) -> set[Key]:
    """Of whom the steps tell something, or the end."""
    return {one.key for one in steps} | {end.key for one in steps for end in one.ends}


def _wanted(steps: Sequence[Step], in_force: Mapping[str, Rulebook]) -> dict[Key, int]:
    """Which stored sections the rules may ask for of whom: bits, by key."""
    wanted: dict[Key, int] = {}
    for step in steps:
        told = sum(1 << place for place in step.told)
        rules = in_force.get(step.key[0], NO_RULES)
        asked = ALL_SECTIONS if step.ends else rules.asked(told, event_name(step))
        if asked:
            wanted[step.key] = wanted.get(step.key, 0) | asked
    return wanted


def applied(index: int, step: Step, following: Following, stays: Stays) -> list[Change]:
    """Carry out what one record says; the entries and exits that come of it."""
    changes: list[Change] = []
    told = arrival(step.record)
    event = told.name if told is not None and stays.happens(told) else None
    is_judged = False
    for turn in following.apply(step):
        if isinstance(turn, Ended):
            changes += stays.ended(turn)
        else:
            changes += stays.overlaid(turn, step, _told(index, step), event)
            is_judged = True
    if told is not None and event is not None:
        stays.told(step.key, told, judged=is_judged)
    return changes


def _told(index: int, step: Step) -> dict[int, Section]:
    """The sections that a record tells; InvalidEvent if they can't be read."""
    told: dict[int, Section] = {}
    try:
        for place in step.told:
            told[place] = one = Section(place, _SECTION[place](step.record))
            one.require_readable()
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise InvalidEvent(index, f"the traits can't be read: {error}") from error
    return told


async def _save(tx: AsyncConnection, following: Following, stays: Stays) -> None:
    await FOLLOWER.save(
        tx, following, lambda key, place, _record: stays.people[key].facts.sections[place].text
    )
    await entries.save_entries(tx, stays)
    await save_events(tx, following, stays)
