"""A client that sends a crowd's events until each has been acknowledged, whatever happens."""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self

import httpx
import pytest
from tests.support.crowd import Crowd
from tests.support.waiting import HANG_SECONDS, until

BATCH = 50
CONNECTIONS = 4
EVENTS_PER_SECOND = 1500
RETRY_SECONDS = 0.1
BEFORE = (0.7,)  # the share that is sent before the fault: the rest comes only when it has begun
MAY_REPEAT = {httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.TOO_MANY_REQUESTS}


class Replay:
    """Sends in the background; `acknowledged` are the ids that ingest has answered 200 for.

    A request without an answer, or with a 503, is repeated with the same message ids. What comes
    after each of the shares in `before` is held back until the next `fault_began`, so that a fault
    never comes after the end.
    """

    def __init__(
        self, url: str, write_key: str, crowd: Crowd, before: Sequence[float] = BEFORE
    ) -> None:
        self.crowd = crowd
        self.acknowledged: set[str] = set()
        self.repeated = 0
        self._url = f"{url}/v1/batch"
        self._key = write_key
        self._before = before
        self._faults = threading.Semaphore(0)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._batches = self._paced(list(crowd.batches(BATCH)))
        self._pool = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="replay")
        self._work: list[Future[None]] = []

    def __enter__(self) -> Self:
        """Start."""
        self._work = [self._pool.submit(self._send_all) for _ in range(CONNECTIONS)]
        return self

    def __exit__(self, *_error: object) -> None:
        """Stop, finished or not."""
        self._stop.set()
        self._faults.release(len(self._before))
        self._pool.shutdown()

    def wait_share(self, share: float) -> None:
        """Wait until this share of the ids has been acknowledged."""
        wanted = int(len(self.crowd.ids) * share)
        until(f"{wanted} acknowledged events", lambda: len(self.acknowledged) >= wanted)

    def fault_began(self) -> None:
        """Let the next part be sent."""
        self._faults.release()

    def finish(self) -> None:
        """Wait until everything has been acknowledged, whatever was held back."""
        self._faults.release(len(self._before))
        for one in self._work:
            one.result(HANG_SECONDS)
        assert self.acknowledged == self.crowd.ids

    def _paced(self, batches: list[list[dict[str, Any]]]) -> Iterator[list[dict[str, Any]]]:
        """The batches at the pace of a busy day."""
        began = time.monotonic()
        held_back = {int(len(batches) * share) for share in self._before}
        for number, batch in enumerate(batches):
            if number in held_back:
                self._faults.acquire()
            due = began + number * BATCH / EVENTS_PER_SECOND
            self._stop.wait(max(0.0, due - time.monotonic()))
            yield batch

    def _send_all(self) -> None:
        with httpx.Client(auth=(self._key, ""), timeout=HANG_SECONDS) as client:
            while (batch := self._next()) is not None:
                self._send(client, batch)

    def _next(self) -> list[dict[str, Any]] | None:
        with self._lock:
            return None if self._stop.is_set() else next(self._batches, None)

    def _send(self, client: httpx.Client, batch: list[dict[str, Any]]) -> None:
        deadline = time.monotonic() + HANG_SECONDS
        while not self._stop.is_set():
            if self._accepted(client, batch):
                self.acknowledged.update(event["messageId"] for event in batch)
                return
            if time.monotonic() > deadline:
                pytest.fail("ingest does not take events any more")
            self.repeated += 1
            self._stop.wait(RETRY_SECONDS)

    def _accepted(self, client: httpx.Client, batch: list[dict[str, Any]]) -> bool:
        try:
            answer = client.post(self._url, json={"batch": batch})
        except httpx.TransportError:
            return False
        if answer.status_code in MAY_REPEAT:
            return False
        answer.raise_for_status()
        assert [one["status"] for one in answer.json()["results"]] == ["accepted"] * len(batch)
        return True
