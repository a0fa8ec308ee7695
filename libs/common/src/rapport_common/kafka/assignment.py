"""What a consumer does when Kafka gives it other partitions."""

from aiokafka import TopicPartition
from aiokafka.abc import ConsumerRebalanceListener

from rapport_common.kafka.part import Positions


class Assignment(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka has no types
    """Forgets positions on a rebalance; they are read again before the next batch.

    Nothing here may fail or wait: aiokafka swallows exceptions of listeners.
    """

    def __init__(self, expected: Positions) -> None:
        self._expected = expected

    def on_partitions_revoked(self, revoked: list[TopicPartition]) -> None:
        for one in revoked:
            self._expected.pop(one, None)

    def on_partitions_assigned(self, assigned: list[TopicPartition]) -> None:
        for one in assigned:
            self._expected.pop(one, None)
