"""Computed traits in Postgres: live, filled by a job, lapsing, expired, and ended."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest
from services.profile.tests.people import IDS, event
from services.profile.tests.postgres import feed
from services.profile.tests.test_erasing import ask
from services.profile.tests.test_erasing import worked_off as swept
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.outbox import waiting

from rapport_common.due.store import DueStore
from rapport_common.due.worker import DueWorker
from rapport_common.events.activity import ProfileActivity
from rapport_common.events.envelope import Event
from rapport_common.events.profile import DefinedValue
from rapport_common.events.trait import TraitDefinition
from rapport_common.jobs.worker import Jobs
from rapport_common.pace import Pace
from rapport_profile.handlers import telling_traits
from rapport_profile.handlers.filling import Filling
from rapport_profile.handlers.jobs import start
from rapport_profile.handlers.lapsing import Lapsing
from rapport_profile.handlers.rebuilding import Rebuilding, Wanted
from rapport_profile.store import expiring
from rapport_profile.store.jobs import FILL_COMPUTED, JOBS, REBUILD

pytestmark = pytest.mark.integration

COUNT = {"aggregate": "count", "events": [{"event": "Order Completed"}]}
LATELY = {**COUNT, "window": {"days": 3}}
PATH = "/v1/computed-traits"
Values = dict[str, DefinedValue]


def order(message_id: str, user: str = "A", **fields: Any) -> Event:
    return event(message_id, name="Order Completed", user_id=user, **fields)


async def defined(
    client: httpx.AsyncClient, name: str, definition: dict[str, Any], version: int = 0
) -> None:
    body = {"definition": definition, "version": version, "reason": "a test"}
    answer = await client.put(f"{PATH}/{name}", json=body)
    assert answer.status_code == 202, answer.text


async def worked_off(engine: AsyncEngine) -> None:
    """All jobs that wait."""
    works = {
        FILL_COMPUTED: Filling(engine, IDS, 1_000, lambda _seconds: Pace(0), page=2).work,
        REBUILD: Rebuilding(engine, IDS, 1_000, lambda _seconds: Pace(0), page=2).work,
    }
    while await Jobs(engine, JOBS, works).turn(asyncio.Event()):
        pass
    async with engine.begin() as tx:
        ended = await JOBS.latest(tx, "w", limit=100)
    assert {(one.state, one.error) for one in ended} == {("done", None)}


async def last_told(engine: AsyncEngine) -> dict[str, Values]:
    """By user id, what was told last of those who are somebody."""
    async with engine.begin() as tx:
        rows = await waiting(tx, "profile", "profile.activity")
    names: dict[str, str] = {}
    told: dict[str, Values] = {}
    for step in (msgspec.json.decode(row.value, type=ProfileActivity) for row in rows):
        if step.identifiers:
            users = [one.value for one in step.identifiers if one.kind == "user_id"]
            names[step.profile_id] = (users or [""])[0]
        if step.computed is not None:
            told[names[step.profile_id]] = step.computed.defined or {}
        if step.gone or step.merged_into is not None:
            told.pop(names[step.profile_id], None)
    return told


def counts(told: dict[str, Values], name: str) -> dict[str, str | None]:
    return {who: values[name].number for who, values in told.items() if name in values}


async def states(engine: AsyncEngine) -> int:
    async with engine.begin() as tx:
        return int(
            (await tx.execute(text("SELECT count(*) FROM profile.computed_state"))).scalar_one()
        )


async def differences(engine: AsyncEngine) -> dict[str, Any]:
    async with engine.begin() as tx:
        job = await start(tx, None, "w", REBUILD, msgspec.to_builtins(Wanted()))
    await worked_off(engine)
    async with engine.begin() as tx:
        found = await JOBS.find(tx, "w", job.id)
    assert found is not None
    return {name: number for name, number in found.report.items() if number}


async def test_a_trait_is_filled_beside_what_goes_on(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    await feed(engine, [order("m1"), order("m2", "B"), order("m3"), event("m4", user_id="C")])
    await defined(client, "orders_made", COUNT)
    # Comes before the job, and is among what it reads: counted once, and nobody is told yet.
    await feed(engine, [order("m5"), order("m6", "D")])
    assert counts(await last_told(engine), "orders_made") == {}
    await worked_off(engine)
    assert counts(await last_told(engine), "orders_made") == {"A": "3", "B": "1", "D": "1"}
    await feed(engine, [order("m7"), order("m8", "E"), event("m9", user_id="A")])
    told = counts(await last_told(engine), "orders_made")
    assert told == {"A": "4", "B": "1", "D": "1", "E": "1"}
    assert await differences(engine) == {}
    shown = (await client.get("/v1/profiles", params={"kind": "user_id", "value": "A"})).json()
    assert shown["computed"]["defined"] == {"orders_made": {"number": "4"}}
    listed = (await client.get(PATH)).json()["items"]
    assert [(one["name"], one["stage"], one["type"]) for one in listed] == [
        ("orders_made", "live", "number")
    ]


async def test_merges_splits_and_copies(engine: AsyncEngine, client: httpx.AsyncClient) -> None:
    await defined(client, "orders_made", COUNT)
    await worked_off(engine)
    at_till = {"name": "Order Completed", "anonymous_id": "x"}
    await feed(engine, [order("m1"), event("m2", **at_till), event("m3", **at_till)])
    await feed(engine, [event("m4", user_id="A", anonymous_id="x")])
    assert counts(await last_told(engine), "orders_made") == {"A": "3"}
    await feed(engine, [order("m5"), event("m6", **at_till)])
    assert counts(await last_told(engine), "orders_made") == {"A": "5"}
    assert await differences(engine) == {}
    cut = {"source": "shop", "message_id": "m4", "reason": "another's till"}
    assert (await client.post("/v1/profiles/cut", json=cut)).status_code == 201
    told = counts(await last_told(engine), "orders_made")
    assert sorted(map(str, told.values())) == ["2", "3"]
    # Another body under the same id: that of the two counts which has the smaller hash.
    for said in range(4):
        await feed(engine, [order("m1", "B", said={"total": said})])
    told = counts(await last_told(engine), "orders_made")
    assert sum(int(one or 0) for one in told.values()) == 5
    assert await differences(engine) == {}


async def test_a_new_version_takes_the_place_of_the_old_one_and_ends(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    await defined(client, "orders_made", COUNT)
    await worked_off(engine)
    await feed(engine, [order("m1", said={"total": 5}), order("m2", "B", said={"total": 50})])
    large = {**COUNT, "events": [{"event": "Order Completed"} | WHERE]}
    await defined(client, "orders_made", large, 1)
    await worked_off(engine)
    assert counts(await last_told(engine), "orders_made") == {"B": "1"}
    assert await states(engine) == 1
    late = await client.put(f"{PATH}/orders_made", json={"definition": COUNT, "version": 1} | WHY)
    assert late.status_code == 409
    ended = await client.delete(f"{PATH}/orders_made", params={"version": 2, **WHY})
    assert ended.status_code == 204
    await worked_off(engine)
    assert counts(await last_told(engine), "orders_made") == {}
    assert await states(engine) == 0
    assert (await client.get(f"{PATH}/orders_made")).status_code == 404
    history = (await client.get(f"{PATH}/orders_made/history")).json()["items"]
    assert [(one["version"], one["actor"]) for one in history] == [
        (3, "ada"),
        (2, "ada"),
        (1, "ada"),
    ]
    await defined(client, "orders_made", COUNT)
    await worked_off(engine)
    assert counts(await last_told(engine), "orders_made") == {"A": "1", "B": "1"}


WHERE = {"where": [{"property": "total", "op": "gte", "value": 10}]}
WHY = {"reason": "a test"}


async def test_the_former_version_is_shown_until_the_new_one_is_filled(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    """Step by step of the job: people, records and what segment is told change at one instant."""
    await defined(client, "orders_made", COUNT)
    await worked_off(engine)
    await feed(engine, [order(f"m{n}", who, said={"total": 5}) for n, who in enumerate("AABC")])
    await feed(engine, [order("m9", "D", said={"total": 50})])
    large = {**COUNT, "events": [{"event": "Order Completed"} | WHERE]}
    await defined(client, "orders_made", large, 1)
    before = {"A": "2", "B": "1", "C": "1", "D": "1"}
    filling = Filling(engine, IDS, 1_000, lambda _seconds: Pace(0), page=2)
    async with engine.begin() as tx:
        (job,) = [one for one in await JOBS.latest(tx, "w", limit=9) if one.state == "queued"]
    turns, switched = 0, False
    async for step in filling.work(job):
        turns += 1
        if step.position["of"] == "switched" and not switched:
            switched = True
            # Of who has had no value of the new version nothing is left, told or not.
            assert counts(await last_told(engine), "orders_made") == before
            assert await read(client, "orders_made", "ABCD") == {"B": "1", "D": "1"}
            assert [one[:2] for one in await definitions_told(engine)][-1] == ("orders_made", 2)
            assert await shown_version(client, "orders_made") == 2
        if not switched:
            if turns == 3:
                await feed(engine, [order("m10", "B", said={"total": 70})])
                before["B"] = "2"
            assert counts(await last_told(engine), "orders_made") == before
            assert await read(client, "orders_made", "ABCD") == before
            assert await shown_version(client, "orders_made") == 1
            assert {one[1] for one in await definitions_told(engine)} == {1}
        elif step.position["of"] != "states":
            assert await read(client, "orders_made", "ABCD") == {"B": "1", "D": "1"}
    assert switched
    assert counts(await last_told(engine), "orders_made") == {"B": "1", "D": "1"}
    assert await differences(engine) == {}


async def read(client: httpx.AsyncClient, name: str, users: str) -> dict[str, str | None]:
    """What the API shows of people, alone and together with others."""
    body = {"identifiers": [{"kind": "user_id", "value": one} for one in users]}
    listed = (await client.post("/v1/profiles/lookup", json=body)).json()["items"]
    found = {}
    for one in users:
        asked = {"kind": "user_id", "value": one}
        shown = (await client.get("/v1/profiles", params=asked)).json()
        (same,) = [each["profile"] for each in listed if each["value"] == one]
        assert same["computed"] == shown["computed"]
        defined_ = shown["computed"].get("defined", {})
        if name in defined_:
            found[one] = defined_[name]["number"]
    return found


async def shown_version(client: httpx.AsyncClient, name: str) -> int | None:
    answer = (await client.get(f"{PATH}/{name}")).json()
    return answer["shown_version"]  # type: ignore[no-any-return] # JSON


async def test_values_lapse_when_their_day_is_over(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    await defined(client, "orders_lately", LATELY)
    await worked_off(engine)
    now = datetime.now(UTC)
    made = [order("m1"), order("m2", "B"), event("m3", user_id="C")]
    await feed(
        engine, [msgspec.structs.replace(one, timestamp=now, received_at=now) for one in made]
    )
    assert counts(await last_told(engine), "orders_lately") == {"A": "1", "B": "1"}
    third = (now + timedelta(days=3)).replace(hour=0, minute=0, second=0, microsecond=0)
    for at, left in ((third - timedelta(seconds=1), "1"), (third, "0")):
        store = DueStore("profile", now=lambda at=at: at)  # type: ignore[misc] # of this turn
        await DueWorker(engine, store, Lapsing(IDS).kinds).turn()
        assert counts(await last_told(engine), "orders_lately") == {"A": left, "B": left}
    waits = text("SELECT count(*) FROM profile.due WHERE kind = 'values_change'")
    async with engine.begin() as tx:
        assert (await tx.execute(waits)).scalar_one() == 0


async def test_what_retention_removes_still_counts(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    await defined(client, "orders_made", COUNT)
    await worked_off(engine)
    gone = [order(f"m{number}", at=number) for number in range(3)]
    await feed(engine, gone)
    hub = IDS.of("w", ("user_id", "A"))
    async with engine.begin() as tx:
        assert await expiring.remove(tx, "w", [(hub, one) for one in gone[:2]]) == 2
    assert await differences(engine) == {}
    await feed(engine, [order("m9")])
    assert counts(await last_told(engine), "orders_made") == {"A": "4"}
    answer = await client.post(f"{PATH}/orders_made/fill", json={})
    assert answer.status_code == 202, answer.text
    # While it is filled anew, who has an event is told of it no more.
    await feed(engine, [order("m10"), event("m11", user_id="A", anonymous_id="x")])
    assert counts(await last_told(engine), "orders_made") == {}
    await worked_off(engine)
    assert counts(await last_told(engine), "orders_made") == {"A": "5"}
    await feed(engine, [order("m12")])
    assert counts(await last_told(engine), "orders_made") == {"A": "6"}
    assert await differences(engine) == {}


@pytest.mark.parametrize(
    ("definition", "field"),
    [
        ({**COUNT, "window": {"days": 3, "this": "day"}}, "definition.window"),
        ({**COUNT, "zone": "Mars"}, "definition.zone"),
        ({**COUNT, "aggregate": "sum"}, "definition.events.0.value"),
    ],
)
async def test_what_makes_no_sense_is_refused_with_its_place(
    client: httpx.AsyncClient, definition: dict[str, Any], field: str
) -> None:
    body = {"definition": definition, "version": 0, **WHY}
    answer = await client.put(f"{PATH}/orders_made", json=body)
    assert answer.status_code == 422
    assert answer.json()["details"]["field"] == field


async def test_a_definition_is_tried_on_one_person(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    await feed(engine, [order("m1", said={"total": "7.50"}), order("m2", said={"total": 2})])
    who = (await client.get("/v1/profiles", params={"kind": "user_id", "value": "A"})).json()["id"]
    spent = {**COUNT, "aggregate": "sum", "kind": "money", "value": {"property": "total"}}
    answer = await client.post(f"{PATH}/preview", json={"definition": spent, "profile_id": who})
    assert answer.json() == {
        "profile_id": who,
        "type": "money",
        "value": {"money": {"USD": "9.50"}},
        "looked_at": 2,
        "complete": True,
    }


async def test_what_is_shipped_is_adopted_by_one_call(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    shipped = (await client.get(f"{PATH}/shipped")).json()["items"]
    body = {"names": [], "zone": "Europe/Berlin", **WHY}
    for _again in range(2):
        answer = await client.post(f"{PATH}/adopt", json=body)
        assert answer.status_code == 202, answer.text
        await worked_off(engine)
    listed = (await client.get(PATH)).json()["items"]
    assert {one["name"] for one in listed} == {one["id"] for one in shipped}
    assert {(one["version"], one["stage"]) for one in listed} == {(1, "live")}
    bought = {"total": 10, "products": [{"category": "tea", "quantity": 2}, {"category": "tea"}]}
    answers = [("m2", "nps", 3, 10), ("m3", "nps", 9, 5), ("m4", "csat", 1, 20)]
    said = [
        event(
            message_id,
            name="Survey Answered",
            user_id="A",
            at=minute,
            said={"kind": kind, "score": score},
        )
        for message_id, kind, score, minute in answers
    ]
    await feed(engine, [order("m1", said=bought), *said])
    (told,) = (await last_told(engine)).values()
    # The newest of its kind, not the one that came last.
    assert told["nps_score"] == DefinedValue(number="3")
    assert told["favourite_category"] == DefinedValue(text="tea")
    assert told["categories_bought"] == DefinedValue(values=["tea"])
    assert told["items_bought"] == DefinedValue(number="2")
    assert told["average_order_value"] == DefinedValue(money={"USD": "10"})
    assert told["discount_share"] == DefinedValue(number="0")
    again = [
        await client.post(f"{PATH}/adopt", json=body, headers={"Idempotency-Key": "k"})
        for _twice in range(2)
    ]
    assert again[0].json()["id"] == again[1].json()["id"]
    unknown = await client.post(f"{PATH}/adopt", json={**body, "names": ["luck"]})
    assert unknown.status_code == 422


async def test_of_the_erased_nothing_is_left(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    """Of the person, of their identifiers, and of what retention had removed before."""
    notes = {"aggregate": "list", "events": [{"event": "Order Completed"}], "kind": "text"}
    await defined(client, "notes", {**notes, "value": {"property": "note"}})
    await worked_off(engine)
    said = {"note": "canary"}
    of_them = [order("m1", said=said), event("m2", anonymous_id="x", name="Order Completed")]
    noted = msgspec.structs.replace(of_them[1], properties=msgspec.Raw(b'{"note":"canary"}'))
    await feed(engine, [of_them[0], noted, event("m3", user_id="A", anonymous_id="x")])
    hubs = {IDS.of("w", one) for one in (("user_id", "A"), ("anonymous_id", "x"))}
    async with engine.begin() as tx:
        assert await expiring.remove(tx, "w", [(min(hubs), one) for one in of_them]) == 1
    assert await kept_of(engine, "canary") == 3 + 1 + 1
    who = (await client.get("/v1/profiles", params={"kind": "user_id", "value": "A"})).json()
    await ask(engine, hubs, {who["id"]: who["version"]})
    await swept(engine)
    assert await kept_of(engine, "canary") == 0
    assert await states(engine) == 0


async def kept_of(engine: AsyncEngine, word: str) -> int:
    """How many rows hold a word: states of identifiers and of the profile, sums, summaries."""
    tables = ("computed_state", "computed_expired", "profile")
    found = 0
    async with engine.begin() as tx:
        for one in tables:
            query = f"SELECT count(*) FROM profile.{one} t WHERE CAST(t AS text) LIKE :word"
            found += int((await tx.execute(text(query), {"word": f"%{word}%"})).scalar_one())
    return found


async def test_segment_is_told_what_there_is_and_again_each_day(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    await defined(client, "orders_made", COUNT)
    await defined(client, "gone", COUNT)
    assert (await client.delete(f"{PATH}/gone", params={"version": 1, **WHY})).status_code == 204
    first = [("orders_made", 1, False), ("gone", 1, False), ("gone", 2, True)]
    assert await definitions_told(engine) == first
    tomorrow = datetime.now(UTC) + timedelta(days=1, minutes=1)
    store = DueStore("profile", now=lambda: tomorrow)
    await DueWorker(engine, store, telling_traits.KINDS).turn()
    again = [("gone", 2, True), ("orders_made", 1, False)]
    assert await definitions_told(engine) == [*first, *again]


async def definitions_told(engine: AsyncEngine) -> list[tuple[str, int, bool]]:
    async with engine.begin() as tx:
        rows = await waiting(tx, "profile", "profile.trait")
    told = [msgspec.json.decode(row.value, type=TraitDefinition) for row in rows]
    assert {one.type for one in told} == {"number"}
    return [(one.name, one.version, one.ended) for one in told]
