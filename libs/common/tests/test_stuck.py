"""When a client that brings nothing is replaced, on a clock of the test's own."""

import time
from collections.abc import Iterator

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaTimeoutError

from rapport_common.db import create_engine
from rapport_common.kafka import watching
from rapport_common.kafka.consumer import Consumer
from rapport_common.kafka.watching import ClientWatch, ConsumerStuckError

TP = TopicPartition("t", 0)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    made = Clock()
    monkeypatch.setattr(time, "monotonic", made)
    yield made
    monkeypatch.undo()


def test_a_partition_that_stands_with_records_is_stuck(clock: Clock) -> None:
    watch = ClientWatch()
    watch.require_movement(TP, 5, 10)
    clock.now += watching.STUCK_SECONDS
    watch.require_movement(TP, 5, 10)
    clock.now += 1
    with pytest.raises(ConsumerStuckError, match="stands at 5"):
        watch.require_movement(TP, 5, 10)


@pytest.mark.parametrize(("position", "end"), [(6, 10), (5, 5)])
def test_one_that_moves_or_has_nothing_is_not(clock: Clock, position: int, end: int) -> None:
    watch = ClientWatch()
    watch.require_movement(TP, 5, end)
    clock.now += watching.STUCK_SECONDS + 1
    watch.require_movement(TP, position, end)


def test_while_others_bring_records_it_may_wait_longer(clock: Clock) -> None:
    watch = ClientWatch()
    watch.require_movement(TP, 5, 10)
    clock.now += watching.STUCK_SECONDS + 1
    watch.brought()
    watch.require_movement(TP, 5, 10)
    clock.now += watching.STUCK_WHILE_BUSY_SECONDS
    watch.brought()
    with pytest.raises(ConsumerStuckError):
        watch.require_movement(TP, 5, 10)


def test_one_that_is_never_told_the_logs_ends_is_replaced_and_one_now_and_then_not(
    clock: Clock,
) -> None:
    watch = ClientWatch()
    for _ in range(3):
        clock.now += watching.UNANSWERED_SECONDS
        watch.require_answers()
        watch.answered()
    clock.now += watching.UNANSWERED_SECONDS + 1
    watch.brought()
    with pytest.raises(ConsumerStuckError, match="not told"):
        watch.require_answers()
    watch.begin()
    watch.require_answers()


def test_one_without_partitions_joins_anew(clock: Clock) -> None:
    watch = ClientWatch()
    clock.now += watching.STUCK_SECONDS
    watch.require_assignment(has_some=False)
    clock.now += 1
    with pytest.raises(ConsumerStuckError, match="no partitions"):
        watch.require_assignment(has_some=False)


class Silent:
    """A client that is asked for the log's ends in vain."""

    async def beginning_offsets(self, _partitions: list[TopicPartition]) -> None:
        raise KafkaTimeoutError


async def test_the_loop_lets_go_of_a_client_that_never_tells_the_ends(clock: Clock) -> None:
    engine = create_engine("postgresql://nobody@127.0.0.1:1/none", application="tests")
    consumer = Consumer("segment", engine, [], bootstrap="127.0.0.1:1")
    consumer._expected[TP] = 5
    await consumer._upkeep(Silent())
    clock.now += watching.UNANSWERED_SECONDS + 1
    with pytest.raises(ConsumerStuckError):
        await consumer._upkeep(Silent())
