"""How fast events are accepted over HTTP, beside floors that do nothing else (see floor.py)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import psutil
import uvloop
from tests.bench import floor, load
from tests.bench.cpu import Meter, Spent
from tests.bench.kafka_ceiling import TOPIC, flush_each
from tests.bench.load import Load, Result, in_process
from tests.bench.place import Place, running
from tests.bench.table import Row, console

from rapport_local.ports import HOST

WARM_UP_SECONDS = 3.0
SECONDS = 10.0
ROUNDS, ROUND_SECONDS = 3, 5.0
"""The floors and ingest take turns: a machine that is slower for a while is so for both."""

PEOPLE = 10_000
WORKERS = 2
POLICY = {"events_per_second": 10_000_000, "events_per_day": 10**12}
"""Limits that are never reached: what is measured is that they are looked at."""

PLANNED = 20
BARE_NAME = "  bare sockets to Kafka"


@dataclass(frozen=True)
class Shape:
    """One way of sending; `share` of the floor and events per second are what it should reach."""

    name: str
    connections: int
    size: int
    goal: str


BATCHES = Shape("batches of 100, 16 connections", 16, 100, "50,000; 60% of the floor")
FEW = Shape("one by one, 64 connections", 64, 1, "11,000; 90% of the floor")
MANY = Shape("one by one, 512 connections", 512, 1, "11,500; 80% of the floor")
SHAPES = (BATCHES, FEW, MANY)


def measure() -> list[Row]:
    """Return a row per way of sending; only ingest runs, with Kafka and Postgres beside it."""
    with running(("ingest",), workers=WORKERS) as place, ExitStack() as stack:
        floors = Floors(
            *(
                stack.enter_context(floor.serving(kind, place.bootstrap, WORKERS))
                for kind in (floor.ASGI, floor.BARE)
            )
        )
        rows = [*_usual(place, floors), *_flushed(place, floors), _memory(place)]
    return [*rows, *_growth()]


@dataclass(frozen=True)
class Floors:
    """What does the same at the least: an application on uvicorn, and a bare protocol."""

    asgi: floor.Workers
    bare: floor.Workers


def _usual(place: Place, floors: Floors) -> list[Row]:
    rows: list[Row] = []
    key = _source(place, "bench")
    for shape in SHAPES:
        bare, under, over = _in_turn(place, key, shape, (floors.bare, floors.asgi, None))
        row = _row(shape, over, under)
        spent = (_spent("bare sockets", bare),)
        rows += [row, Row(BARE_NAME, bare.rate, "events/s", note=_note(bare), spent=spent)]
        rows.append(_half(place, key, shape, row))
    planned = _source(place, "planned", plan=True)
    under_plan = replace(BATCHES, name=f"{BATCHES.name}, plan of {PLANNED} events")
    under, over = _in_turn(place, planned, under_plan, (floors.asgi, None))
    return [*rows, _row(under_plan, over, under)]


def _flushed(place: Place, floors: Floors) -> list[Row]:
    """The same when Kafka writes to its disk before it acknowledges."""
    key = _source(place, "flushed")
    topics, rows = ["events", TOPIC], []
    uvloop.run(flush_each(place.bootstrap, topics, on=True))
    for usual in (FEW, BATCHES):
        shape = replace(usual, name=f"{usual.name}, flush.messages=1", goal="")
        under, over = _in_turn(place, key, shape, (floors.asgi, None))
        rows.append(_row(shape, over, under))
    uvloop.run(flush_each(place.bootstrap, topics, on=False))
    return rows


def _in_turn(
    place: Place, key: str, shape: Shape, ways: Sequence[floor.Workers | None]
) -> list[Result]:
    """The median round of each of these floors, and of ingest (None)."""
    console.print(f"{shape.name} …")
    for below in ways:
        send(place, key, shape, WARM_UP_SECONDS, 0, below=below)
    rounds = []
    for number in range(ROUNDS):
        counter = 2**24 + number * 2**20
        rounds.append([send(place, key, shape, ROUND_SECONDS, counter, below=one) for one in ways])
    return [_median(list(each)) for each in zip(*rounds, strict=True)]


def _row(shape: Shape, over: Result, under: Result) -> Row:
    """Ingest beside its floor."""
    spent = _spent(shape.name, over), _spent("its floor", under)
    note = f"{_note(over)}; floor {_note(under)}"
    return Row(shape.name, over.rate, "events/s", shape.goal, under.rate, note, spent)


def _half(place: Place, key: str, shape: Shape, row: Row) -> Row:
    rate = row.value / shape.size / 2
    paced = send(place, key, shape, SECONDS, 2**25, rate=rate)
    note = f"at {paced.rate:,.0f} events/s, p50 {paced.latencies.milliseconds(0.5):.1f} ms"
    return Row("  p99 at half of that", paced.latencies.milliseconds(0.99), "ms", "50", note=note)


def _growth() -> list[Row]:
    """How the rate grows with the number of worker processes."""
    rows = []
    for workers in (1, 2, 3):
        with running(("ingest",), workers=workers) as place:
            key = _source(place, "bench")
            for shape in (BATCHES, FEW):
                console.print(f"{shape.name}, {workers} workers …")
                send(place, key, shape, WARM_UP_SECONDS, 0)
                result = send(place, key, shape, ROUND_SECONDS, 2**24)
                name = f"--workers {workers}: {shape.name}"
                rows.append(Row(name, result.rate, "events/s", note=_note(result)))
    return rows


def _source(place: Place, name: str, *, plan: bool = False) -> str:
    """Make a source with limits, and with a tracking plan; its write key."""
    made = place.post("ingest", "/v1/sources", {"name": name})
    place.patch("ingest", f"/v1/sources/{made['id']}", {"policy": POLICY})
    if plan:
        place.put("ingest", f"/v1/sources/{made['id']}/plan", _plan())
    time.sleep(1)  # a changed policy holds everywhere within a second
    return str(made["write_key"])


def _plan() -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": ["total", "currency", "product_id"],
        "properties": {
            "total": {"type": "number", "minimum": 0},
            "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
            "quantity": {"type": "integer", "minimum": 1},
            "product_id": {"type": "string", "minLength": 1, "maxLength": 100},
            "coupon": {"type": "string"},
        },
        "additionalProperties": False,
    }
    names = ["Order Completed", *(f"Planned {number}" for number in range(1, PLANNED))]
    events = [{"type": "track", "name": name, "version": "1", "schema": schema} for name in names]
    return {"events": events}


def _memory(place: Place) -> Row:
    """The largest worker after all that."""
    workers = psutil.Process(place.stack.pid("ingest")).children()
    sizes = [one.memory_info().rss / 2**20 for one in workers]
    shown = ", ".join(f"{one:.0f}" for one in sizes)
    return Row("memory of the largest worker", max(sizes), "MiB", "250", note=f"each: {shown}")


def _median(rounds: list[Result]) -> Result:
    return sorted(rounds, key=lambda one: one.rate)[len(rounds) // 2]


def _spent(phase: str, result: Result) -> Spent:
    return Spent.between(phase, result.read, result.events, result.cpu)


def send(
    place: Place,
    key: str,
    shape: Shape,
    seconds: float,
    counter: int,
    *,
    rate: float = 0.0,
    below: floor.Workers | None = None,
) -> Result:
    """Send a shape to ingest, or to the floor `below` it, from a process of its own."""
    meter = place.meter()
    if below is not None:
        meter = Meter({**meter.processes, "floor": below.pids})
    asked = Load(
        HOST,
        below.ports if below else (place.stack.config.ports.service("ingest"),),
        key,
        shape.connections,
        shape.size,
        PEOPLE,
        seconds,
        counter=counter,
        rate=rate,
        meter=meter,
    )
    return in_process(load.run, asked)


def _note(result: Result) -> str:
    refused = f", {result.refused} REFUSED" if result.refused else ""
    return f"{result.latencies.shown()}{refused}"
