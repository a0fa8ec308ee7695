"""The line on which the processes of ingest hear each other: a table, and NOTIFY of its ids.

Every role of the database may listen on a channel, whatever it may read: what is said stays in the
table, which is ingest's, and is not logged because it is of no use after a crash.
"""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, Self

import asyncpg

CHANNEL = "ingest_live"
APPLICATION = "rapport-ingest-live"
"""By this name the lines of the other processes are counted."""

CONNECT_SECONDS = 5.0
TELL_SECONDS = 5.0
KEPT = "30 seconds"
"""Who has not read a message by then will not: it asks for what is said now."""

SWEPT_AT_ONCE = 1000
HEARD_AT_ONCE = 1000
MAX_DIGITS = 18
FAILURES = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""What using a line may raise while Postgres is away."""


class Line:
    """One connection; `lost` is true once it is gone. `wake` is called then, and when there is
    something to hear.
    """

    def __init__(self, connection: Any, wake: Callable[[], None]) -> None:
        self._connection = connection
        self._wake = wake
        self._said: dict[int, None] = {}
        self.lost = False
        connection.add_termination_listener(self._ended)

    @classmethod
    async def open(cls, url: str, wake: Callable[[], None]) -> Self:
        """A line on which every message is heard, this process's own too."""
        settings = {"application_name": APPLICATION}
        connection = await asyncpg.connect(
            url, timeout=CONNECT_SECONDS, command_timeout=TELL_SECONDS, server_settings=settings
        )
        line = cls(connection, wake)
        try:
            await connection.add_listener(
                CHANNEL, lambda _connection, _pid, _channel, ids: line._told(str(ids))
            )
        except BaseException:
            line.close()
            raise
        return line

    async def tell(self, messages: Sequence[bytes]) -> None:
        """Send messages to everybody, in their order."""
        await self._connection.execute(
            "WITH said AS (INSERT INTO ingest.live_message (payload) "
            "SELECT payload FROM unnest($2::bytea[]) AS payload RETURNING id), "
            "old AS (DELETE FROM ingest.live_message WHERE id IN (SELECT id "
            f"FROM ingest.live_message WHERE said_at < now() - interval '{KEPT}' "
            f"LIMIT {SWEPT_AT_ONCE} FOR UPDATE SKIP LOCKED)) "
            "SELECT pg_notify($1, string_agg(id::text, ',')) FROM said",
            CHANNEL,
            messages,
        )

    @property
    def has_news(self) -> bool:
        """Whether there is something to hear."""
        return bool(self._said)

    async def hear(self) -> list[bytes]:
        """What was said since the last time, in its order."""
        ids = list(islice(self._said, HEARD_AT_ONCE))
        for one in ids:
            del self._said[one]
        rows = await self._connection.fetch(
            "SELECT payload FROM ingest.live_message WHERE id = ANY($1::bigint[]) ORDER BY id", ids
        )
        return [bytes(row["payload"]) for row in rows]

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

    def _told(self, ids: str) -> None:
        # Any role may notify: what is no list of ids was not said by us.
        if ids.replace(",", "").isdecimal() and ids.isascii():
            known = (int(one) for one in ids.split(",") if 0 < len(one) <= MAX_DIGITS)
            self._said |= dict.fromkeys(known)
            self._wake()

    def _ended(self, _connection: object) -> None:
        self.lost = True
        self._wake()
