"""When a client that brings nothing is replaced, on a clock of the test's own."""

import time
from collections.abc import Iterator

import pytest
from aiokafka import TopicPartition

from rapport_common.db import create_engine
from rapport_common.kafka import consumer as loop
from rapport_common.kafka.consumer import Consumer, ConsumerStuckError

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


def idle_consumer() -> Consumer:
    engine = create_engine("postgresql://nobody@127.0.0.1:1/none", application="tests")
    return Consumer("segment", engine, [], bootstrap="127.0.0.1:1")


def test_a_partition_that_stands_with_records_is_stuck(clock: Clock) -> None:
    consumer = idle_consumer()
    consumer._require_movement(TP, 5, 10)
    clock.now += loop.STUCK_SECONDS
    consumer._require_movement(TP, 5, 10)
    clock.now += 1
    with pytest.raises(ConsumerStuckError, match="stands at 5"):
        consumer._require_movement(TP, 5, 10)


@pytest.mark.parametrize(("position", "end"), [(6, 10), (5, 5)])
def test_one_that_moves_or_has_nothing_is_not(clock: Clock, position: int, end: int) -> None:
    consumer = idle_consumer()
    consumer._require_movement(TP, 5, end)
    clock.now += loop.STUCK_SECONDS + 1
    consumer._require_movement(TP, position, end)


def test_while_others_bring_records_it_may_wait_longer(clock: Clock) -> None:
    consumer = idle_consumer()
    consumer._require_movement(TP, 5, 10)
    clock.now += loop.STUCK_SECONDS + 1
    consumer._busy_at = clock.now
    consumer._require_movement(TP, 5, 10)
    clock.now += loop.STUCK_WHILE_BUSY_SECONDS
    consumer._busy_at = clock.now
    with pytest.raises(ConsumerStuckError):
        consumer._require_movement(TP, 5, 10)
