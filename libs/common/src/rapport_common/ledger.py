"""Checks a service's own equations while it runs: an alert finds a mismatch before a customer."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import logging, metrics
from rapport_common.db import is_retriable

log = logging.get(__name__)

Equations = Callable[[AsyncConnection], Awaitable[Mapping[str, int]]]
"""Reads both sides of each equation in one snapshot; {name: left side minus right side}."""


class LedgerWatch:
    """A worker that sets `rapport_ledger_mismatch` per equation; 0 when it holds.

    Only equations over one schema are checked here: their numbers move in one transaction, so
    they hold at every instant. `rapport ledger verify` checks those across services.
    """

    name = "ledger-watch"

    def __init__(
        self, engine: AsyncEngine, equations: Equations, *, service: str, interval: float = 30.0
    ) -> None:
        self._engine = engine
        self._equations = equations
        self._service = service
        self._interval = interval

    async def run(self, stop: asyncio.Event) -> None:
        """Check, wait, again, until `stop`."""
        while not stop.is_set():
            try:
                await self.check()
            except Exception as error:
                if not is_retriable(error):
                    raise
                log.warning("ledger not checked", error=error)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await stop.wait()

    async def check(self) -> Mapping[str, int]:
        """The difference of each equation now."""
        engine = self._engine.execution_options(isolation_level="REPEATABLE READ")
        async with engine.begin() as tx:
            differences = await self._equations(tx)
        for name, difference in differences.items():
            metrics.LEDGER_MISMATCH.labels(self._service, name).set(abs(difference))
            if difference:
                log.critical("the ledger does not add up", equation=name, difference=difference)
        return differences
