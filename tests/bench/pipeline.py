"""Events per second to the last segment change, and how long one event takes on its way."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tests.bench import kafka_ceiling, latency, load, sql_ceiling
from tests.bench.cpu import Spent
from tests.bench.histogram import Histogram
from tests.bench.latency import Paced
from tests.bench.load import Load, in_process
from tests.bench.place import Place
from tests.bench.table import Row, console

from rapport_local.ports import HOST
from rapport_local.ui import MIB, memory

EVENTS = 60_000
PEOPLE = 10_000
BATCH = 100
CONNECTIONS = 4
CROWD = 20_000
"""Identifiers of one person."""
PATIENCE_SECONDS = 90.0
PROFILES = 100_000
FILL_SECONDS = 60.0
RATE = 300
RATE_SECONDS = 12.0
QUIET_SECONDS = 1.0


def measure(place: Place) -> list[Row]:
    """Return the rows of the burst and of the steady flow; all five services run."""
    key = place.write_key("bench")
    segment = _segments(place)
    console.print(f"burst of {EVENTS:,} events of {PEOPLE:,} people …")
    burst = _burst(place, key)
    _wait_until_quiet(place)
    console.print("the same writes in bare SQL …")
    ceiling = in_process(sql_ceiling.measure, place.postgres, place.bootstrap, EVENTS)
    console.print(f"{CROWD:,} devices of one person …")
    _wait_until_quiet(place)
    crowd = _crowd(place, key)
    records = in_process(kafka_ceiling.sample, place.bootstrap)
    profiles = _fill(place, key)
    console.print(f"{RATE} newcomers a second beside {profiles:,} profiles …")
    _wait_until_quiet(place)
    return [
        Row(
            "folded into profiles",
            burst.profiled,
            "events/s",
            ceiling=ceiling.profile,
            note=f"burst of {EVENTS:,}, ten segments; {ceiling.note}",
            spent=(burst.spent,),
        ),
        Row("through profile and segment", burst.segmented, "events/s", "6,000; 40%", ceiling.both),
        crowd.row(burst.profiled),
        *_latency(place, key, segment, records, profiles),
    ]


def _segments(place: Place) -> str:
    """Make ten segments; returns the id of the one that every newcomer enters."""
    rules = [{"computed": "orders", "op": "gte", "value": 1}]
    rules += [{"computed": "orders", "op": "gte", "value": number} for number in (3, 5, 7, 9)]
    spent = {"computed": "revenue", "currency": "USD", "op": "gte"}
    rules += [{**spent, "value": str(amount)} for amount in (50, 100, 150, 200, 250)]
    made = [
        place.post("segment", "/v1/segments", {"name": f"bench {number}", "rule": rule})["id"]
        for number, rule in enumerate(rules)
    ]
    return str(made[0])


@dataclass(frozen=True)
class Burst:
    """Events per second: until the last was in its profile, and until segments were right.

    `spent` is up to there; campaign and feedback may not have read all of it then.
    """

    profiled: float
    segmented: float
    spent: Spent


def _burst(place: Place, key: str) -> Burst:
    events, activity = _consumed(place, "profile"), _consumed(place, "segment")
    sent = _send(place, key, PEOPLE, EVENTS, 0)
    if sent.refused:
        console.print(f"{sent.refused} requests were refused: the numbers below mean little")
    _until(lambda: _consumed(place, "profile") - events >= EVENTS)
    profiled = time.perf_counter() - sent.began
    _until(lambda: _consumed(place, "segment") - activity >= EVENTS)
    seconds, after = time.perf_counter() - sent.began, place.meter().read()
    spent = Spent.between("burst", (*sent.read, after), EVENTS, sent.cpu)
    return Burst(EVENTS / profiled, EVENTS / seconds, spent)


def _fill(place: Place, key: str) -> int:
    """Tell of more people, until there are enough or the time is up; how many there are."""
    people, deadline = PEOPLE, time.perf_counter() + FILL_SECONDS
    while people < PROFILES and time.perf_counter() < deadline:
        before = _consumed(place, "segment")
        _send(place, key, PEOPLE, PEOPLE, 2**31 + people, first=people)
        _until(partial(_has_read, place, "segment", before + PEOPLE))
        people += PEOPLE
        console.print(f"{people:,} of {PROFILES:,} profiles …")
    return people


def _send(
    place: Place, key: str, people: int, events: int, counter: int, *, first: int = 0
) -> load.Result:
    port = place.stack.config.ports.service("ingest")
    asked = Load(
        HOST,
        (port,),
        key,
        CONNECTIONS,
        BATCH,
        people,
        PATIENCE_SECONDS,
        events // BATCH,
        counter=counter,
        first=first,
        meter=place.meter(),
    )
    return in_process(load.run, asked)


@dataclass(frozen=True)
class Crowd:
    """One person gets ever more identifiers: events per second, and memory before and after."""

    rate: float
    before: float
    after: float
    spent: Spent

    def row(self, usual: float) -> Row:
        """Beside the rate of a burst of usual people."""
        note = (
            f"profile's memory {self.before:.0f} → {self.after:.0f} MiB; ceiling: the burst above"
        )
        name = f"one person on {CROWD:,} devices"
        goal, spent = "half of the burst", (self.spent,)
        return Row(name, self.rate, "events/s", goal, usual, note, spent)


def _crowd(place: Place, key: str) -> Crowd:
    events, before = _consumed(place, "profile"), _memory(place)
    sent = _send(place, key, 0, CROWD, 2**30)
    _until(lambda: _consumed(place, "profile") - events >= CROWD)
    seconds, after = time.perf_counter() - sent.began, place.meter().read()
    spent = Spent.between("one person", (*sent.read, after), CROWD, sent.cpu)
    return Crowd(CROWD / seconds, before, _memory(place), spent)


def _memory(place: Place) -> float:
    return memory(place.stack.pid("profile")) / MIB


def _consumed(place: Place, service: str) -> int:
    """How many records a service has read of the topic that feeds it."""
    topic = "events" if service == "profile" else "profile.activity"
    return int(place.get(service, "/v1/ledger")["consumed"].get(topic, 0))


def _has_read(place: Place, service: str, records: int) -> bool:
    return _consumed(place, service) >= records


def _wait_until_quiet(place: Place) -> None:
    """Wait until campaign and feedback have caught up as well."""

    def quiet() -> bool:
        before = _all_consumed(place)
        time.sleep(QUIET_SECONDS)
        return before == _all_consumed(place)

    _until(quiet)


def _all_consumed(place: Place) -> list[dict[str, int]]:
    names = ("profile", "segment", "campaign", "feedback")
    return [place.get(name, "/v1/ledger")["consumed"] for name in names]


def _until(reached: Callable[[], bool]) -> None:
    deadline = time.perf_counter() + PATIENCE_SECONDS
    while not reached():
        if time.perf_counter() > deadline:
            message = f"the pipeline did not finish within {PATIENCE_SECONDS:.0f} s"
            raise TimeoutError(message)
        time.sleep(0.1)


def _latency(
    place: Place, key: str, segment: str, records: kafka_ceiling.Records, profiles: int
) -> list[Row]:
    port = place.stack.config.ports.service("ingest")
    paced = Paced(HOST, port, place.bootstrap, key, segment, RATE, RATE_SECONDS, place.meter())
    timing = in_process(latency.run, paced)
    count = int(RATE * RATE_SECONDS)
    spent = Spent.between(f"{RATE} newcomers/s", timing.read, count, timing.cpu)
    floor = Histogram.of(in_process(kafka_ceiling.round_trips, place.bootstrap, records, RATE, 5.0))
    arrived = Histogram.of(timing.latencies)
    missing = f"; {timing.missing} NEVER CAME" if timing.missing else ""
    note = f"{RATE} newcomers/s, {profiles:,} profiles; floor: one bare Kafka hop{missing}"
    return [
        Row(
            f"event to membership, p{round(share * 100)}",
            arrived.milliseconds(share),
            "ms",
            goal,
            floor.milliseconds(share),
            note,
            phases,
        )
        for share, goal, phases in ((0.5, "80", (spent,)), (0.99, "300", ()))
    ]
