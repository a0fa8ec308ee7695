"""Segment alone, with a million people and ten million events in its store: records, entries,
builds, previews, scores, memory.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import uvloop
from tests.bench import kafka_ceiling, place, segment_ceiling, segment_store, shoppers, told
from tests.bench.cpu import Spent
from tests.bench.histogram import Histogram
from tests.bench.load import in_process
from tests.bench.people import Keyed
from tests.bench.place import Place
from tests.bench.shoppers import CROWD, ORDER
from tests.bench.table import Row, console

from rapport_common.events.topics import PROFILE_ACTIVITY, PROFILE_SCORES
from rapport_local.paths import repository
from rapport_local.ui import MIB, memory

PEOPLE = 1_000_000
ASKED = "RAPPORT_BENCH_PEOPLE"
SPLIT = ("segment",)
"""It serves in one process and works in another, as where previews must not wait for batches."""

NAMES = ("segment", "segment-worker")
BURST = 60_000
RATE = 500
RATE_SECONDS = 20
PREVIEWS = 60
FEW, MANY, TOUCHED = 100, 10_000, 20
AT_COUNT = 4_000
NEWCOMERS = 2_000
SCORES = 20_000
LOOK_SECONDS = 0.1
PATIENCE_SECONDS = 900.0
REBUILT = {
    "of traits": {
        "and": [{"trait": "plan", "op": "eq", "value": "gold"}, {"not": shoppers.MARKER}]
    },
    "of events": {"count": ORDER, "within": {"last": "90d"}, "op": "gte", "value": 2},
}


def measure(wanted: int | None = None) -> list[Row]:
    """Return the rows; the store of so many people is kept, so that the next run need not fill
    it.
    """
    people = wanted or int(os.environ.get(ASKED, PEOPLE))
    kept = repository() / ".bench" / f"segment-{people}"
    with place.running(("segment",), split=SPLIT, kept=kept) as started:
        database = f"{started.postgres}/rapport"
        console.print(f"{people:,} people, kept in {kept.relative_to(repository())} …")
        segment_store.fill(database, people)
        bench = Bench(started, database, people, f"run-{time.time_ns()}")
        console.print("what time has done since the store was made …")
        wait_for("what is to be read", bench.is_read)
        wait_for("what is due", lambda: not uvloop.run(segment_store.overdue(database)))
        return [row for part in PARTS for row in _shown(part(bench))]


def _shown(rows: list[Row]) -> list[Row]:
    """The same, told at once: the whole takes long."""
    for row in rows:
        console.print("  ", *row.cells())
    return rows


@dataclass(frozen=True)
class Burst:
    """Records per second until the last was applied, and what each cost."""

    rate: float
    spent: Spent

    @property
    def cost(self) -> float:
        """Microseconds of the processors that a record took, in who works and in sessions."""
        names = ("segment-worker", "postgres: segment")
        return sum(self.spent.micros.get(one, 0.0) for one in names)


@dataclass(frozen=True)
class Bench:
    """A place where segment runs, with so many people; `run` tells this run from others."""

    place: Place
    database: str
    people: int
    run: str

    def burst(
        self, name: str, records: Sequence[Keyed], topic: str = PROFILE_ACTIVITY.name
    ) -> Burst:
        """Produce all at once, and wait until segment has applied them."""
        meter = self.place.meter()
        before, wanted = meter.read(), self._consumed(topic) + len(records)
        send = told.scored if topic == PROFILE_SCORES.name else told.activity
        began = time.perf_counter()
        in_process(send, self.place.bootstrap, records)
        wait_for(name, lambda: self._consumed(topic) >= wanted)
        seconds = time.perf_counter() - began
        spent = Spent.between(name, (before, meter.read()), len(records), 0.0)
        return Burst(len(records) / seconds, spent)

    def is_read(self) -> bool:
        """Whether all that was told has been applied."""
        held = self.place.get("segment", "/v1/positions?limit=500")["items"]
        return told.is_read(self.place.bootstrap, held)

    def _consumed(self, topic: str) -> int:
        return int(self.place.get("segment", "/v1/ledger")["consumed"].get(topic, 0))

    def job(self, job_id: str, ended: Callable[[dict[str, Any]], bool]) -> float:
        """Seconds until a job has come so far."""
        began = time.perf_counter()
        wait_for(job_id, lambda: ended(self.place.get("segment", f"/v1/jobs/{job_id}")))
        return time.perf_counter() - began


def wait_for(name: str, reached: Callable[[], bool]) -> None:
    """Wait until it is so; TimeoutError if it never is."""
    deadline = time.perf_counter() + PATIENCE_SECONDS
    while not reached():
        if time.perf_counter() > deadline:
            message = f"{name}: not done within {PATIENCE_SECONDS:.0f} s"
            raise TimeoutError(message)
        time.sleep(LOOK_SECONDS)


def _previews(bench: Bench) -> list[Row]:
    """How long who tries a rule waits, at rest; beside a plain SELECT of its condition."""
    every = list(shoppers.segments().values())
    rules = every[:: max(1, len(every) // PREVIEWS)]
    console.print(f"{len(rules)} previews …")
    seconds, estimates = list[float](), 0
    for rule in rules:
        began = time.perf_counter()
        answer = bench.place.post("segment", "/v1/segments/preview", {"rule": rule})
        seconds.append(time.perf_counter() - began)
        estimates += answer["estimate"]
    plain = Histogram.of(in_process(segment_ceiling.selects, bench.database, rules))
    found = Histogram.of(seconds)
    note = f"{len(rules)} rules, {estimates} estimated; floor: SELECT count(*) of the condition"
    return [
        Row("preview, p50", found.milliseconds(0.5), "ms", "", plain.milliseconds(0.5), note),
        Row("preview, p95", found.milliseconds(0.95), "ms", "300", plain.milliseconds(0.95), note),
    ]


def _latency(bench: Bench) -> list[Row]:
    """From a change of somebody to their entry or exit, at a rate."""
    console.print(f"{RATE} changes a second for {RATE_SECONDS} s …")
    count = min(RATE * RATE_SECONDS, bench.people // 2)
    changes = told.openings(f"{bench.run}-open", bench.people, count)
    segment, bootstrap = str(shoppers.segment_id("Marker")), bench.place.bootstrap
    bench.burst("warm", told.visits(f"{bench.run}-warm", bench.people, RATE))
    found = in_process(told.watched, bootstrap, segment, changes, RATE)
    floor = Histogram.of(in_process(kafka_ceiling.round_trips, bootstrap, changes, RATE, 5.0))
    arrived = Histogram.of(found.latencies)
    missing = f"; {found.missing} NEVER CAME" if found.missing else ""
    note = f"{RATE} changes/s, {shoppers.SEGMENTS} segments; floor: one Kafka hop{missing}"
    name = "change to membership"
    return [
        Row(f"{name}, p50", arrived.milliseconds(0.5), "ms", "80", floor.milliseconds(0.5), note),
        Row(
            f"{name}, p99",
            arrived.milliseconds(0.99),
            "ms",
            "1,000",
            floor.milliseconds(0.99),
            note,
        ),
    ]


def _burst(bench: Bench) -> list[Row]:
    count = min(BURST, bench.people // 2)
    console.print(f"{count:,} events of people who are known …")
    usual = bench.burst("usual", told.visits(f"{bench.run}-burst", bench.people, count))
    console.print("the same writes in bare SQL …")
    ceiling = in_process(segment_ceiling.writes, bench.database, bench.people, count)
    note = f"{count:,} events, {shoppers.SEGMENTS} segments; ceiling: bare SQL"
    return [
        Row("segment alone", usual.rate, "events/s", "6,000", ceiling, note, (usual.spent,)),
        Row("a record", usual.cost, "µs", note="processor time", spent=(usual.spent,)),
    ]


def _rebuilds(bench: Bench) -> list[Row]:
    """How long everybody is held against a rule; beside a plain SELECT of its condition."""
    rows = []
    for name, rule in REBUILT.items():
        console.print(f"a segment {name} is built again …")
        given = {"name": f"Rebuilt {name}", "rule": rule, "active": True}
        known = {
            one["name"]: one["id"]
            for one in bench.place.get("segment", "/v1/segments?limit=500")["items"]
        }
        if given["name"] not in known:
            made = bench.place.post("segment", "/v1/segments", given)
            known[made["name"]] = made["id"]
            bench.job(made["job_id"], _is_over)
        path = f"/v1/segments/{known[given['name']]}/rebuild"
        seconds = bench.job(bench.place.post("segment", path, {})["job_id"], _is_over)
        [plain] = in_process(segment_ceiling.selects, bench.database, [rule])
        note = f"{bench.people:,} people; floor: SELECT count(*) of the condition"
        rows.append(Row(f"rebuild {name}", seconds, "s", "10", plain, note))
    return rows


def _is_over(job: dict[str, Any]) -> bool:
    if job["state"] in {"failed", "cancelled"}:
        message = f"job {job['id']}: {job['state']}, {job['error']}"
        raise RuntimeError(message)
    return bool(job["state"] == "done")


def _definitions(bench: Bench) -> list[Row]:
    """What a record costs by how many segments there are, of which it touches as many."""
    rows, first, newcomer = list[Row](), 0.0, 0.0
    for count in (FEW, MANY):
        console.print(f"{count:,} segments …")
        workspace = told.with_segments(count)
        uvloop.run(_define(bench.database, workspace, count))
        since = told.base()
        bench.burst(f"first of {count}", told.regulars(workspace, since))
        one = bench.burst(f"{count:,} segments", told.regulars(workspace, since, AT_COUNT))
        first = first or one.cost
        note = f"{TOUCHED} touched; {one.rate:,.0f} records/s; floor: the first, at most 1.3 x"
        name = f"a record, {count:,} segments"
        rows.append(Row(name, one.cost, "µs", "1.3 x", first, note, (one.spent,)))
        new = bench.burst("newcomers", told.newcomers(workspace, bench.run, NEWCOMERS))
        newcomer = newcomer or new.cost
        note = f"{NEWCOMERS:,} people who come; {new.rate:,.0f}/s; floor: the first"
        name = f"a newcomer, {count:,} segments"
        rows.append(Row(name, new.cost, "µs", "", newcomer, note, (new.spent,)))
    return rows


async def _define(database: str, workspace: str, count: int) -> None:
    rules = {}
    for number in range(count):
        trait = "plan" if number < TOUCHED else f"t{number}"
        # Nobody fits: it is judging that is measured.
        plans = [f"gold {number}", f"{number}"]
        rules[f"{workspace} {number}"] = {"trait": trait, "op": "in", "value": plans}
    connection = await asyncpg.connect(database)
    try:
        await segment_store.define(connection, workspace, rules)
    finally:
        await connection.close()


def _scores(bench: Bench) -> list[Row]:
    console.print(f"{SCORES:,} scores of a model …")
    records = told.scores(bench.run, bench.people, SCORES)
    one = bench.burst("scores", records, PROFILE_SCORES.name)
    return [Row("scores of a model", one.rate, "scores/s", "", spent=(one.spent,))]


def _rfm(bench: Bench) -> list[Row]:
    """How long it takes to score everybody; that others are told of them goes at its own pace."""
    console.print("RFM of everybody …")
    body = {"monetary": {"computed": "revenue", "currency": "USD"}, "every_hours": None}
    job = str(bench.place.put("segment", "/v1/rfm", body)["job_id"])
    seconds = bench.job(job, lambda one: bool(one["total"]) or _is_over(one))
    if bench.place.get("segment", f"/v1/jobs/{job}")["state"] == "running":
        bench.place.post("segment", f"/v1/jobs/{job}/cancel", {})
    note = f"{bench.people:,} people in the workspace {CROWD}"
    return [Row("RFM of everybody", seconds, "s", "20", note=note)]


def _memory(bench: Bench) -> list[Row]:
    return [
        Row(f"memory of {one}", memory(bench.place.stack.pid(one)) / MIB, "MiB", "400")
        for one in NAMES
    ]


PARTS = (_previews, _latency, _burst, _rebuilds, _definitions, _scores, _rfm, _memory)
