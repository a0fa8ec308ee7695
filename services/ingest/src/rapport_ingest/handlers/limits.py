"""Rate limits and daily quotas of sources, shared by all processes."""

import asyncio

from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_ingest.domain.sender import Sender


class Limits:
    """Lets a source's events through as long as its policy allows."""

    name = "limits"

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    def take(self, sender: Sender, events: int, *, overload: int) -> None:
        """Count `events` against the source's limits.

        AppError with `overload` as its status and `Retry-After` when they do not fit.
        """

    async def run(self, stop: asyncio.Event) -> None:
        """Tell the other processes what was used and learn what they did, until `stop`."""
        await stop.wait()
