"""Scores that others publish: the newest holds, whoever tells what first, and people are judged."""

import asyncio
import itertools
import uuid
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from services.segment.tests.building import build
from services.segment.tests.judging import NOON
from services.segment.tests.test_passing import OPERATOR, Published, Shop
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.locks import somebody_waits

from rapport_common.errors import InvalidEvent
from rapport_common.events.scores import ProfileScores, Score
from rapport_common.kafka.batch import Record
from rapport_common.scores.domain import UnreadableScoreError, newest, read
from rapport_segment.handlers import segments
from rapport_segment.handlers.activity import Judging
from rapport_segment.handlers.rulebooks import rule_of
from rapport_segment.handlers.scores import Scored
from rapport_segment.store import definitions, published_scores

if TYPE_CHECKING:
    from services.segment.tests.conftest import Records

ADA, BOB = uuid.UUID(int=1), uuid.UUID(int=2)
DAY = timedelta(days=1)
AT_RISK = {"score": "churn_risk", "op": "gte", "value": 0.5}
LIKELY = {"score": "churn_class", "op": "eq", "value": "likely"}
_offsets = itertools.count()


def scores(*some: Score, who: uuid.UUID = ADA, **changed: Any) -> ProfileScores:
    fields: dict[str, Any] = {"model": "churn", "model_version": "1", "as_of": NOON, **changed}
    return ProfileScores(workspace="acme", profile_id=str(who), scores=list(some), **fields)


def risk(number: str | None, at: datetime = NOON, who: uuid.UUID = ADA) -> ProfileScores:
    return scores(Score(name="churn_risk", number=number), who=who, as_of=at)


def record(value: ProfileScores) -> Record:
    return Record("profile.scores", 0, next(_offsets), value.profile_id.encode(), value, None)


@pytest.mark.parametrize(
    "wrong",
    [
        scores(Score(name="Churn", number="1")),
        scores(Score(name="churn", number="1", text="1")),
        scores(Score(name="churn", number="much")),
        scores(Score(name="churn", number="NaN")),
        scores(Score(name="churn", number="1_000")),
        scores(Score(name="churn", number=" 1")),
        scores(Score(name="churn", number="1e500")),
        scores(Score(name="churn", text="a\0")),
        scores(Score(name="churn", text="a" * 1001)),
        scores(*[Score(name="churn")] * 101),
        scores(model="a\0"),
        msgspec.structs.replace(scores(), profile_id="ada"),
    ],
)
def test_what_cannot_be_kept_is_refused(wrong: ProfileScores) -> None:
    with pytest.raises(UnreadableScoreError):
        read(wrong)


TOLD = st.builds(
    lambda who, day, version, number: scores(
        Score(name="churn_risk", number=None if number is None else str(number)),
        who=who,
        as_of=NOON + day * DAY,
        model_version=version,
    ),
    st.sampled_from((ADA, BOB)),
    st.integers(0, 3),
    st.sampled_from(("1", "2")),
    st.none() | st.integers(0, 9),
)
SOME = st.lists(
    TOLD, max_size=12, unique_by=lambda one: (one.profile_id, one.as_of, one.model_version)
)


@given(SOME, st.randoms(use_true_random=False))
def test_the_newest_holds_in_whatever_order_they_come(
    told: list[ProfileScores], chance: Any
) -> None:
    found = newest(one for each in told for one in read(each))
    mixed = told * 2
    chance.shuffle(mixed)
    assert newest(one for each in mixed for one in read(each)) == found
    for one in found:
        ages = [(e.as_of, e.model_version) for e in told if e.profile_id == one.profile_id]
        assert (one.as_of, one.model_version) == max(ages)


class Tellers:
    """A shop, and models that publish scores."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self._scored = Scored(shop.clock)

    async def tell(self, *values: ProfileScores) -> None:
        async with self.shop.engine.begin() as tx:
            await self._scored.on_scores([record(one) for one in values], tx)

    async def misplaced(self) -> list[uuid.UUID]:
        """Who is not where the rules in SQL have them."""
        found: list[uuid.UUID] = []
        async with self.shop.engine.begin() as tx:
            for one in await definitions.active(tx, ["acme"]):
                args = (tx, "acme", one.segment_id, rule_of(one))
                found += await definitions.misplaced(*args, now=self.shop.clock.now)
        return found


@pytest.fixture
def tellers(engine: AsyncEngine, records: "Records") -> Tellers:
    return Tellers(Shop(engine, records))


@pytest.mark.integration
async def test_scores_of_others_are_conditions(
    tellers: Tellers, records: "Records", published: Published
) -> None:
    shop, now = tellers.shop, tellers.shop.clock.now
    await shop.tell(records.state(ADA), records.state(BOB))
    await tellers.tell(risk("0.9", now - DAY, BOB))
    await shop.define(at_risk=AT_RISK, likely=LIKELY)
    assert [(one.profile_id, one.cause) for one in await published()] == [(str(BOB), "definition")]
    await tellers.tell(risk("0.5", now - DAY), risk("0.4", now - 2 * DAY))
    [_, entered] = await published()
    assert (entered.change, entered.cause, entered.at) == ("entered", "event", now)
    assert entered.event_timestamp == now - DAY
    assert entered.reason == "score churn_risk 0.5 >= 0.5"
    # What is older, and what says the same, changes nothing.
    await tellers.tell(risk("0.1", now - 3 * DAY), scores(Score(name="rfm_tier", text="lost")))
    await tellers.tell(risk("0.50", now - DAY / 2))
    assert len(await published()) == 2
    await tellers.tell(risk(None, now), scores(Score(name="churn_class", text="likely"), as_of=now))
    assert {one.change for one in (await published())[2:]} == {"exited", "entered"}
    # The same state of the person again is another stay.
    shop.clock.now += DAY
    await tellers.tell(risk("1", now + 2 * DAY))
    last = (await published())[-1]
    assert (last.change, last.event_timestamp) == ("entered", now + DAY)
    assert last.entry_id != entered.entry_id
    assert await tellers.misplaced() == []


@pytest.mark.integration
async def test_who_comes_later_is_judged_by_what_was_told_before(
    tellers: Tellers, records: "Records", published: Published
) -> None:
    shop, now = tellers.shop, tellers.shop.clock.now
    await shop.define(at_risk=AT_RISK)
    await tellers.tell(risk("0.7", now))
    assert await published() == []
    await shop.tell(records.state(ADA))
    assert [one.change for one in await published()] == ["entered"]
    # Under an id that is merged away it is the heir's.
    await shop.tell(records.state(BOB), records.merged(ADA, BOB))
    await tellers.tell(risk("0.8", now + DAY, ADA))
    assert (await published())[-1].profile_id == str(BOB)
    async with shop.engine.begin() as tx:
        found = await published_scores.of_people(tx, [("acme", str(BOB))])
    assert found == {("acme", str(BOB)): {"churn_risk": Decimal("0.8")}}
    # Of whom nobody has the id any more nothing is kept.
    await shop.tell(records.gone(BOB))
    await tellers.tell(scores(Score(name="luck", number="1"), who=BOB))
    async with shop.engine.begin() as tx:
        assert "luck" not in (await published_scores.of_people(tx, [("acme", str(BOB))])).get(
            ("acme", str(BOB)), {}
        )
    assert await tellers.misplaced() == []


@pytest.mark.integration
async def test_a_score_that_comes_while_somebody_is_judged(
    tellers: Tellers, records: "Records", published: Published
) -> None:
    """Nobody is there yet, or somebody: a score waits for whoever judges by the former one."""
    shop, now = tellers.shop, tellers.shop.clock.now
    await shop.define(at_risk=AT_RISK)
    for score in ("0.9", "0.1"):
        batch = [records.record(records.state(ADA, orders=1))]
        async with shop.engine.begin() as tx:
            await Judging(shop.clock).on_activity(batch, tx)
            telling = asyncio.create_task(tellers.tell(risk(score, now)))
            await somebody_waits(shop.engine)
        await telling
        now += DAY
    assert [one.change for one in await published()] == ["entered", "exited"]
    assert await tellers.misplaced() == []


@pytest.mark.integration
async def test_who_fitted_before_the_segment_was_built_is_no_news(
    tellers: Tellers, records: "Records", published: Published
) -> None:
    shop, now = tellers.shop, tellers.shop.clock.now
    await shop.tell(records.state(ADA))
    await tellers.tell(risk("0.7", now - DAY))
    async with shop.engine.begin() as tx:
        await segments.create(tx, OPERATOR, "At risk", AT_RISK)
    await tellers.tell(risk("0.8", now))
    await build(shop.engine, now=shop.clock)
    assert [one.cause for one in await published()] == ["definition"]


@pytest.mark.integration
async def test_a_record_that_cannot_be_read_is_named(tellers: Tellers) -> None:
    good, wrong = risk("1"), scores(Score(name="x", number="much"))
    with pytest.raises(InvalidEvent) as caught:
        await tellers.tell(good, wrong)
    assert caught.value.index == 1
