"""Applies batches of profile.activity: states and merges in, entries and exits out."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import clock, logging, outbox
from rapport_common.errors import InvalidEvent
from rapport_common.events.profile import AbsorbedId, ProfileActivity, ProfileState
from rapport_common.kafka.batch import Record
from rapport_common.kafka.producer import Outgoing
from rapport_segment import metrics
from rapport_segment.domain import facts, rules
from rapport_segment.domain.fold import Fold
from rapport_segment.domain.membership import Activity, Definition, Key, Person, with_entries
from rapport_segment.handlers.publish import outgoing, tally
from rapport_segment.store import definitions, people

log = logging.get(__name__)

TURN_SECONDS = 0.05
"""So long people are judged before others get their turn."""
MAX_VERSION = 2**63 - 1


class ActivityHandler:
    """Judges people as their states come in; compiled definitions are kept between batches."""

    def __init__(self, now: Callable[[], datetime] = clock.now) -> None:
        self._now = now
        self._compiled: dict[str, tuple[int, list[Definition]]] = {}

    async def on_activity(self, batch: Sequence[Record], tx: AsyncConnection) -> None:
        """Apply records in their order; nobody's definitions change meanwhile."""
        read = ((_activity(index, one.value), one) for index, one in enumerate(batch))
        told = [(activity, one) for activity, one in read if activity is not None]
        if not told:
            return
        activities = [activity for activity, _record in told]
        in_force = await self._definitions(tx, sorted({one.workspace for one in activities}))
        fold = await self._load(tx, activities, in_force)
        messages: list[Outgoing] = []
        changed = []
        turn = time.monotonic()
        for activity, record in told:
            if time.monotonic() - turn > TURN_SECONDS:
                # Dear rules of one workspace must not hold up the API, nor look like a hang.
                await asyncio.sleep(0)
                turn = time.monotonic()
            changes = fold.apply(activity)
            changed += changes
            messages += [outgoing(one, record.traceparent) for one in changes]
        await _save(tx, fold)
        metrics.JUDGED.inc(len(fold.written))
        await tally(tx, changed)
        await outbox.append(tx, "segment", messages)

    async def _definitions(
        self, tx: AsyncConnection, workspaces: Sequence[str]
    ) -> dict[str, list[Definition]]:
        revisions = await definitions.share(tx, workspaces)
        stale = [
            one
            for one, revision in revisions.items()
            if self._compiled.get(one, (0, []))[0] != revision
        ]
        if stale:
            fresh: dict[str, list[Definition]] = {one: [] for one in stale}
            for one in await definitions.active(tx, stale):
                try:
                    fresh[one.workspace].append(compiled(one))
                except rules.RuleError as error:
                    # Written when rules were read otherwise: it must not stop the others.
                    log.error("segment left out", segment=str(one.segment_id), error=error.message)  # noqa: TRY400
            self._compiled |= {one: (revisions[one], fresh[one]) for one in stale}
        return {one: self._compiled[one][1] for one in revisions}

    async def _load(
        self,
        tx: AsyncConnection,
        activities: Sequence[Activity],
        in_force: dict[str, list[Definition]],
    ) -> Fold:
        keys = {one.key for one in activities}
        keys |= {(one.workspace, gone) for one in activities for gone, _ in one.absorbed}
        survivors = {
            (one.workspace, one.merged_into) for one in activities if one.merged_into is not None
        }
        with_facts = survivors | {one.key for one in activities if one.absorbed}
        # Whether somebody was out of place before is asked only while a build goes on.
        building = {name for name, held in in_force.items() if any(one.building for one in held)}
        with_facts |= {key for key in keys if key[0] in building}
        persons: dict[Key, Person] = {}
        gone: dict[Key, UUID] = {}
        wanted = keys | survivors
        # An id's alias can only change under the lock of its person: locked, then read, and
        # again for those it leads to.
        while wanted:
            persons |= await people.lock(tx, wanted, with_facts)
            found = await people.aliases(tx, wanted)
            gone |= found
            wanted = {(key[0], target) for key, target in found.items()} - persons.keys()
            with_facts |= wanted
        entries = await people.open_entries(tx, persons)
        return Fold(in_force, with_entries(persons, entries), gone, self._now())


async def _save(tx: AsyncConnection, fold: Fold) -> None:
    """In this order: an open entry must be closed before its twin moves to the same person."""
    await people.save(tx, [fold.people[key] for key in people.ordered(fold.written)])
    await people.update_entries(
        tx,
        [
            replace(one, profile_id=fold.loaded[one.entry_id])
            for one in fold.entries.values()
            if one.entry_id in fold.loaded
        ],
    )
    await people.move(tx, fold.moves)
    joined = {key: fold.aliases[key] for key in fold.joined if key in fold.aliases}
    await people.set_aliases(tx, joined, fold.revived - joined.keys())
    await people.insert_entries(
        tx, [one for one in fold.entries.values() if one.entry_id not in fold.loaded]
    )


def compiled(one: definitions.Stored) -> Definition:
    """A stored definition, ready to judge by."""
    building = one.built_version != one.version
    return Definition.of(one.segment_id, one.version, one.name, rule_of(one), building=building)


def rule_of(one: definitions.Stored) -> rules.Rule:
    """The rule of a stored definition."""
    return rules.parse(facts.exact(one.rule))


def _activity(index: int, value: ProfileActivity) -> Activity | None:
    """The record as the domain has it; None if it tells no state.

    InvalidEvent names what can't be.
    """
    if "\0" in value.workspace or not 0 < value.version <= MAX_VERSION:
        reason = f"workspace {value.workspace!r}, version {value.version}: out of range"
        raise InvalidEvent(index, reason)
    profile_id = _uuid(index, "profile_id", value.profile_id)
    if value.merged_into is not None:
        into = _uuid(index, "merged_into", value.merged_into)
        return Activity(
            value.workspace,
            profile_id,
            value.version,
            merged_into=into,
            into_version=value.into_version,
        )
    if value.gone or is_nobody(value.state):
        return Activity(value.workspace, profile_id, value.version, gone=True)
    if value.state is None and value.event is not None:
        # A later record of the same profile tells what has become of it.
        return None
    if value.state is None:
        raise InvalidEvent(index, "neither a state nor merged_into nor gone")
    try:
        stored, known = facts.project(value.state)
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise InvalidEvent(index, f"the state can't be read: {error}") from error
    happened = value.event.timestamp if value.event else None
    return Activity(
        value.workspace,
        profile_id,
        value.version,
        known,
        stored,
        event_timestamp=happened,
        historic=value.event is not None and value.event.historic,
        absorbed=tuple(_ending(index, one) for one in value.absorbed),
    )


def is_nobody(state: ProfileState | None) -> bool:
    """Whether a state tells of nobody: no event that names anybody is left in it."""
    return state is not None and not state.identifiers and not state.omitted.identifiers


def _ending(index: int, one: AbsorbedId) -> tuple[UUID, int]:
    if not 0 < one.version <= MAX_VERSION:
        reason = f"absorbed {one.profile_id!r}, version {one.version}: out of range"
        raise InvalidEvent(index, reason)
    return _uuid(index, "absorbed.profile_id", one.profile_id), one.version


def _uuid(index: int, name: str, text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise InvalidEvent(index, f"{name} {text[:80]!r} is not a UUID") from error
