"""Ends sessions of frozen processes that Postgres' own time-outs do not see."""

import asyncio
from contextlib import suppress

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import logging, metrics
from rapport_common.db import IDLE_SECONDS, STATEMENT_SECONDS, is_retriable

log = logging.get(__name__)

LOOK_SECONDS = 2.0

# A statement is prepared in two steps, and between them the server waits for the client: it says
# `active`, so it is not idle, and a statement's time-out does not end a wait for the client. The
# same holds for an answer that nobody reads; that may take as long as a statement may. A role may
# end its own sessions without further rights.
_END = text(
    "SELECT pid, application_name, pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE usename = current_user AND datname = current_database() AND pid <> pg_backend_pid() "
    "AND application_name LIKE :names AND state IN ('active', 'fastpath function call') "
    "AND wait_event_type = 'Client' AND xact_start IS NOT NULL AND state_change < "
    "clock_timestamp() - make_interval(secs => CASE WHEN wait_event = 'ClientRead' "
    "THEN CAST(:reading AS float8) ELSE CAST(:writing AS float8) END)"
)


class StalledSessions:
    """A worker that ends the service's sessions whose process stands still in a transaction.

    `reading` and `writing` are the seconds for which the server may wait for a client's next
    message, and for a client to take an answer. Each process looks: the frozen one can't.
    """

    name = "stalled-sessions"

    def __init__(
        self,
        engine: AsyncEngine,
        service: str,
        *,
        reading: float = IDLE_SECONDS,
        writing: float = STATEMENT_SECONDS,
    ) -> None:
        self._engine = engine
        self._service = service
        self._limits = {
            "names": service.replace("_", r"\_") + "-%",
            "reading": reading,
            "writing": writing,
        }
        metrics.STALLED_SESSIONS.labels(service)

    async def run(self, stop: asyncio.Event) -> None:
        """Look every two seconds until `stop`."""
        while not stop.is_set():
            try:
                await self.turn()
            except Exception as error:
                if not is_retriable(error):
                    raise
                log.warning("sessions not looked at", error=error)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await stop.wait()

    async def turn(self) -> int:
        """Look once; how many sessions were ended."""
        async with self._engine.begin() as tx:
            ended = (await tx.execute(_END, self._limits)).all()
        for one in ended:
            log.error("ended the session of a process that stands still", of=one.application_name)
        metrics.STALLED_SESSIONS.labels(self._service).inc(len(ended))
        return len(ended)
