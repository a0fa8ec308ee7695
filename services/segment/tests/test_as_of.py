"""What was: who was in at an instant, how many by day, and which rule it was."""

import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from services.segment.tests.building import build
from services.segment.tests.judging import NOON, People, gone, key_of, state
from services.segment.tests.test_building import Workspace, rows
from services.segment.tests.test_membership import BUYER, EMPTY
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.events.activity import ProfileActivity
from rapport_segment.domain.differing import difference
from rapport_segment.domain.membership import Moment, Person, enter, entry_id
from rapport_segment.domain.outlook import View, next_change
from rapport_segment.domain.rulebook import Definition
from rapport_segment.domain.rules import parse
from rapport_segment.domain.sections import NO_FACTS
from rapport_segment.handlers.activity import Judging

if TYPE_CHECKING:
    from services.segment.tests.conftest import Records

BUYERS = {"computed": "orders", "op": "gte", "value": 1}
GOLD = {"trait": "plan", "op": "eq", "value": "gold"}
IDS = [uuid.UUID(int=number) for number in range(1, 5)]


def test_what_differs_between_two_rules() -> None:
    old = parse({"and": [BUYERS, {"not": GOLD}, GOLD]})
    new = parse({"or": [{**BUYERS, "value": 2}, {"not": {"not": GOLD}}]})
    found = difference(old, new)
    assert found.removed == ["orders >= 1", 'not plan = "gold"']
    assert found.added == ["orders >= 2"]
    assert difference(parse({"or": [BUYERS, BUYERS]}), parse(BUYERS)).removed == ["orders >= 1"]
    assert difference(old, old).added == difference(old, old).removed == []


def test_the_next_change_is_the_first_that_is_one() -> None:
    """At the first instant at which the verdict might change it stays as it is."""
    hours = [NOON + timedelta(hours=number) for number in range(4)]

    def judge(view: View) -> tuple[bool, datetime | None]:
        ahead = [one for one in hours if one > view.now]
        return view.now >= hours[2], ahead[0] if ahead else None

    def restless(view: View) -> tuple[bool, datetime | None]:
        return True, view.now + timedelta(seconds=1)

    assert next_change(judge, View(NO_FACTS, NOON)) == hours[2]
    assert next_change(judge, View(NO_FACTS, hours[2])) is None
    assert next_change(restless, View(NO_FACTS, NOON)) is None


def test_what_a_record_brings_about_has_the_same_id_whenever_it_is_applied() -> None:
    rule = {"computed": "last_order_at", "op": "within", "value": {"last": "30d"}}
    timed = Definition.of(uuid.UUID(int=7), 1, "timed", parse(rule))
    person = Person("acme", IDS[0], 3, (3, 3, 3))
    later = NOON + timedelta(days=1)
    by_record = [entry_id(person, timed, Moment(at, "event")) for at in (NOON, later)]
    by_time = [entry_id(person, timed, Moment(at, "event", by_time=True)) for at in (NOON, later)]
    by_build = [entry_id(person, timed, Moment(at, "definition")) for at in (NOON, later)]
    assert by_record[0] == by_record[1]
    # What a build and time bring about at one instant is one id.
    assert len({by_record[0], *by_time, *by_build}) == 3
    assert enter(person, timed, "", Moment(NOON, "event")).entry.entry_id == by_record[0]


STEPS = st.lists(
    st.tuples(st.sampled_from(IDS), st.sampled_from(IDS), st.integers(0, 1), st.booleans()),
    max_size=12,
)


@given(STEPS)
def test_what_was_is_never_rewritten(steps: list[tuple[uuid.UUID, uuid.UUID, int, bool]]) -> None:
    """Whatever merges, who was in at each instant stays who was."""
    people = {key_of(one): Person("acme", one) for one in IDS}
    made = People((BUYER, EMPTY), people)
    seen: dict[datetime, set[tuple[uuid.UUID, uuid.UUID]]] = {}
    for number, (who, other, orders, merges) in enumerate(steps, start=1):
        made.stays.now = at = NOON + timedelta(hours=number)
        record: ProfileActivity = state(who, number, orders)
        if merges and who != other:
            record = gone(who, number, other)
        made.apply(record)
        seen[at] = _in_at(made, at)
    for at, then in seen.items():
        # A stay that came back to an id which lives again is one row, with the gap in it.
        assert _in_at(made, at) >= then
    last = {
        (one.profile_id, segment) for one in made.stays.people.values() for segment in one.entries
    }
    if seen:
        assert seen[max(seen)] == last


def _in_at(made: People, at: datetime) -> set[tuple[uuid.UUID, uuid.UUID]]:
    return {
        (one.profile_id, one.segment_id)
        for one in made.stays.entries.values()
        if (one.since or one.entered_at) <= at and (one.exited_at is None or one.exited_at > at)
    }


@pytest.mark.integration
async def test_who_was_in_is_told_as_it_was(
    engine: AsyncEngine, records: "Records", client: httpx.AsyncClient
) -> None:
    begun = datetime.now(UTC) - timedelta(days=3)
    clock = [begun]
    workspace = Workspace(engine, records, random.Random(0))
    workspace.consumer = Judging(now=lambda: clock[0])
    await workspace.apply(records.state(IDS[0], orders=1))
    segment = await workspace.define("buyers", BUYERS)
    path = f"/v1/segments/{segment}"
    await build(engine, now=lambda: clock[0])
    first = clock[0] + timedelta(hours=1)
    await _age(engine, segment, clock[0])
    clock[0] += timedelta(days=1)
    await workspace.apply(records.merged(IDS[0], IDS[1]), records.state(IDS[1], orders=1))
    second = clock[0] + timedelta(hours=1)
    clock[0] += timedelta(days=1)
    await workspace.apply(records.state(IDS[2], orders=1))
    await workspace.apply(records.state(IDS[1], orders=0))

    async def members(at: datetime) -> list[str]:
        page = await client.get(f"{path}/members", params={"as_of": at.isoformat()})
        return [one["id"] for one in page.json()["items"]]

    now = begun + timedelta(days=3)
    assert await members(first) == [str(IDS[0])]
    assert await members(second) == [str(IDS[1])]
    assert await members(now) == [str(IDS[2])]
    assert await members(first - timedelta(days=9)) == []
    # By the day on which it began: an hour later may be another day.
    query = {"since": str(begun.date()), "until": str((now + timedelta(days=1)).date())}
    told = (await client.get(f"{path}/sizes", params=query)).json()["days"]
    assert [(one["size"], one["entered"], one["exited"]) for one in told] == [
        (1, 1, 0),
        (1, 0, 0),
        (1, 1, 1),
        (1, 0, 0),
    ]
    was = (
        await client.get(f"{path}/members/{IDS[1]}", params={"as_of": second.isoformat()})
    ).json()
    assert (was["member"], was["fits"], was["reason"]) == (True, False, "orders 1 >= 1")
    is_now = (await client.get(f"{path}/members/{IDS[1]}")).json()
    assert (is_now["member"], is_now["left_at"] is not None) == (False, True)
    before = {"as_of": "2001-01-01T00:00:00Z"}
    assert (await client.get(f"{path}/members/{IDS[1]}", params=before)).status_code == 404


async def _age(engine: AsyncEngine, segment: uuid.UUID, at: datetime) -> None:
    """Let the segment have been made then."""
    for table, column in (("definition_version", "created_at"), ("definition", "updated_at")):
        await rows(
            engine,
            f"UPDATE segment.{table} SET {column} = '{at.isoformat()}' "
            f"WHERE segment_id = '{segment}' RETURNING 1",
        )


@pytest.mark.integration
async def test_a_rollback_is_a_new_version_with_the_old_rule(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    made = (await client.post("/v1/segments", json={"name": "x", "rule": BUYERS})).json()
    path = f"/v1/segments/{made['id']}"
    await build(engine)
    await client.patch(path, json={"rule": GOLD})
    await build(engine)
    found = (await client.get(f"{path}/versions/2/diff")).json()
    assert (found["against"], found["removed"], found["added"]) == (
        1,
        ["orders >= 1"],
        ['plan = "gold"'],
    )
    back = (await client.post(f"{path}/rollback", json={"version": 1})).json()
    assert (back["version"], back["upcoming"]["rule"]) == (2, BUYERS)
    await build(engine)
    shown = (await client.get(path)).json()
    assert (shown["version"], shown["rule"]) == (3, BUYERS)
    for answer in (
        await client.post(f"{path}/rollback", json={"version": 9}),
        await client.get(f"{path}/versions/9/diff"),
    ):
        assert answer.status_code == 404
    for since, until in (("2026-01-02", "2026-01-02"), ("2000-01-01", "2026-01-01")):
        query = {"since": since, "until": until}
        assert (await client.get(f"{path}/sizes", params=query)).status_code == 422
    for wrong in ("2026-01-01T00:00:00", "9999-12-31T23:59:59-12:00", "x"):
        answer = await client.get(f"{path}/members", params={"as_of": wrong})
        assert answer.status_code == 422
