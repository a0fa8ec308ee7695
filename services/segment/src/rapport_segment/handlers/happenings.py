"""Events for those who are judged: what is read before, what is kept after, and who is looked at
again.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.events.activity import ProfileActivity
from rapport_common.follower.domain import Following, Key, Step
from rapport_segment.domain.event_needs import since
from rapport_segment.domain.happenings import (
    Anchor,
    Arrival,
    Copied,
    Happenings,
    Kept,
    Message,
    anchor_told,
    arrival,
    message_of,
    name_of,
)
from rapport_segment.domain.membership import Person
from rapport_segment.domain.rulebook import MANY, Rulebook
from rapport_segment.domain.sections import IDENTIFIERS, Facts, Section, UnreadSectionError
from rapport_segment.domain.stays import NO_RULES, Stays
from rapport_segment.store import happenings
from rapport_segment.store.due import DUE, stray
from rapport_segment.store.people import FOLLOWER

LOOK_AFTER = timedelta(seconds=6)
"""Longer than a transaction stands still: then whoever else told of the identifier has committed.
"""


def event_name(step: Step) -> str | None:
    """The name of the event that a record tells, as rules ask for it."""
    event = step.record.event
    return None if event is None else name_of(event)


def asked_events(
    steps: Sequence[Step], in_force: Mapping[str, Rulebook]
) -> dict[Key, frozenset[str]]:
    """The names of the events that rules may ask for, of whom these steps tell something."""
    found: dict[Key, frozenset[str]] = {}
    for step in steps:
        rules = in_force.get(step.key[0], NO_RULES)
        if not rules.event_names:
            continue
        told = sum(1 << place for place in step.told)
        names = rules.event_names if step.ends else rules.events_asked(told, event_name(step))
        found[step.key] = found.get(step.key, frozenset()) | names
    return found


class EventReading:
    """Reads events as far as the rules of workspaces look back from an instant."""

    def __init__(self, in_force: Mapping[str, Rulebook], at: datetime) -> None:
        self._in_force = in_force
        self._at = at

    async def read(
        self,
        tx: AsyncConnection,
        steps: Sequence[Step],
        people: Mapping[Key, Person],
        asked: Mapping[Key, Collection[str]] | None = None,
        late: Collection[Key] = (),
    ) -> Kept:
        """The events of these people that are asked for, by the identifiers that they have or get.

        Of who is not in `asked` (heirs), or `late`, all that rules look at.
        """
        anchors: dict[Key, set[Anchor]] = {}
        for key, person in people.items():
            if self._rules(key).event_names:
                anchors[key] = set(_anchors(person.facts))
        for step in steps:
            if step.key in anchors:
                anchors[step.key].update(_told(step))
        names = {key: self._rules(key).event_names for key in anchors}
        if asked is not None:
            names |= {
                key: frozenset(asked[key]) for key in (asked.keys() & names.keys()) - set(late)
            }
        idle = await self._idle(tx, anchors, names)
        wanted: dict[happenings.Wanted, datetime] = {}
        for key, mine in anchors.items():
            busy = [one for one in mine if (key[0], one) not in idle]
            for name in names[key] if busy else ():
                first = since(self._rules(key).windows[name], self._at)
                wanted.update({(key[0], anchor, name): first for anchor in busy})
        kept = await happenings.read(tx, wanted)
        return {**kept, **{one: dict.fromkeys(mine, ()) for one, mine in idle.items()}}

    async def _idle(
        self,
        tx: AsyncConnection,
        anchors: Mapping[Key, Collection[Anchor]],
        names: Mapping[Key, Collection[str]],
    ) -> dict[tuple[str, Anchor], set[str]]:
        """Anchors under which nothing has happened, of those for which much is asked: the names.

        A newcomer is asked for all names that rules look at, and mostly has none of them.
        """
        asked: dict[tuple[str, Anchor], set[str]] = {}
        for key, mine in anchors.items():
            if len(names[key]) > MANY:
                for anchor in mine:
                    asked.setdefault((key[0], anchor), set()).update(names[key])
        busy = await happenings.busy(tx, asked)
        return {one: some for one, some in asked.items() if one not in busy}

    async def copies(self, tx: AsyncConnection, steps: Sequence[Step]) -> dict[Message, Copied]:
        """The kept copies of the messages that are told, where it may matter which it is."""
        asked = {
            message_of(step.record.event)
            for step in steps
            if step.record.event is not None
            and (step.record.replaced or event_name(step) in self._rules(step.key).event_names)
        }
        return await happenings.copies(tx, asked)

    async def attached(self, tx: AsyncConnection, some: Sequence[Person]) -> list[Person]:
        """These people with the events that rules look at."""
        people = {(one.workspace, str(one.profile_id)): one for one in some}
        if not any(self._rules(key).event_names for key in people):
            return list(some)
        kept = await self.read(tx, (), people)
        return [replace(one, facts=with_kept(one, kept)) for one in some]

    def _rules(self, key: Key) -> Rulebook:
        return self._in_force.get(key[0], NO_RULES)


def with_kept(person: Person, kept: Kept) -> Facts:
    """A person's facts, with what was read of their anchors."""
    mine = [kept.get((person.workspace, anchor)) for anchor in _anchors(person.facts)]
    return person.facts.beside(Happenings(mine))


def _anchors(facts: Facts) -> tuple[Anchor, ...]:
    try:
        return facts.sections[IDENTIFIERS].anchors
    except UnreadSectionError:
        return ()


def _told(step: Step) -> Iterable[Anchor]:
    if IDENTIFIERS in step.told:
        yield from Section(IDENTIFIERS, step.record.identifiers).anchors
    event = step.record.event
    if event is not None and event.identifiers:
        yield anchor_told(step.record.hub or event.identifiers[0])


async def save_events(tx: AsyncConnection, following: Following, stays: Stays) -> None:
    """Keep the events that were told, and note whose the anchors are."""
    left_behind = await _claim(tx, following, stays)
    # Somebody was judged by these, and another process was quicker with a later copy.
    unsaved = await happenings.save(tx, stays.arrivals)
    late = {(one.workspace, one.anchor) for one in unsaved if stays.reads(one)}
    wanted = {
        (workspace, anchor, name)
        for workspace, anchor in left_behind
        for name in stays.event_names(workspace)
    }
    astray = stays.strays() | late | await happenings.used(tx, wanted)
    at = stays.now + LOOK_AFTER
    rows = [stray(workspace, anchor, at) for workspace, anchor in sorted(astray)]
    await DUE.schedule(tx, rows, keep=True)


async def _claim(
    tx: AsyncConnection, following: Following, stays: Stays
) -> set[tuple[str, Anchor]]:
    """Note whose the anchors are; those that somebody has left and nobody here has got.

    Whoever has such a one may have got it before, and what was told since then of who left it was
    not judged with them.
    """
    wanted: set[happenings.Claim] = set()
    concerned, gone = set[Key](), set[Key]()
    for key in following.changed:
        held = following.held[key]
        if held.lives and IDENTIFIERS in following.news.get(key, ()):
            concerned.add(key)
            wanted |= {(key, one) for one in _anchors(stays.people[key].facts)}
        elif held.heir is not None:
            concerned.add(key)
        elif held.ended and not held.lives:
            gone.add(key)
    noted = await happenings.claimed(tx, concerned | gone)
    # Who is gone keeps theirs: if they are to be forgotten, these lead to their events.
    lost = {claim for claim in noted - wanted if claim[0] in concerned}
    gained = wanted - noted
    await happenings.claim(tx, gained, lost)
    taken_over = {(key[0], anchor) for key, anchor in gained if stays.people[key].known}
    return {(key[0], anchor) for key, anchor in noted - wanted} - taken_over


async def keep_again(
    tx: AsyncConnection,
    records: Sequence[ProfileActivity],
    in_force: Mapping[str, Rulebook],
    now: datetime,
) -> None:
    """Keep events that are told again, for who lost or never had them; whose they are is judged a
    moment later. What is kept already, or a later copy of it, stays.
    """
    arrivals: dict[Message, Arrival] = {}
    for one in await _not_forgotten(tx, records):
        known, told = arrivals.get(message_of(one.event)), arrival(one)  # type: ignore[arg-type] # all have one
        if told is not None and (known is None or known.copy < told.copy):
            arrivals[told.message] = told
    before = await happenings.copies(tx, arrivals)
    unsaved = {one.message for one in await happenings.save(tx, arrivals)}
    changed: set[happenings.Wanted] = set()
    for key, told in arrivals.items():
        if key not in unsaved:
            changed.add((told.workspace, told.anchor, told.name))
            if (former := before.get(key)) is not None:
                changed.add((told.workspace, former.anchor, former.name))
    asked = {
        (workspace, anchor)
        for workspace, anchor, name in changed
        if name in in_force.get(workspace, NO_RULES).event_names
    }
    rows = [stray(workspace, anchor, now + LOOK_AFTER) for workspace, anchor in sorted(asked)]
    await DUE.schedule(tx, rows, keep=True)


async def _not_forgotten(
    tx: AsyncConnection, records: Sequence[ProfileActivity]
) -> list[ProfileActivity]:
    """Without those told before their people ended for good, by a wish that was read first."""
    held = await FOLLOWER.store.shared(tx, {(one.workspace, one.profile_id) for one in records})
    return [
        one
        for one in records
        if (known := held.get((one.workspace, one.profile_id))) is None
        or known.lives
        or known.heir is not None
        or known.ended < one.version
    ]
