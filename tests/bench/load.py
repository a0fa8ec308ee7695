"""The load generator: a process of its own that keeps every connection busy."""

from __future__ import annotations

import gc
import time
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, TypeVar

from tests.bench import payloads
from tests.bench.histogram import STEPS, Histogram
from tests.bench.wire import OK, Wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.cpu import Meter, Reading

Answer = TypeVar("Answer")
PACE_SECONDS = 0.001
"""So often it is seen whether a request is due; polling counts in whole milliseconds."""

GRACE_SECONDS = 30.0
"""Who has not answered by then does not count as having done so."""


@dataclass(frozen=True)
class Load:
    """What to send: `size` events a request over `connections`, dealt out to
    the `ports` in turn, until `seconds` or `requests`.

    Events are of `people` persons (in batches: from the `first` on), or all of one on ever new
    devices if there are none; message ids begin at `counter`. With a `rate` (requests per second)
    requests are due at fixed times and their latency counts from then, whether a connection was
    free or not; without one every answer triggers the next request. `meter` is read when all
    connections are open, and after the last answer.
    """

    host: str
    ports: tuple[int, ...]
    write_key: str
    connections: int
    size: int
    people: int
    seconds: float
    requests: int = 2**31
    counter: int = 0
    first: int = 0
    rate: float = 0.0
    meter: Meter | None = None


@dataclass
class Result:
    """What came back. `began` is on the clock of perf_counter, which processes share; `cpu` are
    the generator's own CPU seconds, `read` what the meter said at the start and the end.
    """

    requests: int
    events: int
    refused: int
    seconds: float
    latencies: Histogram = field(default_factory=Histogram, repr=False)
    cpu: float = 0.0
    began: float = 0.0
    read: list[Reading] = field(default_factory=list, repr=False)

    @property
    def rate(self) -> float:
        """Accepted events per second."""
        return self.events / self.seconds


def in_process(work: Callable[..., Answer], *arguments: Any) -> Answer:
    """Run `work` in a fresh process: nothing of ours shares its interpreter or its loop."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def run(load: Load) -> Result:
    """Send the load and return what came back (called in a process of its own)."""
    return _Run(load).run()


class _Run:
    """One run: every answer triggers the next request on its connection, or a clock does."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._templates = _templates(load)
        self._sent = 0
        self._due: dict[int, float] = {}
        self._result = Result(0, 0, 0, 0.0)

    def run(self) -> Result:
        load = self._load
        self._wire = Wire(load.host, load.ports, load.connections)
        # What is made from here on lives for a moment, and holds nothing that holds it.
        gc.freeze()
        gc.disable()
        self._read()
        self._result.began, cpu = time.perf_counter(), time.process_time()
        if load.rate:
            self._paced()
        else:
            self._full()
        self._result.refused += len(self._due)  # never answered
        self._result.seconds = time.perf_counter() - self._result.began
        self._result.cpu = time.process_time() - cpu
        self._read()
        self._wire.close()
        return self._result

    def _read(self) -> None:
        if self._load.meter is not None:
            self._result.read.append(self._load.meter.read())

    def _full(self) -> None:
        """Keep all connections busy."""
        deadline, most = self._result.began + self._load.seconds, self._load.requests
        for number in range(min(self._load.connections, most)):
            self._send(number, time.perf_counter())
        while self._due and time.perf_counter() < deadline + GRACE_SECONDS:
            for number, answer in self._wire.answers(1.0):
                now = time.perf_counter()
                self._answered(number, answer, now)
                if now < deadline and self._sent < most:
                    self._send(number, now)

    def _paced(self) -> None:
        """Send each request when it is due, or as soon after that as a connection is free."""
        load, began = self._load, self._result.began
        count = int(load.seconds * load.rate)
        free = deque(range(load.connections))
        deadline = began + load.seconds + GRACE_SECONDS
        while (self._sent < count or self._due) and time.perf_counter() < deadline:
            due = min(count, int((time.perf_counter() - began) * load.rate) + 1)
            while self._sent < due and free:
                self._send(free.popleft(), began + self._sent / load.rate)
            for number, answer in self._wire.answers(PACE_SECONDS):
                self._answered(number, answer, time.perf_counter())
                free.append(number)

    def _send(self, number: int, due: float) -> None:
        template = self._templates[self._sent % len(self._templates)]
        self._due[number] = due
        self._wire.send(number, template.render(self._load.counter + self._sent))
        self._sent += 1

    def _answered(self, number: int, answer: bytes, now: float) -> None:
        result = self._result
        result.requests += 1
        result.latencies.steps[int((now - self._due.pop(number)) * STEPS)] += 1
        if answer.startswith(OK) and b'"rejected":0' in answer:
            result.events += self._load.size
        else:
            result.refused += 1


def _templates(load: Load) -> list[payloads.Template]:
    if load.size == 1:
        return payloads.singles(load.write_key, people=load.people)
    if not load.people:
        return [payloads.crowd(load.write_key, size=load.size)]
    count = max(1, load.people // load.size)
    return payloads.batches(load.write_key, count=count, size=load.size, first=load.first)
