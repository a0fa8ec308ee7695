"""Batches of profile.activity against a real Postgres."""

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from services.segment.tests.building import build
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.outbox import waiting
from tests.support.waiting import between_looks

from rapport_common.auth import Operator
from rapport_common.db import is_retriable
from rapport_common.errors import InvalidEvent
from rapport_common.events.activity import ProfileActivity, SectionVersions
from rapport_common.events.membership import Membership
from rapport_common.events.profile import AbsorbedId
from rapport_common.kafka.store import read_tallies
from rapport_common.testing.profiles import NOON, sections
from rapport_segment.handlers import segments as operating
from rapport_segment.handlers.activity import Judging
from rapport_segment.handlers.rulebooks import rule_of
from rapport_segment.handlers.segments import Amendment
from rapport_segment.store import definitions, people

if TYPE_CHECKING:
    from services.segment.tests.conftest import Records

pytestmark = pytest.mark.integration

ADA, BOB, CY = (uuid.UUID(int=number) for number in (1, 2, 3))
OPERATOR = Operator("ada", "acme", frozenset({"*"}))
BUYERS = {"computed": "orders", "op": "gte", "value": 1}
GOLD = {"trait": "plan", "op": "eq", "value": "gold"}
NOBODY = {"and": [GOLD, {"not": GOLD}]}
Published = Callable[[], Awaitable[list[Membership]]]


async def define(engine: AsyncEngine, name: str, rule: dict[str, Any]) -> uuid.UUID:
    async with engine.begin() as tx:
        one = await operating.create(tx, OPERATOR, name, rule)
    await build(engine)
    return one.stored.segment_id


async def apply(
    engine: AsyncEngine,
    records: "Records",
    *values: ProfileActivity,
    handler: Judging | None = None,
) -> None:
    batch = [records.record(one, f"00-{index:032x}-1") for index, one in enumerate(values)]
    async with engine.begin() as tx:
        await (handler or Judging()).on_activity(batch, tx)


async def rows(engine: AsyncEngine, query: str) -> list[Any]:
    async with engine.begin() as tx:
        return [tuple(row) for row in await tx.execute(text(query))]


async def misplaced(engine: AsyncEngine) -> list[Any]:
    async with engine.begin() as tx:
        found = []
        for one in await definitions.active(tx, ["acme"]):
            found += await definitions.misplaced(tx, "acme", one.segment_id, rule_of(one), now=NOON)
        return found


async def test_states_are_kept_judged_and_told(
    engine: AsyncEngine, records: "Records", published: Published
) -> None:
    segment = await define(engine, "buyers", BUYERS)
    handler = Judging()
    await apply(engine, records, records.state(ADA, orders=1), handler=handler)
    await apply(engine, records, records.state(ADA), records.state(ADA, orders=2), handler=handler)
    told = await published()
    assert [(one.change, one.profile_version) for one in told] == [
        ("entered", 1),
        ("exited", 2),
        ("entered", 3),
    ]
    assert {one.segment_id for one in told} == {str(segment)}
    assert told[0].entry_id == told[1].entry_id != told[2].entry_id
    kept = await rows(engine, "SELECT exited_at IS NULL, exit_reason FROM segment.membership")
    assert sorted(kept) == [(False, "orders 0 not >= 1"), (True, None)]
    assert await rows(engine, "SELECT version FROM segment.person") == [(3,)]
    async with engine.begin() as tx:
        assert await read_tallies(tx, "segment") == {"entered": 2, "exited": 1}
        assert await people.counts(tx) == {"persons": 1, "open_memberships": 1, "lacking": 0}


async def test_the_outbox_row_carries_key_and_trace(
    engine: AsyncEngine, records: "Records"
) -> None:
    await define(engine, "buyers", BUYERS)
    await apply(engine, records, records.state(BOB), records.state(ADA, orders=1))
    async with engine.begin() as tx:
        (kept,) = await waiting(tx, "segment", "segment.membership")
    assert (kept.version, kept.key, kept.traceparent) == (1, ADA.bytes, f"00-{1:032x}-1")


async def test_a_state_seen_before_changes_nothing(
    engine: AsyncEngine, records: "Records", published: Published
) -> None:
    await define(engine, "buyers", BUYERS)
    first, second = records.state(ADA, orders=1), records.state(ADA, orders=2)
    await apply(engine, records, first, second)
    await apply(engine, records, first, second, first)
    assert len(await published()) == 1


async def test_an_event_whose_state_comes_later_changes_nothing_yet(
    engine: AsyncEngine, records: "Records", published: Published
) -> None:
    await define(engine, "buyers", BUYERS)
    first, second, third = (records.state(ADA, orders=n) for n in (0, 1, 1))
    assert second.event is not None
    # As of an old heavy profile: the event alone.
    alone = ProfileActivity(
        workspace="acme", profile_id=str(ADA), version=second.version, event=second.event
    )
    await apply(engine, records, first, alone)
    assert await rows(engine, "SELECT version FROM segment.person") == [(1,)]
    await apply(engine, records, third)
    assert [(one.change, one.profile_version) for one in await published()] == [("entered", 3)]


async def test_workspaces_do_not_mix(
    engine: AsyncEngine, records: "Records", published: Published
) -> None:
    await define(engine, "buyers", BUYERS)
    await apply(
        engine,
        records,
        records.state(ADA, workspace="other", orders=1),
        records.state(ADA, version=1, orders=1),
    )
    assert [one.workspace for one in await published()] == ["acme"]


@pytest.mark.parametrize("state_first", [True, False])
async def test_a_merge_in_two_batches_in_either_order(
    engine: AsyncEngine, records: "Records", published: Published, *, state_first: bool
) -> None:
    await define(engine, "buyers", BUYERS)
    await define(engine, "gold", GOLD)
    await apply(engine, records, records.state(ADA, orders=1, traits={"plan": "gold"}))
    merge = [records.merged(ADA, BOB)]
    merge.insert(0 if state_first else 1, records.state(BOB, orders=1))
    for one in merge:
        await apply(engine, records, one)
    open_rows = await rows(
        engine, "SELECT profile_id, exited_at FROM segment.membership WHERE exited_at IS NULL"
    )
    assert open_rows == [(BOB, None)]
    # What was under the id that is gone stays there.
    ended = "SELECT profile_id, exit_reason FROM segment.membership WHERE exited_at IS NOT NULL"
    assert set(await rows(engine, ended)) >= {(ADA, f"merged into {BOB}")}
    heirs = "SELECT profile_id, heir FROM segment.person WHERE heir IS NOT NULL"
    assert await rows(engine, heirs) == [(ADA, BOB)]
    told = await published()
    gone = [one for one in told if one.change == "exited" and one.profile_id == str(ADA)]
    assert [one.cause for one in gone] == (["merge"] if state_first else [])
    assert await misplaced(engine) == []


@pytest.mark.parametrize("end_first", [True, False])
async def test_a_merge_begins_no_second_stay(
    engine: AsyncEngine, records: "Records", published: Published, *, end_first: bool
) -> None:
    await define(engine, "buyers", BUYERS)
    await apply(engine, records, records.state(ADA, orders=1), records.state(BOB, orders=0))
    end = msgspec.structs.replace(records.merged(ADA, BOB, version=2), into_version=2)
    absorbed = [AbsorbedId(str(ADA), 2)]
    whole = msgspec.structs.replace(records.state(BOB, orders=1), absorbed=absorbed)
    for one in (end, whole) if end_first else (whole, end):
        await apply(engine, records, one)
    assert [one.change for one in await published()] == ["entered"]
    kept = "SELECT profile_id, exited_at IS NULL, entered_at, since FROM segment.membership"
    (was, before), (now_is, after) = sorted((one[:2], one[2:]) for one in await rows(engine, kept))
    assert (was, now_is) == ((ADA, False), (BOB, True))
    # It counts from when it began, and is the other's from the merge on.
    assert (before[0], before[1]) == (after[0], None)
    assert after[1] > after[0]
    assert await misplaced(engine) == []


async def test_chains_of_merges_lead_to_the_last_heir(
    engine: AsyncEngine, records: "Records"
) -> None:
    await define(engine, "buyers", BUYERS)
    await apply(engine, records, records.state(ADA, orders=1))
    await apply(engine, records, records.merged(ADA, BOB))
    await apply(engine, records, records.merged(BOB, CY))
    await apply(engine, records, records.state(CY, orders=1))
    opened = "SELECT profile_id FROM segment.membership WHERE exited_at IS NULL"
    assert await rows(engine, opened) == [(CY,)]
    async with engine.begin() as tx:
        found = await people.find(tx, "acme", ADA)
    assert found is not None
    assert found.profile_id == CY


def history(records: "Records", chance: random.Random) -> list[ProfileActivity]:
    ids = [uuid.UUID(int=number) for number in range(1, 9)]
    made: list[ProfileActivity] = []
    for _ in range(120):
        who = chance.choice(ids)
        if chance.random() < 0.12:
            made.append(records.merged(who, chance.choice(ids)))
        elif made and chance.random() < 0.1:
            made.append(chance.choice(made))
        else:
            plan = {"plan": chance.choice(["gold", "free"])}
            made.append(records.state(who, orders=chance.randint(0, 1), traits=plan))
    return made


async def outcome(
    engine: AsyncEngine, records: "Records", made: Sequence[ProfileActivity], sizes: Sequence[int]
) -> list[Any]:
    """What a history leaves behind, applied in batches of these sizes; the tables are emptied."""
    start = datetime.fromisoformat("2026-03-01T12:00:00Z")
    handler = Judging(now=lambda: start)
    position = 0
    for size in sizes:
        await apply(engine, records, *made[position : position + size], handler=handler)
        position += size
    assert position >= len(made)
    assert await misplaced(engine) == []
    async with engine.begin() as tx:
        left: list[Any] = [[(one.key, one.value) for one in await waiting(tx, "segment")]]
    for table, order in (("membership", "entry_id, profile_id"), ("person", "profile_id")):
        left.append(await rows(engine, f"SELECT * FROM segment.{table} ORDER BY {order}"))
    await rows_gone(engine)
    return left


async def rows_gone(engine: AsyncEngine) -> None:
    async with engine.begin() as tx:
        await tx.execute(text("TRUNCATE segment.outbox_batch, segment.membership, segment.person"))


@pytest.mark.parametrize("seed", range(6))
async def test_the_batching_makes_no_difference(
    engine: AsyncEngine, records: "Records", seed: int
) -> None:
    await define(engine, "buyers", BUYERS)
    await define(engine, "gold", {"and": [GOLD, BUYERS]})
    await rows_gone(engine)
    chance = random.Random(seed)
    made = history(records, chance)
    expected = await outcome(engine, records, made, [len(made)])
    assert expected[0]
    assert await outcome(engine, records, made, [1] * len(made)) == expected
    sizes = [chance.randint(1, 30) for _ in range(len(made))]
    assert await outcome(engine, records, made, sizes) == expected


async def test_definitions_may_change_while_batches_are_applied(
    engine: AsyncEngine, records: "Records", published: Published
) -> None:
    ids = [uuid.UUID(int=number) for number in range(1, 100)]
    segments = [await define(engine, "0", BUYERS)]

    async def consume() -> None:
        handler = Judging()
        for turn in range(20):
            values = [records.state(who, orders=(turn + who.int) % 2) for who in ids]
            await apply_in_the_end(*values, handler=handler)

    async def apply_in_the_end(*values: ProfileActivity, handler: Judging) -> None:
        """As a consumer does: what failed for passing reasons is done again."""
        while True:
            try:
                return await apply(engine, records, *values, handler=handler)
            except DBAPIError as error:
                if not is_retriable(error):
                    raise
            await between_looks()

    async def operate() -> None:
        for turn in range(10):
            segments.append(await define(engine, str(turn + 1), BUYERS))
            rule = {"computed": "orders", "op": "eq", "value": turn % 2}
            async with engine.begin() as tx:
                await operating.change(tx, OPERATOR, segments[0], Amendment(rule=rule))
            await build(engine, page=7)
            await asyncio.sleep(0)  # the batches go on

    await asyncio.gather(consume(), operate())
    assert await misplaced(engine) == []
    opened: dict[str, int] = {}
    for one in await published():
        opened[one.entry_id] = opened.get(one.entry_id, 0) + (1 if one.change == "entered" else -1)
    assert set(opened.values()) <= {0, 1}
    kept = await rows(engine, "SELECT count(*) FROM segment.membership WHERE exited_at IS NULL")
    assert kept == [(sum(opened.values()),)]


async def test_batches_with_the_same_people_in_opposite_order_both_get_through(
    engine: AsyncEngine, records: "Records"
) -> None:
    await define(engine, "buyers", BUYERS)
    ids = [uuid.UUID(int=number) for number in range(1, 100)]
    forth = [records.state(who, orders=1) for who in ids]
    back = [records.state(who, orders=0) for who in reversed(ids)]
    for _ in range(10):
        await asyncio.gather(apply(engine, records, *forth), apply(engine, records, *back))
    assert await misplaced(engine) == []
    assert await rows(engine, "SELECT DISTINCT version FROM segment.person") == [(2,)]


BAD = {
    "an id": ProfileActivity(workspace="acme", profile_id="7", version=1, merged_into=str(ADA)),
    "a survivor": ProfileActivity(
        workspace="acme", profile_id=str(ADA), version=1, merged_into="a\0"
    ),
    "nothing": ProfileActivity(workspace="acme", profile_id=str(ADA), version=1),
    "a version": ProfileActivity(
        workspace="acme", profile_id=str(ADA), version=2**63, merged_into=str(BOB)
    ),
    "a workspace": ProfileActivity(
        workspace="a\0", profile_id=str(ADA), version=1, merged_into=str(BOB)
    ),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
async def test_poison_is_named(
    engine: AsyncEngine, records: "Records", bad: ProfileActivity
) -> None:
    with pytest.raises(InvalidEvent) as caught:
        await apply(engine, records, records.state(ADA), bad, records.state(BOB))
    assert caught.value.index == 1


async def test_odd_traits_are_no_poison(engine: AsyncEngine, records: "Records") -> None:
    await define(engine, "gold", GOLD)
    raw = [b'{"plan":"gold","x":"\\u0000"}', b'{"plan":"gold","x":1e99999}', b'"\xff"', b"[]"]
    await apply(
        engine,
        records,
        *(
            ProfileActivity(
                workspace="acme",
                profile_id=str(uuid.uuid4()),
                version=1,
                versions=SectionVersions(*[1] * 5),
                **{**sections([("user_id", "u")]), "traits": msgspec.Raw(one)},
            )
            for one in raw
        ),
    )
    assert await rows(engine, "SELECT count(*) FROM segment.person") == [(4,)]
    assert await rows(engine, "SELECT count(*) FROM segment.membership") == [(2,)]
    assert await misplaced(engine) == []


async def test_a_rule_that_holds_nobody(
    engine: AsyncEngine, records: "Records", noon: datetime
) -> None:
    await define(engine, "nobody", NOBODY)
    await apply(engine, records, records.state(ADA, last_seen_at=noon + timedelta(days=1)))
    assert await rows(engine, "SELECT 1 FROM segment.membership") == []
