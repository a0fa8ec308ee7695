"""Profile alone, with a million people in its store: events, merges, look-ups, memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import uvloop
from aiokafka import AIOKafkaProducer
from tests.bench import looking_up, people, place, profile_ceiling, profile_store, profile_traits
from tests.bench.cpu import Spent
from tests.bench.histogram import Histogram
from tests.bench.load import in_process
from tests.bench.looking_up import Asking
from tests.bench.people import Keyed
from tests.bench.place import Place
from tests.bench.table import Row, console

import rapport_keys
from rapport_common.events.envelope import Event
from rapport_common.events.topics import EVENTS
from rapport_common.events.versions import HEADER, header
from rapport_local.credentials import operator_token
from rapport_local.paths import repository
from rapport_local.ports import HOST
from rapport_local.ui import MIB, memory

PEOPLE = 1_000_000
SIZES = (1, 100, 10_000)
TRAITS = (0, 20, 100)
SPLIT = ("profile",)
"""It serves in one process and works in another, as where look-ups must not wait for batches."""

BURST = 60_000
PAIRS = 10_000
AT_SIZE = 5_000
LOOKUPS = 50
"""A second."""
REST_SECONDS = 20.0
LOOK_SECONDS = 0.1
PATIENCE_SECONDS = 600.0
KEPT = repository() / ".bench" / "profile"


def measure() -> list[Row]:
    """Return the rows; the store is kept, so that the next run need not fill it."""
    with place.running(("profile",), split=SPLIT, kept=KEPT) as started:
        key = rapport_keys.derive(started.stack.credentials().secret, rapport_keys.EVENT_KEY)
        database = f"{started.postgres}/rapport"
        console.print(f"{PEOPLE:,} people, kept in {KEPT.relative_to(repository())} …")
        profile_store.fill(database, key, PEOPLE)
        in_process(profile_store.grow, database, key, SIZES)
        run = f"run-{time.time_ns()}"
        bench = Bench(started, key)
        console.print("look-ups at rest …")
        with looking_up.asked(_asking(started)) as quiet:
            time.sleep(REST_SECONDS)
        console.print(f"{BURST:,} events of people who are known …")
        with looking_up.asked(_asking(started)) as answers:
            usual = bench.burst("usual", people.visits(run, PEOPLE, BURST))
        used = {name: memory(started.stack.pid(name)) / MIB for name in ("profile", *_workers())}
        console.print("the same writes in bare SQL …")
        ceiling = in_process(profile_ceiling.measure, database, key, PEOPLE, BURST)
        note = f"{PEOPLE:,} people; {LOOKUPS} look-ups a second beside; ceiling: bare SQL"
        goal = "8,000; 50%"
        return [
            Row("profile alone", usual.rate, "events/s", goal, ceiling, note, (usual.spent,)),
            *_lookups("at rest", quiet, ""),
            *_lookups("beside the burst", answers, "10"),
            Row("its memory", sum(used.values()), "MiB", "400", note=_said(used)),
            *_newcomers(bench, run),
            *_sizes(bench, run),
            *_traits(bench, run),
        ]


def _workers() -> tuple[str, ...]:
    return tuple(f"{one}-worker" for one in SPLIT)


def _asking(started: Place) -> Asking:
    token = operator_token(started.stack.credentials().secret, workspace=people.CROWD)
    port = started.stack.config.ports.service("profile")
    return Asking(HOST, port, token, PEOPLE, LOOKUPS)


def _said(used: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.0f}" for name, value in used.items())


def _lookups(when: str, answers: list[float], goal: str) -> list[Row]:
    found, note = Histogram.of(answers), f"{len(answers):,} of them, {when}"
    return [
        Row("look-up, p50", found.milliseconds(0.5), "ms", note=note),
        Row("look-up, p99", found.milliseconds(0.99), "ms", goal, note=note),
    ]


def _newcomers(bench: Bench, run: str) -> list[Row]:
    console.print(f"{PAIRS:,} pairs become one person each …")
    new = bench.burst("newcomers", people.strangers(run, PAIRS))
    merges = bench.burst("merges", people.meetings(run, PAIRS))
    return [
        Row("newcomers", new.rate, "events/s", note="address or device", spent=(new.spent,)),
        Row("merges", merges.rate, "merges/s", "500", spent=(merges.spent,)),
    ]


def _sizes(bench: Bench, run: str) -> list[Row]:
    """What an event costs by how many identifiers its person has."""

    def burst(size: int) -> Burst:
        return bench.burst(f"{size:,} identifiers", people.at_size(run, size, AT_SIZE))

    return _costs(SIZES, burst, "an event, person of {:,} identifiers")


def _traits(bench: Bench, run: str) -> list[Row]:
    """What an event costs by how many computed traits its workspace has."""

    def burst(count: int) -> Burst:
        profile_traits.define(bench.place, count)
        bench.burst(f"first of {count} traits", people.regulars(f"{run}-first", count, AT_SIZE))
        return bench.burst(f"{count} traits", people.regulars(run, count, AT_SIZE))

    return _costs(TRAITS, burst, "an event, {:,} computed traits")


def _costs(counts: Sequence[int], burst: Callable[[int], Burst], name: str) -> list[Row]:
    """A row for each count: the cost beside that of the first."""
    rows, first = list[Row](), 0.0
    for count in counts:
        console.print(f"{name.format(count)} …")
        one = burst(count)
        first = first or one.cost
        note = f"processor time, {one.rate:,.0f} events/s; floor: the first"
        rows.append(Row(name.format(count), one.cost, "µs", "", first, note, (one.spent,)))
    return rows


@dataclass(frozen=True)
class Burst:
    """Events per second until the last was applied, and what each cost."""

    rate: float
    spent: Spent

    @property
    def cost(self) -> float:
        """Microseconds of the processors that an event took, in who works and in sessions."""
        return sum(self.spent.micros.get(one, 0.0) for one in (*_workers(), "postgres: profile"))


@dataclass(frozen=True)
class Bench:
    """A place where profile runs, and the installation's key of events."""

    place: Place
    key: bytes

    def burst(self, name: str, events: Sequence[Event]) -> Burst:
        """Publish all at once, and wait until profile has applied them."""
        records, meter = people.records(events, self.key), self.place.meter()
        before, wanted = meter.read(), self._consumed() + len(events)
        began, cpu = time.perf_counter(), time.process_time()
        uvloop.run(_publish(self.place.bootstrap, records))
        cpu = time.process_time() - cpu
        while self._consumed() < wanted:
            if time.perf_counter() - began > PATIENCE_SECONDS:
                message = f"{name}: not applied within {PATIENCE_SECONDS:.0f} s"
                raise TimeoutError(message)
            time.sleep(LOOK_SECONDS)
        seconds = time.perf_counter() - began
        spent = Spent.between(name, (before, meter.read()), len(events), cpu)
        return Burst(len(events) / seconds, spent)

    def _consumed(self) -> int:
        return int(self.place.get("profile", "/v1/ledger")["consumed"].get("events", 0))


async def _publish(bootstrap: str, records: list[Keyed]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=5)
    await producer.start()
    said = [(HEADER, header(EVENTS.name, EVENTS.version))]
    try:
        sent = [
            await producer.send(EVENTS.name, value, key=key, headers=said) for key, value in records
        ]
        await asyncio.gather(*sent)
    finally:
        await producer.stop()
