"""Closing a Kafka client, whatever Kafka is doing."""

import asyncio
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from rapport_common import logging

log = logging.get(__name__)

GENTLY_SECONDS = 1.0
AT_ONCE_SECONDS = 5.0


async def close(consumer: AIOKafkaConsumer, *, gently: float = GENTLY_SECONDS) -> None:
    """Stop `consumer`, so that nothing of it is left: no task, no connection, no memory.

    A client waits for the answers to its requests before it ends. While Kafka stands still none
    come, and one that is no longer waited for lives on with all that it has fetched. So after
    `gently` seconds its connections are cut, which answers the requests with an error, and it ends.
    """
    stopping = asyncio.get_running_loop().create_task(consumer.stop())
    try:
        await asyncio.wait({stopping}, timeout=gently)
    finally:
        # Also when whoever waits is cancelled: what follows does not wait for Kafka.
        if not stopping.done():
            _cut(consumer)
    if not stopping.done():
        await asyncio.wait({stopping}, timeout=AT_ONCE_SECONDS)
    if not stopping.done():
        log.error("a kafka client does not end", client=consumer._client._client_id)  # noqa: SLF001
        return
    with suppress(KafkaError, OSError, asyncio.CancelledError):
        stopping.result()


def _cut(consumer: AIOKafkaConsumer) -> None:
    client: Any = consumer._client  # noqa: SLF001 - the library has no other way to let go
    for one in list(client._conns.values()):  # noqa: SLF001
        one.close()
