"""Long work in one transaction: others get their turn meanwhile."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import TypeVar

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

TURN_SECONDS = 0.05
"""So long is worked before others get their turn."""

One = TypeVar("One")
Between = Callable[[], Awaitable[None]]
"""Is called when others have had their turn; whatever it raises ends the work."""


async def in_turns(
    tx: AsyncConnection, some: Iterable[One], between: Between | None = None
) -> AsyncIterator[One]:
    """These, one by one, for work that takes the processor: the API answers between them, and
    Postgres does not take the transaction for one that nobody goes on with.
    """
    turn = time.monotonic()
    for one in some:
        yield one
        if time.monotonic() - turn > TURN_SECONDS:
            await asyncio.sleep(0)
            await (between() if between is not None else _sign_of_life(tx))
            turn = time.monotonic()


async def _sign_of_life(tx: AsyncConnection) -> None:
    await tx.execute(text("SELECT 1"))
