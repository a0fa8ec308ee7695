"""Teams, queues, views and agents are declared and taken away; cases follow."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.due.store import NewDue
from rapport_common.errors import ConflictError, InvalidRequestError, NotFoundError
from rapport_feedback.domain.case_views import SHIPPED, ViewDocument
from rapport_feedback.domain.desk import MOST_RULES, Agent, Desk, Mode, QueueDocument
from rapport_feedback.handlers import placing
from rapport_feedback.store import agents as agent_store
from rapport_feedback.store import desk as store
from rapport_feedback.store.desk import Document, Kind, Rule
from rapport_feedback.store.due import AWAY, DUE

MOST_AGENTS = 2000


@dataclass(frozen=True, slots=True)
class By:
    """Who declares it and why, and which version it takes the place of (0: none)."""

    actor: str
    reason: str
    version: int
    now: datetime


async def declare(
    tx: AsyncConnection, workspace: str, named: tuple[Kind, str], document: Document, by: By
) -> tuple[Rule, str | None]:
    """Let it hold from now on; for a queue the id of the job by which open cases follow."""
    kind, name = named
    await store.lock(tx, workspace)
    known = await store.find(tx, workspace, kind, name)
    version = known.version if known else 0
    is_gone = known is None or known.document is None
    if by.version != version and not (is_gone and by.version == 0):
        message = f"The {kind} {name!r} is at version {version}, not {by.version}: look."
        raise ConflictError(message, details={"version": version})
    if is_gone and len(await store.listed(tx, workspace, kind, limit=MOST_RULES)) >= MOST_RULES:
        message = f"A workspace has {MOST_RULES} at most of a kind: take one away first."
        raise ConflictError(message)
    if isinstance(document, QueueDocument):
        _require_team(await store.desk(tx, workspace), document)
    rule = Rule(kind, name, version + 1, document, by.actor, by.reason, by.now)
    await store.save(tx, workspace, rule)
    return rule, await _follow(tx, workspace, kind, name)


def _require_team(desk: Desk, queue: QueueDocument) -> None:
    if queue.team and queue.team not in desk.teams:
        names = ", ".join(sorted(desk.teams)) or "none yet"
        message = f"team: there is no team {queue.team!r}; there are: {names}."
        raise InvalidRequestError(message, details={"field": "team"})


async def _follow(tx: AsyncConnection, workspace: str, kind: Kind, name: str) -> str | None:
    if kind == "view":
        return None
    # A team that has others may take what waits; both are looked at by the job.
    return await placing.ask_anew(tx, workspace, f"{kind} {name}")


async def remove(tx: AsyncConnection, workspace: str, kind: Kind, name: str, by: By) -> None:
    """Take one away: cases of a queue land in the next one that fits."""
    await store.lock(tx, workspace)
    known = await current(tx, workspace, kind, name)
    if kind == "team":
        desk = await store.desk(tx, workspace)
        users = sorted(one for one, queue in desk.queues.items() if queue.team == name)
        if users:
            message = f"The queues {', '.join(users)} are of the team {name!r}: change them first."
            raise ConflictError(message, details={"queues": users})
    await store.save(
        tx,
        workspace,
        Rule(kind, name, known.version + 1, None, by.actor, by.reason, by.now),
    )
    await _follow(tx, workspace, kind, name)


async def current(tx: AsyncConnection, workspace: str, kind: Kind, name: str) -> Rule:
    """What holds under a name; NotFoundError when nothing does."""
    found = await store.find(tx, workspace, kind, name)
    if found is None or found.document is None:
        message = f"There is no {kind} {name!r} in this workspace."
        raise NotFoundError(message, details={"name": name})
    return found


async def view(tx: AsyncConnection, workspace: str, name: str) -> ViewDocument:
    """A view of the workspace, else one that is always there; NotFoundError for neither."""
    found = await store.find(tx, workspace, "view", name)
    if found is not None and isinstance(found.document, ViewDocument):
        return found.document
    if name not in SHIPPED:
        message = f"There is no view {name!r} here. GET /v1/case-views lists them."
        raise NotFoundError(message, details={"name": name})
    return SHIPPED[name]


async def put_agent(tx: AsyncConnection, workspace: str, agent: Agent, now: datetime) -> Agent:
    """Let somebody be an agent, or be otherwise; whether they are present stays as it was."""
    before = await agent_store.find(tx, workspace, agent.id, lock=True)
    if before is None:
        if await agent_store.count(tx, workspace) >= MOST_AGENTS:
            message = f"A workspace has {MOST_AGENTS} agents at most: take one away first."
            raise ConflictError(message)
        after = replace(agent, away_since=None if agent.present else now)
    else:
        after = replace(agent, present=before.present, away_since=before.away_since)
    await agent_store.save(tx, workspace, after, now)
    if after.present:
        await _offer(tx, workspace, agent.id, now)
    return await require(tx, workspace, agent.id)


async def be_present(
    tx: AsyncConnection, workspace: str, agent_id: str, now: datetime, *, present: bool
) -> Agent:
    """Somebody comes or goes: queues push to who is there, and take back after a while."""
    before = await agent_store.find(tx, workspace, agent_id, lock=True)
    if before is None:
        raise _no_agent(agent_id)
    if before.present == present:
        return before
    after = replace(before, present=present, away_since=None if present else now)
    await agent_store.save(tx, workspace, after, now)
    if present:
        await _offer(tx, workspace, agent_id, now)
    else:
        desk = await store.desk(tx, workspace)
        rows = [
            NewDue(workspace, AWAY, f"{name}:{agent_id}", now + timedelta(minutes=minutes))
            for name in desk.served_by(agent_id)
            if (minutes := desk.queues[name].return_minutes) is not None
        ]
        await DUE.schedule(tx, rows)
    return after


async def remove_agent(tx: AsyncConnection, workspace: str, agent_id: str, now: datetime) -> None:
    """Somebody is an agent no more; their cases stay theirs until somebody gives them away."""
    if not await agent_store.archive(tx, workspace, agent_id, now):
        raise _no_agent(agent_id)


async def require(tx: AsyncConnection, workspace: str, agent_id: str) -> Agent:
    """An agent; NotFoundError when nobody of the id is one."""
    found = await agent_store.find(tx, workspace, agent_id)
    if found is None:
        raise _no_agent(agent_id)
    return found


def _no_agent(agent_id: str) -> NotFoundError:
    message = f"{agent_id[:100]!r} is no agent of this workspace."
    return NotFoundError(message, details={"agent_id": agent_id[:200]})


async def _offer(tx: AsyncConnection, workspace: str, agent_id: str, now: datetime) -> None:
    desk = await store.desk(tx, workspace)
    await placing.ask(tx, workspace, desk.served_by(agent_id, Mode.PUSH), now)
