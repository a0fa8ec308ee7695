"""Ingest at full load for minutes, with Kafka well or halting: does its memory stay flat?"""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psutil
from tests.bench import ingest
from tests.bench.place import Place, running
from tests.bench.table import Row, console

if TYPE_CHECKING:
    from collections.abc import Iterator

SLICE_SECONDS = 10.0
HALT_SECONDS, GO_SECONDS = 0.7, 0.3
MIB = 2**20


def measure(minutes: float, *, slow_kafka: bool) -> list[Row]:
    """Return the rate, and each worker's memory after the first minute and at the end."""
    with running(("ingest",), workers=ingest.WORKERS) as place:
        key = place.write_key("soak")
        with _halting(place) if slow_kafka else _well():
            return _soak(place, key, minutes, "Kafka halts 70 % of the time" if slow_kafka else "")


def _soak(place: Place, key: str, minutes: float, note: str) -> list[Row]:
    sizes: list[list[float]] = []
    events, refused, began = 0, 0, time.monotonic()
    while time.monotonic() - began < minutes * 60:
        counter = len(sizes) * 2**20
        result = ingest.send(place, key, ingest.BATCHES, SLICE_SECONDS, counter)
        events, refused = events + result.events, refused + result.refused
        sizes.append(_sizes(place))
        console.print(f"{result.rate:,.0f} events/s, {sizes[-1]} MiB, {result.refused} refused")
    first = sizes[min(len(sizes) - 1, int(60 / SLICE_SECONDS))]
    shown = f"{note}{', ' if note else ''}{refused} requests refused"
    return [
        Row("events/s over all that time", events / (time.monotonic() - began), "events/s"),
        Row("largest worker after a minute", max(first), "MiB", "250", note=shown),
        Row("largest worker at the end", max(sizes[-1]), "MiB", "250"),
        Row("largest worker at any time", max(map(max, sizes)), "MiB", "250"),
    ]


def _sizes(place: Place) -> list[float]:
    workers = psutil.Process(place.stack.pid("ingest")).children()
    return [round(one.memory_info().rss / MIB, 1) for one in workers]


@contextmanager
def _well() -> Iterator[None]:
    yield


@contextmanager
def _halting(place: Place) -> Iterator[None]:
    """Stop and continue Kafka's process in turn: a broker that has to wait for its disk."""
    kafka, ended = place.stack.pid("kafka"), threading.Event()

    def halt() -> None:
        while not ended.wait(GO_SECONDS):
            os.kill(kafka, signal.SIGSTOP)
            ended.wait(HALT_SECONDS)
            os.kill(kafka, signal.SIGCONT)

    thread = threading.Thread(target=halt)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
