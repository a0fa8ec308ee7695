"""Events of people who merge and come apart, told late, twice, in copies, by several partitions:
who is in is who would be in if all had been known from the beginning.
"""

import random
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from services.segment.tests.conftest import Records
from services.segment.tests.generating_events import EventChance, Life, told_of
from services.segment.tests.test_passing import Shop
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.emptying import wiped
from typing_extensions import override

from rapport_common.events.activity import ProfileActivity
from rapport_common.events.envelope import Event
from rapport_common.events.profile import ComputedState, IdentifierState
from rapport_common.testing.examples import examples
from rapport_common.testing.profiles import Profiles
from rapport_segment.domain.evaluate import Judges
from rapport_segment.domain.outlook import View
from rapport_segment.domain.rules import parse
from rapport_segment.domain.sections import Facts, Section
from rapport_segment.handlers.rulebooks import rule_of
from rapport_segment.store import definitions
from rapport_segment.tables import METADATA

pytestmark = pytest.mark.integration

HUBS = tuple(("user_id", f"h{number}") for number in range(5))
START = datetime(2040, 3, 1, 12, tzinfo=UTC)


class OfEvents(EventChance):
    """Its rules ask of nothing else: computed traits would have to be defined."""

    @override
    def leaf(self) -> dict[str, Any]:
        return self.event_leaf()


class World:
    """Who is who at profile's, and what it tells of that, by partition."""

    def __init__(self, seed: int) -> None:
        self.chance = OfEvents(seed)
        self.chance.now = START
        self.pick = random.Random(seed)
        self.profiles = Profiles()
        self.owner: dict[tuple[str, str], str] = {}
        self.events: dict[str, tuple[Event, tuple[str, str], int]] = {}
        self.queues: dict[str, list[ProfileActivity]] = {}
        self.born = 0

    def run(self, steps: int) -> None:
        """So many things happen."""
        for _ in range(steps):
            self.pick.choice(
                (*[self.event] * 5, self.copy, self.merge, self.move, self.move, self.again)
            )()

    def event(self) -> None:
        """Somebody does something."""
        hub = self.pick.choice(HUBS)
        life = Life(0, [hub], [one for one, whose, _copy in self.events.values() if whose == hub])
        event = self.chance.happens(life, len(self.events))
        self._apply(replace(event, message_id=str(len(self.events))), hub, 0)

    def copy(self) -> None:
        """Another copy of a message takes the place of the one that counted."""
        if not self.events:
            return
        known, former, copy = self.events[self.pick.choice(sorted(self.events))]
        who = self.owner[former]
        self._tell(who, self.profiles.changed(who, computed=self._computed()))
        hub = self.pick.choice(HUBS)
        other = self.chance.happens(Life(0, [hub]), 0)
        self._apply(replace(other, message_id=known.message_id), hub, copy + 1)

    def merge(self) -> None:
        """Two people are one."""
        some = sorted(set(self.owner.values()))
        if len(some) > 1:
            gone, heir = self.pick.sample(some, 2)
            self.owner.update({hub: heir for hub, who in self.owner.items() if who == gone})
            end, step = self.profiles.merged(gone, heir, identifiers=self._of(heir))
            self._tell(gone, end)
            self._tell(heir, step)

    def move(self) -> None:
        """An identifier goes to another person, or a new one; who has none left is gone."""
        if not self.owner:
            return
        hub = self.pick.choice(sorted(self.owner))
        before = self.owner[hub]
        others = [one for one in set(self.owner.values()) if one != before]
        after = self.pick.choice([*sorted(others), self._new()])
        self.owner[hub] = after
        for who in self.pick.sample((before, after), 2):
            mine = self._of(who)
            changed = self.profiles.changed(who, identifiers=mine) if mine else None
            self._tell(who, changed or self.profiles.gone(who))

    def again(self) -> None:
        """An event is told again."""
        if self.events:
            self._again(self.pick.choice(sorted(self.events)))

    def all_again(self) -> list[ProfileActivity]:
        """All events are told again, some of them twice."""
        before = {who: len(some) for who, some in self.queues.items()}
        for message_id in sorted(self.events):
            for _ in range(self.pick.choice((1, 1, 2))):
                self._again(message_id)
        told = [one for who, some in self.queues.items() for one in some[before[who] :]]
        return self.pick.sample(told, len(told))

    def _again(self, message_id: str) -> None:
        event, hub, copy = self.events[message_id]
        who = self.owner[hub]
        told = ProfileActivity(
            workspace="acme",
            profile_id=who,
            version=self.profiles.held[who].version,
            event=event,
            hub=hub if hub != event.identifiers[0] else None,
            replaced=copy,
            republished=True,
        )
        self._tell(who, told)

    def _apply(self, event: Event, hub: tuple[str, str], copy: int) -> None:
        changed: dict[str, Any] = {"computed": self._computed()}
        if hub not in self.owner:
            some = sorted(set(self.owner.values()))
            self.owner[hub] = self.pick.choice([*some[:1], self._new()])
            changed["identifiers"] = self._of(self.owner[hub])
        who = self.owner[hub]
        # The hub is not always the first that an event names.
        named = self.pick.random() < 0.3
        first = [("email", "info@x.org"), hub] if named else [hub]
        event = replace(event, identifiers=first)
        self.events[event.message_id] = (event, hub, copy)
        step = self.profiles.event(who, **changed)
        told = replace(step, event=event, hub=hub if named else None, replaced=copy)
        self._tell(who, told)
        if self.pick.random() < 0.1:
            self._tell(who, told)

    def _computed(self) -> ComputedState:
        return ComputedState(events=self.pick.randrange(100), orders=self.pick.randrange(3))

    def _of(self, who: str) -> list[IdentifierState]:
        return [IdentifierState(*hub) for hub, one in sorted(self.owner.items()) if one == who]

    def _new(self) -> str:
        """Somebody new; now and then an id lives again that was merged away or gone."""
        former = sorted(self.profiles.held.keys() - set(self.owner.values()))
        if former and self.pick.random() < 0.2:
            return self.pick.choice(former)
        self.born += 1
        return str(uuid.UUID(int=self.born))

    def _tell(self, who: str, record: ProfileActivity) -> None:
        self.queues.setdefault(who, []).append(record)

    def batches(self) -> Iterable[list[ProfileActivity]]:
        """What was told: of each id in its order, else as it comes."""
        left = {who: list(some) for who, some in self.queues.items()}
        batch: list[ProfileActivity] = []
        while left:
            who = self.pick.choice(sorted(left))
            number = self.pick.choice((1, 2, 5))
            batch += left[who][:number]
            del left[who][:number]
            if not left[who]:
                del left[who]
            if self.pick.random() < 0.4:
                yield batch
                batch = []
        yield batch

    def people(self) -> dict[str, Facts]:
        """Everybody, with all that counts of them."""
        found = {}
        for who in set(self.owner.values()):
            mine = [(one.kind, one.value) for one in self._of(who)]
            life = Life(0, mine)
            for event, hub, copy in self.events.values():
                if hub in mine:
                    record = ProfileActivity(
                        workspace="acme",
                        profile_id=who,
                        version=1,
                        event=event,
                        hub=hub,
                        replaced=copy,
                    )
                    life.told.append(record)
            content = self.profiles.held[who].content
            told = [content["identifiers"], content["traits"], content["computed"], [], [], []]
            facts = Facts([Section(place, one) for place, one in enumerate(told)], who)
            found[who] = told_of(life, facts)
        return found


async def members(engine: AsyncEngine) -> dict[str, set[str]]:
    async with engine.begin() as tx:
        rows = await tx.execute(
            text(
                "SELECT d.name, CAST(m.profile_id AS text) FROM segment.membership m "
                "JOIN segment.definition d USING (workspace, segment_id) WHERE m.exited_at IS NULL"
            )
        )
        found: dict[str, set[str]] = {}
        for name, who in rows.all():
            found.setdefault(name, set()).add(who)
        return found


async def emptied(engine: AsyncEngine) -> None:
    await wiped(engine, map(str, METADATA.sorted_tables))


async def lived(engine: AsyncEngine, seed: int, steps: int) -> None:
    """All is told in some way; who is in then, and as time goes on, is who should be."""
    await emptied(engine)
    world = World(seed)
    shop = Shop(engine, Records())
    shop.clock.now = START
    rules = {
        f"r{number}": world.chance.event_leaf() if number < 3 else world.chance.rule(2)
        for number in range(5)
    }
    world.run(steps)
    batches = list(world.batches())
    late = world.pick.choice((0, len(batches) // 2))
    for number, batch in enumerate(batches):
        if number == late:
            await shop.define(**rules)
        await shop.tell(*batch)
    if world.pick.random() < 0.5:
        async with engine.begin() as tx:
            await tx.execute(text("DELETE FROM segment.happening"))
        for told in world.all_again():
            await shop.tell(told)
    people = world.people()
    judges = {name: Judges().of(parse(rule)) for name, rule in rules.items()}
    for days in (0, 1, 8, 40, 400):
        at = START + timedelta(days=days, seconds=10)
        await shop.wait(at)
        found = await members(engine)
        for name, judge in judges.items():
            fitting = {who for who, facts in people.items() if judge(View(facts, at))[0]}
            assert found.get(name, set()) == fitting, (seed, days, rules[name])
        async with engine.begin() as tx:
            for one in await definitions.active(tx, ["acme"]):
                rule = rule_of(one)
                wrong = await definitions.misplaced(tx, "acme", one.segment_id, rule, now=at)
                assert wrong == [], (seed, days, one.rule)


@settings(max_examples=examples(4))
@given(seed=st.integers(0, 2**63))
async def test_who_is_in_is_who_should_be(module_engine: AsyncEngine, seed: int) -> None:
    await lived(module_engine, seed, steps=25)


@pytest.mark.long
async def test_so_it_is_in_many_lives(module_engine: AsyncEngine) -> None:
    for seed in range(400):
        await lived(module_engine, seed, steps=40)
