"""The live debugger: events with their verdicts, shown to whoever watches a source."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_ingest.domain.verdict import Result

if TYPE_CHECKING:
    from rapport_ingest.handlers.accept import Sending


class Debugging:
    """Carries events from the process that took them to the one that somebody watches."""

    name = "debugger"

    def __init__(self, engine: AsyncEngine, listen_url: str) -> None:
        self._engine = engine
        self._listen_url = listen_url

    def show(self, sending: "Sending", results: Sequence[Result]) -> None:
        """The verdicts on a request, for whoever watches its source; free while nobody does."""

    async def run(self, stop: asyncio.Event) -> None:
        """Carry until `stop`."""
        await stop.wait()
