"""Makes the topics beside everything else: who does not need them does not wait for Kafka."""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

from rapport_common.events.topics import Topic
from rapport_common.kafka.admin import ensure_topics
from rapport_common.settings import ServiceSettings


class TopicMaker:
    """A worker that creates the topics as they are set, as soon as Kafka is there."""

    name = "topics"

    def __init__(self, settings: ServiceSettings, topics: Sequence[Topic]) -> None:
        self._settings = settings
        self._topics = topics
        self.made = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """End when the topics are there, or with `stop`."""
        async with asyncio.TaskGroup() as group:
            making = group.create_task(self._make())
            stopping = group.create_task(stop.wait())
            await asyncio.wait({making, stopping}, return_when=asyncio.FIRST_COMPLETED)
            making.cancel()
            stopping.cancel()

    async def _make(self) -> None:
        await ensure_topics(
            self._settings.kafka_bootstrap_servers,
            self._topics,
            partitions=self._settings.kafka_partitions,
            replication=self._settings.kafka_replication,
            flush_messages=self._settings.kafka_flush_messages,
        )
        self.made.set()


class _Consumes(Protocol):
    """What waits for the topics."""

    name: str

    def give_sign(self) -> None:
        """Tell that it waits on purpose."""

    async def run(self, stop: asyncio.Event) -> Any:
        """Read until `stop`."""


class AfterTopics:
    """A worker that begins when the topics are there."""

    def __init__(self, topics: TopicMaker, worker: _Consumes) -> None:
        self._topics = topics
        self._worker = worker
        self.name = worker.name

    async def run(self, stop: asyncio.Event) -> None:
        """Wait, then work until `stop`."""
        waits = [asyncio.ensure_future(one.wait()) for one in (stop, self._topics.made)]
        try:
            while not (stop.is_set() or self._topics.made.is_set()):
                await asyncio.wait(waits, timeout=1, return_when=asyncio.FIRST_COMPLETED)
                self._worker.give_sign()
        finally:
            for one in waits:
                one.cancel()
        if not stop.is_set():
            await self._worker.run(stop)
