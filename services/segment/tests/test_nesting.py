"""Segments whose rules name others: who enters one enters what rests on it, in the same step."""

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from services.segment.tests.building import build
from services.segment.tests.test_passing import Published, Shop
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.auth import Operator
from rapport_common.errors import ConflictError
from rapport_segment.domain.operands import RuleError
from rapport_segment.domain.rulebook import Definition, in_order
from rapport_segment.domain.rules import parse
from rapport_segment.handlers import previewing, segments
from rapport_segment.handlers.rulebooks import rule_of
from rapport_segment.handlers.segments import Amendment
from rapport_segment.store import definitions

if TYPE_CHECKING:
    from services.segment.tests.conftest import Records

pytestmark = pytest.mark.integration

ADA, BOB = uuid.UUID(int=1), uuid.UUID(int=2)
OPERATOR = Operator("ada", "acme", frozenset({"*"}))
BUYERS = {"computed": "orders", "op": "gte", "value": 1}
RECENT = {"computed": "last_order_at", "op": "within", "value": {"last": "30d"}}
GOLD = {"trait": "plan", "op": "eq", "value": "gold"}


class Nested:
    """A shop's segments, by name."""

    def __init__(self, engine: AsyncEngine, records: "Records") -> None:
        self.shop = Shop(engine, records)
        self.ids: dict[str, str] = {}

    async def define(self, name: str, rule: dict[str, Any], *, built: bool = True) -> None:
        async with self.shop.engine.begin() as tx:
            made = await segments.create(tx, OPERATOR, name, rule)
        self.ids[name] = str(made.stored.segment_id)
        if built:
            await build(self.shop.engine, now=self.shop.clock)

    async def change(self, name: str, **changed: Any) -> None:
        async with self.shop.engine.begin() as tx:
            await segments.change(tx, OPERATOR, uuid.UUID(self.ids[name]), Amendment(**changed))

    def inside(self, name: str) -> dict[str, Any]:
        return {"segment": self.ids[name]}

    async def misplaced(self) -> list[Any]:
        async with self.shop.engine.begin() as tx:
            found = []
            for one in await definitions.active(tx, ["acme"]):
                args = (tx, "acme", one.segment_id, rule_of(one))
                found += await definitions.misplaced(*args, now=self.shop.clock.now)
            return found

    def told(self, changes: list[Any]) -> list[tuple[str, str]]:
        names = {segment: name for name, segment in self.ids.items()}
        return [(one.change, names[one.segment_id]) for one in changes]


@pytest.fixture
async def nested(engine: AsyncEngine, records: "Records") -> Nested:
    made = Nested(engine, records)
    await made.define("buyers", BUYERS)
    await made.define("others", {"not": made.inside("buyers")})
    await made.define("best", {"and": [GOLD, made.inside("buyers")]})
    await made.define("both", {"or": [made.inside("best"), made.inside("others")]})
    return made


async def test_a_change_goes_through_all_that_rests_on_it_in_one_step(
    nested: Nested, records: "Records", published: Published
) -> None:
    gold = {"plan": "gold"}
    await nested.shop.tell(records.state(ADA, traits=gold))
    assert nested.told(await published()) == [("entered", "others"), ("entered", "both")]
    await nested.shop.tell(records.state(ADA, orders=1, traits=gold))
    later = nested.told(await published())[2:]
    # Both holds before and after: in between it is not looked at.
    assert sorted(later) == [("entered", "best"), ("entered", "buyers"), ("exited", "others")]
    assert await nested.misplaced() == []
    await nested.shop.tell(records.state(ADA, orders=1))
    assert nested.told(await published())[5:] == [("exited", "best"), ("exited", "both")]


async def test_a_build_and_an_end_go_on_to_what_rests_on_them(
    nested: Nested, records: "Records", published: Published
) -> None:
    await nested.shop.tell(records.state(ADA, orders=1, traits={"plan": "gold"}))
    before = len(await published())
    await nested.change("buyers", rule={**BUYERS, "value": 2})
    await build(nested.shop.engine, now=nested.shop.clock)
    changed = nested.told(await published())[before:]
    assert sorted(changed) == [("entered", "others"), ("exited", "best"), ("exited", "buyers")]
    await nested.change("others", active=False)
    await build(nested.shop.engine, now=nested.shop.clock)
    ended = nested.told(await published())[before + 3 :]
    assert ended == [("exited", "others"), ("exited", "both")]
    assert await nested.misplaced() == []


async def test_time_goes_through_all_of_them_at_its_instant(
    engine: AsyncEngine, records: "Records", published: Published
) -> None:
    made = Nested(engine, records)
    await made.define("recent", RECENT)
    # What it reads besides moves with nothing by itself.
    lapsed = [BUYERS, GOLD, {"not": made.inside("recent")}]
    await made.define("lapsed", {"and": lapsed})
    bought = made.shop.clock.now
    gold = {"plan": "gold"}
    for _ in range(2):
        now = made.shop.clock.now
        await made.shop.tell(records.state(ADA, orders=1, last_order_at=now, traits=gold))
        await made.shop.wait(made.shop.clock.now + timedelta(days=31))
    changes = await published()
    assert made.told(changes) == [
        ("entered", "recent"),
        ("exited", "recent"),
        ("entered", "lapsed"),
        ("entered", "recent"),
        ("exited", "lapsed"),
        ("exited", "recent"),
        ("entered", "lapsed"),
    ]
    assert [one.at for one in changes[1:3]] == [bought + timedelta(days=30)] * 2
    assert await made.misplaced() == []


async def test_a_build_knows_in_what_people_are_when_it_plans(
    engine: AsyncEngine, records: "Records", published: Published
) -> None:
    """Ada is not in the segment yet, and will be by time, since she is in another one."""
    made = Nested(engine, records)
    await made.define("buyers", BUYERS)
    bought = made.shop.clock.now
    await made.shop.tell(records.state(ADA, orders=1, last_order_at=bought))
    await made.define("lapsed", {"and": [made.inside("buyers"), {"not": RECENT}]})
    await made.shop.wait(bought + timedelta(days=30))
    assert made.told(await published()) == [("entered", "buyers"), ("entered", "lapsed")]


async def test_a_merge_leaves_everybody_where_they_belong(
    nested: Nested, records: "Records"
) -> None:
    await nested.shop.tell(
        records.state(ADA, orders=1, traits={"plan": "gold"}), records.state(BOB)
    )
    await nested.shop.tell(
        records.merged(ADA, BOB), records.state(BOB, event=False, traits={"plan": "gold"})
    )
    assert await nested.misplaced() == []


async def test_circles_and_what_is_not_there_are_refused_with_their_place(nested: Nested) -> None:
    circle = {"and": [GOLD, {"not": nested.inside("both")}]}
    with pytest.raises(RuleError) as caught:
        await nested.change("buyers", rule=circle)
    assert caught.value.details == {"path": "and[1].not.segment"}
    with pytest.raises(RuleError, match="circle"):
        await nested.change("buyers", rule=nested.inside("buyers"))
    with pytest.raises(RuleError, match="there is no segment"):
        await nested.define("new", {"segment": str(uuid.uuid4())})
    with pytest.raises(RuleError, match="there is no segment"):
        async with nested.shop.engine.begin() as tx:
            await previewing.preview(tx, "acme", {"segment": str(uuid.uuid4())})
    for number in range(7):
        below = nested.inside(f"{number - 1}" if number else "both")
        await nested.define(f"{number}", below, built=False)
    with pytest.raises(RuleError, match="rest on one another"):
        await nested.define("last", nested.inside("6"), built=False)


async def test_a_segment_that_others_rest_on_is_not_archived(
    nested: Nested, client: httpx.AsyncClient
) -> None:
    with pytest.raises(ConflictError) as caught:
        async with nested.shop.engine.begin() as tx:
            await segments.archive(tx, OPERATOR, uuid.UUID(nested.ids["buyers"]))
    assert caught.value.code == "in_use"
    used_by = {nested.ids["others"], nested.ids["best"]}
    assert set(caught.value.details["used_by"]) == used_by
    for name in ("both", "best", "others", "buyers"):
        answer = await client.delete(f"/v1/segments/{nested.ids[name]}")
        assert answer.status_code == 204, answer.text


async def test_why_somebody_is_in_says_in_what_they_are(
    nested: Nested, records: "Records", client: httpx.AsyncClient
) -> None:
    await nested.shop.tell(records.state(ADA, orders=1, traits={"plan": "gold"}))
    answer = await client.get(f"/v1/segments/{nested.ids['best']}/members/{ADA}")
    assert answer.json()["reason"].endswith(f"in segment {nested.ids['buyers']}")
    [plan, inside] = answer.json()["explanation"]
    assert (plan["result"], inside["result"]) == (True, True)


def test_a_segment_comes_behind_those_that_its_rule_names() -> None:
    ids = [uuid.UUID(int=number) for number in range(4)]
    below = {0: [1, 2], 1: [3], 2: [3], 3: []}
    made = [
        Definition.of(
            ids[number],
            1,
            "x",
            parse({"or": [GOLD, *({"segment": str(ids[one])} for one in named)]}),
        )
        for number, named in below.items()
    ]
    assert [one.segment_id.int for one in in_order(made)] == [3, 1, 2, 0]
