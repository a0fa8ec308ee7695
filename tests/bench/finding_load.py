"""The people of the bench of profile; as a process, their orders without end: `people_load.py URL`.

A batch is applied as the consumer applies it, from memory: without Kafka, and without decoding.
"""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import msgspec
import uvloop
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.composition import BY_KEY
from rapport_common.db import create_engine
from rapport_common.events.envelope import Event
from rapport_common.ids import uuid7_text
from rapport_common.kafka.batch import Record
from rapport_common.testing.credentials import EVENT_KEY
from rapport_profile.domain.naming import Ids
from rapport_profile.handlers.events import on_events

WORKSPACE = "bench"
PEOPLE = 30_000
BATCH = 1_000
IDS = Ids(EVENT_KEY)
START = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = ("Anna", "Ben", "Carla", "Emma", "Felix", "Maximilian", "Olga", "Zoë")
LAST = ("mül", "ler", "schmi", "dt", "ber", "ger", "hof", "mann", "wein", "stein", "bach", "feld")
FAMILY, GIVEN = "张王李赵刘陈杨黄周吴", "伟芳娜敏静丽强磊军洋勇艳杰涛明"


def newcomer(number: int) -> Event:
    """Somebody comes, with a name (one in five is Chinese), an address and a phone number."""
    chance = random.Random(number)
    if chance.random() < 0.2:
        traits = {"name": chance.choice(FAMILY) + chance.choice(GIVEN) + chance.choice(GIVEN)}
    else:
        last = (chance.choice(LAST) + chance.choice(LAST)).capitalize()
        traits = {"first_name": chance.choice(FIRST), "last_name": last, "city": "Köln"}
    email = f"person{number}@bench.example"
    names = [("user_id", f"c-{number}"), ("email", email)]
    return _event(f"new-{number}", "identify", names, traits={**traits, "email": email})


def order(number: int, who: int) -> Event:
    """Somebody who is known buys something."""
    said = {"order_id": f"o-{number}-{uuid7_text()}", "total": "12.50", "currency": "EUR"}
    return _event(f"order-{uuid7_text()}", "track", [("user_id", f"c-{who}")], said=said)


def _event(
    message_id: str,
    kind: Literal["identify", "track"],
    names: list[tuple[str, str]],
    *,
    traits: dict[str, str] | None = None,
    said: dict[str, str] | None = None,
) -> Event:
    return Event(
        workspace=WORKSPACE,
        source="shop",
        message_id=message_id,
        type=kind,
        name="Order Completed" if said else "",
        identifiers=names,
        timestamp=START,
        received_at=START + timedelta(seconds=1),
        properties=msgspec.Raw(msgspec.json.encode(said or {})),
        traits=msgspec.Raw(msgspec.json.encode(traits or {})),
    )


async def applied(engine: AsyncEngine, events: Sequence[Event]) -> float:
    """Apply events in batches; how many a second."""
    began = time.perf_counter()
    for start in range(0, len(events), BATCH):
        some = events[start : start + BATCH]
        records = [Record("events", 0, at, b"", one) for at, one in enumerate(some)]
        async with engine.begin() as tx:
            await on_events(IDS, records, tx)
    return len(events) / (time.perf_counter() - began)


async def main(url: str) -> None:
    """Orders of everybody until SIGTERM; prints how many a second."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    engine = create_engine(url, application="bench-load", pool=1, settings=BY_KEY)
    rates = []
    while not stop.is_set():
        chosen = random.sample(range(PEOPLE), BATCH)
        rates.append(await applied(engine, [order(at, who) for at, who in enumerate(chosen)]))
    await engine.dispose()
    sys.stdout.write(f"{sum(rates) / len(rates):.0f}\n")


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    uvloop.run(main(*sys.argv[1:]))
