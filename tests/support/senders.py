"""Callers of a producer who each send one key's records in order, and what the log has of them."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, TopicPartition
from tests.support.waiting import between_looks

from rapport_common.events.topics import Topic
from rapport_common.kafka.producer import KafkaUnavailableError, Outgoing, Producer

READ_MS = 200


@dataclass
class Sender:
    """Sends 0, 1, 2, … under its key, each until Kafka has acknowledged it."""

    topic: str
    key: bytes
    attempts: Counter[int] = field(default_factory=Counter)
    acknowledged: int = 0

    async def send(self, producer: Producer, count: int, *, timeout: float = 10.0) -> None:
        """Send `count` records, one after the other."""
        for number in range(count):
            await self._until_acknowledged(producer, number, timeout)
            self.acknowledged += 1

    async def _until_acknowledged(self, producer: Producer, number: int, timeout: float) -> None:
        while True:
            self.attempts[number] += 1
            record = Outgoing(self.topic, self.key, str(number).encode())
            try:
                return await producer.publish([record], timeout=timeout)
            except KafkaUnavailableError:
                await between_looks()

    @property
    def refused(self) -> bool:
        """Whether anything had to be sent again."""
        return any(tries > 1 for tries in self.attempts.values())

    def check(self, logged: Sequence[int]) -> None:
        """All of it is in the log, in order, and no more often than it was sent."""
        assert list(dict.fromkeys(logged)) == list(range(self.acknowledged))
        doubled = Counter(logged) - Counter(range(self.acknowledged))
        assert all(self.attempts[one] > extra for one, extra in doubled.items())


def senders(topic: Topic, count: int) -> list[Sender]:
    """So many, each with a key of its own."""
    return [Sender(topic.name, f"key-{number}".encode()) for number in range(count)]


async def logged(bootstrap: str, topic: Topic) -> Mapping[bytes, Sequence[int]]:
    """The numbers that the whole log holds of each key, in its order."""
    found: dict[bytes, list[int]] = defaultdict(list)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        places = [TopicPartition(topic.name, one) for one in range(topic.partitions)]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        while any([await consumer.position(one) < end for one, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=READ_MS)).values():
                for one in records:
                    found[one.key].append(int(one.value))
    finally:
        await consumer.stop()
    return found
