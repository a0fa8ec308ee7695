"""Takes a mail that came back: reads it, finds whose it is, and commits what it reports."""

import asyncio
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_campaign import metrics
from rapport_campaign.domain.outcomes import Source
from rapport_campaign.domain.reports import read_mail
from rapport_campaign.domain.returning import Returned
from rapport_campaign.handlers.ledger import count
from rapport_campaign.handlers.outcomes import Outcomes, Place
from rapport_campaign.store.moves import Move

READ_AT_ONCE = 2
"""Mails being read at a time, in threads: others have their turn beside a large one."""


class Taker:
    """What both ways by which mails come back end in."""

    def __init__(self, engine: AsyncEngine, outcomes: Outcomes) -> None:
        self._engine = engine
        self._outcomes = outcomes
        self._reading = asyncio.Semaphore(READ_AT_ONCE)

    async def place(self, said: Returned) -> Place | None:
        """Which message an address is of; None for one that we have not made."""
        async with self._engine.begin() as tx:
            return await self._outcomes.place(tx, [said])

    async def take(
        self,
        raw: bytes,
        source: Source,
        *,
        sender: str | None = None,
        to: Sequence[Place] = (),
    ) -> bool:
        """Take in a mail; it is committed then. Whether it was about a message of ours.

        It is about the messages that it was sent `to`; where that says nothing, about the first
        of ours that it names.
        """
        async with self._reading:
            incoming = await asyncio.to_thread(read_mail, raw, sender)
        async with self._engine.begin() as tx:
            places = list(to)
            if not places:
                found = await self._outcomes.place(tx, incoming.said)
                places = [found] if found is not None else []
            moved: list[Move] = []
            # In one order: two mails about the same messages wait for each other, and no more.
            for place in sorted(set(places), key=lambda one: (one.workspace, one.half)):
                await self._outcomes.take(tx, place, incoming.report, source, moved)
            await count(tx, moved)
        metrics.RETURNED.labels(source, "known" if places else "unknown").inc()
        return bool(places)
