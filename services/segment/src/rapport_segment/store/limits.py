"""How long the statements of a block may take, all together."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import sqlstate

Timer = Callable[[], float]
"""Seconds from some instant on."""

_TIMED_OUT = frozenset({"57014", "55P03"})
"""A statement that took too long, or waited too long for a lock."""
_LEAST = 0.001


class OutOfTimeError(Exception):
    """What was asked took longer than it may."""


class Limit:
    """How much time is left in a transaction."""

    def __init__(self, tx: AsyncConnection, seconds: float, timer: Timer) -> None:
        self._tx = tx
        self._timer = timer
        self._until = timer() + seconds

    async def renew(self) -> None:
        """Give the next statement what is left; OutOfTimeError if that is nothing."""
        left = self._until - self._timer()
        if left < _LEAST:
            raise OutOfTimeError
        await self._tx.execute(text(f"SET LOCAL statement_timeout = {int(left * 1000)}"))


@asynccontextmanager
async def limited(
    tx: AsyncConnection, seconds: float, timer: Timer = time.monotonic
) -> AsyncIterator[Limit]:
    """A savepoint that is given up with OutOfTimeError after so long; the transaction goes on.

    Each statement gets what is left when `renew` is called before it.
    """
    limit = Limit(tx, seconds, timer)
    try:
        async with tx.begin_nested():
            await limit.renew()
            yield limit
            # What goes on outside has as long as before; a rollback does so by itself.
            await tx.execute(text("SET LOCAL statement_timeout TO DEFAULT"))
    except DBAPIError as error:
        if sqlstate(error) not in _TIMED_OUT:
            raise
        raise OutOfTimeError from error
