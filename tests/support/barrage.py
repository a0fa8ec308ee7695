"""Senders that keep a pace whatever happens, and note each answer."""

import itertools
import threading
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Self

import httpx
from tests.support.loopback import NOBODY
from tests.support.waiting import HANG_SECONDS
from tests.support.workspace import Workspace

PEOPLE = 20


@dataclass
class Answers:
    """What came back."""

    acknowledged: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    refused: int = 0
    dropped: list[str] = field(default_factory=list)
    unavailable: list[httpx.Response] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many requests were answered."""
        return self.statuses.total()


class Barrage:
    """Sends `rate` events a second in batches until the block ends; nothing is repeated.

    With `bad` one event of each batch has to be refused. `connections` may all be in flight.
    """

    def __init__(
        self,
        workspace: Workspace,
        *,
        rate: int = 2000,
        batch: int = 50,
        connections: int = 8,
        bad: bool = False,
        pad: int = 0,
    ) -> None:
        self.answers = Answers()
        self._url = f"{workspace.stack.url('ingest')}/v1/batch"
        self._key = workspace.write_key
        self._interval = batch / rate
        self._batch = batch
        self._bad = bad
        self._pad = "x" * pad
        self._turns = itertools.count()
        self._began = time.monotonic()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(connections, thread_name_prefix="barrage")
        self._work: list[Future[None]] = []
        self._connections = connections

    def __enter__(self) -> Self:
        """Start."""
        self._began = time.monotonic()
        self._work = [self._pool.submit(self._run) for _ in range(self._connections)]
        return self

    def __exit__(self, *_error: object) -> None:
        """Stop, and hear every answer."""
        self._stop.set()
        self._pool.shutdown()
        for one in self._work:
            one.result()

    def _run(self) -> None:
        with httpx.Client(auth=(self._key, ""), timeout=HANG_SECONDS, verify=NOBODY) as client:
            while not self._stop.is_set():
                turn = next(self._turns)
                due = self._began + turn * self._interval
                if not self._stop.wait(max(0.0, due - time.monotonic())):
                    self._send(client, turn)

    def _send(self, client: httpx.Client, turn: int) -> None:
        try:
            answer = client.post(self._url, json={"batch": self._events(turn)})
        except httpx.TransportError as error:
            with self._lock:
                self.answers.dropped.append(repr(error))
            return
        with self._lock:
            self._note(answer)

    def _note(self, answer: httpx.Response) -> None:
        self.answers.statuses[answer.status_code] += 1
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            self.answers.unavailable.append(answer)
        if answer.status_code != httpx.codes.OK:
            return
        for one in answer.json()["results"]:
            if one["status"] == "accepted":
                self.answers.acknowledged.append(one["message_id"])
            else:
                self.answers.refused += 1

    def _events(self, turn: int) -> list[dict[str, Any]]:
        start = turn * self._batch
        found: list[dict[str, Any]] = [
            {
                "type": "track",
                "event": "Tick",
                "messageId": str(number),
                "userId": f"u-{number % PEOPLE}",
                "properties": {"pad": self._pad},
            }
            for number in range(start, start + self._batch)
        ]
        return [*found, {"type": "track", "messageId": f"bad-{turn}"}] if self._bad else found
