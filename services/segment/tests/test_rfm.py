"""RFM: scores over all customers, ties and small numbers among them, and who is in which tier."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from services.segment.tests.building import build
from services.segment.tests.judging import NOON
from services.segment.tests.test_passing import Published, Shop
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.outbox import waiting

from rapport_common.due.store import DueStore
from rapport_common.due.worker import DueWorker
from rapport_common.events.scores import ProfileScores, Score
from rapport_common.events.topics import PROFILE_SCORES
from rapport_common.events.trait import TraitDefinition
from rapport_common.kafka.batch import Record
from rapport_segment.domain.rfm import PARTS, SCORES, TIERS, quintile, scores_of, tier, within
from rapport_segment.domain.rfm import told as as_told
from rapport_segment.domain.rules import parse
from rapport_segment.handlers.rfm import Scoring
from rapport_segment.handlers.rulebooks import rule_of
from rapport_segment.handlers.trait import on_trait
from rapport_segment.store import definitions
from rapport_segment.store.jobs import JOBS

if TYPE_CHECKING:
    from services.segment.tests.conftest import Records

DAY = timedelta(days=1)
EURO = {"monetary": {"computed": "revenue", "currency": "EUR"}}
CHAMPIONS = {"score": "rfm_tier", "op": "eq", "value": "champions"}


def test_each_three_scores_come_to_a_tier() -> None:
    found = {(one, other): tier(one, other, other) for one in range(1, 6) for other in range(1, 6)}
    assert set(found.values()) == set(TIERS)
    assert (found[5, 5], found[5, 1], found[1, 1], found[1, 5]) == (
        "champions",
        "new",
        "lost",
        "at_risk",
    )
    # The mean of frequency and monetary is rounded up.
    assert (tier(5, 3, 4), tier(5, 3, 3)) == ("champions", "potential")


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40))
def test_quintiles_go_up_with_the_value_and_ties_share_one(values: list[int]) -> None:
    ordered = sorted(values)
    found = [quintile(one, ordered) for one in ordered]
    assert found == sorted(found)
    assert set(found) <= set(range(1, PARTS + 1))
    assert len({(value, score) for value, score in zip(ordered, found, strict=True)}) == len(
        set(ordered)
    )
    if len(set(ordered)) == 1:
        assert set(found) == {3}
    if len(ordered) == len(set(ordered)) and len(ordered) % PARTS == 0:
        assert found == sorted(list(range(1, PARTS + 1)) * (len(ordered) // PARTS))


def test_bounds_that_are_reached_count() -> None:
    bounds = [Decimal(one) for one in (2, 3, 5, 10)]
    assert [within(Decimal(one), bounds) for one in (1, 2, 4, 5, 10, 99)] == [1, 2, 3, 4, 5, 5]


def test_scores_are_told_as_decimal_strings_and_the_tier_in_words() -> None:
    told = as_told("acme", "p", scores_of(5, 3, 4), NOON)
    assert (told.workspace, told.profile_id, told.as_of) == ("acme", "p", NOON)
    assert (told.model, told.model_version) == ("rfm", "1")
    assert told.scores == [
        Score(name="rfm_recency", number="5"),
        Score(name="rfm_frequency", number="3"),
        Score(name="rfm_monetary", number="4"),
        Score(name="rfm_tier", text="champions"),
    ]


def test_of_who_is_no_customer_all_names_are_told_without_a_value() -> None:
    scores = as_told("acme", "p", {}, NOON).scores
    assert scores == [Score(name=name) for name in SCORES]


class Customers:
    """A workspace with customers, of whom it is known how long ago, how often, for how much."""

    def __init__(self, shop: Shop, records: "Records", client: httpx.AsyncClient) -> None:
        self.shop = shop
        self.records = records
        self.client = client
        self.heard = 0

    async def bought(self, *some: tuple[int, int, str]) -> None:
        states = [
            self.records.state(
                uuid.UUID(int=number + 1),
                orders=orders,
                revenue={"EUR": amount},
                last_order_at=self.shop.clock.now - days * DAY if orders else None,
            )
            for number, (days, orders, amount) in enumerate(some)
        ]
        await self.shop.tell(*states)

    async def put(self, **more: Any) -> httpx.Response:
        return await self.client.put("/v1/rfm", json={**EURO, **more})

    async def run(self) -> dict[str, Any]:
        answer = await self.client.post("/v1/rfm/run")
        assert answer.status_code == 202, answer.text
        await build(self.shop.engine, now=self.shop.clock)
        return dict((await self.client.get(f"/v1/jobs/{answer.json()['id']}")).json())

    async def scores(self) -> dict[int, Any]:
        async with self.shop.engine.begin() as tx:
            rows = await tx.execute(text("SELECT profile_id, scores FROM segment.score"))
            return {row[0].int - 1: row[1] for row in rows.all()}

    async def told(self) -> list[tuple[int, dict[str, Any]]]:
        """What others have been told since the last time: of whom, and the scores by name."""
        async with self.shop.engine.begin() as tx:
            records = (await waiting(tx, "segment", PROFILE_SCORES.name))[self.heard :]
        self.heard += len(records)
        some = [msgspec.json.decode(one.value, type=ProfileScores) for one in records]
        return [
            (uuid.UUID(one.profile_id).int - 1, {each.name: as_kept(each) for each in one.scores})
            for one in some
        ]


def as_kept(one: Score) -> Any:
    return one.text if one.number is None else int(one.number)


def expected(some: Sequence[tuple[int, int, str]]) -> dict[int, Any]:
    """Worked out one by one."""
    buyers = {number: one for number, one in enumerate(some) if one[1]}
    sides: list[list[Any]] = [
        sorted(-days for days, _orders, _amount in buyers.values()),
        sorted(orders for _days, orders, _amount in buyers.values()),
        sorted(Decimal(amount) for _days, _orders, amount in buyers.values()),
    ]
    return {
        number: scores_of(
            quintile(-days, sides[0]),
            quintile(orders, sides[1]),
            quintile(Decimal(amount), sides[2]),
        )
        for number, (days, orders, amount) in buyers.items()
    }


@pytest.fixture
def customers(engine: AsyncEngine, records: "Records", client: httpx.AsyncClient) -> Customers:
    return Customers(Shop(engine, records), records, client)


@pytest.mark.integration
async def test_everybody_is_scored_among_all_and_only_changes_are_written(
    customers: Customers,
) -> None:
    some = [(1, 9, "900"), (1, 2, "20"), (30, 2, "50.5"), (90, 1, "20.00"), (400, 1, "5")]
    some += [(5, 0, "0"), (200, 9, "-3"), (200, 3, "1E+2"), (7, 1, "20")]
    await customers.bought(*some)
    assert (await customers.put()).status_code == 200
    await build(customers.shop.engine, now=customers.shop.clock)
    before = expected(some)
    assert await customers.scores() == before
    assert dict(await customers.told()) == before
    again = await customers.run()
    assert (again["state"], again["done"], again["report"]["changed"]) == ("done", 8, 0)
    assert await customers.told() == []
    # One who takes all back is no customer any more, and the others move up or down.
    some[0] = (1, 0, "0")
    await customers.bought(*some)
    changed = await customers.run()
    assert await customers.scores() == expected(some)
    after = expected(some)
    told = await customers.told()
    assert len(told) == changed["report"]["changed"] < len(some)
    none = dict.fromkeys(before[0])
    others = {who for who in after if after[who] != before[who]}
    assert dict(told) == {0: none, **{who: after[who] for who in others}}
    tiers = (await customers.client.get("/v1/rfm")).json()["tiers"]
    assert sum(tiers.values()) == 7
    assert tiers == changed["report"]["tiers"]


@pytest.mark.integration
async def test_who_is_alone_is_in_the_middle_and_bounds_say_otherwise(customers: Customers) -> None:
    await customers.bought((10, 4, "80"))
    await customers.put()
    await customers.run()
    assert await customers.scores() == {0: scores_of(3, 3, 3)}
    bounds = {
        "recency": [10, 30, 90, 365],
        "frequency": [2, 3, 4, 10],
        "monetary": ["50", "80.01", "100", "500"],
    }
    assert (await customers.put(bounds=bounds)).json()["bounds"]["recency"][0] in {"10", 10}
    await build(customers.shop.engine, now=customers.shop.clock)
    # Ten days are not less than ten.
    assert await customers.scores() == {0: scores_of(4, 4, 2)}


@pytest.mark.integration
async def test_tiers_are_segments_and_rest_on_scores(
    customers: Customers, published: Published
) -> None:
    some = [(1, 9, "900"), (30, 4, "50"), (90, 2, "20"), (200, 1, "15"), (400, 1, "5")]
    await customers.bought(*some)
    await customers.put()
    await build(customers.shop.engine, now=customers.shop.clock)
    added = (await customers.client.post("/v1/rfm/adopt")).json()["added"]
    assert [one["name"] for one in added] == [f"RFM: {one.replace('_', ' ')}" for one in TIERS]
    again = (await customers.client.post("/v1/rfm/adopt")).json()
    assert (again["added"], len(again["present"])) == ([], len(TIERS))
    await build(customers.shop.engine, now=customers.shop.clock)
    names = {one["id"]: one["name"] for one in added}
    entered = [(names[one.segment_id], one.profile_id[-1]) for one in await published()]
    assert ("RFM: champions", "1") in entered
    assert len(entered) == len(some)
    # The first falls behind; who is judged by a record meanwhile has the scores that are kept.
    some[0] = (399, 1, "1")
    await customers.bought(*some)
    assert len(await published()) == len(some)
    await customers.run()
    left = [one for one in await published() if one.change == "exited"]
    assert ("RFM: champions", "1") in [(names[one.segment_id], one.profile_id[-1]) for one in left]
    assert {one.cause for one in await published()} == {"definition"}
    async with customers.shop.engine.begin() as tx:
        for one in await definitions.active(tx, ["acme"]):
            args = (tx, "acme", one.segment_id, rule_of(one))
            assert await definitions.misplaced(*args, now=customers.shop.clock.now) == []
    path = f"/v1/segments/{added[0]['id']}/members/{uuid.UUID(int=2)}"
    [found] = (await customers.client.get(path)).json()["explanation"]
    assert (found["subject"], found["actual"]) == (
        "score rfm_tier",
        (await customers.scores())[1]["rfm_tier"],
    )


@pytest.mark.integration
async def test_what_a_crash_left_untold_is_told_once(customers: Customers) -> None:
    await customers.bought(*[(number, 1, "5") for number in range(3)])
    await customers.put()
    async with customers.shop.engine.begin() as tx:
        job = await JOBS.claim(tx, "test")
    assert job is not None
    scoring = Scoring(customers.shop.engine, customers.shop.clock)
    first = await anext(scoring.work(job))
    # Here the process dies: the scores are there, and nobody has been told.
    assert await customers.told() == []
    place = dict(first.position)
    steps = [one async for one in scoring.work(replace(job, position=place))]
    assert [one.done for one in steps] == [0]
    assert len(await customers.told()) == 3
    assert [one async for one in scoring.work(replace(job, position=place))] == []


@pytest.mark.integration
async def test_it_is_worked_out_again_when_it_is_time(customers: Customers) -> None:
    await customers.put(every_hours=6)
    await build(customers.shop.engine, now=customers.shop.clock)
    await customers.bought((1, 1, "5"))
    due = DueStore("segment", now=customers.shop.clock)
    scoring = Scoring(customers.shop.engine, customers.shop.clock, due)
    worker = DueWorker(customers.shop.engine, due, scoring.kinds)
    while await worker.turn():
        pass
    await build(customers.shop.engine, now=customers.shop.clock)
    assert list(await customers.scores()) == [0]
    # And is ahead once more; no more when it is to be on demand.
    async with customers.shop.engine.begin() as tx:
        rows = (await tx.execute(text("SELECT at FROM segment.due WHERE kind = 'rfm'"))).all()
    assert [row[0] for row in rows] == [customers.shop.clock.now + timedelta(hours=6)]
    await customers.put(every_hours=None)
    async with customers.shop.engine.begin() as tx:
        found = await tx.execute(text("SELECT count(*) FROM segment.due WHERE kind = 'rfm'"))
        assert found.scalar() == 0


@pytest.mark.integration
async def test_what_makes_no_sense_is_told_with_its_place(customers: Customers) -> None:
    assert (await customers.client.get("/v1/rfm")).status_code == 404
    assert (await customers.client.post("/v1/rfm/run")).status_code == 404
    assert (await customers.client.post("/v1/rfm/adopt")).status_code == 404
    for wrong, path in (
        ({"monetary": {"computed": "revenue"}}, "monetary.currency"),
        ({"monetary": {"computed": "orders"}}, "monetary"),
        ({"recency": {"computed": "orders"}}, "recency"),
        ({"frequency": {"computed": "luck"}}, "frequency.computed"),
        ({"bounds": {"recency": [1, 2, 2, 3]}}, "bounds.recency"),
    ):
        answer = await customers.put(**wrong)
        assert (answer.status_code, answer.json()["details"]) == (422, {"path": path}), wrong
    unread: tuple[dict[str, Any], ...] = (
        {"bounds": {"recency": [1]}},
        {"bounds": {"luck": [1, 2, 3, 4]}},
        {"bounds": {"monetary": ["NaN", 1, 2, 3]}},
        {"every_hours": 0},
        {"recency": {}},
        {"recency": {"defined": "x' OR 1"}},
    )
    for one in unread:
        assert (await customers.put(**one)).status_code == 422, one


@pytest.mark.integration
async def test_a_computed_trait_is_one_that_there_is_and_is_of_its_kind(
    customers: Customers,
) -> None:
    kinds: dict[str, Any] = {"last_visit": "time", "visits": "number", "spent": "money"}
    some = [
        TraitDefinition(workspace="acme", name=name, version=1, type=kind, at=NOON)
        for name, kind in {**kinds, "gone": "number"}.items()
    ]
    ended = msgspec.structs.replace(some[-1], version=2, ended=True)
    async with customers.shop.engine.begin() as tx:
        await on_trait(
            [Record("profile.trait", 0, n, b"", one, None) for n, one in enumerate([*some, ended])],
            tx,
        )
    good = {
        "recency": {"defined": "last_visit"},
        "frequency": {"defined": "visits"},
        "monetary": {"defined": "spent", "currency": "EUR"},
    }
    assert (await customers.put(**good)).status_code == 200
    there = "there are: last_visit, spent, visits"
    wrong: tuple[tuple[dict[str, Any], str, str], ...] = (
        ({"recency": {"defined": "luck"}}, "recency.defined", there),
        ({"frequency": {"defined": "gone"}}, "frequency.defined", there),
        ({"monetary": {"defined": "luck"}}, "monetary.defined", there),
        ({"recency": {"defined": "visits"}}, "recency.defined", "worked out of a time"),
        ({"frequency": {"defined": "spent"}}, "frequency.defined", "worked out of a number"),
        ({"monetary": {"defined": "last_visit"}}, "monetary.defined", "a number or money"),
        ({"monetary": {"defined": "spent"}}, "monetary.currency", "needs a currency"),
    )
    for one, path, told in wrong:
        answer = await customers.put(**{**good, **one})
        assert (answer.status_code, answer.json()["details"]) == (422, {"path": path}), one
        assert told in answer.json()["message"]
    # What was set up stays.
    assert (await customers.client.get("/v1/rfm")).json()["recency"]["defined"] == "last_visit"


def test_a_rule_on_scores_reads_no_section() -> None:
    from rapport_segment.domain.rulebook import Definition, Rulebook  # noqa: PLC0415

    one = Definition.of(uuid.UUID(int=1), 1, "x", parse(CHAMPIONS))
    assert (one.asks_scores, one.repeats, Rulebook([one]).asks_scores) == (True, True, True)
    assert not Rulebook([]).asks_scores
