"""Permissions for a time: each end is waited for, and told when it has come.

That an instant has passed is an event like any other. So the fold needs no clock, and a rebuild
comes to the same; campaign looks at the time itself and does not wait for it.
"""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import tracing
from rapport_common.due.store import Due, DueStore, NewDue
from rapport_common.due.worker import Handler
from rapport_common.publisher import Publisher
from rapport_profile.domain import own_events
from rapport_profile.store import consent_facts
from rapport_profile.store.consent_facts import Said
from rapport_profile.store.due import CONSENT_END, DUE


async def wait_for_ends(tx: AsyncConnection, said: Sequence[Said], due: DueStore = DUE) -> None:
    """Let the ends of these words be told when they come; one that has passed is told at once."""
    ends = [(one, one.fact.expires_at) for one in said]
    await due.schedule(tx, [_due(one, at) for one, at in ends if at is not None])


class ConsentEnds:
    """Tells of ends that have come, once each."""

    def __init__(self, publisher: Publisher, due: DueStore = DUE) -> None:
        """`publisher` writes to `events`."""
        self._publisher = publisher
        self._due = due

    @property
    def kinds(self) -> dict[str, Handler]:
        """What is done when each kind is due."""
        return {CONSENT_END: self.reached}

    async def reached(self, tx: AsyncConnection, rows: Sequence[Due], now: datetime) -> None:
        """Look at the words whose end should have come: by what is stored of them."""
        for row in rows:
            key = (row.workspace, row.payload["source"], row.payload["message_id"])
            found = await consent_facts.find(tx, key)
            end = None if found is None else found[0].expires_at
            if found is None or end is None:
                # Another copy counts instead, or the person is forgotten.
                continue
            if end > now:
                await self._due.schedule(tx, [_again(row, end)])
                continue
            fact, who = found
            tracing.enter(row.traceparent)
            event = own_events.expired(row.workspace, who, fact, end, now)
            await self._publisher.tell(tx, event)
        tracing.leave()


def _due(said: Said, at: datetime) -> NewDue:
    named = {"source": said.fact.source, "message_id": said.fact.message_id}
    key = sha256("\0".join(named.values()).encode()).hexdigest()[:32]
    return NewDue(said.workspace, CONSENT_END, key, at, named)


def _again(row: Due, at: datetime) -> NewDue:
    return NewDue(row.workspace, row.kind, row.key, at, row.payload)
