"""Rules that ask for events and for what models say, both in one: who is in by the records, however
they come, is who is in by SQL, and by all that is known at once.
"""

import itertools
import random
import uuid
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services.segment.tests.conftest import Records
from services.segment.tests.test_events_stream import START, OfEvents, World, emptied, members
from services.segment.tests.test_passing import Shop
from services.segment.tests.test_scores import Tellers, scores
from sqlalchemy.ext.asyncio import AsyncEngine
from typing_extensions import override

from rapport_common.events.scores import ProfileScores, Score
from rapport_common.testing.examples import examples
from rapport_segment.domain.evaluate import Judges
from rapport_segment.domain.outlook import View
from rapport_segment.domain.rules import parse

pytestmark = pytest.mark.integration

RISK, CLASS = "churn_risk", "churn_class"
MOMENT = timedelta(milliseconds=1)
LAST = 6
"""So many scores come when nothing else does any more."""
WORDS = ("likely", "unlikely")
Said = dict[tuple[str, str], tuple[datetime, Decimal | str | None]]


class Mixed(OfEvents):
    """Every other comparison is with a score."""

    @override
    def leaf(self) -> dict[str, Any]:
        return super().leaf() if self._random.random() < 0.5 else self.score_leaf()

    def score_leaf(self) -> dict[str, Any]:
        """A comparison with what a model says."""
        pick = self._random
        some: tuple[dict[str, Any], ...] = (
            {"score": RISK, "op": pick.choice(("gt", "gte", "lt", "lte")), "value": "0.5"},
            {"score": RISK, "op": pick.choice(("eq", "ne")), "value": 0.25},
            {"score": pick.choice((RISK, CLASS)), "op": pick.choice(("exists", "not_exists"))},
            {"score": CLASS, "op": pick.choice(("eq", "ne")), "value": pick.choice(WORDS)},
        )
        return pick.choice(some)


class Scored(World):
    """Models say something of people, newer or older than what they have said."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.chance: Mixed = Mixed(seed)
        self.chance.now = START
        self.said: Said = {}
        self._numbers = itertools.count()

    def score(self) -> list[ProfileScores]:
        """What is told of somebody who is known by now or will be."""
        who = str(uuid.UUID(int=self.pick.randint(1, self.born + 1)))
        # Before all else that happens, or after it; no two at one instant.
        days = self.pick.choice((-400, -8, 0))
        at = START + timedelta(days=days, microseconds=next(self._numbers))
        number = self.pick.choice((None, "0", "0.25", "0.250", "0.5", "0.75"))
        word = self.pick.choice((None, *WORDS))
        self._keep(who, RISK, at, None if number is None else Decimal(number))
        self._keep(who, CLASS, at, word)
        some = [Score(name=RISK, number=number), Score(name=CLASS, text=word)]
        return [scores(*some, who=uuid.UUID(who), as_of=at)]

    def _keep(self, who: str, name: str, at: datetime, value: Decimal | str | None) -> None:
        known = self.said.get((who, name))
        if known is None or known[0] < at:
            self.said[who, name] = (at, value)

    def of(self, who: str) -> dict[str, Any]:
        """The newest that was said of somebody."""
        return {
            name: value
            for (one, name), (_at, value) in self.said.items()
            if one == who and value is not None
        }


class Apart(Scored):
    """Nobody merges or comes apart: all that counts of somebody is known without segment."""

    @override
    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.pick.choice((*[self.event] * 5, self.copy))()


async def told(engine: AsyncEngine, world: Scored, rules: dict[str, dict[str, Any]]) -> Tellers:
    """All is told, and rules are made somewhere in between."""
    tellers = Tellers(Shop(engine, Records()))
    shop = tellers.shop
    shop.clock.now = START
    batches = list(world.batches())
    late = world.pick.randrange(len(batches))
    for number, batch in enumerate(batches):
        if number == late:
            await shop.define(**rules)
        # No two at one instant: by it stays of one state are told apart.
        shop.clock.now += MOMENT
        if world.pick.random() < 0.5:
            await tellers.tell(*world.score())
        shop.clock.now += MOMENT
        await shop.tell(*batch)
    for _ in range(LAST):
        shop.clock.now += MOMENT
        await tellers.tell(*world.score())
    return tellers


def drawn(world: Scored) -> dict[str, dict[str, Any]]:
    """Rules of which each has both."""
    return {
        f"r{number}": {
            world.pick.choice(("and", "or")): [
                world.chance.event_leaf(),
                world.chance.score_leaf(),
                *([{"not": world.chance.rule(1)}] if number == 2 else []),
            ]
        }
        for number in range(3)
    }


async def agree_apart(engine: AsyncEngine, seed: int) -> None:
    """By records, by SQL and by all at once the same people are in."""
    await emptied(engine)
    world = Apart(seed)
    world.run(random.Random(seed).choice((5, 20)))
    rules = drawn(world)
    tellers = await told(engine, world, rules)
    people = {who: facts.scored(world.of(who)) for who, facts in world.people().items()}
    judges = {name: Judges().of(parse(rule)) for name, rule in rules.items()}
    for days in (0, 8, 400):
        at = START + timedelta(days=days, seconds=10)
        await tellers.shop.wait(at)
        found = await members(engine)
        for name, judge in judges.items():
            fitting = {who for who, facts in people.items() if judge(View(facts, at))[0]}
            assert found.get(name, set()) == fitting, (seed, days, rules[name])
        assert await tellers.misplaced() == [], (seed, days)


async def agree_together(engine: AsyncEngine, seed: int) -> None:
    """By records and by SQL, also of whom people have become."""
    await emptied(engine)
    world = Scored(seed)
    world.run(20)
    tellers = await told(engine, world, drawn(world))
    for days in (0, 8, 400):
        await tellers.shop.wait(START + timedelta(days=days, seconds=10))
        assert await tellers.misplaced() == [], (seed, days)


@settings(max_examples=examples(12))
@given(seed=st.integers(0, 2**63))
async def test_records_sql_and_all_at_once_agree(module_engine: AsyncEngine, seed: int) -> None:
    await agree_apart(module_engine, seed)


@settings(max_examples=examples(12))
@given(seed=st.integers(0, 2**63))
async def test_records_and_sql_agree_when_people_merge_and_come_apart(
    module_engine: AsyncEngine, seed: int
) -> None:
    await agree_together(module_engine, seed)


@pytest.mark.long
async def test_so_it_is_in_many_worlds(module_engine: AsyncEngine) -> None:
    for seed in range(100):
        await agree_apart(module_engine, seed)
        await agree_together(module_engine, seed)
