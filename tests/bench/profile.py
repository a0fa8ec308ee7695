"""Profile alone, with a million people in its store: events, merges, look-ups, memory."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import uvloop
from aiokafka import AIOKafkaProducer
from tests.bench import people, place, profile_ceiling, profile_store
from tests.bench.cpu import Spent
from tests.bench.histogram import Histogram
from tests.bench.load import in_process
from tests.bench.people import Keyed
from tests.bench.place import Place
from tests.bench.table import Row, console

import rapport_keys
from rapport_common.events.envelope import Event
from rapport_common.events.topics import EVENTS
from rapport_common.events.versions import HEADER, header
from rapport_local.paths import repository
from rapport_local.ui import MIB, memory

PEOPLE = 1_000_000
SIZES = (1, 100, 10_000)
BURST = 60_000
PAIRS = 10_000
AT_SIZE = 5_000
LOOKUPS = 50
"""A second."""
PATIENCE_SECONDS = 300.0
KEPT = repository() / ".bench" / "profile"


def measure() -> list[Row]:
    """Return the rows; the store is kept, so that the next run need not fill it."""
    with place.running(("profile",), kept=KEPT) as started:
        key = rapport_keys.derive(started.stack.credentials().secret, rapport_keys.EVENT_KEY)
        database = f"{started.postgres}/rapport"
        console.print(f"{PEOPLE:,} people, kept in {KEPT.relative_to(repository())} …")
        in_process(profile_store.fill, database, key, PEOPLE, SIZES)
        bench = _Bench(started, key)
        run = f"run-{time.time_ns()}"
        console.print(f"{BURST:,} events of people who are known …")
        with bench.looking_up() as answers:
            usual = bench.burst("usual", people.visits(run, PEOPLE, BURST))
        at_most = memory(started.stack.pid("profile")) / MIB
        console.print("the same writes in bare SQL …")
        ceiling = in_process(profile_ceiling.measure, database, key, PEOPLE, BURST)
        console.print(f"{PAIRS:,} pairs become one person each …")
        new = bench.burst("newcomers", people.strangers(run, PAIRS))
        merges = bench.burst("merges", people.meetings(run, PAIRS))
        sizes = [
            bench.burst(f"{size:,} identifiers", people.at_size(run, size, AT_SIZE))
            for size in SIZES
        ]
        note = f"{PEOPLE:,} people; {LOOKUPS} look-ups a second beside; ceiling: bare SQL"
        goal = "8,000; 50%"
        return [
            Row("profile alone", usual.rate, "events/s", goal, ceiling, note, (usual.spent,)),
            *_lookups(answers),
            Row("its memory", at_most, "MiB", "400"),
            Row("newcomers", new.rate, "events/s", note="address or device", spent=(new.spent,)),
            Row("merges", merges.rate, "merges/s", "500", spent=(merges.spent,)),
            *(_sized(size, one, sizes[0]) for size, one in zip(SIZES, sizes, strict=True)),
        ]


def _lookups(answers: list[float]) -> list[Row]:
    found, note = Histogram.of(answers), f"{len(answers):,} during the burst"
    return [
        Row(f"look-up, p{round(share * 100)}", found.milliseconds(share), "ms", goal, note=note)
        for share, goal in ((0.5, ""), (0.99, "10"))
    ]


def _sized(size: int, found: Burst, smallest: Burst) -> Row:
    name, note = f"person of {size:,} identifiers", "ceiling: of one identifier"
    return Row(name, found.rate, "events/s", "", smallest.rate, note, (found.spent,))


@dataclass(frozen=True)
class Burst:
    """Events per second until the last was applied, and what each cost."""

    rate: float
    spent: Spent


@dataclass
class _Bench:
    place: Place
    key: bytes
    _stop: threading.Event = field(default_factory=threading.Event)

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
            time.sleep(0.05)
        seconds = time.perf_counter() - began
        spent = Spent.between(name, (before, meter.read()), len(events), cpu)
        return Burst(len(events) / seconds, spent)

    def _consumed(self) -> int:
        return int(self.place.get("profile", "/v1/ledger")["consumed"].get("events", 0))

    @contextmanager
    def looking_up(self) -> Iterator[list[float]]:
        """Look people up meanwhile, at a rate; the seconds of each answer."""
        answers: list[float] = []
        thread = threading.Thread(target=self._look_up, args=(answers,))
        thread.start()
        try:
            yield answers
        finally:
            self._stop.set()
            thread.join()

    def _look_up(self, answers: list[float]) -> None:
        chance, url = random.Random(1), self.place.stack.url("profile") + "/v1/profiles"
        headers = self.place.client.headers
        with httpx.Client(headers=headers, timeout=30) as client:
            while not self._stop.wait(1 / LOOKUPS):
                asked = chance.choice(people.customer(chance.randrange(PEOPLE)))
                params = dict(zip(("kind", "value"), asked, strict=True))
                began = time.perf_counter()
                client.get(url, params=params).raise_for_status()
                answers.append(time.perf_counter() - began)


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
