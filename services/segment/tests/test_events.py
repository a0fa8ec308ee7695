"""Rules on events: both evaluators agree at each instant, and nobody is looked at too late."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services.segment.tests.generating import around
from services.segment.tests.generating_events import NAMES, EventChance, Life, told_of
from services.segment.tests.judging import kept
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common.testing.examples import examples
from rapport_segment.api.rules import Rule
from rapport_segment.domain.evaluate import Judges
from rapport_segment.domain.outlook import View
from rapport_segment.domain.printing import line
from rapport_segment.domain.reading import read
from rapport_segment.domain.rules import parse
from rapport_segment.domain.sections import IDENTIFIERS, Facts
from rapport_segment.store import happenings
from rapport_segment.store.condition import Condition
from rapport_segment.store.matching import matched
from rapport_segment.tables import FOLLOWED

SEEDS = st.integers(0, 2**63)
PEOPLE = 12
BATCH = 7


@given(seed=SEEDS)
def test_what_is_printed_is_read_as_the_same_rule(seed: int) -> None:
    rule = parse(EventChance(seed).rule())
    assert parse(read(line(rule))) == rule


@given(seed=SEEDS)
def test_what_is_read_is_what_the_schema_takes(seed: int) -> None:
    document = EventChance(seed).event_leaf()
    parse(document)
    Rule.model_validate(document)


@given(seed=SEEDS)
def test_nobody_is_looked_at_too_late(seed: int) -> None:
    """Until the instant that is given the verdict is what it is now."""
    chance = EventChance(seed)
    facts = told_of(chance.life(1), chance.facts())
    document = chance.rule()
    judge = Judges().of(parse(document))
    verdict, until = judge(View(facts, chance.now))
    ahead = chance.now + timedelta(days=800)
    end = ahead if until is None else until
    hours = [chance.now + (end - chance.now) * part / 17 for part in range(17)]
    edges = [one for event in chance_edges(facts, chance) for one in around([event])]
    for at in sorted(one for one in (*hours, *edges) if chance.now <= one < end):
        assert judge(View(facts, at))[0] is verdict, (document, at.isoformat())


def chance_edges(facts: Facts, chance: EventChance) -> list[datetime]:
    """Instants at which windows let events go."""
    assert facts.happened is not None
    lengths = [timedelta(days=one) for one in (1, 7, 14, 30, 31, 365)]
    lengths += [timedelta(minutes=one) for one in (1, 60, 90)]
    return [
        event.at + length
        for name in NAMES
        for event in facts.happened.of(name)
        for length in lengths
        if event.at + length > chance.now
    ]


async def in_sql(
    tx: AsyncConnection, document: dict[str, Any], now: datetime, people: list[Facts]
) -> list[bool]:
    """The verdicts on these people, who are kept with their events."""
    rule = parse(document)
    condition = Condition(rule, now, await matched(tx, rule, "true", {"workspace": "acme"}))
    rows = await tx.execute(
        text(f"SELECT CAST(profile_id AS text), {condition.sql} FROM segment.person p"),
        condition.parameters,
    )
    found = {row[0]: row[1] for row in rows}
    return [found[one.profile_id] for one in people]


async def keep(
    tx: AsyncConnection, lives: list[Life], people: list[Facts], batch: int = BATCH
) -> None:
    """Keep what happened, a few records at a time, as they were told."""
    await tx.execute(text("DELETE FROM segment.person"))
    told = [one for life in lives for one in life.arrivals]
    for first in range(0, len(told), batch):
        best: dict[Any, Any] = {}
        for one in told[first : first + batch]:
            known = best.get(one.message)
            if known is None or known.copy <= one.copy:
                best[one.message] = one
        await happenings.save(tx, best)
    held = {
        (("acme", one.profile_id), anchor)
        for one in people
        for anchor in one.sections[IDENTIFIERS].anchors
    }
    await happenings.claim(tx, held)
    columns = ", ".join(FOLLOWED.sections)
    given = ", ".join(f"CAST(s{place} AS jsonb)" for place in range(len(FOLLOWED.sections)))
    arrays = ", ".join(f"CAST(:s{place} AS text[])" for place in range(len(FOLLOWED.sections)))
    names = ", ".join(f"s{place}" for place in range(len(FOLLOWED.sections)))
    told_sections = zip(*map(kept, people), strict=True)
    await tx.execute(
        text(
            f"INSERT INTO segment.person (workspace, profile_id, version, known, {columns}) "
            f"SELECT 'acme', CAST(w AS uuid), 1, true, {given} "
            f"FROM unnest(CAST(:w AS text[]), {arrays}) AS u(w, {names})"
        ),
        {
            "w": [one.profile_id for one in people],
            **{f"s{place}": list(one) for place, one in enumerate(told_sections)},
        },
    )


async def agreed(engine: AsyncEngine, seed: int, number: int = PEOPLE, rules: int = 4) -> int:
    """Compare the evaluators over some rules and so many people; how many verdicts."""
    chance = EventChance(seed)
    lives = [chance.life(one) for one in range(number)]
    people = [told_of(life, chance.facts()) for life in lives]
    compared = 0
    async with engine.connect() as tx:
        await keep(tx, lives, people)
        for _ in range(rules):
            document = chance.rule()
            judge = Judges().of(parse(document))
            instants = {chance.now}
            for facts in people[:3]:
                until = judge(View(facts, chance.now))[1]
                instants.update(around([until]) if until is not None else ())
            for now in sorted(instants)[:5]:
                expected = [judge(View(facts, now))[0] for facts in people]
                found = await in_sql(tx, document, now, people)
                assert found == expected, (seed, document, now.isoformat())
                compared += len(people)
        await tx.rollback()
    return compared


@pytest.mark.integration
@settings(max_examples=examples(12))
@given(seed=SEEDS)
async def test_both_evaluators_agree_about_events(module_engine: AsyncEngine, seed: int) -> None:
    assert await agreed(module_engine, seed)


@pytest.mark.integration
@pytest.mark.long
async def test_they_agree_over_a_hundred_thousand_verdicts(module_engine: AsyncEngine) -> None:
    compared, seed = 0, 0
    while compared < 100_000:
        compared += await agreed(module_engine, seed, number=60, rules=8)
        seed += 1
