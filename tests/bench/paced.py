"""Requests at fixed times, whether those before were answered or not: that one waits for a free
connection counts as its waiting (no coordinated omission); or as many as will go.
"""

from __future__ import annotations

import gc
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.bench.histogram import STEPS, Histogram
from tests.bench.load import GRACE_SECONDS, PACE_SECONDS
from tests.bench.wire import END, Wire

if TYPE_CHECKING:
    from collections.abc import Sequence

GOOD = frozenset({b"200", b"201", b"303"})
NEVER = b"no answer"


@dataclass(frozen=True)
class Paced:
    """Whole requests, each with the name of what it does; `rate` a second, 0: one after the other
    on each connection.
    """

    host: str
    port: int
    requests: Sequence[tuple[str, bytes]]
    rate: float
    connections: int = 64


@dataclass
class Told:
    """What came back: latencies by name of those that were taken, and why others were not."""

    seconds: float = 0.0
    cpu: float = 0.0
    latencies: dict[str, Histogram] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def taken(self) -> int:
        """How many were answered as they should be."""
        return sum(one.steps.total() for one in self.latencies.values())

    @property
    def rate(self) -> float:
        """Of these a second."""
        return self.taken / self.seconds if self.seconds else 0.0

    @property
    def all(self) -> Histogram:
        """The latencies of all together."""
        found = Histogram()
        for one in self.latencies.values():
            found.steps.update(one.steps)
        return found

    @property
    def shortcomings(self) -> str:
        """What was not taken, for the note of a row; empty where all was."""
        if not self.refused:
            return ""
        [(why, _), *_] = self.refused.most_common(1)
        return f"; {self.refused.total():,} REFUSED: {why}"


def run(paced: Paced) -> Told:
    """Send them all (called in a process of its own)."""
    return _Run(paced).run()


class _Run:
    def __init__(self, paced: Paced) -> None:
        self._paced = paced
        self._told = Told(latencies={name: Histogram() for name, _ in paced.requests})
        self._due: dict[int, tuple[int, float]] = {}
        self._next = 0

    def run(self) -> Told:
        paced, told = self._paced, self._told
        self._wire = Wire(paced.host, (paced.port,), paced.connections)
        gc.freeze()
        gc.disable()
        self._began, cpu = time.perf_counter(), time.process_time()
        self._send_all()
        if self._due:
            told.refused[NEVER.decode()] += len(self._due)
        told.seconds = time.perf_counter() - self._began
        told.cpu = time.process_time() - cpu
        self._wire.close()
        return told

    def _send_all(self) -> None:
        rate, count = self._paced.rate, len(self._paced.requests)
        free = deque(range(self._paced.connections))
        deadline = self._began + (count / rate if rate else GRACE_SECONDS) + GRACE_SECONDS
        while (self._next < count or self._due) and time.perf_counter() < deadline:
            now = time.perf_counter()
            due = min(count, int((now - self._began) * rate) + 1) if rate else count
            while self._next < due and free:
                at = self._began + self._next / rate if rate else time.perf_counter()
                self._send(free.popleft(), at)
            for number, answer in self._wire.answers(PACE_SECONDS):
                self._answered(number, answer)
                free.append(number)

    def _send(self, number: int, at: float) -> None:
        self._due[number] = (self._next, at)
        self._wire.send(number, self._paced.requests[self._next][1])
        self._next += 1

    def _answered(self, number: int, answer: bytes) -> None:
        which, at = self._due.pop(number)
        name = self._paced.requests[which][0]
        if answer[9:12] in GOOD:
            steps = int((time.perf_counter() - at) * STEPS)
            self._told.latencies[name].steps[steps] += 1
            return
        head, _, body = answer.partition(END)
        why = f"{name}: {head[9:12].decode()} {body[:160].decode(errors='replace')}"
        self._told.refused[why] += 1


def request(method: str, path: str, body: bytes, **headers: str) -> bytes:
    """A whole HTTP/1.1 request; of headers' names `_` is `-`."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + END + body
