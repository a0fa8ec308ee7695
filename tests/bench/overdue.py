"""How late breaches are told: events `Case Overdue` as they come, beside when they were due."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
import uvloop
from aiokafka import AIOKafkaConsumer
from tests.bench.feedback_store import made_id

from rapport_common.events.topics import EVENTS


@dataclass
class Overdue:
    """Seconds from a limit until its event could be read, by the case's number; `copies` of those
    that came more than once.
    """

    late: dict[int, float] = field(default_factory=dict)
    copies: int = 0


class _Told(msgspec.Struct):
    message_id: str
    timestamp: datetime
    name: str = ""


def watch(bootstrap: str, lot: str, count: int, seconds: float) -> Overdue:
    """Read `events` until all breaches of a lot of cases have come, or so long (called in a
    process of its own).
    """
    return uvloop.run(_watch(bootstrap, lot, count, seconds))


async def _watch(bootstrap: str, lot: str, count: int, seconds: float) -> Overdue:
    numbers = {str(made_id(lot, one)): one for one in range(count)}
    consumer = AIOKafkaConsumer(EVENTS.name, bootstrap_servers=bootstrap, group_id=None)
    decode, found, seen = msgspec.json.Decoder(_Told).decode, Overdue(), Counter[str]()
    await consumer.start()
    try:
        await consumer.seek_to_end()
        deadline = time.monotonic() + seconds
        while len(found.late) < count and time.monotonic() < deadline:
            polled = await consumer.getmany(timeout_ms=100)
            now = time.time()
            for record in (one for batch in polled.values() for one in batch):
                told = decode(record.value)
                number = numbers.get(told.message_id[5:41])
                if told.name != "Case Overdue" or number is None:
                    continue
                seen[told.message_id] += 1
                found.late.setdefault(number, now - told.timestamp.timestamp())
        found.copies = sum(many - 1 for many in seen.values())
        return found
    finally:
        await consumer.stop()
