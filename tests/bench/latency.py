"""From sending an event to the membership it causes, at a fixed rate, every event a newcomer."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import uvloop
from aiokafka import AIOKafkaConsumer
from tests.bench import payloads
from tests.bench.cpu import Meter, Reading
from tests.bench.wire import Wire

TOPIC = "segment.membership"
CONNECTIONS = 32
GRACE_SECONDS = 10.0
# Each event has a second of its own long ago: the membership's record names its event by it.
FIRST = datetime(2001, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Paced:
    """What to send: `rate` newcomers a second for `seconds`, who all enter `segment_id`.

    `meter` is read when all is ready to begin, and when the last membership has come.
    """

    host: str
    port: int
    bootstrap: str
    write_key: str
    segment_id: str
    rate: int
    seconds: float
    meter: Meter


@dataclass(frozen=True)
class Timing:
    """Seconds from the planned send to the membership's arrival, and how many never came.

    `cpu` are the CPU seconds of sending and watching, `read` what the meter said before and after.
    """

    latencies: list[float]
    missing: int
    cpu: float
    read: tuple[Reading, Reading]


class _Membership(msgspec.Struct):
    segment_id: str
    change: str
    event_timestamp: datetime | None = None


def run(paced: Paced) -> Timing:
    """Send, watch the topic, and compare (called in a process of its own)."""
    return uvloop.run(_run(paced))


async def _run(paced: Paced) -> Timing:
    count = int(paced.rate * paced.seconds)
    consumer = AIOKafkaConsumer(TOPIC, bootstrap_servers=paced.bootstrap, group_id=None)
    await consumer.start()
    try:
        await consumer.seek_to_end()
        sender = _Sender(paced, count)
        before, cpu = paced.meter.read(), time.process_time()
        sending = asyncio.get_running_loop().run_in_executor(None, sender.run)
        arrived = await _watch(consumer, paced, count)
        await sending
        cpu, after = time.process_time() - cpu, paced.meter.read()
        found = [arrived[one] - sent for one, sent in sender.sent.items() if one in arrived]
        return Timing(found, count - len(found), cpu, (before, after))
    finally:
        await consumer.stop()


class _Sender:
    """Sends at the planned moments, on whichever connection is free."""

    def __init__(self, paced: Paced, count: int) -> None:
        self.sent: dict[int, float] = {}
        self._paced = paced
        self._requests = [
            payloads.newcomer(paced.write_key, number, _moment(number)) for number in range(count)
        ]

    def run(self) -> None:
        """In a thread of its own: the loop beside it watches what arrives."""
        paced = self._paced
        wire, free = Wire(paced.host, (paced.port,), CONNECTIONS), deque(range(CONNECTIONS))
        began = time.perf_counter()
        for number, request in enumerate(self._requests):
            planned = began + number / paced.rate
            while not free or time.perf_counter() < planned:
                left = planned - time.perf_counter()
                free += [one for one, _ in wire.answers(max(0.001, left) if free else 1.0)]
            # The planned moment counts, not that of a late send: waiting is part of the time.
            self.sent[number] = planned
            wire.send(free.popleft(), request)
        while len(free) < CONNECTIONS and (answers := wire.answers(GRACE_SECONDS)):
            free += [one for one, _ in answers]
        wire.close()


async def _watch(consumer: Any, paced: Paced, count: int) -> dict[int, float]:
    decoder = msgspec.json.Decoder(_Membership)
    arrived: dict[int, float] = {}
    deadline = time.perf_counter() + paced.seconds + GRACE_SECONDS
    while len(arrived) < count and time.perf_counter() < deadline:
        polled = await consumer.getmany(timeout_ms=200)
        now = time.perf_counter()
        for record in (one for batch in polled.values() for one in batch):
            entry = decoder.decode(record.value)
            if entry.segment_id == paced.segment_id and entry.event_timestamp is not None:
                number = int((entry.event_timestamp - FIRST).total_seconds())
                arrived.setdefault(number, now)
    return arrived


def _moment(number: int) -> str:
    return (FIRST + timedelta(seconds=number)).isoformat()
