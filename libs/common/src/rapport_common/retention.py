"""Deletes what is older than it is to be kept, a bounded piece at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import logging, metrics
from rapport_common.db import is_retriable

log = logging.get(__name__)

PIECE = 5000


@dataclass(frozen=True, slots=True)
class Retention:
    """How long the rows of a table are kept; `delete` replaces the plain DELETE when given.

    `delete(tx, age, limit)` deletes at most `limit` rows and returns how many.
    """

    table: str
    column: str
    age: timedelta
    delete: Callable[[AsyncConnection, timedelta, int], Awaitable[int]] | None = None


class RetentionWorker:
    """A worker that deletes what is too old every `interval` seconds."""

    name = "retention"

    def __init__(
        self,
        engine: AsyncEngine,
        retentions: Sequence[Retention],
        *,
        schema: str,
        interval: float = 600.0,
    ) -> None:
        self._engine = engine
        self._retentions = retentions
        self._schema = schema
        self._interval = interval
        for one in retentions:
            metrics.RETENTION_DELETED.labels(schema, one.table)

    async def run(self, stop: asyncio.Event) -> None:
        """Delete all that is too old, wait, again, until `stop`."""
        while not stop.is_set():
            try:
                await self.enforce()
            except Exception as error:
                if not is_retriable(error):
                    raise
                log.warning("retention postponed", error=error)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await stop.wait()

    async def enforce(self) -> int:
        """Delete everything that is over its age; the number of rows deleted."""
        total = 0
        for retention in self._retentions:
            deleted = PIECE
            while deleted == PIECE:
                async with self._engine.begin() as tx:
                    delete = retention.delete or self._plain(retention)
                    deleted = await delete(tx, retention.age, PIECE)
                metrics.RETENTION_DELETED.labels(self._schema, retention.table).inc(deleted)
                total += deleted
        return total

    def _plain(
        self, retention: Retention
    ) -> Callable[[AsyncConnection, timedelta, int], Awaitable[int]]:
        table, column = f"{self._schema}.{retention.table}", retention.column

        async def delete(tx: AsyncConnection, age: timedelta, limit: int) -> int:
            result = await tx.execute(
                text(
                    f"DELETE FROM {table} WHERE ctid IN (SELECT ctid FROM {table} "
                    f"WHERE {column} < now() - CAST(:age AS interval) LIMIT :limit "
                    "FOR UPDATE SKIP LOCKED)"
                ),
                {"age": age, "limit": limit},
            )
            return result.rowcount

        return delete
