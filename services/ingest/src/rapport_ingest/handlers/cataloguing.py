"""The event catalogue, learnt from traffic: gathered in memory and merged into Postgres."""

import asyncio
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.events.envelope import Event


class Cataloguing:
    """Learns which events a source sends, what is in them and how often."""

    name = "catalogue"

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    def note(self, event: Event, fields: dict[str, Any]) -> None:
        """An event is about to be accepted; `fields` is it decoded. Cheap once a shape is known."""

    async def run(self, stop: asyncio.Event) -> None:
        """Merge what was learnt into Postgres, until `stop`."""
        await stop.wait()
