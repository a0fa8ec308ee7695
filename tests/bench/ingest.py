"""How fast events are accepted over HTTP, beside a bare producer of the same records."""

from __future__ import annotations

from dataclasses import dataclass

from tests.bench import kafka_ceiling, load
from tests.bench.load import Load, Result, in_process
from tests.bench.place import Place, running
from tests.bench.table import Row, console

from rapport_local.ports import HOST

WARM_UP_SECONDS = 2.0
SECONDS = 10.0
CEILING_SECONDS = 5.0
PEOPLE = 10_000


@dataclass(frozen=True)
class Shape:
    """One way of sending."""

    name: str
    connections: int
    size: int
    goal: str


SHAPES = (
    Shape("accepted, batches of 100", 16, 100, "30,000"),
    Shape("accepted, one by one", 64, 1, "6,000"),
)


def measure() -> list[Row]:
    """Return a row per way of sending; only ingest runs, with Kafka and Postgres beside it."""
    with running(("ingest",)) as place:
        key = place.write_key("bench")
        return [_measure(place, key, shape) for shape in SHAPES]


def _measure(place: Place, key: str, shape: Shape) -> Row:
    console.print(f"{shape.name} …")
    _send(place, key, shape, WARM_UP_SECONDS, 0)
    result = _send(place, key, shape, SECONDS, 2**24)
    records = in_process(kafka_ceiling.sample, place.bootstrap)
    arguments = (place.bootstrap, records, shape.size, shape.connections, CEILING_SECONDS)
    ceiling = in_process(kafka_ceiling.batched, *arguments)
    return Row(shape.name, result.rate, "events/s", shape.goal, ceiling, _note(shape, result))


def _send(place: Place, key: str, shape: Shape, seconds: float, counter: int) -> Result:
    port = place.stack.config.ports.service("ingest")
    asked = Load(HOST, port, key, shape.connections, shape.size, PEOPLE, seconds, counter=counter)
    return in_process(load.run, asked)


def _note(shape: Shape, result: Result) -> str:
    refused = f", {result.refused} REFUSED" if result.refused else ""
    return (
        f"{shape.connections} connections, p50 {result.milliseconds(0.5):.1f} ms, "
        f"p99 {result.milliseconds(0.99):.1f} ms, generator {result.cpu:.0%} of a core{refused}"
    )
