"""How fast events are accepted over HTTP, beside a floor that does nothing else (see floor.py)."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import psutil
from tests.bench import floor, load
from tests.bench.cpu import Meter, Spent
from tests.bench.load import Load, Result, in_process
from tests.bench.place import Place, running
from tests.bench.table import Row, console

from rapport_local.ports import HOST

WARM_UP_SECONDS = 3.0
SECONDS = 10.0
ROUNDS, ROUND_SECONDS = 3, 5.0
"""The floor and ingest take turns: a machine that is slower for a while is so for both."""

PEOPLE = 10_000
WORKERS = 2
POLICY = {"events_per_second": 10_000_000, "events_per_day": 10**12}
"""Limits that are never reached: what is measured is that they are looked at."""

PLANNED = 20


@dataclass(frozen=True)
class Shape:
    """One way of sending; `share` of the floor and events per second are what it should reach."""

    name: str
    connections: int
    size: int
    goal: str


BATCHES = Shape("batches of 100, 16 connections", 16, 100, "50,000; 60% of the floor")
FEW = Shape("one by one, 64 connections", 64, 1, "9,000; 80% of the floor")
MANY = Shape("one by one, 512 connections", 512, 1, "11,500; 80% of the floor")
SHAPES = (BATCHES, FEW, MANY)


def measure() -> list[Row]:
    """Return a row per way of sending; only ingest runs, with Kafka and Postgres beside it."""
    rows: list[Row] = []
    with running(("ingest",), workers=WORKERS) as place:
        key = _source(place, "bench")
        planned = _source(place, "planned", plan=True)
        with floor.serving(place.bootstrap, WORKERS) as below:
            for shape in SHAPES:
                rows += _rows(place, key, shape, below)
            under_plan = replace(BATCHES, name=f"{BATCHES.name}, plan of {PLANNED} events")
            rows += _rows(place, planned, under_plan, below, half=False)
        rows.append(_memory(place))
    return [*rows, *_growth()]


def _rows(
    place: Place, key: str, shape: Shape, below: floor.Workers, *, half: bool = True
) -> list[Row]:
    console.print(f"{shape.name} …")
    send(place, key, shape, WARM_UP_SECONDS, 0, below=below)
    send(place, key, shape, WARM_UP_SECONDS, 0)
    floors, rounds = [], []
    for number in range(ROUNDS):
        counter = 2**24 + number * 2**20
        floors.append(send(place, key, shape, ROUND_SECONDS, counter, below=below))
        rounds.append(send(place, key, shape, ROUND_SECONDS, counter))
    under, over = _median(floors), _median(rounds)
    value, note = over.rate, _note(over)
    spent = _spent(shape.name, over), _spent("its floor", under)
    rows = [Row(shape.name, value, "events/s", shape.goal, under.rate, note, spent)]
    if half:
        rate = value / shape.size / 2
        paced = send(place, key, shape, SECONDS, 2**25, rate=rate)
        note = f"at {paced.rate:,.0f} events/s, p50 {paced.milliseconds(0.5):.1f} ms"
        rows.append(Row("  p99 at half of that", paced.milliseconds(0.99), "ms", "50", note=note))
    return rows


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
    return f"p50 {result.milliseconds(0.5):.1f} ms, p99 {result.milliseconds(0.99):.1f} ms{refused}"
