"""What is searched is what is known: after any history, and as an operator searches it."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from services.profile.tests.conftest import bearer
from services.profile.tests.people import IDS, event, events, rule_sets
from services.profile.tests.postgres import feed, wipe
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tests.support.engines import patient_engine
from tests.support.waiting import eventually

from rapport_common.auth import Operator
from rapport_common.errors import AppError
from rapport_common.events.envelope import Event, Identifier
from rapport_common.ids import uuid7_text
from rapport_common.jobs.worker import Jobs
from rapport_common.pace import Pace
from rapport_common.testing.examples import examples
from rapport_profile.domain.merge_rules import USUAL, RuleBook, Rules
from rapport_profile.domain.naming import MERGE
from rapport_profile.domain.search_query import hit, search_for
from rapport_profile.domain.searchable import Entry, entries_of
from rapport_profile.handlers import indexing
from rapport_profile.handlers.deciding import Deciding
from rapport_profile.handlers.indexing import Indexing
from rapport_profile.handlers.jobs import start
from rapport_profile.handlers.rebuilding import Rebuilding
from rapport_profile.handlers.reindexing import Reindexing
from rapport_profile.handlers.rules import declare_of_people
from rapport_profile.handlers.searching import ENOUGH, search
from rapport_profile.store import reads
from rapport_profile.store import search as search_store
from rapport_profile.store.decisions import APART
from rapport_profile.store.jobs import JOBS, REBUILD, REINDEX
from rapport_profile.store.rules import MERGE_RULES

pytestmark = pytest.mark.integration
CHOSEN = ("q", "city")
ADA = Operator("ada", "w", frozenset({"*"}))
NOBODY = "f3fef9e5-16dc-47fa-a2b4-3d4c1b482afe"


@pytest.fixture(scope="module")
def database(service_database: object) -> str:
    return service_database("profile")  # type: ignore[operator,no-any-return] # see root conftest


async def settled(engine: AsyncEngine, batch: int = 3) -> None:
    """All that is due is written."""
    loop = Indexing(engine, CHOSEN, 1_000, batch=batch)
    while await loop.turn():
        pass


async def stored(tx: AsyncConnection) -> dict[str, list[Entry]]:
    """What people are found by."""
    rows = await tx.execute(text("SELECT profile_id, CAST(entries AS text) FROM profile.search"))
    return {str(one): msgspec.json.decode(told, type=list[Entry]) for one, told in rows}


async def scanned(tx: AsyncConnection) -> dict[str, list[Entry]]:
    """What they should be found by: made of all profiles, one after the other."""
    rows = (await tx.execute(text("SELECT id FROM profile.profile"))).scalars().all()
    found = {}
    for id_ in rows:
        alive = await reads.alive(tx, "w", id_)
        if alive is not None and alive.id == id_:
            summary = alive.summary or await reads.made_of_members(tx, "w", id_)
            entries = entries_of(summary, CHOSEN)
            if entries:
                found[str(id_)] = entries
    return found


@st.composite
def named_events(draw: st.DrawFn) -> Event:
    """Events whose people have names and addresses, which change."""
    if draw(st.booleans()):
        return draw(events())
    names = ["Ada", "Ada Müller", "张三", "Adda", None]
    return event(
        draw(st.sampled_from([f"n{n}" for n in range(8)])),
        type="identify",
        at=draw(st.integers(0, 5)),
        user_id=draw(st.sampled_from([None, "A", "B"])),
        anonymous_id=draw(st.sampled_from(["x", "y", "z"])),
        traits={
            draw(st.sampled_from(["name", "first_name", "city"])): draw(st.sampled_from(names)),
            **({"email": "ada@example.org"} if draw(st.booleans()) else {}),
        },
    )


history = st.lists(named_events(), max_size=8)
pairs = st.lists(
    st.tuples(
        st.sampled_from([MERGE, APART]),
        st.sampled_from([("user_id", "A"), ("anonymous_id", "x")]),
        st.sampled_from([("anonymous_id", "y"), ("anonymous_id", "z")]),
    ),
    max_size=2,
)
asked = st.sampled_from(
    ["a", "ada", "adа", "muller", "zs", "三", "ada x", "aada", "exam", "B", "y"]
)


@settings(max_examples=examples(30))
@given(
    before=history,
    decided=pairs,
    after=history,
    undone=st.booleans(),
    rules=st.none() | rule_sets(),
    words=asked,
)
async def test_what_is_searched_is_what_is_known(
    database: str,
    *,
    before: Sequence[Event],
    decided: Sequence[tuple[str, Identifier, Identifier]],
    after: Sequence[Event],
    undone: bool,
    rules: Rules | None,
    words: str,
) -> None:
    engine = patient_engine(database, application="tests", pool=2)
    try:
        await wipe(engine)
        await feed(engine, before)
        await settled(engine)
        await _decide(engine, decided, undone=undone)
        book = await _declare(engine, rules)
        for one in after:
            await feed(engine, [one], book)
        await settled(engine)
        async with engine.begin() as tx:
            found, expected = await stored(tx), await scanned(tx)
            assert found == expected
            wanted = search_for(words)
            assert wanted is not None
            results = await search(tx, "w", wanted)
        fitting = {one for one, entries in expected.items() if hit(wanted, entries)}
        assert len(fitting) < ENOUGH
        assert {one.id for one in results.people} == fitting
        assert results.complete
        assert [one.key for one in results.people] == sorted(one.key for one in results.people)
    finally:
        await engine.dispose()


async def _declare(engine: AsyncEngine, rules: Rules | None) -> RuleBook:
    """Let these rules hold, and bring everybody under them."""
    if rules is None:
        return USUAL
    async with engine.begin() as tx:
        await declare_of_people(tx, MERGE_RULES, "w", rules.declared, after=0, by=("ada", "a test"))
    work = Rebuilding(engine, IDS, 1_000, lambda _seconds: Pace(0), page=2)
    assert await Jobs(engine, JOBS, {REBUILD: work.work}).turn(asyncio.Event())
    return RuleBook({"w": rules})


async def _decide(
    engine: AsyncEngine, decided: Sequence[tuple[str, Identifier, Identifier]], *, undone: bool
) -> None:
    """Let decisions hold, as far as they can; and take them back, if they are undone."""
    deciding = Deciding(IDS)
    for kind, one, other in decided:
        made = uuid7_text()
        with suppress(AppError):
            async with engine.begin() as tx:
                await deciding.decide(tx, ADA, kind, (one, other), (made, "a test"))
            if undone:
                await settled(engine)
                async with engine.begin() as tx:
                    await deciding.undo(tx, ADA, made, "the test is done")


async def people(engine: AsyncEngine, count: int, **traits: str) -> None:
    await feed(
        engine,
        [
            event(f"p{n}", type="identify", user_id=f"u{n:03}", traits={**traits, "number": n})
            for n in range(count)
        ],
    )


async def found_by(client: httpx.AsyncClient, q: str, **more: Any) -> dict[str, Any]:
    answer = await client.get("/v1/profiles/search", params={"q": q} | more)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_pages_have_everybody_once_the_best_first(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    await people(engine, 7, name="Anna Berg")
    await feed(
        engine,
        [
            event("x", type="identify", user_id="x", traits={"name": "Annabell Lee"}),
            event("y", type="identify", user_id="y", traits={"name": "Joanna Doe"}),
            event("z", type="identify", user_id="z", traits={"name": "Anma Roe", "city": "Rome"}),
        ],
    )
    await settled(engine)
    listed, cursor = [], None
    while True:
        page = await found_by(client, "anna", limit=3, **({"cursor": cursor} if cursor else {}))
        listed += page["items"]
        if (cursor := page["next"]) is None:
            break
    assert [one["fits"] for one in listed] == ["whole"] * 7 + ["beginning", "inside", "misspelt"]
    assert len({one["id"] for one in listed}) == 10
    assert page["complete"]
    assert listed[-1]["matched"] == [{"field": "traits.name", "value": "Anma Roe"}]
    [roman] = (await found_by(client, "rom anm"))["items"]
    assert {one["field"] for one in roman["matched"]} == {"traits.name", "traits.city"}


async def test_of_too_many_some_are_shown_and_it_is_said(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    await people(engine, 12, name="Bo")
    await feed(engine, [event("x", type="identify", user_id="bobby", traits={"name": "Zoe"})])
    await settled(engine)
    async with engine.begin() as tx:
        wanted = search_for("b")
        assert wanted is not None
        found = await search(tx, "w", wanted, most=5)
    assert (len(found.people), found.complete) == (5, False)
    assert (await found_by(client, "bobby"))["complete"]


async def test_a_workspace_finds_its_own_people_only(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    await people(engine, 2, name="Anna")
    await settled(engine)
    assert len((await found_by(client, "anna"))["items"]) == 2
    other = await client.get(
        "/v1/profiles/search", params={"q": "anna"}, headers=bearer("other", "*")
    )
    assert other.json()["items"] == []
    weak = await client.get(
        "/v1/profiles/search", params={"q": "anna"}, headers=bearer("w", "segments:read")
    )
    assert weak.status_code == 403


async def test_who_is_merged_away_is_not_found_even_before_the_loop_comes(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    await feed(
        engine,
        [
            event("1", type="identify", anonymous_id="a", traits={"name": "Anna"}),
            event("2", type="identify", user_id="u", traits={"name": "Anna"}, at=1),
        ],
    )
    await settled(engine)
    assert len((await found_by(client, "anna"))["items"]) == 2
    await feed(engine, [event("3", user_id="u", anonymous_id="a", at=2)])
    before = (await found_by(client, "anna"))["items"]
    await settled(engine)
    assert before == (await found_by(client, "anna"))["items"]
    assert len(before) == 1


async def test_an_event_that_says_nothing_new_of_whom_it_names_leaves_search_alone(
    engine: AsyncEngine,
) -> None:
    """What is due costs the events' own way: so most events have nothing due."""
    await people(engine, 1, name="Anna", email="anna@example.org")
    await settled(engine)
    await feed(
        engine,
        [
            event("1", user_id="u000", at=1, name="Order Completed", said={"total": 1}),
            event("2", user_id="u000", at=2, type="page"),
            event("3", user_id="u000", email="anna@example.org", at=3),
            event("4", type="identify", user_id="u000", traits={"name": "Anna"}, at=4),
            event("5", user_id="u000", name="Case Opened", said={"case_id": "c"}, at=5),
        ],
    )
    assert await due(engine) == 0
    await feed(engine, [event("6", type="identify", user_id="u000", traits={"name": "A"}, at=9)])
    assert await due(engine) == 1


def value_of(metric: str) -> float:
    """What it shows now."""
    return REGISTRY.get_sample_value(metric) or 0.0


async def due(engine: AsyncEngine) -> int:
    async with engine.begin() as tx:
        rows = await tx.execute(text("SELECT count(*) FROM profile.search_due"))
        return int(rows.scalar_one())


async def test_people_of_before_there_was_search_are_found(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    """Also those of before there were summaries."""
    await people(engine, 5, name="Anna")
    async with engine.begin() as tx:
        # The fold of the only identifier with events is in the summary.
        await tx.execute(
            text(
                "UPDATE profile.identifier i SET fold = p.summary -> 'fold' "
                "FROM profile.profile p WHERE p.id = i.profile_id"
            )
        )
        await tx.execute(text("UPDATE profile.profile SET summary = NULL, members = 0"))
    await settled(engine)
    assert len((await found_by(client, "anna u00"))["items"]) == 5


async def test_one_workspaces_flood_keeps_nobody_waiting(engine: AsyncEngine) -> None:
    await people(engine, 9, name="Anna")
    async with engine.begin() as tx:
        await search_store.owe(tx, [("x", NOBODY)] * 9)
    loop = Indexing(engine, CHOSEN, 1_000, batch=4)
    assert await loop.turn() >= 4
    await loop.turn()
    async with engine.begin() as tx:
        assert await search_store.next_workspace(tx, "w") is None, "x has had its turn"


async def test_two_loops_do_not_undo_each_other(engine: AsyncEngine) -> None:
    """While one has read and not yet written, another has to leave the workspace alone."""
    await people(engine, 3, name="Anna")
    loop = Indexing(engine, CHOSEN, 1_000)
    async with engine.begin() as tx:
        assert await search_store.hold(tx, "w")
        assert await loop.turn() == 0
    assert await loop.turn() == 3
    assert await due(engine) == 0


async def test_what_cannot_be_written_is_counted_and_waits(engine: AsyncEngine) -> None:
    await people(engine, 2, name="Anna")
    async with engine.begin() as tx:
        await tx.execute(text("""UPDATE profile.profile SET summary = '{"members": "x"}'"""))
    failures = value_of("rapport_profile_search_failures_total")
    stop = asyncio.Event()
    running = asyncio.create_task(Indexing(engine, CHOSEN, 1_000).run(stop))
    await eventually(
        "failure", lambda: value_of("rapport_profile_search_failures_total") > failures
    )
    stop.set()
    await running
    assert await due(engine) == 1, "nothing is lost of what waits"
    assert value_of("rapport_profile_search_oldest_age_seconds") >= 0


async def test_a_long_rest_gives_signs_and_ends_with_the_process(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a watchdog would take a rest for a hang."""
    monkeypatch.setattr(indexing, "IDLE_SECONDS", 3_600)
    monkeypatch.setattr(indexing, "SIGN_SECONDS", 0.001)
    stop, loop = asyncio.Event(), Indexing(engine, CHOSEN, 1_000)
    running = asyncio.create_task(loop.run(stop))
    signs: set[float] = set()

    def some() -> bool:
        signs.add(loop.last_sign)
        return len(signs) > 3

    await eventually("signs", some)
    stop.set()
    await running


async def test_a_job_writes_all_anew_and_takes_strangers_out(engine: AsyncEngine) -> None:
    await people(engine, 5, name="Anna")
    async with engine.begin() as tx:
        await tx.execute(text("DELETE FROM profile.search_due"))
        await search_store.write(tx, "w", {NOBODY: ([Entry(0, "f", "v", ["v"])], [1])})
        await start(tx, None, "w", REINDEX, {})
    work = Reindexing(engine, CHOSEN, 1_000, lambda _seconds: Pace(0), page=2)
    assert await Jobs(engine, JOBS, {REINDEX: work.work}).turn(asyncio.Event())
    await settled(engine)
    async with engine.begin() as tx:
        assert await stored(tx) == await scanned(tx)
        [job] = await JOBS.latest(tx, "w", limit=1)
    assert (job.state, job.done, job.total) == ("done", 6, 5), "and a stranger"


async def test_an_operator_starts_it_once_for_a_request(client: httpx.AsyncClient) -> None:
    once = {"Idempotency-Key": "k"}
    made = [await client.post("/v1/profiles/reindex", headers=once) for _ in range(2)]
    assert [one.status_code for one in made] == [202, 202]
    assert made[0].json()["id"] == made[1].json()["id"]
    weak = await client.post("/v1/profiles/reindex", headers=bearer("w", "profiles:write"))
    assert weak.status_code == 403


@pytest.mark.parametrize(
    ("q", "status"),
    [("", 422), ("x" * 101, 422), ("\0", 422), ("@@ - ", 422), ("a " * 9, 422), ("%_'\\", 422)],
)
async def test_a_search_for_nothing_is_refused(
    client: httpx.AsyncClient, q: str, status: int
) -> None:
    answer = await client.get("/v1/profiles/search", params={"q": q})
    assert answer.status_code == status
    assert set(answer.json()) == {"code", "message", "details"}
