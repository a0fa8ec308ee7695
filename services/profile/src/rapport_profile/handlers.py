"""Use cases: fold a batch of events into the people they are about."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import outbox
from rapport_common.errors import InvalidEvent
from rapport_common.events.codec import encode
from rapport_common.events.envelope import USER_ID, Event, Identifier
from rapport_common.events.profile import ProfileActivity
from rapport_common.events.topics import EVENTS, PROFILE_ACTIVITY
from rapport_common.ids import uuid7
from rapport_common.kafka.batch import Record
from rapport_common.kafka.producer import Outgoing
from rapport_common.kafka.store import ConsumerStore, add_tallies
from rapport_profile import metrics
from rapport_profile.domain.facts import (
    Id,
    LinkKey,
    Naming,
    anonymous_twin,
    content_hash,
    identifier_id,
    link_keys,
    naming,
    user_twin,
)
from rapport_profile.domain.fold import Fold, fold_all
from rapport_profile.domain.world import World
from rapport_profile.store import inbox, people

SCHEMA = "profile"
_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class Draft:
    """An event of the batch with what it says of itself."""

    event: Event
    named: Naming
    copy: inbox.Copy
    traceparent: str | None


async def on_events(batch: Sequence[Record], tx: AsyncConnection) -> None:
    """Fold events into profiles and publish each step, in the order of the batch.

    Of copies of one message the one with the smallest content hash counts: a greater or equal
    one is dropped, a smaller one takes the place of what was applied. That is rare, and makes
    the batch fall into pieces; the result is as if every record had come alone.
    """
    drafts = [_draft(index, record) for index, record in enumerate(batch)]
    counting = await inbox.claim(tx, [one.copy for one in drafts])
    piece: list[Draft] = []
    tallies = {"profiled": 0, "duplicate": 0, "replaced": 0}
    for one in drafts:
        known = counting.get(one.copy.key)
        if known is None:
            piece.append(one)
            counting[one.copy.key] = one.copy
            tallies["profiled"] += 1
            continue
        tallies["duplicate"] += 1
        if one.copy.hash < known.hash:
            await _apply(tx, piece)
            piece = []
            if await _take_back(tx, known):
                await inbox.replace(tx, one.copy)
                counting[one.copy.key] = one.copy
                await _apply(tx, [one])
                tallies["replaced"] += 1
    await _apply(tx, piece)
    await add_tallies(tx, SCHEMA, tallies)
    metrics.count(tallies)


def _draft(index: int, record: Record) -> Draft:
    event: Event = record.value
    named = naming(event)
    if named is None:
        raise InvalidEvent(index, "the event names nobody: no user id, anonymous id or e-mail")
    if not (_SLUG.fullmatch(event.workspace) and _SLUG.fullmatch(event.source)):
        raise InvalidEvent(index, "workspace and source are slugs: a-z, 0-9, '-' and '_'")
    key = (event.workspace, event.source, event.message_id)
    hub = identifier_id(event.workspace, named.hub)
    copy = inbox.Copy(key, content_hash(event), hub, event.timestamp, event.received_at)
    return Draft(event, named, copy, record.traceparent)


def _new_id() -> str:
    return str(uuid7())


async def _apply(tx: AsyncConnection, drafts: Sequence[Draft]) -> None:
    """Load everybody concerned, apply the events one by one, write everything back."""
    if not drafts:
        return
    world = await _load(tx, drafts)
    published: list[Outgoing] = []
    for one in drafts:
        steps = world.apply(one.event, one.named)
        published += [_outgoing(step, one.traceparent) for step in steps]
    await people.save(tx, world)
    await inbox.remember(tx, [inbox.Entry(one.event, one.copy.identifier_id) for one in drafts])
    await outbox.append(tx, SCHEMA, published)


async def _load(tx: AsyncConnection, drafts: Sequence[Draft]) -> World:
    wanted: dict[people.Scoped, Identifier] = {}
    twins: set[people.Scoped] = set()
    for one in drafts:
        workspace = one.event.workspace
        named = [one.named.hub, *one.named.others]
        if one.named.previous is not None:
            named.append(one.named.previous)
            twins.add((workspace, identifier_id(workspace, user_twin(one.named.previous))))
        for identifier in named:
            wanted[workspace, identifier_id(workspace, identifier)] = identifier
    await people.ensure_identifiers(tx, wanted)
    world = World(_new_id)
    await people.load_around(tx, world, wanted.keys() | twins)
    doubted = await people.known(tx, _possibly_aliased(world))
    if doubted:
        await people.load_around(tx, world, doubted, beyond=doubted)
    return world


def _possibly_aliased(world: World) -> set[people.Scoped]:
    """Anonymous ids that an alias may have taken from a user id named here for the first time."""
    return {
        (one.workspace, identifier_id(one.workspace, anonymous_twin((one.kind, one.value))))
        for one in world.nodes.values()
        if one.kind == USER_ID and one.profile_id is None
    }


async def _take_back(tx: AsyncConnection, known: inbox.Copy) -> bool:
    """Undo the copy that counted so far; False when retention has removed it already."""
    event = await inbox.forget(tx, known)
    named = naming(event) if event is not None else None
    if event is None or named is None:
        return False
    workspace, hub = event.workspace, known.identifier_id
    told = link_keys(workspace, named)
    twin = identifier_id(workspace, anonymous_twin(named.hub))
    seeds = {(workspace, one) for one in (hub, twin, *(key[1] for key in told))}
    world = World(_new_id)
    await people.load_around(tx, world, seeds, beyond=seeds)
    fold, lost = await _without(tx, workspace, hub, told)
    steps = world.retract(hub, fold, lost)
    await people.save(tx, world)
    await outbox.append(tx, SCHEMA, [_outgoing(step, None) for step in steps])
    return True


async def _without(
    tx: AsyncConnection, workspace: str, hub: Id, told: Sequence[LinkKey]
) -> tuple[Fold, list[LinkKey]]:
    """A hub's fold over what is left on its timeline, and the links nothing there tells of."""
    events = await inbox.remaining(tx, workspace, hub)
    fold = fold_all(events)
    gone = await inbox.expired(tx, workspace, hub)
    if gone is not None:
        # Events that retention removed may have told of the same links: they stay.
        fold.join(gone)
        return fold, []
    names = [naming(one) for one in events]
    still = {key for one in names if one is not None for key in link_keys(workspace, one)}
    return fold, [key for key in told if key not in still]


def _outgoing(step: ProfileActivity, traceparent: str | None) -> Outgoing:
    key = UUID(step.profile_id).bytes
    return Outgoing(PROFILE_ACTIVITY.name, key, encode(step), traceparent)


async def equations(bookkeeping: ConsumerStore, tx: AsyncConnection) -> dict[str, int]:
    """Every record of `events` was profiled, a duplicate, put aside or skipped by an operator."""
    known = await bookkeeping.ledger(tx)
    topic, tallies = EVENTS.name, known["tallies"]
    consumed = known["consumed"].get(topic, 0) - known["skipped"].get(topic, 0)
    settled = tallies.get("profiled", 0) + tallies.get("duplicate", 0)
    aside = known["dead_letters"].get(topic, 0) + known["parked"].get(topic, 0)
    return {"profiled": consumed - settled - aside}
