"""Sending the purchases as a till would: through the unmodified client library of Segment."""

from __future__ import annotations

from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from segment.analytics.client import Client

from rapport_local.errors import LocalError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rapport_local.demo.data import Purchase

# The library drops what does not fit into its queue, without a word unless one looks.
QUEUE = 100_000
# Events per request; its own limit of 475 kB per request comes first.
BATCH = 500


class Till:
    """One client of the library, with its failures noted instead of logged away."""

    def __init__(self, url: str, write_key: str) -> None:
        self._failures: list[str] = []
        self._queued = 0
        self._finished = Event()
        self._client = Client(
            write_key,
            host=url,
            max_queue_size=QUEUE,
            upload_size=BATCH,
            gzip=True,
            on_error=self._failed,
        )

    def start(self, purchases: Sequence[Purchase]) -> None:
        """Begin to send all purchases, in a thread that does not keep the program from ending."""
        Thread(target=self._replay, args=(purchases,), name="till", daemon=True).start()

    @property
    def finished(self) -> bool:
        """Whether every purchase has been acknowledged, or failed."""
        return self._finished.is_set()

    def acknowledged(self) -> int:
        """Return how many events ingest has acknowledged so far; raises `replay_failed`."""
        if self._failures:
            raise self._trouble()
        return max(0, self._queued - int(self._client.queue.unfinished_tasks))

    def _replay(self, purchases: Sequence[Purchase]) -> None:
        try:
            for one in purchases:
                self._sell(one)
            self._client.flush()
            self._client.shutdown()
        except Exception as error:  # noqa: BLE001 - `acknowledged` tells of it
            self._failures.append(repr(error))
        self._finished.set()

    def _sell(self, one: Purchase) -> None:
        queued, _ = self._client.track(
            user_id=one.customer,
            event="Order Completed",
            properties={"total": one.total, "currency": "USD", "quantity": one.quantity},
            context={"traits": {"email": one.address}},
            timestamp=one.at,
            message_id=str(one.line),
        )
        self._queued += 1
        if not queued:
            self._failures.append(f"purchase {one.line} did not fit into the queue")

    def _failed(self, error: Exception, batch: Sequence[Any]) -> None:
        self._failures.append(f"{len(batch)} events: {error}")

    def _trouble(self) -> LocalError:
        return LocalError(
            code="replay_failed",
            message=f"ingest did not take everything: {self._failures[0]}"
            f" (and {len(self._failures) - 1} more). `make logs ARGS=ingest` tells more.",
        )
