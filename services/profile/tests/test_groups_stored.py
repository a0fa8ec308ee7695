"""Groups as they are stored: settled after the events, through copies, merges, and erasures."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services.profile.tests.conftest import bearer, publisher
from services.profile.tests.grouped import Part, joined, left, parts, words
from services.profile.tests.people import IDS, counting, event
from services.profile.tests.postgres import feed, in_thread, wipe
from services.profile.tests.test_decisions_api import body
from services.profile.tests.test_erasing import ask, person_of, worked_off
from services.profile.tests.test_groups import word
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.engines import patient_engine
from tests.support.outbox import waiting

from rapport_common.due.store import Due, DueStore
from rapport_common.due.worker import DueWorker
from rapport_common.events.envelope import Event
from rapport_common.testing.examples import examples
from rapport_profile.domain.content import content_hash
from rapport_profile.domain.groups.facts import fact_of
from rapport_profile.domain.groups.kinds import GroupRules
from rapport_profile.domain.groups.traits import Statement, folded, visible
from rapport_profile.domain.naming import Names
from rapport_profile.domain.recounting import Page
from rapport_profile.handlers import group_settling
from rapport_profile.handlers.group_settling import GroupSettling
from rapport_profile.handlers.rebuilding import rebuilt
from rapport_profile.store import groups
from rapport_profile.store.due import GROUP_TOLD

pytestmark = pytest.mark.integration
WHY = {"reason": "test"}
RULES = GroupRules()
NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def database(service_database: Any) -> str:
    return str(service_database("profile"))


async def settled(engine: AsyncEngine) -> None:
    """All that is due has been done."""
    store = DueStore("profile")
    kinds = GroupSettling(publisher(), store).kinds
    worker = DueWorker(engine, store, kinds)
    while True:
        async with engine.begin() as tx:
            look = await store.look(tx, list(kinds), None)
        if not look.due:
            return
        await worker.turn()


async def listed(engine: AsyncEngine) -> dict[str, set[tuple[str, Part]]]:
    """{profile: (kind, part)} as they are kept."""
    found: dict[str, set[tuple[str, Part]]] = {}
    async with engine.begin() as tx:
        rows = await tx.execute(
            text(
                "SELECT CAST(m.profile_id AS text) AS who, g.kind, g.key, m.since, m.role, "
                "m.is_verified FROM profile.group_member m JOIN profile.group_profile g "
                "ON g.workspace = m.workspace AND g.id = m.group_id WHERE g.is_known"
            )
        )
        for row in rows:
            part = Part(row.key, row.since, row.role, row.is_verified)
            found.setdefault(row.who, set()).add((row.kind, part))
    return found


async def expected(engine: AsyncEngine, history: list[Event]) -> dict[str, set[tuple[str, Part]]]:
    """The same by all events that count, of all identifiers that each profile has."""
    found: dict[str, set[tuple[str, Part]]] = {}
    async with engine.begin() as tx:
        rows = await tx.execute(
            text(
                "SELECT CAST(profile_id AS text) AS who, kind, value FROM profile.identifier "
                "WHERE profile_id IS NOT NULL"
            )
        )
        owners = {(row.kind, row.value): row.who for row in rows}
    for kind in ("company", "household"):
        said: dict[str, list[Any]] = {}
        for one in counting(history).values():
            told = word(one)
            if told is not None and told.kind == kind:
                said.setdefault(owners[one.strongest()], []).append(told)
        for who, some in said.items():
            now = {(kind, one) for one in parts(some, RULES.of(kind))}
            found.setdefault(who, set()).update(now)
    return {who: some for who, some in found.items() if some}


def encoded(shown: dict[str, msgspec.Raw]) -> str:
    return msgspec.json.encode(shown).decode()


async def traits(engine: AsyncEngine) -> dict[tuple[str, str], str]:
    async with engine.begin() as tx:
        rows = await tx.execute(text("SELECT id, kind, key FROM profile.group_profile"))
        found = {}
        for row in rows:
            held = await groups.find(tx, "w", str(row.id))
            assert held is not None
            if held.is_known:
                found[row.kind, row.key] = encoded(visible(held.traits))
    return found


def expected_traits(history: list[Event]) -> dict[tuple[str, str], str]:
    """Of each group that something speaks of, what trusted sources say of it."""
    said: dict[tuple[str, str], list[Statement]] = {}
    for one in counting(history).values():
        fact = fact_of(one, one.strongest())
        if fact is None or (fact.verb == "out" and not fact.traits):
            continue
        told = said.setdefault((fact.kind, fact.key), [])
        if fact.traits and fact.is_trusted:
            told.append(Statement(fact.stamp, fact.traits))
    return {
        name: encoded(visible(folded({}, some, RULES.of(name[0])))) for name, some in said.items()
    }


@settings(max_examples=examples(40))
@given(
    history=st.lists(words(), max_size=12),
    sizes=st.lists(st.integers(1, 5), max_size=4),
    merges=st.lists(st.booleans(), max_size=4),
)
def test_any_order_batching_copies_and_merges_give_the_same_groups(
    database: str, history: list[Event], sizes: list[int], merges: list[bool]
) -> None:
    async def run() -> None:
        engine = patient_engine(database, application="property", pool=2)
        try:
            await wipe(engine)
            rest = list(history)
            for place, size in enumerate([*sizes, len(history)]):
                piece, rest = rest[:size], rest[size:]
                if piece:
                    await feed(engine, piece)
                if place < len(merges) and merges[place]:
                    await settled(engine)
                    link = event(f"link-{place}", user_id="B", anonymous_id="x", at=place)
                    await feed(engine, [link])
            await settled(engine)
            assert await listed(engine) == await expected(engine, history)
            assert await traits(engine) == expected_traits(history)
        finally:
            await engine.dispose()

    in_thread(run)


async def group(client: httpx.AsyncClient, key: str, kind: str = "company") -> dict[str, Any]:
    found = await client.get("/v1/groups/lookup", params={"kind": kind, "key": key})
    assert found.status_code == 200, found.text
    whole = await client.get(f"/v1/groups/{found.json()['id']}")
    assert whole.json() == found.json()
    shown: dict[str, Any] = whole.json()
    return shown


async def profile(client: httpx.AsyncClient, value: str = "A", kind: str = "user_id") -> str:
    found = await client.get("/v1/profiles", params={"kind": kind, "value": value})
    return str(found.json()["id"])


async def groups_of(client: httpx.AsyncClient, value: str = "A", kind: str = "user_id") -> set[str]:
    """The keys of those that somebody is in now."""
    answer = await client.get(f"/v1/profiles/{await profile(client, value, kind)}/groups")
    return {one["key"] for one in answer.json()["items"] if one["left_at"] is None}


async def test_a_company_its_people_and_what_it_is_like(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    pro = {"plan": "pro", "address": {"city": "Bonn"}}
    await feed(
        engine,
        [
            joined("1", "acme", user_id="A", role="owner", traits=pro),
            joined("2", "acme", at=1, user_id="B", traits={"plan": "free"}),
            joined("3", "acme", at=2, anonymous_id="x", trust="public", traits={"plan": "hacked"}),
        ],
    )
    assert await groups_of(client) == {"acme"}, "at once, whatever has been settled"
    await settled(engine)
    found = await group(client, "acme")
    assert (found["traits"], found["members"]) == ({**pro, "plan": "free"}, 3)
    where = f"/v1/groups/{found['id']}/members"
    first = (await client.get(where, params={"limit": 2})).json()
    rest = (await client.get(where, params={"cursor": first["next"]})).json()["items"]
    people = {one["profile_id"]: one for one in [*first["items"], *rest]}
    assert len(people) == 3
    owner, guest = people[await profile(client)], people[await profile(client, "x", "anonymous_id")]
    assert (owner["role"], owner["verified"], guest["verified"]) == ("owner", True, False)


async def test_another_copy_of_a_call_counts_instead(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    copies = [joined("1", key, user_id="A", traits={"n": key}) for key in ("g", "h", "i", "j")]
    for one in copies:
        await feed(engine, [one])
        await settled(engine)
    least = min(copies, key=content_hash)
    assert await groups_of(client) == {least.group_id}
    answer = (await client.get("/v1/groups")).json()["items"]
    assert [one["key"] for one in answer] == [least.group_id]


async def test_two_who_are_merged_are_in_both_and_each_has_his_own_again(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    mine = [joined("1", "acme", user_id="A"), joined("2", "h1", "household", user_id="A")]
    device = [joined("3", "h2", "household", at=1, anonymous_id="x")]
    await feed(engine, [*mine, *device])
    await settled(engine)
    pair = body(("user_id", "A"), ("anonymous_id", "x"))
    made = (await client.post("/v1/profiles/merge", json=pair)).json()
    await settled(engine)
    assert await groups_of(client) == {"acme", "h2"}
    assert (await group(client, "h1", "household"))["members"] == 0, "an empty one stays"
    await client.post(f"/v1/decisions/{made['decision_id']}/undo", json=WHY)
    await settled(engine)
    assert await groups_of(client) == {"acme", "h1"}
    assert await groups_of(client, "x", "anonymous_id") == {"h2"}
    assert (await group(client, "h1", "household"))["members"] == 1


async def test_operators_describe_put_in_and_take_out(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await feed(engine, [event("1", user_id="A")])
    new = {"kind": "team", "key": "red", "traits": {"size": 2, "gone": 1}, **WHY}
    made = await client.post("/v1/groups", json=new)
    assert (made.status_code, made.json()["traits"]) == (201, {"gone": 1, "size": 2})
    again = await client.post("/v1/groups", json=new)
    where = f"/v1/groups/{made.json()['id']}"
    assert (again.status_code, again.json()["details"]) == (409, {"id": made.json()["id"]})
    change = {"traits": {"size": 3, "gone": None}, **WHY}
    for _ in range(2):
        assert (await client.patch(where, json=change)).json()["traits"] == {"size": 3}
    who = {"profile_id": await profile(client), **WHY}
    never = await client.post(f"{where}/remove", json=who)
    assert (never.status_code, await groups_of(client)) == (404, set())
    for _ in range(2):
        put = await client.post(f"{where}/add", json={**who, "role": "lead"})
        assert (put.json()["role"], put.json()["left_at"]) == ("lead", None)
    assert (await group(client, "red", "team"))["members"] == 1
    for _ in range(2):
        assert (await client.post(f"{where}/remove", json=who)).json()["left_at"] is not None
    assert (await group(client, "red", "team"))["members"] == 0
    async with engine.begin() as tx:
        said = await tx.execute(text("SELECT DISTINCT actor, reason FROM profile.group_fact"))
        assert [tuple(row) for row in said] == [("ada", "test")]


async def test_a_deleted_group_is_one_of_which_nothing_is_said_yet(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    late = joined("3", "acme", user_id="B", traits={"plan": "old"})
    await feed(engine, [joined("1", "acme", user_id="A", traits={"plan": "pro"})])
    await settled(engine)
    where = f"/v1/groups/{(await group(client, 'acme'))['id']}"
    assert (await client.delete(where, params=WHY)).status_code == 204
    assert (await client.get(where)).status_code == 404
    assert await groups_of(client) == set()
    await feed(engine, [late])
    await settled(engine)
    async with engine.begin() as tx:
        for table in ("fact", "member"):
            rows = await tx.scalar(text(f"SELECT count(*) FROM profile.group_{table}"))
            assert rows == 0, table
    minutes = 60 * 24 * 365 * 40
    await feed(engine, [joined("4", "acme", user_id="A", received=minutes)])
    await settled(engine)
    assert (await group(client, "acme"))["members"] == 1
    assert (await group(client, "acme"))["traits"] == {}


ANNA = "anna-1234"


@pytest.mark.parametrize("again", [False, True], ids=["swept", "a copy comes before the sweep"])
async def test_who_is_forgotten_is_in_no_group_and_the_group_stays(
    client: httpx.AsyncClient, engine: AsyncEngine, *, again: bool
) -> None:
    said = {"plan": "pro", "contact": ANNA, "seats": {"owner": ANNA}}
    first = joined("1", "acme", user_id=ANNA, role="owner", traits=said)
    await feed(engine, [first])
    await feed(engine, [joined("2", ANNA, "household", user_id=ANNA)])
    await feed(engine, [joined(one, "acme", user_id="B") for one in "34"])
    await feed(engine, [joined("5", ANNA, "household", user_id="B")])
    await settled(engine)
    assert f'"{ANNA}"'.encode() in bytes((await told(engine))[-1].traits)
    await ask(engine, *await person_of(engine, ("user_id", ANNA)))
    if again:
        await feed(engine, [first])
    await worked_off(engine)
    await settled(engine)
    found = await group(client, "acme")
    assert (found["traits"], found["members"]) == ({"plan": "pro"}, 1)
    assert await groups_of(client, "B") == {"acme"}
    last = msgspec.json.decode((await told(engine))[-1].traits)
    acme = {"id": "acme", "plan": "pro"}
    told_of_acme = {"company": {"id": ["acme"], "plan": ["pro"]}, "*": {"company": [acme]}}
    assert last == {"groups": told_of_acme}, "to B"
    assert len((await client.get("/v1/groups")).json()["items"]) == 1, "one that bore their name"
    async with engine.begin() as tx:
        kept = await tx.execute(
            text("SELECT role, verb FROM profile.group_fact WHERE identifier_id IS NULL")
        )
        assert [tuple(row) for row in kept] == [(None, "said")]
        rows = await tx.execute(text("SELECT count(*) FROM profile.group_told"))
        assert rows.scalar_one() == 1


async def test_kinds_are_declared_and_what_was_said_is_worked_out_anew(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    said = [
        joined(str(at), f"t{at}", "team", at=at, user_id="A", trust="public", traits={"n": at})
        for at in range(3)
    ]
    await feed(engine, said)
    await settled(engine)
    assert await groups_of(client) == {"t0", "t1", "t2"}
    team = {"max_per_person": 2, "public": "everything", "traits": {"n": {"rule": "first"}}}
    asked = {"kinds": {"team": team}, "version": 0, **WHY}
    made = await client.put("/v1/group-rules", json=asked)
    assert (made.status_code, made.json()["version"]) == (200, 1)
    await settled(engine)
    assert await groups_of(client) == {"t1", "t2"}
    assert (await group(client, "t2", "team"))["traits"] == {"n": 2}
    members = [(await group(client, f"t{at}", "team"))["members"] for at in range(3)]
    assert members == [0, 1, 1]
    late = await client.put("/v1/group-rules", json=asked)
    assert (late.status_code, late.json()["details"]) == (409, {"version": 1})
    bad = {**asked, "version": 1, "kinds": {"Team": team}}
    refused = await client.put("/v1/group-rules", json=bad)
    assert (refused.status_code, refused.json()["details"]) == (422, {"field": "kinds.Team"})
    shown = (await client.get("/v1/group-rules")).json()
    assert shown["kinds"]["team"]["traits"]["n"]["rule"] == "first"
    assert len((await client.get("/v1/group-rules/history")).json()["items"]) == 1


async def test_the_facts_of_a_busy_group_become_their_sum(
    client: httpx.AsyncClient, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_settling, "MAX_FACTS", 6)
    monkeypatch.setattr(group_settling, "KEPT_FACTS", 3)
    said = [
        joined(str(at), "acme", at=at, user_id="A", traits={f"t{at % 7}": at}) for at in range(40)
    ]
    for start in range(0, 40, 10):
        await feed(engine, said[start : start + 10])
        await settled(engine)
    found = (await group(client, "acme"))["traits"]
    assert found == {f"t{at % 7}": at for at in range(33, 40)}
    async with engine.begin() as tx:
        kept = text("SELECT count(*) FROM profile.group_fact WHERE traits IS NOT NULL")
        assert await tx.scalar(kept) <= 6


async def test_a_rebuild_keeps_what_a_release_before_did_not(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await feed(engine, [joined("1", "acme", user_id="A"), left("2", "b", user_id="A")])
    async with engine.begin() as tx:
        await tx.execute(text("TRUNCATE profile.group_fact, profile.group_profile, profile.due"))
        assert await rebuilt_all(tx) == 0
    await settled(engine)
    assert (await group(client, "acme"))["members"] == 1


async def rebuilt_all(tx: Any) -> int:
    page = Page("w", [IDS.of("w", ("user_id", "A"))])
    _report, steps = await rebuilt(tx, Names(IDS), page)
    return len(steps)


async def test_whose_groups_they_are_and_who_may_say_so(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await feed(engine, [joined("1", "acme", user_id="A")])
    await settled(engine)
    where = f"/v1/groups/{(await group(client, 'acme'))['id']}"
    other = bearer("other", "*")
    assert (await client.get(where, headers=other)).status_code == 404
    assert (await client.get("/v1/groups", headers=other)).json()["items"] == []
    reader = bearer("w", "profiles:read")
    change = {"traits": {"plan": "x"}, **WHY}
    assert (await client.get(where, headers=reader)).status_code == 200
    assert (await client.patch(where, json=change, headers=reader)).status_code == 403
    before = (await client.get(where)).json()["traits"]
    for bad in (b'"a\\u0000": 1', b'"a": "\\u0000"', b'"a": NaN', b'"a": "\\ud800"', b'"a": 1e999'):
        answer = await client.patch(where, content=b'{"traits": {%s}, "reason": "x"}' % bad)
        assert answer.status_code == 422, answer.text
    answer = await client.patch(where, json={"traits": {"a": "x" * 40_000}, "reason": "x"})
    assert (answer.status_code, answer.json()["details"]["path"]) == (422, "body.traits")
    assert (await client.get(where)).json()["traits"] == before
    answer = await client.patch(where, content=b'{"traits": {"a\\u0000": 1}, "reason": "x"}')
    assert answer.status_code == 422
    assert (await client.patch(where, json={"traits": {"__proto__": [1]}, **WHY})).json()[
        "traits"
    ] == {"__proto__": [1]}
    for name in ("kind", "key"):
        new = {"kind": "team", "key": "k", **WHY, name: "undefined!" if name == "kind" else "null"}
        assert (await client.post("/v1/groups", json=new)).status_code == 422


async def told(engine: AsyncEngine) -> list[Event]:
    async with engine.begin() as tx:
        return [
            msgspec.json.decode(one.value, type=Event)
            for one in await waiting(tx, "profile", "events")
        ]


async def trait(client: httpx.AsyncClient, value: str = "A", kind: str = "user_id") -> Any:
    where = f"/v1/profiles/{await profile(client, value, kind)}"
    found = (await client.get(where)).json()["traits"].get("groups")
    return None if found is None else {kind: one for kind, one in found.items() if kind != "*"}


async def test_a_change_of_a_group_reaches_all_who_are_in_it(
    client: httpx.AsyncClient, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_settling, "PAGE", 2)
    monkeypatch.setattr(group_settling, "TOLD_A_SECOND", 1_000_000)
    people = [joined(f"j{one}", "acme", user_id=one) for one in "ABCDE"]
    await feed(engine, [*people, joined("t", "acme", at=1, user_id="A", traits={"plan": "free"})])
    await settled(engine)
    seen = len(await told(engine))
    await feed(engine, await told(engine))
    await settled(engine)
    assert len(await told(engine)) == seen, "what comes back is no news"
    for one in "ABCDE":
        assert await trait(client, one) == {"company": {"id": ["acme"], "plan": ["free"]}}
    found = await group(client, "acme")
    for plan in ("pro", "pro"):
        change = {"traits": {"plan": plan}, **WHY}
        await client.patch(f"/v1/groups/{found['id']}", json=change)
        await settled(engine)
    news = (await told(engine))[seen:]
    assert sorted(one.identifiers[0][1] for one in news) == list("ABCDE"), "once each"
    await feed(engine, news)
    assert (await trait(client, "E"))["company"]["plan"] == ["pro"]
    assert (await client.delete(f"/v1/groups/{found['id']}", params=WHY)).status_code == 204
    await settled(engine)
    await feed(engine, (await told(engine))[seen + 5 :])
    assert {str(await trait(client, one)) for one in "ABCDE"} == {"None"}


async def test_who_changes_while_all_are_told_is_told_again(
    client: httpx.AsyncClient, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_settling, "PAGE", 2)
    await feed(engine, [joined(f"j{one}", "acme", user_id=one) for one in "ABC"])
    await settled(engine)
    where = f"/v1/groups/{(await group(client, 'acme'))['id']}"
    await client.patch(where, json={"traits": {"n": 1}, **WHY})
    handler = GroupSettling(publisher())
    row = Due("w", GROUP_TOLD, where.rpartition("/")[2], NOW, NOW, {}, None, 0, None, None)

    async def turn(payload: dict[str, Any]) -> dict[str, Any] | None:
        """The payload of the row that follows, which is removed as the worker does."""
        async with engine.begin() as tx:
            await tx.execute(text("DELETE FROM profile.due WHERE kind = 'group_told'"))
            await handler.changed(tx, [replace(row, payload=payload)], NOW)
            found = text("SELECT CAST(payload AS text) FROM profile.due WHERE kind = 'group_told'")
            left = await tx.scalar(found)
            return None if left is None else msgspec.json.decode(left)

    first = await turn({})
    assert first is not None
    await client.patch(where, json={"traits": {"n": 2}, **WHY})
    again = await turn(first)
    assert again == {}, "all of them, from the beginning"
    rest = await turn(again)
    assert rest is not None
    assert await turn(rest) is None


async def test_merged_and_split_people_are_told_right(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await feed(engine, [joined("1", "acme", anonymous_id="x"), event("2", user_id="A")])
    pair = body(("user_id", "A"), ("anonymous_id", "x"))
    made = (await client.post("/v1/profiles/merge", json=pair)).json()
    await settled(engine)
    await feed(engine, await told(engine))
    assert await trait(client) == {"company": {"id": ["acme"]}}
    await client.post(f"/v1/decisions/{made['decision_id']}/undo", json=WHY)
    await settled(engine)
    await feed(engine, await told(engine))
    assert await trait(client) is None
    assert await trait(client, "x", "anonymous_id") == {"company": {"id": ["acme"]}}


async def test_a_page_can_not_say_what_groups_somebody_is_in(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await feed(engine, [joined("1", "acme", user_id="A")])
    await settled(engine)
    await feed(engine, await told(engine))
    lie = event("9", type="identify", at=60, user_id="A", traits={"groups": {"company": "all"}})
    await feed(engine, [lie])
    assert await trait(client) == {"company": {"id": ["acme"]}}
