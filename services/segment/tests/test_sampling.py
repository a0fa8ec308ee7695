"""Estimates: each person has the same chance, whoever is judged is in, and the interval holds."""

import itertools
import math
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services.segment.tests.crowds import crowd
from services.segment.tests.somebody import NOW, Somebody
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common.testing.examples import examples
from rapport_segment.domain import sampling as pure
from rapport_segment.domain.events_judging import covered
from rapport_segment.domain.outlook import View
from rapport_segment.domain.rulebook import Definition
from rapport_segment.domain.rules import parse
from rapport_segment.domain.sampling import Interval, Trial, fitting_of, population, wilson
from rapport_segment.domain.sections import RESTRAINTS, Section
from rapport_segment.domain.windows import NEVER, Span
from rapport_segment.handlers import previewing, sampling
from rapport_segment.handlers.previewing import Previewed
from rapport_segment.store import people, previews, samples
from rapport_segment.store.limits import OutOfTimeError, limited

OLD = {"trait": "plan", "op": "eq", "value": "old"}
DEVICES = {"trait": "devices", "op": "eq", "value": True}
ORDERS = {"computed": "orders", "op": "gte", "value": 5}
AGE = {"trait": "age", "op": "gte", "value": 25}
BOUGHT = {"sequence": [{"performed": "Cart"}, {"performed": "Bought", "within": "2h"}]}
RULES = [OLD, DEVICES, ORDERS, BOUGHT, {"and": [ORDERS, {"not": AGE}, {"or": [OLD, BOUGHT]}]}]


@pytest.mark.parametrize(
    ("fitting", "sampled", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (20, 20, 0.8389, 1.0),
        (0, 0, 0.0, 1.0),
    ],
)
def test_an_interval_is_wilsons(fitting: int, sampled: int, low: float, high: float) -> None:
    """The first four are those of Newcombe, Statistics in Medicine 17 (1998) 857-872."""
    assert list(wilson(fitting, sampled)) == pytest.approx([low, high], abs=5e-5)


@settings(max_examples=examples(300))
@given(st.data())
def test_a_count_lies_between_what_was_found_and_what_can_be(data: st.DataObject) -> None:
    everybody = data.draw(st.integers(0, 10_000))
    sampled = data.draw(st.integers(0, everybody))
    fitting = data.draw(st.integers(0, sampled))
    found = fitting_of(fitting, sampled, Interval(everybody, everybody))
    assert fitting <= found.low <= found.high <= everybody - (sampled - fitting)
    if sampled == everybody:
        assert found == Interval(fitting, fitting)


def test_how_many_there_are_follows_from_who_was_found() -> None:
    assert population(400, 0.02) == Interval(18_133, 22_059)
    low, high = population(0, 0.5).low, population(0, 0.5).high
    assert (low, high) == (0, math.ceil(pure.Z**2 * 2))


SPANS = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 13)).map(
        lambda one: (_at(one[0]), NEVER if one[1] == 13 else _at(one[1]))
    ),
    max_size=8,
)


def _at(hour: int) -> datetime:
    return datetime(2026, 1, 1, hour, tzinfo=UTC)


@settings(max_examples=examples(300))
@given(SPANS, st.integers(0, 12))
def test_spans_hold_until_no_instant_is_in_any(spans: Sequence[Span], hour: int) -> None:
    verdict, until = covered(spans, _at(hour))
    inside = [any(first <= _at(one) < behind for first, behind in spans) for one in range(24)]
    changes = [_at(one) for one in range(hour, 24) if inside[one] is not inside[hour]]
    assert (verdict, until) == (inside[hour], changes[0] if changes else None)


def _trial(rule: Any) -> Trial:
    definition = Definition.of(uuid.uuid4(), 1, "", parse(rule))
    return Trial(definition, ("email", "sms"), "promotion")


def test_who_is_held_against_a_rule_counts_in_each_part_that_fits() -> None:
    trial = _trial({"and": [{"or": [ORDERS, {"not": AGE}]}, OLD]})
    some = [
        Somebody().has(plan="old", age=30).counts(orders=6).says_yes(),
        Somebody().has(plan="old", age=30),
        Somebody().has(plan="new").counts(orders=5),
        Somebody().has(plan="old", age=[1, 2]),
    ]
    for number, one in enumerate(some):
        trial.add(View(one.facts(one.life(number), ()), NOW))
    found = trial.tallied
    assert (found.fitting, found.everybody, found.reach) == (2, 4, {"email": 1, "sms": 0})
    assert [(one.part.path, one.count, one.left) for one in found.funnel] == [
        ("", 2, None),
        ("and[0]", 3, 3),
        ("and[0].or[0]", 2, None),
        ("and[0].or[1]", 2, None),
        ("and[0].or[1].not", 2, None),
        ("and[1]", 3, 2),
    ]
    types = {one.name: {k: v for k, v in told.items() if v} for one, told in found.types.items()}
    assert types == {"age": {"number": 2, "list": 1, "missing": 1}, "plan": {"text": 4}}
    assert [view.facts.traits["plan"] for view in trial.shown] == ["old", "old"]


def _added(rule: Any, *some: Somebody) -> Trial:
    trial = _trial(rule)
    for number, one in enumerate(some):
        trial.add(View(one.facts(one.life(number), ()), NOW))
    return trial


def test_traits_are_told_apart_by_what_they_are() -> None:
    some: list[Any] = [None, True, "a", {"b": 1}, 5, 1.5, [5], False]
    [found] = _added(AGE, *(Somebody().has(age=one) for one in some)).tallied.types.values()
    expected = {"missing": 1, "boolean": 2, "text": 1, "object": 1, "number": 2, "list": 1}
    assert found == expected


def test_who_may_not_be_judged_is_counted_among_everybody_and_in_no_part() -> None:
    trial = _added(OLD, Somebody().has(plan="old"))
    facts = Somebody().has(plan="old").facts(Somebody().life(1), ())
    restrained = facts.overlaid({RESTRAINTS: Section(RESTRAINTS, ["profiling"])})
    trial.add(View(restrained, NOW))
    found = trial.tallied
    assert (found.fitting, found.everybody, found.funnel[0].count) == (1, 2, 1)
    assert [view.facts.restraints for view in trial.shown] == [{}]


def test_no_more_than_ten_whom_a_rule_fits_are_shown() -> None:
    trial = _added(OLD, *(Somebody().has(plan="old", age=number) for number in range(12)))
    assert trial.tallied.fitting == 12
    assert [view.facts.traits["age"] for view in trial.shown] == list(range(10))


def test_a_sample_is_scaled_in_all_its_counts() -> None:
    some = [Somebody().has(plan="old").says_yes(), Somebody().has(plan="new"), Somebody()]
    found = pure.scaled(_added({"and": [OLD, {"not": AGE}]}, *some).tallied, 10)
    assert (found.fitting, found.everybody, found.reach) == (3, 10, {"email": 3, "sms": 0})
    assert [(one.count, one.left) for one in found.funnel] == [
        (3, None),
        (3, 3),
        (10, 3),
        (0, None),
    ]
    [age, plan] = sorted(found.types.items(), key=lambda one: one[0].name)
    assert (age[1]["missing"], plan[1]["text"], plan[1]["missing"]) == (10, 7, 3)


Estimating = Callable[..., Any]


@pytest.fixture
def estimate(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> Estimating:
    """A function that estimates, without looking at the time."""
    monkeypatch.setattr(sampling, "SECONDS", 300)
    monkeypatch.setattr(sampling, "COUNT_SECONDS", 300)
    monkeypatch.setattr(previewing, "PREVIEW_SECONDS", 300)

    async def estimated(rule: Any, workspace: str = "acme", seed: int = 0, **given: Any) -> Any:
        options = {"timer": lambda: 0.0, **given}
        async with engine.begin() as tx:
            now = datetime(2026, 2, 1, tzinfo=UTC)
            trial = Trial(
                Definition.of(uuid.uuid4(), 1, "", parse(rule)), previewing.REACHED, "promotion"
            )
            return await sampling.estimated(
                tx, workspace, trial, now, chance=Random(seed), **options
            )

    return estimated


async def counted(engine: AsyncEngine, rule: Any, workspace: str = "acme") -> Previewed:
    """Exactly, by SQL."""
    async with engine.begin() as tx:
        found = await previewing.preview(tx, workspace, rule)
    assert not found.is_estimate
    return found


@pytest.mark.integration
async def test_a_sample_of_everybody_is_what_sql_counts(
    engine: AsyncEngine, estimate: Estimating
) -> None:
    await crowd(engine, "acme", 300)
    for rule in RULES:
        found, told = await estimate(rule), await counted(engine, rule)
        assert (found.is_whole, found.sampled, found.everybody) == (True, 300, 300)
        mine, theirs = found.tallied, told.tallied
        assert mine.funnel == theirs.funnel
        assert (mine.fitting, mine.reach) == (theirs.fitting, theirs.reach)
        assert mine.types == theirs.types
        assert found.interval == Interval(mine.fitting, mine.fitting)
        assert len(found.shown) == 10


async def _covering(
    engine: AsyncEngine, estimate: Estimating, workspace: str, seeds: int
) -> tuple[int, list[float]]:
    """In how many intervals the truth lies, and how far estimates are off, by rule."""
    covering, off = 0, []
    for rule in RULES:
        truth = (await counted(engine, rule, workspace)).tallied.fitting
        found = [await estimate(rule, workspace, seed) for seed in range(seeds)]
        covering += sum(one.interval.low <= truth <= one.interval.high for one in found)
        off.append(sum(one.tallied.fitting for one in found) / seeds / truth - 1)
        assert all(one.sampled < one.everybody for one in found)
    return covering, off


@pytest.mark.integration
async def test_estimates_are_fair_in_a_small_workspace_and_in_a_large_one(
    engine: AsyncEngine, estimate: Estimating, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has many identifiers, and who was there first, is drawn as often as others."""
    monkeypatch.setattr(samples, "LOOKED_AT", 200)
    monkeypatch.setattr(sampling, "ALL_OF", 1000)
    monkeypatch.setattr(sampling, "AHEAD", 200)
    monkeypatch.setattr(sampling, "FIRST", 50)
    monkeypatch.setattr(sampling, "LARGEST", 100)
    await crowd(engine, "acme", 300)
    await crowd(engine, "large", 20_000)
    monkeypatch.setattr(sampling, "MOST", 100)
    covering, off = await _covering(engine, estimate, "acme", 8)
    assert covering >= 0.9 * 8 * len(RULES)
    assert max(map(abs, off)) < 0.15
    monkeypatch.setattr(sampling, "MOST", 300)
    covering, off = await _covering(engine, estimate, "large", 5)
    assert covering >= 0.9 * 5 * len(RULES)
    assert max(map(abs, off)) < 0.15


@pytest.mark.integration
async def test_people_come_in_the_order_in_which_they_were_drawn(engine: AsyncEngine) -> None:
    """When the time is over in the middle of a piece, chance has chosen those before, too."""
    await crowd(engine, "acme", 20)
    async with engine.begin() as tx:
        ids = await samples.some(tx, "acme", 20)
        drawn = Random(1).sample(ids, 20)
        found = await people.some(tx, "acme", drawn)
    assert [one.profile_id for one in found] == drawn


@pytest.mark.integration
async def test_without_a_count_the_sample_says_how_many_there_are(
    engine: AsyncEngine, estimate: Estimating, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def everybody(_tx: AsyncConnection, _workspace: str) -> int:
        raise OutOfTimeError

    await crowd(engine, "acme", 3000)
    exact = await counted(engine, OLD)
    monkeypatch.setattr(samples, "everybody", everybody)
    monkeypatch.setattr(sampling, "ALL_OF", 1000)
    monkeypatch.setattr(sampling, "AHEAD", 200)
    monkeypatch.setattr(sampling, "MOST", 500)
    found = await estimate(OLD)
    assert found.everybody == pytest.approx(3000, rel=0.2)
    assert found.everybody != 3000
    assert found.interval.low <= exact.tallied.fitting <= found.interval.high
    # All stretches together are everybody, each once.
    monkeypatch.setattr(sampling, "MOST", 4000)
    found = await estimate(OLD)
    assert (found.sampled, found.everybody) == (3000, 3000)
    assert found.tallied.fitting == exact.tallied.fitting


@pytest.mark.integration
async def test_at_its_end_the_time_is_over_for_the_rest(
    engine: AsyncEngine, estimate: Estimating, monkeypatch: pytest.MonkeyPatch
) -> None:
    await crowd(engine, "acme", 300)
    ticking = itertools.count()
    found = await estimate(OLD, timer=lambda: float(next(ticking)))
    assert 0 < found.sampled < 300
    assert not found.is_whole
    assert found.interval.low <= 81 <= found.interval.high

    def tick() -> float:
        return float(next(ticking)) * 10

    some = people.some

    async def sometimes(tx: Any, workspace: str, ids: Sequence[Any], wanted: int) -> Any:
        if len(ids) > most:
            raise OutOfTimeError
        return await some(tx, workspace, ids, wanted)

    # What takes long for many is tried for fewer, and if that takes long, too, nothing is known.
    monkeypatch.setattr(people, "some", sometimes)
    most = 1
    found = await estimate(OLD, timer=tick)
    assert 0 < found.sampled < 20
    most = 0
    found = await estimate(OLD, timer=tick)
    assert (found.sampled, found.everybody, found.interval) == (0, 300, Interval(0, 300))


@pytest.mark.integration
async def test_somebody_with_20000_events_and_a_long_sequence_is_judged_in_memory(
    engine: AsyncEngine, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nine identifiers with so many events of one name each: by SQL that is each with each."""
    monkeypatch.setattr(sampling, "SECONDS", 300)
    await crowd(engine, "acme", 30)
    async with engine.begin() as tx:
        await tx.execute(
            text(
                "INSERT INTO segment.happening SELECT a.workspace, 'shop', "
                "encode(a.anchor, 'hex') || n, a.anchor, 'View', "
                "now() - n * CAST('2 minutes' AS interval), now(), 0, '{}' "
                "FROM segment.anchor a, generate_series(1, 2500) AS n WHERE a.profile_id = "
                "(SELECT p.profile_id FROM segment.person p WHERE p.traits ? 'devices' "
                "ORDER BY p.profile_id LIMIT 1)"
            )
        )
    view = {"performed": "View"}
    rule = {"sequence": [view, {**view, "within": "1min"}, {**view, "within": "1min"}]}

    async def by_sql(tx: AsyncConnection) -> None:
        async with limited(tx, 0.1):
            at = datetime.now(UTC)
            await previews.tally(tx, "acme", parse(rule), {}, now=at, channels=())

    timeout = text("SHOW statement_timeout")
    async with engine.begin() as tx:
        usual = (await tx.execute(timeout)).scalar_one()
        with pytest.raises(OutOfTimeError):
            await by_sql(tx)
        assert (await tx.execute(timeout)).scalar_one() == usual
    body = {"rule": {"or": [rule, OLD]}, "seconds": 0.1}
    answer = await client.post("/v1/segments/preview", json=body)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["count"], found["of"], found["sampled"]) == (9, 30, 30)
    assert [one["count"] for one in found["parts"]] == [9, 0, 9]
    assert (found["estimate"], found["interval"]) == (False, None)
    assert len(found["people"]) == 9
