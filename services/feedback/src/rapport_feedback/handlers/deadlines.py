"""The clocks of cases: set by each step, and noted when they have run out."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import tracing
from rapport_common.due.store import Due, DueStore, NewDue
from rapport_common.due.worker import Handler
from rapport_common.publisher import Publisher
from rapport_feedback.domain import own_events
from rapport_feedback.domain.cases import Breach, Complaint
from rapport_feedback.store import breaches
from rapport_feedback.store import cases as store
from rapport_feedback.store.due import CLOCKS, DUE

AGAIN = timedelta(seconds=1)


async def watch(tx: AsyncConnection, complaint: Complaint) -> None:
    """Let the clocks of a case run as its state says; the others stop."""
    workspace, key = complaint.workspace, str(complaint.case_id)
    limits = {kind: complaint.case.clocks.get(clock) for kind, clock in CLOCKS.items()}
    await DUE.cancel(tx, [(workspace, kind, key) for kind, at in limits.items() if at is None])
    running = [NewDue(workspace, kind, key, at) for kind, at in limits.items() if at is not None]
    await DUE.schedule(tx, running)


class Deadlines:
    """Notes limits that have passed, once each, and tells the others of them."""

    def __init__(self, publisher: Publisher, due: DueStore = DUE) -> None:
        self._publisher = publisher
        self._due = due

    @property
    def kinds(self) -> dict[str, Handler]:
        """What is done when each kind is due."""
        return dict.fromkeys(CLOCKS, self.reached)

    async def reached(self, tx: AsyncConnection, rows: Sequence[Due], now: datetime) -> None:
        """Look at the cases whose clock should have run out.

        By the case as it is: the row may be older. One that is being moved on is looked at again.
        """
        asked = {(one.workspace, UUID(one.key)): one for one in rows}
        cases = await store.unmoved(tx, list(asked))
        free = {(one.workspace, one.case_id) for one in cases}
        busy = await store.known(tx, [place for place in asked if place not in free])
        later = [_again(asked[place], now + AGAIN) for place in sorted(busy)]
        missed: list[tuple[Complaint, Breach]] = []
        for one in cases:
            row = asked[one.workspace, one.case_id]
            limit = one.case.clocks.get(CLOCKS[row.kind])
            if limit is not None and limit > now:
                later.append(_again(row, limit))
            elif limit is not None:
                missed.append((one, Breach(CLOCKS[row.kind], limit, now)))
        await self._due.schedule(tx, later)
        fresh = await breaches.add(tx, missed)
        for complaint, breach in missed:
            place = complaint.workspace, complaint.case_id
            if (*place, breach.clock, breach.due_at) in fresh:
                tracing.enter(asked[place].traceparent)
                await self._publisher.tell(tx, own_events.case_overdue(complaint, breach))
        tracing.leave()


def _again(row: Due, at: datetime) -> NewDue:
    return NewDue(row.workspace, row.kind, row.key, at)
