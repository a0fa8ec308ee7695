"""Applies batches of profile.activity: sections and merges in, entries and exits out."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter

import msgspec
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import clock, logging
from rapport_common.errors import InvalidEvent
from rapport_common.follower.domain import Ended, Following, Key, Step
from rapport_common.kafka.batch import Record
from rapport_segment import metrics
from rapport_segment.domain import rules, sections
from rapport_segment.domain.membership import Change, Definition, Rulebook
from rapport_segment.domain.operands import RuleError
from rapport_segment.domain.sections import ALL_SECTIONS, Section, UnreadSectionError
from rapport_segment.domain.stays import NO_RULES, Stays
from rapport_segment.handlers.ledger import tally
from rapport_segment.handlers.publish import publish
from rapport_segment.store import definitions, people
from rapport_segment.store.people import FOLLOWER
from rapport_segment.tables import FOLLOWED

log = logging.get(__name__)

_SECTION = tuple(attrgetter(one) for one in FOLLOWED.sections)

TURN_SECONDS = 0.05
"""So long people are judged before others get their turn."""


class Judging:
    """Judges people as records tell of them; compiled definitions are kept between batches."""

    def __init__(self, now: Callable[[], datetime] = clock.now) -> None:
        self._now = now
        self._compiled: dict[str, tuple[int, Rulebook]] = {}

    async def on_activity(self, batch: Sequence[Record], tx: AsyncConnection) -> None:
        """Apply records in their order; nobody's definitions change meanwhile."""
        steps = FOLLOWER.read(batch)
        if not steps:
            return
        in_force = await self._definitions(tx, sorted({step.key[0] for step, _record in steps}))
        told = [step for step, _record in steps]
        try:
            following, stays, changes = await self._judged(
                tx, told, in_force, _wanted(told, in_force)
            )
        except UnreadSectionError:
            # Something was missed, and told again in the same batch. Nothing is written yet.
            everything = dict.fromkeys((one.key for one in told), ALL_SECTIONS)
            following, stays, changes = await self._judged(tx, told, in_force, everything)
        await _save(tx, following, stays)
        metrics.JUDGED.inc(len(stays.judged))
        await tally(tx, [one for by_record in changes for one in by_record])
        told_by = zip(steps, changes, strict=True)
        traced = [(one, record.traceparent) for (_step, record), found in told_by for one in found]
        await publish(tx, traced)

    async def _judged(
        self,
        tx: AsyncConnection,
        steps: Sequence[Step],
        in_force: Mapping[str, Rulebook],
        wanted: Mapping[Key, int],
    ) -> tuple[Following, Stays, list[list[Change]]]:
        """Carry the steps out in memory; the changes that come of each.

        `wanted` are the sections that rules may ask for. UnreadSectionError if they ask for others.
        """
        loaded = await FOLLOWER.load(tx, steps, wanted, with_heirs=ALL_SECTIONS)
        stays = Stays(in_force, await people.loaded(tx, loaded), self._now())
        changes: list[list[Change]] = []
        turn = time.monotonic()
        for index, step in enumerate(steps):
            if time.monotonic() - turn > TURN_SECONDS:
                # Dear rules of one workspace must not hold up the API, nor look like a hang.
                await asyncio.sleep(0)
                turn = time.monotonic()
            changes.append(applied(index, step, loaded.following, stays))
        return loaded.following, stays, changes

    async def _definitions(
        self, tx: AsyncConnection, workspaces: Sequence[str]
    ) -> dict[str, Rulebook]:
        revisions = await definitions.share(tx, workspaces)
        stale = [
            one
            for one, revision in revisions.items()
            if one not in self._compiled or self._compiled[one][0] != revision
        ]
        if stale:
            fresh: dict[str, list[Definition]] = {one: [] for one in stale}
            for one in await definitions.active(tx, stale):
                try:
                    fresh[one.workspace].append(compiled(one))
                except RuleError as error:
                    # Written when rules were read otherwise: it must not stop the others.
                    log.error("segment left out", segment=str(one.segment_id), error=error.message)  # noqa: TRY400
            self._compiled |= {one: (revisions[one], Rulebook(fresh[one])) for one in stale}
        return {one: self._compiled[one][1] for one in revisions}


def _wanted(steps: Sequence[Step], in_force: Mapping[str, Rulebook]) -> dict[Key, int]:
    """Which stored sections the rules may ask for of whom: bits, by key."""
    wanted: dict[Key, int] = {}
    for step in steps:
        told = sum(1 << place for place in step.told)
        rules = in_force.get(step.key[0], NO_RULES)
        asked = ALL_SECTIONS if step.ends else rules.asked(told)
        if asked:
            wanted[step.key] = wanted.get(step.key, 0) | asked
    return wanted


def applied(index: int, step: Step, following: Following, stays: Stays) -> list[Change]:
    """Carry out what one record says; the entries and exits that come of it."""
    changes: list[Change] = []
    for turn in following.apply(step):
        if isinstance(turn, Ended):
            changes += stays.ended(turn)
        else:
            changes += stays.overlaid(turn, step, _told(index, step))
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
    """In this order: an open entry must be closed before its twin moves to the same person."""
    await FOLLOWER.save(
        tx, following, lambda key, place, _record: stays.people[key].facts.sections[place].text
    )
    known = [one for one in stays.entries.values() if one.entry_id in stays.loaded]
    await people.update_entries(
        tx, [replace(one, profile_id=stays.loaded[one.entry_id]) for one in known]
    )
    await people.move(tx, stays.moves)
    await people.insert_entries(
        tx, [one for one in stays.entries.values() if one.entry_id not in stays.loaded]
    )


def compiled(one: definitions.Stored) -> Definition:
    """A stored definition, ready to judge by."""
    building = one.built_version != one.version
    return Definition.of(one.segment_id, one.version, one.name, rule_of(one), building=building)


def rule_of(one: definitions.Stored) -> rules.Rule:
    """The rule of a stored definition."""
    return rules.parse(sections.exact(one.rule))
