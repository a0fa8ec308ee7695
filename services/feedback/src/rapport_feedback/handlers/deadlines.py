"""The clocks of cases run out: limits are warned of, noted when they have passed, and escalated."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import tracing
from rapport_common.due.store import Due, DueStore, NewDue
from rapport_common.due.worker import Handler
from rapport_common.publisher import Publisher
from rapport_feedback.domain import own_events
from rapport_feedback.domain.cases import Breach, Complaint
from rapport_feedback.domain.winding import Kept
from rapport_feedback.handlers import rewind_asking
from rapport_feedback.store import breaches, case_changes, case_clocks, case_entries
from rapport_feedback.store import cases as store
from rapport_feedback.store.case_entries import Notice
from rapport_feedback.store.due import CLOCKS, DUE, KINDS

AGAIN = timedelta(seconds=1)
Place = tuple[str, UUID]
"""A case: its workspace and id."""


@dataclass(slots=True)
class Passed:
    """What a look at clocks has found: limits missed, what is to be told, laps as they are then."""

    missed: list[tuple[Complaint, Breach]] = field(default_factory=list)
    told: list[tuple[Complaint, Notice]] = field(default_factory=list)
    laps: list[tuple[Place, Kept]] = field(default_factory=list)

    def look(self, complaint: Complaint, kept: Kept, now: datetime) -> Kept:
        """The lap as it is after all that was to be told of it by now."""
        after = kept
        while (at := after.next_at) is not None and at <= now:
            after = self._tell(complaint, after, now)
        if after is not kept:
            self.laps.append(((complaint.workspace, complaint.case_id), after))
        return after

    def _tell(self, complaint: Complaint, kept: Kept, now: datetime) -> Kept:
        lap = kept.lap
        if lap.due_at is None:
            return kept
        if kept.breached_at is not None:
            _at, to = lap.escalations[kept.escalated]
            level = kept.escalated + 1
            self.told.append((complaint, Notice(lap.clock, lap.due_at, level, to, now)))
            return replace(kept, escalated=level)
        if lap.due_at <= now:
            self.missed.append((complaint, Breach(lap.clock, lap.due_at, now)))
            return replace(kept, breached_at=now)
        self.told.append((complaint, Notice(lap.clock, lap.due_at, 0, "", now)))
        return replace(kept, warned=True)

    def note_ended(self, complaint: Complaint, kept: Kept, now: datetime) -> Kept:
        """A lap that has ended too late, before anybody had noted that: it is noted."""
        if kept.lap.due_at is None:
            return kept
        self.missed.append((complaint, Breach(kept.lap.clock, kept.lap.due_at, now)))
        return replace(kept, breached_at=now)

    async def keep(
        self, tx: AsyncConnection, publisher: Publisher, traces: dict[Place, str | None]
    ) -> None:
        """Write it down, and tell what is new of it."""
        await case_clocks.save(tx, self.laps)
        # Views go by it, such as that of what is overdue.
        await case_changes.note_all(tx, {place for place, _kept in self.laps})
        fresh = await breaches.add(tx, self.missed)
        for complaint, breach in self.missed:
            place = complaint.workspace, complaint.case_id
            if (*place, breach.clock, breach.due_at) in fresh:
                if place in traces:
                    tracing.enter(traces[place])
                await publisher.tell(tx, own_events.case_overdue(complaint, breach))
        new = await case_entries.add_notices(tx, self.told)
        for complaint, notice in self.told:
            place = complaint.workspace, complaint.case_id
            if (*place, notice.clock, notice.due_at, notice.level) in new:
                if place in traces:
                    tracing.enter(traces[place])
                event = own_events.case_notice(
                    complaint,
                    notice.clock,
                    limit=notice.due_at,
                    told=(notice.level, notice.to),
                    at=notice.at,
                )
                await publisher.tell(tx, event)


async def watch(
    tx: AsyncConnection, complaint: Complaint, kept: Sequence[Kept], due: DueStore = DUE
) -> None:
    """Let the clocks of a case run as its laps say; the others stop."""
    workspace, key = complaint.workspace, str(complaint.case_id)
    limits = {KINDS[one.lap.clock]: one.next_at for one in kept if one.lap.outcome is None}
    running = [NewDue(workspace, kind, key, at) for kind, at in limits.items() if at is not None]
    there = {one.kind for one in running}
    await due.cancel(tx, [(workspace, kind, key) for kind in CLOCKS if kind not in there])
    await due.schedule(tx, running)


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
        """Look at the cases of whose clock something should be told.

        By the clock as it is: the row may be older. A case that is being moved on is looked at
        again.
        """
        asked = {(one.workspace, UUID(one.key)): one for one in rows}
        cases = await store.unmoved(tx, list(asked))
        free = {(one.workspace, one.case_id) for one in cases}
        busy = await store.known(tx, [place for place in asked if place not in free])
        later = [_again(asked[place], now + AGAIN) for place in sorted(busy)]
        running = await case_clocks.running(tx, CLOCKS[rows[0].kind], sorted(free))
        await self._wind_unwound(tx, [place for place in free if place not in running])
        passed = Passed()
        for complaint in cases:
            place = complaint.workspace, complaint.case_id
            if place not in running:
                continue
            after = passed.look(complaint, running[place], now)
            if after.next_at is not None:
                later.append(_again(asked[place], after.next_at))
        await self._due.schedule(tx, later)
        traces = {place: one.traceparent for place, one in asked.items()}
        await passed.keep(tx, self._publisher, traces)
        tracing.leave()

    async def _wind_unwound(self, tx: AsyncConnection, places: Sequence[Place]) -> None:
        """Have those open cases wound that have no clock at all.

        A process of the release before, beside this one, has opened them, and set their limits.
        """
        unwound = await case_clocks.unwound(tx, places)
        for workspace in sorted({one for one, _case in unwound}):
            await rewind_asking.ask(tx, workspace, "cases without clocks")


def _again(row: Due, at: datetime) -> NewDue:
    return NewDue(row.workspace, row.kind, row.key, at)
