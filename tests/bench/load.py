"""The load generator: a process of its own that keeps every connection busy."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, TypeVar

import uvloop
from tests.bench import payloads
from tests.bench.wire import Connection, percentile

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.cpu import Meter, Reading

Answer = TypeVar("Answer")
PACE_SECONDS = 0.002
"""uvloop counts in whole milliseconds: a sleep of half of one is none, and burns a core."""


@dataclass(frozen=True)
class Load:
    """What to send: `size` events a request over `connections`, dealt out to
    the `ports` in turn, until `seconds` or `requests`.

    Events are of `people` persons, or all of one on ever new devices if there are none; message
    ids begin at `counter`. With a `rate` (requests per
    second) requests are due at fixed times and their latency counts from then, whether a
    connection was free or not; without one every answer triggers the next request. `meter` is read
    when all connections are open, and after the last answer.
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
    latencies: list[float] = field(repr=False)
    cpu: float = 0.0
    began: float = 0.0
    read: list[Reading] = field(default_factory=list, repr=False)

    @property
    def rate(self) -> float:
        """Accepted events per second."""
        return self.events / self.seconds

    def milliseconds(self, share: float) -> float:
        """Return a percentile of the response time."""
        return percentile(self.latencies, share) * 1000


def in_process(work: Callable[..., Answer], *arguments: Any) -> Answer:
    """Run `work` in a fresh process: nothing of ours shares its interpreter or its loop."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def run(load: Load) -> Result:
    """Send the load and return what came back (called in a process of its own)."""
    return uvloop.run(_Run(load).run())


class _Run:
    """One run: every response triggers the next request on its connection, or a clock does."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._templates = _templates(load)
        self._sent = 0
        self._open = 0
        self._free: deque[Connection] = deque()
        self._result = Result(0, 0, 0, 0.0, [])
        self._finished = asyncio.Event()

    async def run(self) -> Result:
        loop = asyncio.get_running_loop()
        make = partial(Connection, self._answered, self._lost)
        load = self._load
        connections = [
            (await loop.create_connection(make, load.host, load.ports[one % len(load.ports)]))[1]
            for one in range(load.connections)
        ]
        self._read()
        wall, cpu = time.perf_counter(), time.process_time()
        self._deadline = wall + load.seconds
        self._result.began = wall
        self._open = len(connections)
        if load.rate:
            await self._paced(connections, wall)
        else:
            for connection in connections:
                self._next(connection)
            await self._finished.wait()
        self._result.seconds = time.perf_counter() - wall
        self._result.cpu = time.process_time() - cpu
        self._read()
        for connection in connections:
            connection.close()
        return self._result

    def _read(self) -> None:
        if self._load.meter is not None:
            self._result.read.append(self._load.meter.read())

    async def _paced(self, connections: list[Connection], began: float) -> None:
        """Send each request when it is due, or as soon after that as a connection is free."""
        self._free = deque(connections)
        count = int(self._load.seconds * self._load.rate)
        while self._result.requests < count and self._open:
            due = min(count, int((time.perf_counter() - began) * self._load.rate) + 1)
            while self._sent < due and self._free:
                self._send(self._free.popleft(), began + self._sent / self._load.rate)
            await asyncio.sleep(PACE_SECONDS)

    def _send(self, connection: Connection, due: float | None = None) -> None:
        template = self._templates[self._sent % len(self._templates)]
        connection.send(template.render(self._load.counter + self._sent), due)
        self._sent += 1

    def _next(self, connection: Connection) -> None:
        if self._sent >= self._load.requests or time.perf_counter() >= self._deadline:
            self._lost()
            return
        self._send(connection)

    def _answered(self, connection: Connection, taken: float, is_ok: bool, body: bytes) -> None:  # noqa: FBT001 - the shape of wire.Done
        self._result.requests += 1
        self._result.latencies.append(taken)
        if is_ok and b'"rejected":0' in body:
            self._result.events += self._load.size
        else:
            self._result.refused += 1
        if self._load.rate:
            self._free.append(connection)
        else:
            self._next(connection)

    def _lost(self) -> None:
        self._open -= 1
        if self._open == 0:
            self._finished.set()


def _templates(load: Load) -> list[payloads.Template]:
    if load.size == 1:
        return payloads.singles(load.write_key, people=load.people)
    if not load.people:
        return [payloads.crowd(load.write_key, size=load.size)]
    count = max(1, load.people // load.size)
    return payloads.batches(load.write_key, count=count, size=load.size)
