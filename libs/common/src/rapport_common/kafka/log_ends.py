"""Whether a position lies inside the log; outside of it data is lost or the log another."""

from aiokafka import TopicPartition

from rapport_common.kafka.batch import ConsumerStoppedError


def require_within(tp: TopicPartition, position: int, start: int, end: int) -> None:
    """Raise ConsumerStoppedError when the log does not reach from `start` to `end` over it."""
    where = f"{tp.topic}/{tp.partition}"
    if position < start:
        message = (
            f"{where}: the log starts at {start}, the position is {position}: "
            f"{start - position} records are gone"
        )
        raise ConsumerStoppedError(message)
    if position > end:
        message = f"{where}: the log ends at {end}, the position is {position}: it was re-created"
        raise ConsumerStoppedError(message)
