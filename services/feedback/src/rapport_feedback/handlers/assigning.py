"""Cases get their agents: taken from a queue, pushed by it, or by somebody's word; given back."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.due.store import Due, DueStore, NewDue
from rapport_common.due.worker import Handler
from rapport_common.errors import ConflictError, NotFoundError
from rapport_feedback import metrics
from rapport_feedback.domain.cases import Complaint, State
from rapport_feedback.domain.desk import (
    Agent,
    Choice,
    Desk,
    Mode,
    QueueDocument,
    choose,
    obstacle,
)
from rapport_feedback.handlers.cases import Cases, NewEntry
from rapport_feedback.store import agents as store
from rapport_feedback.store import desk as desk_store
from rapport_feedback.store import inbox
from rapport_feedback.store.due import AWAY, DUE, PUSH

ASSIGNED = "assigned"
AT_ONCE = 20
"""So many cases are given, or given back, in a transaction: who opens one in the queue waits."""

AGAIN = timedelta(seconds=1)


class NoneFreeError(ConflictError):
    """Nobody can have the case, or not who was named; `details.reason` says why."""

    code = "nobody_free"


class Assigning:
    """Gives cases to agents; each use works in the transaction it is given."""

    def __init__(self, cases: Cases, due: DueStore = DUE) -> None:
        self._cases = cases
        self._due = due

    @property
    def kinds(self) -> dict[str, Handler]:
        """What is done when each kind is due."""
        return {PUSH: self.pushed, AWAY: self.returned}

    async def next(
        self, tx: AsyncConnection, workspace: str, name: str, agent_id: str, now: datetime
    ) -> Complaint | None:
        """Give the most urgent case of a queue to who asks; None: none waits that they can have.

        Never one case to two: a case that is in others' hands is passed over.
        """
        desk, queue = await _queue(tx, workspace, name)
        agent = await require_agent(tx, workspace, agent_id)
        why = obstacle(agent, queue, desk.members(queue), "")
        if why is not None:
            message = f"{agent_id} can't take cases of {name!r}: {why}."
            raise NoneFreeError(message, details={"reason": why})
        found = await inbox.most_urgent(
            tx,
            workspace,
            name,
            order=queue.urgency,
            languages=_spoken([agent]),
            limit=1,
        )
        if not found:
            return None
        reason = f"taken from {name}: {agent.load} of {agent.capacity} cases"
        return await self._give(
            tx, found[0], agent_id, Mode.PULL, actor=agent_id, reason=reason, now=now
        )

    async def assign(
        self,
        tx: AsyncConnection,
        workspace: str,
        case_id: UUID,
        agent_id: str | None,
        *,
        actor: str,
        reason: str,
        now: datetime,
        seen: int | None = None,
    ) -> Complaint:
        """Let a case be somebody's, whatever they have to do; empty: nobody's; None: whoever its
        queue would choose. NoneFreeError when that is nobody.
        """
        case = await self._cases.locked(tx, workspace, case_id, seen)
        if agent_id is None:
            choice = await self._choice(tx, case)
            if choice.agent is None:
                message = f"Nobody can have the case now: {choice.reason}."
                raise NoneFreeError(message, details={"reason": choice.reason})
            told = f"{reason}; {choice.reason}" if reason else choice.reason
            return await self._give(
                tx, case, choice.agent, Mode.PUSH, actor=actor, reason=told, now=now
            )
        if agent_id:
            await require_agent(tx, workspace, agent_id)
        return await self._give(
            tx, case, agent_id, Mode.MANUAL, actor=actor, reason=reason, now=now
        )

    async def _choice(self, tx: AsyncConnection, case: Complaint) -> Choice:
        desk = await desk_store.desk(tx, case.workspace)
        queue = desk.queues.get(case.fields.queue, QueueDocument())
        members = desk.members(queue)
        agents, _busy = await store.free(tx, case.workspace, members)
        others = [one for one in agents if one.id != case.fields.owner]
        return choose(others, queue, members, case.fields.language)

    async def _give(
        self,
        tx: AsyncConnection,
        case: Complaint,
        agent_id: str,
        mode: Mode,
        *,
        actor: str,
        reason: str,
        now: datetime,
    ) -> Complaint:
        """The case with its new owner, an entry that says so, by whom and why."""
        what = NewEntry(ASSIGNED, reason, {"mode": mode.value})
        if agent_id and case.fields.owner != agent_id:
            await store.note_assigned(tx, case.workspace, [agent_id], now)
        changes = {"owner": agent_id}
        after = await self._cases.set_fields(tx, case, changes, what, actor=actor, now=now)
        if after.fields.owner != case.fields.owner:
            metrics.ASSIGNED.labels(mode if agent_id else "nobody").inc()
        return after

    async def pushed(self, tx: AsyncConnection, rows: Sequence[Due], now: datetime) -> None:
        """Let these queues give what waits in them to who can have it."""
        again = [
            NewDue(row.workspace, PUSH, row.key, now + AGAIN)
            for row in rows
            if await self._push(tx, row.workspace, row.key, now)
        ]
        await self._due.schedule(tx, again, sooner=True)

    async def _push(self, tx: AsyncConnection, workspace: str, name: str, now: datetime) -> bool:
        """Whether to look again soon: somebody's row was in others' hands, or there is more."""
        desk = await desk_store.desk(tx, workspace)
        queue = desk.queues.get(name)
        if queue is None or queue.mode is not Mode.PUSH:
            return False
        members = desk.members(queue)
        found, busy = await store.free(tx, workspace, members)
        agents = {one.id: one for one in found}
        for _ in range(AT_ONCE):
            able = [one for one in found if not obstacle(agents[one.id], queue, members, "")]
            if not able:
                return busy
            cases = await inbox.most_urgent(
                tx, workspace, name, order=queue.urgency, languages=_spoken(able), limit=1
            )
            if not cases:
                break
            choice = choose(agents.values(), queue, members, cases[0].fields.language)
            if choice.agent is None:
                break
            told = f"pushed by {name}: {choice.reason}"
            await self._give(
                tx, cases[0], choice.agent, Mode.PUSH, actor=f"queue {name}", reason=told, now=now
            )
            had = agents[choice.agent]
            agents[choice.agent] = replace(had, load=had.load + 1, assigned_at=now)
        able = [one for one in found if not obstacle(agents[one.id], queue, members, "")]
        # What is in others' hands, because something is noted at it, waits for the next turn.
        waits = bool(able) and await inbox.waits(tx, workspace, name, _spoken(able))
        return busy or waits

    async def returned(self, tx: AsyncConnection, rows: Sequence[Due], now: datetime) -> None:
        """Let cases of those who are still away be nobody's again."""
        again = []
        for row in rows:
            name, _, agent_id = row.key.partition(":")
            at = await self._return(tx, row.workspace, name, agent_id, now)
            if at is not None:
                again.append(NewDue(row.workspace, AWAY, row.key, at))
        await self._due.schedule(tx, again, sooner=True)

    async def _return(
        self, tx: AsyncConnection, workspace: str, name: str, agent_id: str, now: datetime
    ) -> datetime | None:
        """When to look again; None: never."""
        desk = await desk_store.desk(tx, workspace)
        queue, agent = desk.queues.get(name), await store.find(tx, workspace, agent_id)
        minutes = queue.return_minutes if queue is not None else None
        if minutes is None or agent is None or agent.away_since is None:
            return None
        at = agent.away_since + timedelta(minutes=minutes)
        if at > now:
            return at
        cases = await inbox.owned(tx, workspace, name, agent_id, AT_ONCE)
        for case in cases:
            if case.case.state is not State.CLOSED:
                reason = f"{agent_id} is away since {agent.away_since:%Y-%m-%d %H:%M} UTC"
                await self._give(
                    tx, case, "", Mode.PUSH, actor=f"queue {name}", reason=reason, now=now
                )
        return now + AGAIN if await inbox.owned(tx, workspace, name, agent_id, 1) else None


async def require_agent(tx: AsyncConnection, workspace: str, agent_id: str) -> Agent:
    """An agent, locked; NotFoundError when nobody of the id is one."""
    found = await store.find(tx, workspace, agent_id, lock=True)
    if found is None:
        message = f"{agent_id[:100]!r} is no agent of this workspace: PUT /v1/agents/{{id}} first."
        raise NotFoundError(message, details={"agent_id": agent_id})
    return found


def _spoken(agents: Sequence[Agent]) -> list[str] | None:
    """The languages that any of them speaks; None: all, since one of them is not asked for any."""
    if not all(one.languages for one in agents):
        return None
    return sorted(frozenset[str]().union(*(one.languages for one in agents)))


async def _queue(tx: AsyncConnection, workspace: str, name: str) -> tuple[Desk, QueueDocument]:
    desk = await desk_store.desk(tx, workspace)
    queue = desk.queues.get(name)
    if queue is None:
        message = f"There is no queue {name!r} in this workspace."
        raise NotFoundError(message, details={"name": name})
    return desk, queue
