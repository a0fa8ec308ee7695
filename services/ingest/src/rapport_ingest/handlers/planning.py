"""Tracking plans at work: what an event breaks is counted, and refused where the plan says so."""

import asyncio
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.events.envelope import Event
from rapport_ingest.domain.sender import Sender
from rapport_ingest.domain.verdict import Refusal


class Planning:
    """Checks events against their source's plan and stores what they break."""

    name = "plans"

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    def check(self, sender: Sender, event: Event, fields: dict[str, Any]) -> Refusal | None:
        """The refusal where the source's plan rejects the event; `fields` is it decoded."""
        raise NotImplementedError(sender, event, fields)

    async def run(self, stop: asyncio.Event) -> None:
        """Store the violations seen, until `stop`."""
        await stop.wait()
