"""A batch of events is folded into the people it is about."""

import asyncio
import re
from collections.abc import Collection, Sequence
from functools import lru_cache, partial

import msgspec
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.errors import InvalidEvent
from rapport_common.events.activity import ProfileActivity
from rapport_common.events.codec import holds_nul
from rapport_common.events.envelope import USER_ID, Event, Identifier
from rapport_common.ids import uuid7_text
from rapport_common.kafka.batch import Record
from rapport_common.kafka.store import add_tallies
from rapport_profile import metrics
from rapport_profile.domain.content import content_hash
from rapport_profile.domain.grouping import entangled, may_say_it_again, says_it_again
from rapport_profile.domain.merge_rules import USUAL, RuleBook
from rapport_profile.domain.naming import (
    Evidence,
    Id,
    Ids,
    Names,
    Naming,
    anonymous_twin,
    user_twin,
)
from rapport_profile.domain.sharing import Told
from rapport_profile.domain.working_set import WorkingSet
from rapport_profile.handlers import group_facts, loyalty_facts
from rapport_profile.handlers.computing import with_values
from rapport_profile.handlers.consent_facts import keep_words
from rapport_profile.handlers.loading import done_with
from rapport_profile.handlers.publish import publish
from rapport_profile.handlers.refusing import refused
from rapport_profile.handlers.sharing import maybe_shared_no_more
from rapport_profile.handlers.taking_back import take_back
from rapport_profile.store import changes, decisions, inbox, lookups, people
from rapport_profile.store.acquainted import ACQUAINTED
from rapport_profile.store.privacy import REFUSED
from rapport_profile.tables import SCHEMA

MAX_REPLACED = 16
"""How often one message gives way to a copy of it with a smaller hash."""
BREATH = 50
"""Events after which others have their turn: somebody may be waiting for an answer."""
_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


class Draft(msgspec.Struct, frozen=True, gc=False):
    """An event of the batch with what it says of itself."""

    event: Event
    named: Naming
    copy: inbox.Copy
    traceparent: str | None
    is_refused: bool = False
    """It names somebody who was forgotten after it was received."""

    @property
    def evidence(self) -> Evidence:
        """Of the links that it tells of."""
        return (self.event.timestamp, self.event.message_id, self.event.source)

    def named_by(self, names: Names) -> "Draft":
        """The same with what it says of itself where some events are cut."""
        return replace(self, named=names.of(self.event) or self.named)


async def on_events(
    ids: Ids, batch: Sequence[Record], tx: AsyncConnection, *, book: RuleBook = USUAL
) -> None:
    """Fold events into profiles and publish each step, in the order of the batch.

    `ids` names identifiers, `book` has the workspaces' merge rules.

    Of copies of one message the one with the smallest content hash counts: a greater or equal
    one is dropped, a smaller one takes the place of what was applied. That costs as much as all
    that the person did, so it happens once per batch and MAX_REPLACED times for a message at
    most: hashes that fall so often don't come about by chance.

    An event that names somebody who was forgotten after it was received is refused; no copy of it
    counts from then on, and one that did is taken back.
    """
    tallies = await folded(ids, batch, tx, book=book)
    await add_tallies(tx, SCHEMA, tallies)
    metrics.count(tallies)


async def folded(
    ids: Ids, batch: Sequence[Record], tx: AsyncConnection, *, book: RuleBook = USUAL
) -> dict[str, int]:
    """The same of events that need not be from the topic; what became of how many."""
    names = Names(ids, book)
    drafts = await _with_refused(
        tx,
        names,
        [draft(names, index, one.value, one.traceparent) for index, one in enumerate(batch)],
    )
    best = _smallest(drafts)
    counting = await inbox.claim(tx, [one.copy for one in best])
    piece: list[Draft] = []
    tallies = {"profiled": 0, "duplicate": len(drafts) - len(best), "replaced": 0, "erased": 0}
    for one in best:
        known = counting.get(one.copy.key)
        if known is None:
            if not one.is_refused:
                piece.append(one)
            tallies["erased" if one.is_refused else "profiled"] += 1
            continue
        tallies["duplicate"] += 1
        if one.copy.hash < known.hash and (known.replaced < MAX_REPLACED or one.is_refused):
            await _apply(tx, names, piece)
            piece = []
            tallies["replaced"] += await _replaced(tx, names, one, known)
    await _apply(tx, names, piece)
    return tallies


async def _with_refused(tx: AsyncConnection, names: Names, drafts: list[Draft]) -> list[Draft]:
    """The events, those marked that are refused: they are copies than which none is smaller."""

    def named(place: int) -> list[Id]:
        one = drafts[place]
        return [names.ids.of(one.event.workspace, each) for each in one.named.all]

    received = [(one.event.workspace, one.event.received_at) for one in drafts]
    for place in await refused(tx, received, named):
        one = drafts[place]
        drafts[place] = replace(one, copy=replace(one.copy, hash=REFUSED), is_refused=True)
    return drafts


async def _replaced(tx: AsyncConnection, names: Names, one: Draft, known: inbox.Copy) -> bool:
    """Let a copy of a message count, and not the one known; False when that is gone already."""
    knowing = names.knowing(await decisions.cuts(tx, one.event.workspace))
    taken_back = await take_back(tx, knowing, known)
    if taken_back is None:
        return False
    await inbox.replace(tx, one.copy)
    whose = [step.profile_id for step in taken_back]
    await loyalty_facts.take_back(tx, known.key, whose)
    if one.is_refused:
        await group_facts.refuse(tx, one.event, whose)
        await publish(tx, [(step, None) for step in taken_back])
    else:
        await group_facts.take_back(tx, known.key, whose)
        drafts = [one.named_by(knowing)]
        await _apply(tx, names, drafts, before=taken_back, replaced=known.told + 1)
    return True


def _smallest(drafts: Sequence[Draft]) -> list[Draft]:
    """Of each message the copy that counts in this batch, in the order of the batch."""
    best: dict[inbox.MessageKey, Draft] = {}
    for one in drafts:
        known = best.get(one.copy.key)
        if known is None or one.copy.hash < known.copy.hash:
            best[one.copy.key] = one
    return list(best.values())


def draft(names: Names, index: int, event: Event, traceparent: str | None = None) -> Draft:
    """An event as it is applied; InvalidEvent names the record of the batch by its index."""
    named = names.of(event)
    if named is None:
        raise InvalidEvent(index, "the event names nobody: no user id, anonymous id or e-mail")
    if not (_is_slug(event.workspace) and _is_slug(event.source)):
        raise InvalidEvent(index, "workspace and source are slugs: a-z, 0-9, '-' and '_'")
    if holds_nul(b"".join((event.properties, event.traits, event.context))):
        raise InvalidEvent(index, "the character NUL stands in the event; it can't be stored")
    key = (event.workspace, event.source, event.message_id)
    hub = names.ids.of(event.workspace, named.hub)
    copy = inbox.Copy(key, content_hash(event), hub, event.timestamp, event.received_at)
    return Draft(event, named, copy, traceparent)


@lru_cache(maxsize=4096)
def _is_slug(name: str) -> bool:
    return _SLUG.fullmatch(name) is not None


async def _apply(
    tx: AsyncConnection,
    names: Names,
    drafts: Sequence[Draft],
    *,
    before: Sequence[ProfileActivity] = (),
    replaced: int = 0,
) -> None:
    """Load everybody concerned, apply the events one by one, write everything back.

    `before`: the steps by which the copy that these replace was taken back. Nobody is told of a
    state that held for no moment: who counts the missing event would let people go and take them
    in again. So the steps that follow tell all that those would have told. `replaced`: so many
    copies of the message have counted before this one.
    """
    if not drafts:
        return
    plain = {one.profile_id for one in before if _is_plain(one)}
    working, steps = await applied(tx, names, drafts, untold=plain)
    follows = {step.profile_id for step, _trace in steps if step.identifiers is not None}
    lasting = [one for one in before if not (_is_plain(one) and one.profile_id in follows)]
    traces = [trace for _step, trace in steps]
    applied_to = [(one.event, one.copy.identifier_id) for one in drafts]
    told = await with_values(tx, working, [step for step, _trace in steps], events=applied_to)
    told = _with_hubs(told, drafts, replaced)
    await changes.save(tx, working)
    ACQUAINTED.remember(tx, working.nodes.values())
    await inbox.remember(tx, [inbox.Entry(one.event, one.copy.identifier_id) for one in drafts])
    await keep_words(tx, names, applied_to)
    nodes = working.nodes
    hubs = [(event, hub, nodes[hub].profile_id) for event, hub in applied_to]
    await loyalty_facts.note(tx, hubs, names.book)
    await group_facts.note(tx, names, hubs)
    await publish(tx, [*((step, None) for step in lasting), *zip(told, traces, strict=True)])


def _with_hubs(
    steps: Sequence[ProfileActivity], drafts: Sequence[Draft], replaced: int
) -> list[ProfileActivity]:
    """The steps, those with what a reader can't see by itself of their events: the hub where it is
    not the first identifier, and which copy it is.
    """
    hubs = {
        one.copy.key: one.named.hub
        for one in drafts
        if replaced or one.named.hub != one.event.identifiers[0]
    }
    if not hubs:
        return list(steps)
    return [
        step
        if step.event is None or (hub := hubs.get(_key(step.event))) is None
        else replace(step, hub=hub, replaced=replaced)
        for step in steps
    ]


def _key(event: Event) -> inbox.MessageKey:
    return event.workspace, event.source, event.message_id


def _is_plain(step: ProfileActivity) -> bool:
    """Whether it tells of sections and of nothing else."""
    return step.versions is not None and step.event is None and not step.absorbed


async def applied(
    tx: AsyncConnection, names: Names, drafts: Sequence[Draft], *, untold: Collection[Id] = ()
) -> tuple[WorkingSet, list[tuple[ProfileActivity, str | None]]]:
    """The people after the events, and what is to be published, with its trace.

    Of the profiles `untold` nobody knows what is stored: all their sections are due.
    """

    async def apply(working: WorkingSet) -> list[tuple[ProfileActivity, str | None]]:
        for profile_id in untold:
            if profile_id in working.profiles:
                working.profiles[profile_id].tell_all()
        published: list[tuple[ProfileActivity, str | None]] = []
        for number, one in enumerate(drafts, 1):
            steps = working.apply(one.event, one.named)
            published += [(step, one.traceparent) for step in steps]
            if number % BREATH == 0:
                await asyncio.sleep(0)
        told = working.finish([step for step, _trace in published])
        return list(zip(told, (trace for _step, trace in published), strict=True))

    return await done_with(partial(_load, tx, names, drafts), apply)


async def _load(
    tx: AsyncConnection, names: Names, drafts: Sequence[Draft], whole: Collection[people.Scoped]
) -> WorkingSet:
    ids = names.ids
    wanted: dict[people.Scoped, Identifier] = {}
    twins: set[people.Scoped] = set()
    named: list[list[Id]] = []
    for one in drafts:
        workspace = one.event.workspace
        names_of_it = one.named.all
        all_ids = [ids.of(workspace, identifier) for identifier in names_of_it]
        for id_, identifier in zip(all_ids, names_of_it, strict=True):
            wanted[workspace, id_] = identifier
        named.append(all_ids)
        if one.named.previous is not None:
            twins.add((workspace, ids.of(workspace, user_twin(one.named.previous))))
    working, held = WorkingSet(ids, uuid7_text, names.book), set[people.Scoped]()
    await people.load_named(tx, working, wanted, twins, held)
    twins_of = _possibly_aliased(working)
    former = await lookups.known(tx, twins_of.values())
    users = _renamed(working, drafts) | await lookups.renamed(tx, twins_of.keys())
    doubted = {id_ for _, id_ in former | users} | _ends_of_doubt(working, drafts)
    # Whose first word changes what aliases say: what it names is looked at, all around.
    doubted |= {one[1] for one, twin in twins_of.items() if twin in former}
    again = await _said_again(tx, names, working, drafts, named)
    seeds = entangled(working, named, doubted, again)
    beyond = former | await _loosened(tx, names, working, drafts)
    around = {(working.nodes[one].workspace, one) for one in seeds} | beyond
    if around:
        await people.load_around(tx, working, around, held, beyond=beyond)
    await people.load_users(tx, working, users, held)
    if whole:
        await people.load_members(tx, working, whole)
    return working


async def _loosened(
    tx: AsyncConnection, names: Names, working: WorkingSet, drafts: Sequence[Draft]
) -> set[people.Scoped]:
    """Shared identifiers that may be so no longer, by links that are older than was known."""
    if not names.book.has_windows:
        return set()
    told = [Told(names.links(one.event.workspace, one.named), one.evidence) for one in drafts]
    loose = await maybe_shared_no_more(tx, working, told)
    working.doubtful |= {one for _workspace, one in loose}
    return loose


async def _said_again(
    tx: AsyncConnection,
    names: Names,
    working: WorkingSet,
    drafts: Sequence[Draft],
    named: Sequence[Sequence[Id]],
) -> set[int]:
    """The places of events that can't be settled by themselves, and say nothing new."""
    places = [
        place
        for place, (one, ids) in enumerate(zip(drafts, named, strict=True))
        if may_say_it_again(working, one.named, ids)
    ]
    keys = {at: names.links(drafts[at].event.workspace, drafts[at].named) for at in places}
    wanted = {(drafts[at].event.workspace, key) for at in places for key in keys[at]}
    await people.load_links(tx, working, wanted)
    return {at for at in places if says_it_again(working, keys[at], drafts[at].evidence)}


def _possibly_aliased(working: WorkingSet) -> dict[people.Scoped, people.Scoped]:
    """User ids that are named here for the first time, and the same values as anonymous ids: an
    alias may have taken them for these.
    """
    return {
        (one.workspace, one.id): (
            one.workspace,
            working.ids.of(one.workspace, anonymous_twin(one.name)),
        )
        for one in working.nodes.values()
        if one.kind == USER_ID and one.profile_id is None
    }


def _ends_of_doubt(working: WorkingSet, drafts: Sequence[Draft]) -> set[Id]:
    """Identifiers of aliases whose former id is a user id, before or in this batch."""
    hubs = {one.copy.identifier_id for one in drafts}
    doubted: set[Id] = set()
    for one in drafts:
        former = one.named.previous
        if former is None:
            continue
        workspace = one.event.workspace
        twin = working.ids.of(workspace, user_twin(former))
        if _is_known(working, twin, hubs):
            doubted |= {twin, working.ids.of(workspace, former)}
    return doubted


def _renamed(working: WorkingSet, drafts: Sequence[Draft]) -> set[people.Scoped]:
    """User ids that the events say have another id, where both are known, and these other ids."""
    hubs = {one.copy.identifier_id for one in drafts}
    found: set[people.Scoped] = set()
    for one in drafts:
        if one.named.renamed is None:
            continue
        workspace = one.event.workspace
        former = working.ids.of(workspace, one.named.renamed)
        if _is_known(working, former, hubs):
            found |= {(workspace, former), (workspace, one.copy.identifier_id)}
    return found


def _is_known(working: WorkingSet, user: Id, hubs: Collection[Id]) -> bool:
    """Whether a user id is named by an event of its own, before or in this batch."""
    node = working.nodes.get(user)
    return node is not None and (node.profile_id is not None or user in hubs)
