"""When a Kafka client that is alive brings nothing, so that a new one has to."""

import time

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

STUCK_SECONDS = 15.0
STUCK_WHILE_BUSY_SECONDS = 120.0
UNANSWERED_SECONDS = 30.0
_BUSY_FOR = 5.0


class ConsumerStuckError(KafkaError):  # type: ignore[misc] # aiokafka has no types
    """The client is alive and brings nothing, although there is something: a new one has to."""


class ClientWatch:
    """What is known of one client's signs of life."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """A new client."""
        self._assigned_at = self._answered_at = time.monotonic()
        self._busy_at = float("-inf")
        self._seen: dict[TopicPartition, tuple[int, float]] = {}

    def brought(self) -> None:
        """There were records."""
        self._busy_at = time.monotonic()

    def answered(self) -> None:
        """The log's ends were told."""
        self._answered_at = time.monotonic()

    def require_answers(self) -> None:
        """A client that is never told the log's ends is a broken one, whatever else it brings: so
        it was seen after deaths of Kafka, and each look took the time of many batches.
        """
        if time.monotonic() - self._answered_at > UNANSWERED_SECONDS:
            message = f"the log's ends were not told for {UNANSWERED_SECONDS:.0f} s"
            raise ConsumerStuckError(message)

    def require_assignment(self, *, has_some: bool) -> None:
        """A member that gets no partitions joins the group anew: a join can hang unnoticed."""
        now = time.monotonic()
        if has_some:
            self._assigned_at = now
        elif now - self._assigned_at > STUCK_SECONDS:
            message = f"no partitions for {STUCK_SECONDS:.0f} s"
            raise ConsumerStuckError(message)

    def require_movement(self, tp: TopicPartition, position: int, end: int) -> None:
        """A partition that has records and does not move needs a new client.

        While others bring records it may just be waiting for its turn in a long backlog.
        """
        now = time.monotonic()
        busy = now - self._busy_at < _BUSY_FOR
        last, since = self._seen.get(tp, (position, now))
        if position != last or position == end:
            since = now
        self._seen[tp] = (position, since)
        if now - since > (STUCK_WHILE_BUSY_SECONDS if busy else STUCK_SECONDS):
            message = f"{tp.topic}/{tp.partition} stands at {position}, the log ends at {end}"
            raise ConsumerStuckError(message)
