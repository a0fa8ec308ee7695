"""What has a time: run once, in its order, by whoever is there; what fails keeps nobody waiting."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tests.support.engines import patient_engine
from tests.support.waiting import HANG_SECONDS, eventually

from rapport_common.db import create_engine, metadata
from rapport_common.due import worker as due_worker
from rapport_common.due.alarm import Alarm, attending
from rapport_common.due.look import Looking
from rapport_common.due.store import Due, DueStore, NewDue
from rapport_common.due.tables import due_tables
from rapport_common.due.worker import MAX_ATTEMPTS, SESSION, DueWorker, Handler
from rapport_common.testing.examples import examples

pytestmark = pytest.mark.integration

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


class Clock:
    """The time, moved by hand."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


class Place:
    """A service's rows and what has become of them, with a clock moved by hand."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.clock = Clock()
        self.store = DueStore("segment", now=self.clock)
        self.bad: set[str] = set()
        self.batches: list[tuple[str, int]] = []

    async def clear(self) -> None:
        self.clock.now = NOON
        async with self.engine.begin() as tx:
            for table in ("due", "due_lane", "effect"):
                await tx.execute(text(f"DELETE FROM segment.{table}"))

    async def add(
        self, *keys: str, at: timedelta = HOUR, workspace: str = "acme", kind: str = "x"
    ) -> None:
        rows = [NewDue(workspace, kind, key, NOON + at, {"n": key}) for key in keys]
        async with self.engine.begin() as tx:
            await self.store.schedule(tx, rows)

    async def note(self, tx: AsyncConnection, rows: Sequence[Due], now: datetime) -> None:
        """A handler: writes down what was run, refuses what is bad."""
        self.batches.append((rows[0].kind, len(rows)))
        assert {one.try_at <= now for one in rows} == {True}
        await tx.execute(
            text("INSERT INTO segment.effect SELECT * FROM unnest(CAST(:ids AS text[]))"),
            {"ids": [f"{one.workspace}/{one.kind}/{one.key}" for one in rows]},
        )
        if any(one.key in self.bad for one in rows):
            message = "it is bad"
            raise LookupError(message)

    def worker(
        self, *kinds: str, batch: int = 500, alarm: Alarm | None = None, **handlers: Handler
    ) -> DueWorker:
        chosen = {**dict.fromkeys(kinds or ("x",), self.note), **handlers}
        return DueWorker(self.engine, self.store, chosen, batch=batch, alarm=alarm)

    async def ran(self) -> list[str]:
        async with self.engine.begin() as tx:
            return sorted((await tx.execute(text("SELECT id FROM segment.effect"))).scalars())

    async def retried(self) -> bool:
        """Whether something has failed and waits for its next try."""
        return any(one.attempts for one in await self.listed())

    async def listed(self, *, failed: bool = False) -> list[Due]:
        async with self.engine.begin() as tx:
            return await self.store.listed(
                tx, None, failed=failed, kind=None, after=None, limit=1000
            )


async def empty(worker: DueWorker, turns: int = 1000) -> int:
    """Turn until there is no more; how often."""
    for turn in range(1, turns):
        if not await worker.turn():
            return turn
    pytest.fail("there is always more")


@pytest.fixture(scope="module")
async def engine(module_database_url: str) -> AsyncIterator[AsyncEngine]:
    tables = metadata("segment")
    due_tables(tables)
    made = patient_engine(module_database_url, application="tests", settings=SESSION)
    async with made.begin() as tx:
        await tx.execute(text("CREATE SCHEMA segment"))
        await tx.run_sync(tables.create_all)
        await tx.execute(text("CREATE TABLE segment.effect (id text)"))
    yield made
    await made.dispose()


@pytest.fixture
async def place(engine: AsyncEngine) -> Place:
    made = Place(engine)
    await made.clear()
    return made


async def test_it_runs_when_it_is_due_and_once(place: Place) -> None:
    await place.add("a")
    worker = place.worker()
    assert not await worker.turn()
    place.clock.now += HOUR - SECOND
    assert not await worker.turn()
    place.clock.now += SECOND
    await worker.turn()
    assert await place.ran() == ["acme/x/a"]
    await worker.turn()
    assert (await place.ran(), await place.listed()) == (["acme/x/a"], [])


async def test_scheduled_again_it_has_the_new_time(place: Place) -> None:
    await place.add("a", "b", "c", "d")
    await place.add("a", at=2 * HOUR)
    await place.add("b", at=SECOND)
    async with place.engine.begin() as tx:
        assert await place.store.cancel(tx, [("acme", "x", "c"), ("acme", "x", "none")]) == 1
        sooner = NewDue("acme", "x", "d", NOON)
        await place.store.schedule(tx, [sooner], keep=True)
    worker = place.worker()
    place.clock.now += SECOND
    await empty(worker)
    assert await place.ran() == ["acme/x/b"]
    place.clock.now += HOUR
    await empty(worker)
    assert await place.ran() == ["acme/x/b", "acme/x/d"]
    place.clock.now += HOUR
    await empty(worker)
    assert await place.ran() == ["acme/x/a", "acme/x/b", "acme/x/d"]


async def test_of_two_times_the_sooner_one_can_be_kept(place: Place) -> None:
    await place.add("a", "b")
    async with place.engine.begin() as tx:
        rows = [NewDue("acme", "x", "a", NOON), NewDue("acme", "x", "b", NOON + 2 * HOUR)]
        await place.store.schedule(tx, rows, sooner=True)
    place.clock.now += SECOND
    await empty(place.worker())
    assert await place.ran() == ["acme/x/a"]
    place.clock.now += HOUR
    await empty(place.worker())
    assert await place.ran() == ["acme/x/a", "acme/x/b"]


async def test_what_is_rolled_back_was_never_scheduled(place: Place) -> None:
    async with place.engine.connect() as connection:
        begun = await connection.begin()
        await place.store.schedule(connection, [NewDue("acme", "x", "a", NOON)])
        await begun.rollback()
    await place.add("b", at=-HOUR)
    await empty(place.worker())
    assert await place.ran() == ["acme/x/b"]


async def test_a_time_that_has_passed_is_now_also_below_the_last_look(place: Place) -> None:
    worker = place.worker()
    for day in range(3):
        place.clock.now = NOON + timedelta(days=day)
        await empty(worker)
        await place.add(str(day), at=-timedelta(days=9))
        await empty(worker)
    assert len(await place.ran()) == 3
    await place.add("late")
    [row] = await place.listed()
    assert (row.at, row.try_at) == (NOON + HOUR, place.clock.now)


async def test_a_handler_may_schedule_it_anew(place: Place) -> None:
    async def again(tx: AsyncConnection, rows: Sequence[Due], now: datetime) -> None:
        await place.note(tx, rows, now)
        await place.store.schedule(
            tx, [NewDue(one.workspace, one.kind, one.key, now + HOUR) for one in rows]
        )

    await place.add("a", kind="daily")
    worker = place.worker(daily=again)
    for _ in range(3):
        place.clock.now += HOUR
        await empty(worker)
    assert await place.ran() == ["acme/daily/a"] * 3
    assert [one.at for one in await place.listed()] == [NOON + 4 * HOUR]


async def test_bad_rows_keep_no_good_ones_waiting(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All of it at once: what time does not suffice for is run by a later turn.
    monkeypatch.setattr(due_worker, "ISOLATE_SECONDS", HANG_SECONDS)
    keys = [f"{number:03}" for number in range(100)]
    place.bad = {"000", "050", "099"}
    await place.add(*keys)
    place.clock.now += HOUR
    await empty(place.worker())
    assert await place.ran() == sorted(f"acme/x/{key}" for key in set(keys) - place.bad)
    waiting = await place.listed()
    assert {(one.key, one.attempts, one.error) for one in waiting} == {
        (key, 1, "LookupError: it is bad") for key in place.bad
    }
    assert {one.try_at for one in waiting} == {place.clock.now + 2 * SECOND}


async def test_what_keeps_failing_is_put_aside_and_tried_again_by_an_operator(
    place: Place,
) -> None:
    place.bad = {"a"}
    await place.add("a", "b")
    place.clock.now += HOUR
    worker = place.worker()
    tries = [place.clock.now]
    while waiting := await place.listed():
        if waiting[0].try_at > place.clock.now:
            tries.append(waiting[0].try_at)
        place.clock.now = waiting[0].try_at
        await empty(worker)
    waits = [(after - before).total_seconds() for before, after in pairwise(tries)]
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 300]
    [aside] = await place.listed(failed=True)
    assert (aside.key, aside.attempts, aside.failed_at) == ("a", MAX_ATTEMPTS, place.clock.now)
    place.clock.now += 99 * HOUR
    await empty(worker)
    place.bad = set()
    async with place.engine.begin() as tx:
        assert not await place.store.retry(tx, "other", "x", "a")
        assert await place.store.retry(tx, "acme", "x", "a")
        assert not await place.store.retry(tx, "acme", "x", "a")
    await empty(worker)
    assert await place.ran() == ["acme/x/a", "acme/x/b"]


async def test_all_that_was_put_aside_is_tried_again_or_discarded(place: Place) -> None:
    await place.add("a", "b", kind="x")
    await place.add("c", kind="y")
    await place.add("d", workspace="other")
    async with place.engine.begin() as tx:
        await tx.execute(text("UPDATE segment.due SET failed_at = now(), attempts = 10"))
        assert await place.store.counts(tx) == (0, 4)
        assert await place.store.discard(tx, "acme", "x", "a")
        assert not await place.store.discard(tx, "acme", "x", "a")
        assert await place.store.retry_all(tx, "acme", "x") == 1
        assert await place.store.retry_all(tx, "acme", None) == 1
    await empty(place.worker("x", "y"))
    assert await place.ran() == ["acme/x/b", "acme/y/c"]
    # Scheduled anew, it lives again.
    await place.add("d", workspace="other")
    assert [one.key for one in await place.listed()] == ["d"]


async def test_a_flood_of_one_keeps_neither_workspaces_nor_kinds_waiting(place: Place) -> None:
    await place.add(*(f"{number}" for number in range(50)), workspace="a")
    await place.add("one", workspace="b")
    await place.add("two", workspace="c", kind="y")
    place.clock.now += HOUR
    worker = place.worker("x", "y", batch=10)
    await worker.turn()
    await worker.turn()
    ran = await place.ran()
    assert {"b/x/one", "c/y/two"} <= set(ran)
    assert len(ran) == 7
    await empty(worker)
    assert len(await place.ran()) == 52


async def test_what_no_handler_knows_waits(place: Place) -> None:
    """A newer process knows it: during a deploy both are there."""
    await place.add("a", kind="new")
    await place.add("b")
    place.clock.now += HOUR
    await empty(place.worker())
    assert await place.ran() == ["acme/x/b"]
    async with place.engine.begin() as tx:
        assert await place.store.unknown(tx, ["x"]) == ["new"]
        assert await place.store.unknown(tx, ["new"]) == []
    await empty(place.worker("new"))
    assert await place.ran() == ["acme/new/a", "acme/x/b"]


async def test_what_another_has_in_hand_is_left_to_it(place: Place) -> None:
    await place.add("a", "b")
    place.clock.now += HOUR
    async with place.engine.connect() as other:
        begun = await other.begin()
        await other.execute(text("SELECT 1 FROM segment.due WHERE key = 'a' FOR UPDATE"))
        await empty(place.worker())
        assert await place.ran() == ["acme/x/b"]
        await begun.rollback()
    await empty(place.worker())
    assert await place.ran() == ["acme/x/a", "acme/x/b"]


async def test_who_waits_for_the_worker_is_not_waited_for(place: Place) -> None:
    """A request holds what the handler wants and asks for the row: the worker gives way."""
    await place.add("a")
    place.clock.now += HOUR
    async with place.engine.begin() as tx:
        await tx.execute(text("CREATE TABLE segment.thing (id int PRIMARY KEY)"))
        await tx.execute(text("INSERT INTO segment.thing VALUES (1)"))
    held, wants = asyncio.Event(), asyncio.Event()

    async def handler(tx: AsyncConnection, rows: Sequence[Due], now: datetime) -> None:
        wants.set()
        await held.wait()
        await tx.execute(text("SELECT 1 FROM segment.thing FOR UPDATE"))
        await place.note(tx, rows, now)

    worker = place.worker(x=handler)
    async with asyncio.TaskGroup() as group:
        turn = group.create_task(worker.turn())
        await wants.wait()
        async with place.engine.begin() as request:
            await request.execute(text("SET LOCAL lock_timeout = 0"))
            await request.execute(text("SELECT 1 FROM segment.thing FOR UPDATE"))
            held.set()
            assert await place.store.cancel(request, [("acme", "x", "a")]) == 1
        await turn
    assert (await place.ran(), await place.listed()) == ([], [])


@settings(max_examples=examples(30))
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["schedule", "cancel", "turn", "killed"]),
            st.sampled_from("abc"),
            st.integers(0, 4),
        ),
        max_size=20,
    )
)
async def test_whatever_is_killed_each_time_runs_once(
    place: Place, steps: list[tuple[str, str, int]]
) -> None:
    """Beside a model: a row for each key; who dies in a batch has done nothing of it."""
    await place.clear()
    expected: list[str] = []
    model: dict[str, datetime] = {}
    worker = place.worker()
    for what, key, number in steps:
        place.clock.now += number * SECOND
        due = {one for one, at in model.items() if at <= place.clock.now}
        if what == "schedule":
            at = place.clock.now + (number - 1) * SECOND
            model[key] = at
            await place.add(key, at=at - NOON)
        elif what == "cancel":
            model.pop(key, None)
            async with place.engine.begin() as tx:
                await place.store.cancel(tx, [("acme", "x", key)])
        elif what == "turn":
            await empty(worker)
            expected += sorted(due)
            model = {one: at for one, at in model.items() if one not in due}
        else:
            await _dies_in_a_batch(place, place.worker())
    place.clock.now += HOUR
    await empty(worker)
    expected += sorted(model)
    assert await place.ran() == sorted(f"acme/x/{key}" for key in expected)
    assert await place.listed() == []


async def _dies_in_a_batch(place: Place, worker: DueWorker) -> None:
    """A process takes what is due, does its work, and is gone before it commits."""
    async with place.engine.connect() as connection:
        begun = await connection.begin()
        look = await place.store.look(connection, ["x"], None)
        chosen = worker._turns.next(look.due, look.now, 10)
        if chosen is not None:
            assert look.first is not None
            rows = await place.store.take(connection, chosen[0], look.now, look.first)
            await place.note(connection, rows, look.now)
        await begun.rollback()


async def test_a_loop_runs_what_falls_due_and_stops(place: Place) -> None:
    """By the database's clock, two side by side."""
    store, stop = DueStore("segment"), asyncio.Event()
    workers = [DueWorker(place.engine, store, {"x": place.note}, batch=7) for _ in range(2)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one.run(stop)) for one in workers]
        async with place.engine.begin() as tx:
            now = (await tx.execute(text("SELECT clock_timestamp()"))).scalar_one()
            soon = now + timedelta(milliseconds=300)
            keys = [f"{number:03}" for number in range(100)]
            await store.schedule(tx, [NewDue("acme", "x", key, soon) for key in keys])

        async def all_ran() -> bool:
            return len(await place.ran()) >= len(keys)

        assert await eventually("all rows run", all_ran)
        stop.set()
        await asyncio.wait(tasks)
    assert await place.ran() == [f"acme/x/{key}" for key in keys]


async def test_what_this_process_schedules_is_looked_at_before_the_next_poll(place: Place) -> None:
    seconds = 0.0
    alarm = Alarm(poll=8.0, pace=2.0, now=lambda: seconds)
    worker = place.worker(alarm=alarm)
    with attending("segment", alarm):
        await worker.turn()
        alarm.rest()
        await place.add("later")
        async with place.engine.connect() as tx, tx.begin() as begun:
            await place.store.schedule(tx, [NewDue("acme", "x", "never", NOON)])
            await begun.rollback()
        assert alarm.seconds() == 8
        await place.add("a", at=timedelta())
        assert alarm.seconds() == 2
        seconds += 2
        assert alarm.seconds() == 0
        await worker.turn()
        assert await place.ran() == ["acme/x/a"]
        await worker.turn()
        alarm.rest()
    # Nobody is told any more.
    await place.add("b", at=timedelta())
    assert alarm.seconds() == 8


async def test_a_row_for_now_is_run_though_no_poll_comes(place: Place) -> None:
    """The next poll is an hour away, for the loop; what an operator tries again is for now, too."""
    alarm, stop = Alarm(poll=3600, pace=0.0), asyncio.Event()
    place.bad = {"b"}

    def rests() -> bool:
        return alarm.seconds() > 0

    async with asyncio.TaskGroup() as group:
        group.create_task(place.worker(alarm=alarm).run(stop))
        await eventually("rest", rests)
        await place.add("a", "b", at=timedelta())
        await eventually("a run", place.ran)
        await eventually("b failed", place.retried)
        place.bad = set()
        async with place.engine.begin() as tx:
            await tx.execute(text("UPDATE segment.due SET failed_at = now()"))
            assert await place.store.retry_all(tx, "acme", None) == 1

        async def both() -> bool:
            return await place.ran() == ["acme/x/a", "acme/x/b"]

        assert await eventually("b run", both)
        stop.set()


LANES = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.integers(-3, 3)))


@settings(max_examples=examples(30))
@given(LANES, st.integers(1, 4), st.integers(-4, 0))
async def test_a_look_finds_who_is_due_however_many_are(
    place: Place, rows: list[tuple[str, str, int]], sample: int, floor: int
) -> None:
    """Beside a model, with samples that suffice and such that do not; of the kinds x and y."""
    await place.clear()
    place.clock.now = NOON - 9 * SECOND
    for number, (workspace, kind, at) in enumerate(rows):
        await place.add(str(number), at=at * SECOND, workspace=workspace, kind=kind)
    looking = Looking("segment", "CAST(:now AS timestamptz)", sample)
    given = {"kinds": ["x", "y"], "now": NOON}
    async with place.engine.begin() as tx:
        look = await looking.look(tx, given, NOON + floor * SECOND)
    seen = [(NOON + at * SECOND, w, k) for w, k, at in rows if k != "z" and at >= floor]
    firsts: dict[tuple[str, str], datetime] = {}
    for first, workspace, kind in sorted(seen):
        firsts.setdefault((workspace, kind), first)
    assert look.first == min(firsts.values(), default=None)
    assert {(one.workspace, one.kind): one.try_at for one in look.due} == {
        lane: at for lane, at in firsts.items() if at <= NOON
    }
    assert len(look.due) == len({(one.workspace, one.kind) for one in look.due})


async def test_a_database_that_is_away_ends_no_loop(place: Place) -> None:
    nowhere = create_engine("postgresql://nobody@127.0.0.1:1/none", application="tests")
    worker, stop = DueWorker(nowhere, place.store, {"x": place.note}), asyncio.Event()
    first = worker.last_sign

    def lives() -> bool:
        return worker.last_sign != first

    async with asyncio.TaskGroup() as group:
        group.create_task(worker.run(stop))
        await eventually("sign of life", lives)
        stop.set()
    await nowhere.dispose()


@pytest.mark.parametrize("row", [NewDue("acme", "X", "a", NOON), NewDue("acme", "x", "a/b", NOON)])
async def test_what_can_t_be_named_is_not_scheduled(place: Place, row: NewDue) -> None:
    async with place.engine.begin() as tx:
        with pytest.raises(ValueError, match="is none"):
            await place.store.schedule(tx, [row])
        large = NewDue("acme", "x", "a", NOON, {"text": "x" * 5000})
        with pytest.raises(ValueError, match="bytes"):
            await place.store.schedule(tx, [large])
        await place.store.schedule(tx, [])
        assert await place.store.cancel(tx, []) == 0
