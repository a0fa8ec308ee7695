"""Telling of definitions again: those that nobody was told of, and all of them once a day.

A change is told as it is made. This is for what an older process writes while a newer one runs
beside it, and for readers that begin anew: the topic keeps less than it would take to know all.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.due.store import Due, DueStore, NewDue
from rapport_common.due.worker import Handler
from rapport_segment.handlers.publish import tell
from rapport_segment.store import definitions
from rapport_segment.store.due import DUE, TELL

AGAIN_AFTER = timedelta(days=1)
LOOK_AFTER = timedelta(hours=1)
AT_ONCE = 500


def next_look(workspace: str, at: datetime) -> NewDue:
    """A look at the definitions of a workspace; each has one that is always ahead."""
    return NewDue(workspace, TELL, "definitions", at)


class Retelling:
    """Looks once an hour at the definitions of each workspace that has some."""

    def __init__(self, due: DueStore = DUE) -> None:
        self._due = due

    @property
    def kinds(self) -> dict[str, Handler]:
        """What is done when each kind is due."""
        return {TELL: self.again}

    async def again(self, tx: AsyncConnection, rows: Sequence[Due], now: datetime) -> None:
        """Tell what is to be told, 500 of a workspace at most, and go on with the rest at once."""
        for one in rows:
            told = await definitions.untold(
                tx, one.workspace, before=now - AGAIN_AFTER, now=now, limit=AT_ONCE
            )
            await tell(tx, told)
            wait = timedelta() if len(told) == AT_ONCE else LOOK_AFTER
            await self._due.schedule(tx, [next_look(one.workspace, now + wait)])
