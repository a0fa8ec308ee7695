"""The line on which the processes of ingest hear each other: Postgres' LISTEN and NOTIFY."""

from collections.abc import Callable, Sequence
from typing import Any, Self

import asyncpg

CHANNEL = "ingest_live"
APPLICATION = "rapport-ingest-live"
"""By this name the lines of the other processes are counted."""

CONNECT_SECONDS = 5.0
TELL_SECONDS = 5.0
FAILURES = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""What using a line may raise while Postgres is away."""


class Line:
    """One connection; `lost` is true once it is gone, and `gone` is called then."""

    def __init__(self, connection: Any, gone: Callable[[], None]) -> None:
        self._connection = connection
        self._gone = gone
        self.lost = False
        connection.add_termination_listener(self._ended)

    @classmethod
    async def open(cls, url: str, heard: Callable[[str], None], gone: Callable[[], None]) -> Self:
        """A line on which `heard` gets every message, this process's own too."""
        settings = {"application_name": APPLICATION}
        connection = await asyncpg.connect(
            url, timeout=CONNECT_SECONDS, command_timeout=TELL_SECONDS, server_settings=settings
        )
        line = cls(connection, gone)
        try:
            await connection.add_listener(
                CHANNEL, lambda _connection, _pid, _channel, payload: heard(str(payload))
            )
        except BaseException:
            line.close()
            raise
        return line

    async def tell(self, messages: Sequence[bytes]) -> None:
        """Send messages to everybody, in their order."""
        await self._connection.execute(
            "SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload",
            CHANNEL,
            [one.decode() for one in messages],
        )

    async def listeners(self) -> int:
        """How many processes are on the line, this one included."""
        found = await self._connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 "
            "AND datname = current_database() AND usename = current_user",
            APPLICATION,
        )
        return int(found)

    def close(self) -> None:
        """End the connection at once, whatever Postgres is doing."""
        self._connection.terminate()

    def _ended(self, _connection: object) -> None:
        self.lost = True
        self._gone()
