"""Engines for tests: the house's, but patient with a machine that has other work."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.waiting import HANG_SECONDS

from rapport_common.db import create_engine

PATIENT = {
    "idle_in_transaction_session_timeout": "300s",
    "statement_timeout": f"{HANG_SECONDS * 1000:.0f}",
}
"""A process that got no time for five seconds is no zombie here, and one transaction may be a whole
test.
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
    # Who waits for a connection is refused after five seconds: that is load, and no finding.
    made.sync_engine.pool._timeout = HANG_SECONDS  # type: ignore[attr-defined] # of a QueuePool
    return made
