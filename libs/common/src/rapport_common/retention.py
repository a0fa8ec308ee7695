"""Deletes what is older than its policy, a bounded piece at a time."""

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
class Policy:
    """How long the rows of a table are kept; `delete` replaces the plain DELETE when given.

    `delete(tx, age, limit)` deletes at most `limit` rows and returns how many.
    """

    table: str
    column: str
    age: timedelta
    delete: Callable[[AsyncConnection, timedelta, int], Awaitable[int]] | None = None


class Retention:
    """A worker that enforces policies every `interval` seconds."""

    name = "retention"

    def __init__(
        self,
        engine: AsyncEngine,
        policies: Sequence[Policy],
        *,
        schema: str,
        interval: float = 600.0,
    ) -> None:
        self._engine = engine
        self._policies = policies
        self._schema = schema
        self._interval = interval
        for one in policies:
            metrics.RETENTION_DELETED.labels(schema, one.table)

    async def run(self, stop: asyncio.Event) -> None:
        """Enforce all policies, wait, again, until `stop`."""
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
        for policy in self._policies:
            deleted = PIECE
            while deleted == PIECE:
                async with self._engine.begin() as tx:
                    delete = policy.delete or self._plain(policy)
                    deleted = await delete(tx, policy.age, PIECE)
                metrics.RETENTION_DELETED.labels(self._schema, policy.table).inc(deleted)
                total += deleted
        return total

    def _plain(self, policy: Policy) -> Callable[[AsyncConnection, timedelta, int], Awaitable[int]]:
        table, column = f"{self._schema}.{policy.table}", policy.column

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
