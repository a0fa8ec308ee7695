"""Being woken by NOTIFY, beside looking again now and then."""

import asyncio
from collections.abc import Callable

from rapport_common import logging
from rapport_common.db import connect, plain_url

log = logging.get(__name__)

MAX_PAUSE_SECONDS = 30.0


async def listen(url: str, channel: str, wake: Callable[[], None]) -> None:
    """Call `wake` at each NOTIFY on `channel`, until cancelled; `url` is the database's.

    Nothing may depend on it alone: a lost connection is opened again, and what was said meanwhile
    has told nobody. So `wake` is also called each time the line stands.
    """
    pause = 1.0
    while True:
        try:
            await _hear(url, channel, wake)
            pause = 1.0
        except Exception as error:  # noqa: BLE001 - whatever it is, it is said and tried again
            log.warning("not listening, looking goes on", channel=channel, error=error)
            pause = min(pause * 2, MAX_PAUSE_SECONDS)
        await asyncio.sleep(pause)


async def _hear(url: str, channel: str, wake: Callable[[], None]) -> None:
    """Listen until the connection is lost."""
    connection = await connect(plain_url(url))
    lost = asyncio.Event()
    connection.add_termination_listener(lambda _connection: lost.set())
    try:
        await connection.add_listener(channel, lambda *_arguments: wake())
        wake()
        await lost.wait()
    finally:
        connection.terminate()
