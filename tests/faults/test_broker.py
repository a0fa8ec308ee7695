"""A broker that dies or stands still under flushes that overlap: none lost, each key in order."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.support.senders import Sender, logged, senders
from tests.support.waiting import HANG_SECONDS, eventually

from rapport_common.events.keys import Key
from rapport_common.events.membership import Membership
from rapport_common.events.topics import Topic
from rapport_common.kafka import producer as module
from rapport_common.kafka.admin import ensure_topics
from rapport_common.kafka.producer import Producer
from rapport_local.kafka import Kafka
from rapport_local.paths import Home, cache_folder

pytestmark = [pytest.mark.faults]

SERVICE = "segment"
CALLERS, RECORDS = 50, 200
TIMEOUT_SECONDS = 1.0
REQUEST_MS = 1_000
"""A flush is given up after two of these: sooner than the 10 s that are usual."""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Kafka]:
    """A broker that nobody else needs."""
    with Kafka(tmp_path / "kafka", cache=cache_folder(Home.from_environment())) as made:
        yield made


@pytest.fixture
async def topic(broker: Kafka) -> Topic:
    made = Topic("test", Key.PROFILE, (Membership,), (SERVICE,), (SERVICE,), "for these tests")
    await ensure_topics(broker.bootstrap_servers, [made], partitions=made.partitions, replication=1)
    return made


@pytest.fixture
async def producer(
    broker: Kafka, topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Producer]:
    monkeypatch.setattr(module, "REQUEST_TIMEOUT_MS", REQUEST_MS)
    made = Producer(SERVICE, broker.bootstrap_servers, [topic], compression=None)
    await made.start()
    yield made
    await made.stop()


class Sending:
    """Callers at work."""

    def __init__(self, topic: Topic, producer: Producer) -> None:
        self.callers: list[Sender] = senders(topic, CALLERS)
        self._all = [
            asyncio.create_task(one.send(producer, RECORDS, timeout=TIMEOUT_SECONDS))
            for one in self.callers
        ]

    async def are_at_it(self) -> None:
        await eventually(
            "acknowledgements", lambda: sum(one.acknowledged for one in self.callers) > CALLERS * 5
        )

    async def were_all_refused(self) -> None:
        await eventually(
            "callers who wait in vain", lambda: all(one.refused for one in self.callers)
        )

    async def are_done(self) -> None:
        async with asyncio.timeout(3 * HANG_SECONDS):
            await asyncio.gather(*self._all)


async def test_a_broker_is_killed_and_comes_back(
    broker: Kafka, topic: Topic, producer: Producer
) -> None:
    sending = Sending(topic, producer)
    await sending.are_at_it()
    broker.kill()
    await sending.were_all_refused()
    await asyncio.to_thread(broker.restart)
    await sending.are_done()
    found = await logged(broker.bootstrap_servers, topic)
    for one in sending.callers:
        one.check(found[one.key])


async def test_a_broker_stands_still_for_longer_than_anybody_waits(
    broker: Kafka, topic: Topic, producer: Producer
) -> None:
    sending = Sending(topic, producer)
    await sending.are_at_it()
    broker.kill(signal.SIGSTOP)
    try:
        await sending.were_all_refused()
        assert producer.stalled_for > 0
        # What was on its way is given up, and its client with it; what comes then waits in vain.
        await eventually("a second flush", lambda: all(_tries(one) > 3 for one in sending.callers))
    finally:
        broker.kill(signal.SIGCONT)
    await sending.are_done()
    found = await logged(broker.bootstrap_servers, topic)
    for one in sending.callers:
        one.check(found[one.key])


def _tries(sender: Sender) -> int:
    return max(sender.attempts.values())
