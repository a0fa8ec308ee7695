"""Two cases become one, and two again; cases are linked.

Nothing of a merged case is moved: it is closed, goes on as its heir, and is shown there. So it can
be undone to the letter.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.errors import ConflictError, InvalidRequestError, NotFoundError
from rapport_common.publisher import Publisher
from rapport_feedback.domain import case_links, own_events
from rapport_feedback.domain import cases as rules
from rapport_feedback.domain.case_links import MOST_LINKS, Link
from rapport_feedback.domain.cases import Complaint, State
from rapport_feedback.domain.clocks import Outcome
from rapport_feedback.domain.likeness import Likeness, Saying, likeness
from rapport_feedback.domain.winding import with_limits
from rapport_feedback.handlers import placing
from rapport_feedback.handlers.cases import Cases, MergedError, NewEntry
from rapport_feedback.handlers.deadlines import Passed, watch
from rapport_feedback.handlers.winding import keep, wind
from rapport_feedback.store import case_clocks, case_rules, merging
from rapport_feedback.store import case_links as link_store
from rapport_feedback.store import cases as store
from rapport_feedback.store.merging import Merge

UNDO = timedelta(days=7)
"""For so long a merging can be undone: before any retention rule empties the closed case."""

NEAR = timedelta(days=30)
"""Cases that were opened so near to each other may be duplicates."""


@dataclass(frozen=True, slots=True)
class By:
    """Who does it, why, and which version of the case they have seen, if they say so."""

    actor: str
    reason: str
    now: datetime
    seen: int | None = None


class Merging:
    """Works in the transaction that it is given."""

    def __init__(self, cases: Cases, publisher: Publisher) -> None:
        self._cases = cases
        self._publisher = publisher

    async def proposals(
        self, tx: AsyncConnection, workspace: str, case_id: UUID
    ) -> list[tuple[Complaint, Likeness]]:
        """Cases that may be the same as this one, the likest first."""
        one = await self._cases.get(tx, workspace, case_id)
        at = one.case.opened_at
        claim = (await merging.claimed(tx, workspace, [case_id])).get(case_id)
        found = await merging.compared(tx, one, claim, at - NEAR, at + NEAR)
        claims = await merging.claimed(tx, workspace, [other.case_id for other in found])
        said = _saying(one, claim)
        judged = [
            (other, likeness(said, _saying(other, claims.get(other.case_id)))) for other in found
        ]
        chosen = [(other, like) for other, like in judged if like.is_proposed]
        return sorted(chosen, key=lambda pair: (-pair[1].score, -pair[0].number))

    async def merge(
        self, tx: AsyncConnection, workspace: str, case_id: UUID, into_id: UUID, by: By
    ) -> tuple[Complaint, Complaint]:
        """The case, closed as a duplicate, and the one that goes on."""
        case, into = await self._both(tx, workspace, case_id, into_id, by)
        if into.case.state is State.CLOSED:
            message = f"Case {into.number} is closed: reopen it first, or merge the other way."
            raise ConflictError(message, details={"state": into.case.state})
        before, case = case, replace(case, heir_id=into.case_id)
        merge = Merge(
            case_id=case_id,
            step=before.case.step + (before.case.state is not State.CLOSED),
            into_id=into.case_id,
            from_state=before.case.state,
            closed_at=before.case.closed_at,
            actor=by.actor,
            at=by.now,
        )
        if before.case.state is not State.CLOSED:
            case = await self._close(tx, case, into, by)
        what = NewEntry("merged", by.reason, {"into_id": str(into.case_id), "into": into.number})
        case = await self._cases.write(tx, case, what, actor=by.actor, now=by.now)
        await merging.add(tx, workspace, merge)
        what = NewEntry("merged", by.reason, {"case_id": str(case_id), "number": case.number})
        after = await self._cases.write(tx, into, what, actor=by.actor, now=by.now)
        await placing.follow(tx, before, case, by.now)
        return case, after

    async def _both(
        self, tx: AsyncConnection, workspace: str, case_id: UUID, into_id: UUID, by: By
    ) -> tuple[Complaint, Complaint]:
        """Both, locked in one order; into what was merged before one merges into its heir."""
        target = await self._cases.get(tx, workspace, into_id)
        goal = target.heir_id or into_id
        if goal == case_id:
            message = "A case can't be merged into itself, nor into one that goes on as it."
            raise InvalidRequestError(message, details={"field": "into_id"})
        found: dict[UUID, Complaint] = {}
        for one in sorted({case_id, goal}, key=str):
            seen = by.seen if one == case_id else None
            try:
                found[one] = await self._cases.locked(tx, workspace, one, seen)
            except MergedError:
                if one == goal:
                    message = "The other case has just been merged itself: look again."
                    raise ConflictError(message, details={"into_id": str(goal)}) from None
                raise
        return found[case_id], found[goal]

    async def _close(
        self, tx: AsyncConnection, case: Complaint, into: Complaint, by: By
    ) -> Complaint:
        """End a duplicate and its clocks: what has passed was missed, what runs is dropped."""
        passed, place = Passed(), (case.workspace, case.case_id)
        laps = await case_clocks.of_case(tx, *place)
        for key, one in laps.items():
            if one.lap.outcome is None:
                after = passed.look(case, one, by.now)
                lap = replace(after.lap, ended_at=by.now, outcome=Outcome.DROPPED, paused=False)
                laps[key] = replace(after, lap=lap)
                passed.laps.append((place, laps[key]))
        state = replace(
            case.case,
            state=State.CLOSED,
            step=case.case.step + 1,
            version=case.case.version + 1,
            closed_at=by.now,
        )
        closed = replace(case, case=with_limits(state, laps.values()))
        await store.save_case(tx, closed)
        note = f"Merged into case {into.number}."
        await self._step(tx, closed, case.case.state, by, note=note)
        await passed.keep(tx, self._publisher, {})
        await watch(tx, closed, list(laps.values()))
        return closed

    async def _step(
        self,
        tx: AsyncConnection,
        case: Complaint,
        before: State,
        by: By,
        *,
        note: str,
        again: bool = False,
    ) -> None:
        step = rules.step_of(case.case, before, actor=by.actor, note=note, now=by.now)
        await store.add_step(tx, case, step)
        await self._publisher.tell(tx, own_events.case_step(case, by.now, again=again))

    async def undo(self, tx: AsyncConnection, workspace: str, case_id: UUID, by: By) -> Complaint:
        """Let a merged case be one of its own again, in its former state, its clocks as if it had
        never been closed. What has come since stays where it came.
        """
        case = await store.case(tx, workspace, case_id, lock=True)
        merge = await merging.newest(tx, workspace, case_id) if case else None
        if case is None or merge is None:
            message = f"No case {case_id} of this workspace is merged into another one."
            raise NotFoundError(message, details={"id": str(case_id)})
        if by.now - merge.at > UNDO:
            message = f"A merging can be undone for {UNDO.days} days: open a new case instead."
            raise ConflictError(message, details={"merged_at": merge.at.isoformat()})
        if not any((case.contact.user_id, case.contact.email, case.contact.anonymous_id)):
            message = "Nobody is named by the case any more: its person was forgotten."
            raise ConflictError(message)
        was_open = merge.from_state is not State.CLOSED
        step = case.case.step + 1 if was_open else None
        await merging.undo(tx, workspace, merge, step, by.now)
        after = replace(case, heir_id=None)
        if was_open:
            after = await self._open_again(tx, after, merge, by)
        what = NewEntry("unmerged", by.reason, {"from_id": str(merge.into_id)})
        return await self._cases.write(tx, after, what, actor=by.actor, now=by.now)

    async def _open_again(
        self, tx: AsyncConnection, case: Complaint, merge: Merge, by: By
    ) -> Complaint:
        state = replace(
            case.case,
            state=merge.from_state,
            step=case.case.step + 1,
            version=case.case.version + 1,
            closed_at=None,
        )
        known = await case_rules.policies(tx, case.workspace, self._cases.levels)
        wound = await wind(tx, replace(case, case=state), known, by.now)
        await store.save_case(tx, wound.complaint)
        note = "No duplicate after all."
        await self._step(tx, wound.complaint, State.CLOSED, by, note=note, again=True)
        await keep(tx, self._publisher, wound, by.now)
        await placing.follow(tx, case, wound.complaint, by.now)
        return wound.complaint

    async def link(
        self, tx: AsyncConnection, workspace: str, case_id: UUID, other: tuple[UUID, Link], by: By
    ) -> None:
        """Link a case with another one; what is linked so already stays."""
        other_id, kind = other
        if case_id == other_id:
            message = "A case is not linked with itself."
            raise InvalidRequestError(message, details={"field": "other_id"})
        await link_store.lock(tx, workspace)
        ends = await self._ends(tx, workspace, [case_id, other_id], by)
        above = await link_store.above(tx, workspace, other_id, kind)
        if kind is not Link.RELATED and case_links.is_circle(case_id, other_id, above):
            message = f"The other case is {kind} this one already, at once or through others."
            raise ConflictError(message, details={"kind": kind})
        if await link_store.count(tx, workspace, case_id) >= MOST_LINKS:
            message = f"A case has {MOST_LINKS} links at most."
            raise ConflictError(message)
        kept = case_links.ends(case_id, other_id, kind)
        if await link_store.add(tx, workspace, kept, kind, (by.actor, by.now)):
            await self._tell_both(tx, ends, "linked", kind, by)

    async def unlink(
        self, tx: AsyncConnection, workspace: str, case_id: UUID, other_id: UUID, by: By
    ) -> None:
        """Let two cases have nothing to do with each other."""
        await link_store.lock(tx, workspace)
        ends = await self._ends(tx, workspace, [case_id, other_id], by)
        kinds = await link_store.remove(tx, workspace, case_id, other_id)
        if not kinds:
            message = f"The case is not linked with {other_id}."
            raise NotFoundError(message, details={"other_id": str(other_id)})
        for kind in kinds:
            ends = await self._tell_both(tx, ends, "unlinked", kind, by)

    async def _ends(
        self, tx: AsyncConnection, workspace: str, ids: Sequence[UUID], by: By
    ) -> list[Complaint]:
        """These cases, locked in one order, as they were asked for."""
        found = {
            one: await self._cases.locked(tx, workspace, one, by.seen if one == ids[0] else None)
            for one in sorted(set(ids), key=str)
        }
        return [found[one] for one in ids]

    async def _tell_both(
        self, tx: AsyncConnection, ends: Sequence[Complaint], word: str, kind: Link, by: By
    ) -> list[Complaint]:
        """Both have an entry of it; the cases as they are then."""
        after = []
        for one, other, back in ((ends[0], ends[1], False), (ends[1], ends[0], True)):
            way = case_links.way_of(kind, back=back)
            data = {"kind": way.value, "other_id": str(other.case_id), "number": other.number}
            entry = NewEntry(word, by.reason, data)
            after.append(await self._cases.write(tx, one, entry, actor=by.actor, now=by.now))
        return after


def _saying(one: Complaint, claim: str | None) -> Saying:
    contact = one.contact
    email = contact.email or claim
    given = (("u", contact.user_id), ("e", email), ("a", contact.anonymous_id))
    people = frozenset((kind, value) for kind, value in given if value)
    return Saying(f"{one.subject} {one.body}", people, one.fields.order_id)
