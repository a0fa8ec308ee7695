"""The stack's database, as its administrator sees it: tests may look into every schema."""

import asyncio
from typing import Any, Self

import asyncpg
from tests.support.waiting import HANG_SECONDS

from rapport_local.ports import HOST
from rapport_local.provision import DATABASE
from rapport_local.stack import Stack


class Database:
    """One session; statements are run one after the other from synchronous tests."""

    def __init__(self, stack: Stack) -> None:
        self._port = stack.config.ports.postgres
        self._password = stack.credentials().passwords["postgres"]
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._connection: asyncpg.Connection[Any] | None = None

    def __enter__(self) -> Self:
        """Connect."""
        connecting = asyncpg.connect(
            host=HOST,
            port=self._port,
            user="postgres",
            password=self._password,
            database=DATABASE,
            timeout=HANG_SECONDS,
        )
        self._connection = self._runner.run(connecting)
        return self

    def __exit__(self, *_error: object) -> None:
        """Disconnect; what was not committed is rolled back."""
        if self._connection is not None:
            self._connection.terminate()
        self._runner.close()

    def rows(self, statement: str, *values: Any) -> list[Any]:
        """Run a query; returns its records."""
        assert self._connection is not None
        return list(self._runner.run(self._connection.fetch(statement, *values)))

    def column(self, statement: str, *values: Any) -> list[Any]:
        """Run a query; returns the first value of each record."""
        return [row[0] for row in self.rows(statement, *values)]

    def run(self, statement: str, *values: Any) -> None:
        """Run a statement, in a transaction when BEGIN was run before."""
        assert self._connection is not None
        self._runner.run(self._connection.execute(statement, *values))
