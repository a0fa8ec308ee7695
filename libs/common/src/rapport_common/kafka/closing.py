"""Closing an aiokafka client so that nothing of it lives on, whatever state the broker is in."""

import asyncio
from collections.abc import Iterator
from typing import Any

from aiokafka.errors import KafkaConnectionError

from rapport_common import logging

log = logging.get(__name__)

CLOSE_SECONDS = 3.0
CUT_SECONDS = 1.0


async def close(client: Any, *, seconds: float = CLOSE_SECONDS) -> None:
    """Stop a consumer, producer or admin client; cut off what has not stopped after `seconds`.

    `stop()` waits for a broker that may not answer. When it is given up on the way, the client's
    tasks and connections live on and nothing is left that could close them: so they are ended
    here, one by one. Never raises; when cancelled, the client is cut off at once.
    """
    end = getattr(client, "stop", None) or client.close
    stopping = asyncio.ensure_future(end())
    try:
        await asyncio.wait({stopping}, timeout=seconds)
    finally:
        clean = stopping.done() and not stopping.cancelled() and stopping.exception() is None
        stopping.cancel()
        if not clean:
            log.warning("kafka client did not close, cut off", client=type(client).__name__)
            cut = _cut(client)
    if not clean:
        # They have been told to end; waiting keeps their last words out of the next one's way.
        await asyncio.wait({stopping, *cut}, timeout=CUT_SECONDS)


def _cut(client: Any) -> list["asyncio.Task[Any]"]:
    """End every task and connection of a client, without waiting for either."""
    parts = list(_parts(client))
    tasks = [one for part in parts for one in _tasks(part)]
    for task in tasks:
        task.cancel()
    for part in parts:
        connections = getattr(part, "_conns", None)
        if isinstance(connections, dict):
            for connection in list(connections.values()):
                connection.close()
        if hasattr(part, "fail_all"):
            # A producer's batches: a flush that nobody can cancel waits for them.
            part.fail_all(KafkaConnectionError("the client was closed"))
    return tasks


def _parts(client: Any) -> Iterator[Any]:
    """The client and what it is made of: its network client, coordinator, fetcher and sender."""
    names = ("_client", "client", "_coordinator", "_fetcher", "_sender", "_message_accumulator")
    yield client
    for name in names:
        part = vars(client).get(name)
        if part is not None:
            yield part


def _tasks(part: Any) -> Iterator["asyncio.Task[Any]"]:
    """The tasks that hang on a part, alone or in a collection."""
    for value in vars(part).values():
        if isinstance(value, asyncio.Task):
            yield value
        elif isinstance(value, (set, list)):
            yield from (one for one in value if isinstance(one, asyncio.Task))
