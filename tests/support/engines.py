"""Engines for tests: the house's, but patient with a machine that has other work."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.waiting import HANG_SECONDS

from rapport_common.db import create_engine

PATIENT = {
    "idle_in_transaction_session_timeout": "300s",
    "lock_timeout": "60s",
    "statement_timeout": f"{HANG_SECONDS * 1000:.0f}",
}
"""A process that got no time for five seconds is no zombie here, and one transaction may be a whole
test. Who waits for a lock is not refused after two seconds.
"""


def patient_engine(
    url: str, *, application: str, pool: int = 5, settings: Mapping[str, str] | None = None
) -> AsyncEngine:
    """`create_engine`, without a limit that only a slow machine reaches."""
    made = create_engine(
        url,
        application=application,
        pool=pool,
        settings={**PATIENT, **(settings or {})},
        patience=HANG_SECONDS,
        connect_timeout=HANG_SECONDS,
    )
    _wait_for_connections(made)
    return made


def let_wait(engine: AsyncEngine) -> None:
    """Let who asks an engine of a process wait for connections and locks; before its first use.

    It stays impatient with a server that stands still, which tests bring about.
    """
    _wait_for_connections(engine)

    def connected(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute(f"SET lock_timeout = '{PATIENT['lock_timeout']}'")
        cursor.close()
        connection.commit()

    event.listen(engine.sync_engine, "connect", connected)


def _wait_for_connections(engine: AsyncEngine) -> None:
    # Who waits for one is refused after five seconds: that is load, and no finding.
    engine.sync_engine.pool._timeout = HANG_SECONDS  # type: ignore[attr-defined] # of a QueuePool
