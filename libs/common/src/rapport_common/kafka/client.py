"""The Kafka client of a consumer: a static member of its group, which keeps its own positions."""

from typing import NamedTuple

from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor

from rapport_common.kafka.assignment import Assignment

MAX_POLL_MS = 300_000
PARTITION_BYTES = 2 * 1024 * 1024
IDLE_WAIT_MS = 500
"""So long Kafka holds a fetch at least, when the last look has found nothing."""


class Member(NamedTuple):
    """Who reads: the group is the service's; `bootstrap` is where Kafka is."""

    service: str
    replica: str
    bootstrap: str

    @property
    def name(self) -> str:
        """Kept over restarts, so that the group does not wait for one that was killed."""
        return f"{self.service}-{self.replica}"


def new_client(
    member: Member,
    topics: list[str],
    assignment: Assignment,
    *,
    session_timeout_ms: int,
    fetch_wait_ms: int,
) -> AIOKafkaConsumer:
    """A client that has not been started, subscribed to `topics`."""
    client = AIOKafkaConsumer(
        bootstrap_servers=member.bootstrap,
        client_id=member.name,
        group_id=member.service,
        group_instance_id=member.name,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        partition_assignment_strategy=(StickyPartitionAssignor,),
        session_timeout_ms=session_timeout_ms,
        heartbeat_interval_ms=max(300, session_timeout_ms // 4),
        max_poll_interval_ms=MAX_POLL_MS,
        max_partition_fetch_bytes=PARTITION_BYTES,
        fetch_max_wait_ms=fetch_wait_ms,
        retry_backoff_ms=100,
    )
    client.subscribe(topics=topics, listener=assignment)
    return client


def fetch_for(client: AIOKafkaConsumer, wait_ms: int) -> None:
    """Let Kafka hold the next fetches that find nothing for so long.

    Who is idle asks for all partitions, and is answered with the first record: a long wait costs
    nothing but requests that bring nothing. Who is busy asks for those whose records it has
    taken, and can't ask for the others before that is answered: a long wait would be theirs.
    """
    # Read for each request (see `tests/test_consumer.py`); there is no other way.
    client._fetcher._fetch_max_wait_ms = wait_ms  # noqa: SLF001
