"""/v1/agents, /v1/teams, /v1/queues: who works on cases, and how cases find them."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock
from rapport_common.auth import Operator
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router
from rapport_feedback.api.callers import Reader, Writer
from rapport_feedback.api.case_models import CaseView
from rapport_feedback.api.desk_models import (
    AgentChange,
    AgentView,
    DeclaredRule,
    NewAgent,
    NewQueue,
    NewTeam,
    NextBody,
    ShownQueue,
    ShownTeam,
    Taken,
    agent_id,
)
from rapport_feedback.api.rule_models import rule_name
from rapport_feedback.handlers import desk
from rapport_feedback.handlers.assigning import Assigning
from rapport_feedback.handlers.desk import By
from rapport_feedback.store import agents as agent_store
from rapport_feedback.store import desk as store
from rapport_feedback.store.desk import Document, Kind

TAKEN_AWAY = "taken away"
Whose = Annotated[str | None, Query(max_length=120, description="left out: who calls")]


def whose(agent: str | None, caller: Operator) -> str:
    """Who is meant; InvalidRequestError for what is no id."""
    return agent_id(agent or caller.subject)


def agent_routes(engine: AsyncEngine) -> APIRouter:
    """/v1/agents"""
    router = Router(prefix="/v1/agents", tags=["agents"])

    @router.get("", response_model=Listed[AgentView])
    async def listed(caller: Reader, page: Paging) -> dict[str, Any]:
        """By id, with how many open cases are theirs."""
        [after] = page.after(str) or [""]
        async with engine.begin() as tx:
            found = await agent_store.listed(tx, caller.workspace, after=after, limit=page.ask)
        return page.answer(found, key=lambda one: [one.id], show=AgentView.of)

    @router.get("/{agent}")
    async def one(agent: str, caller: Reader) -> AgentView:
        async with engine.begin() as tx:
            return AgentView.of(await desk.require(tx, caller.workspace, agent_id(agent)))

    @router.put("/{agent}")
    async def put(agent: str, body: NewAgent, caller: Writer) -> AgentView:
        """Let somebody be an agent, or be otherwise; the id is the subject of their credential."""
        new, now = body.agent(agent_id(agent)), clock.now()
        async with engine.begin() as tx:
            return AgentView.of(await desk.put_agent(tx, caller.workspace, new, now))

    @router.patch("/{agent}")
    async def change(agent: str, body: AgentChange, caller: Writer) -> AgentView:
        """Come or go: queues push to who is present, and take back from who is away too long."""
        name, now = agent_id(agent), clock.now()
        async with engine.begin() as tx:
            changed = await desk.be_present(tx, caller.workspace, name, now, present=body.present)
        return AgentView.of(changed)

    @router.delete("/{agent}", status_code=204)
    async def remove(agent: str, caller: Writer) -> None:
        """Somebody is an agent no more; their cases stay theirs until they are given away."""
        async with engine.begin() as tx:
            await desk.remove_agent(tx, caller.workspace, agent_id(agent), clock.now())

    return router


def team_routes(engine: AsyncEngine) -> APIRouter:
    """/v1/teams"""
    router = Router(prefix="/v1/teams", tags=["queues"])

    @router.get("", response_model=Listed[ShownTeam])
    async def listed(caller: Reader, page: Paging) -> dict[str, Any]:
        """By name."""
        return await rules_listed(engine, caller, page, "team", ShownTeam.of)

    @router.get("/{name}")
    async def one(name: str, caller: Reader) -> ShownTeam:
        async with engine.begin() as tx:
            found = await desk.current(tx, caller.workspace, "team", rule_name(name))
        return ShownTeam.of(found)

    @router.put("/{name}")
    async def declare(name: str, body: NewTeam, caller: Writer) -> DeclaredRule:
        """Let these be in it from now on."""
        by = By(caller.subject, body.reason, body.version, clock.now())
        return await declared(engine, caller, ("team", name), body.document(), by)

    @router.delete("/{name}", status_code=204)
    async def remove(name: str, caller: Writer) -> None:
        """Take it away; not while a queue is its."""
        await removed(engine, caller, ("team", name))

    return router


def queue_routes(engine: AsyncEngine, assigning: Assigning) -> APIRouter:
    """/v1/queues"""
    router = Router(prefix="/v1/queues", tags=["queues"])

    @router.get("", response_model=Listed[ShownQueue])
    async def listed(caller: Reader, page: Paging) -> dict[str, Any]:
        """By name; a case lands in the fitting one of the lowest `order`."""
        return await rules_listed(engine, caller, page, "queue", ShownQueue.of)

    @router.get("/{name}")
    async def one(name: str, caller: Reader) -> ShownQueue:
        async with engine.begin() as tx:
            found = await desk.current(tx, caller.workspace, "queue", rule_name(name))
        return ShownQueue.of(found)

    @router.put("/{name}")
    async def declare(name: str, body: NewQueue, caller: Writer) -> DeclaredRule:
        """Let this hold from now on; open cases land anew, by a job."""
        by = By(caller.subject, body.reason, body.version, clock.now())
        return await declared(engine, caller, ("queue", name), body.document(), by)

    @router.delete("/{name}", status_code=204)
    async def remove(name: str, caller: Writer) -> None:
        """Take it away: its cases land in the next one that fits."""
        await removed(engine, caller, ("queue", name))

    @router.post("/{name}/next")
    async def take(name: str, body: NextBody, caller: Writer) -> Taken:
        """Take the most urgent case that is nobody's; no case is ever given to two."""
        now, who = clock.now(), whose(body.agent, caller)
        async with engine.begin() as tx:
            found = await assigning.next(tx, caller.workspace, rule_name(name), who, now)
        return Taken(taken=None if found is None else CaseView.of(found, now))

    return router


async def rules_listed(
    engine: AsyncEngine, caller: Operator, page: Paging, kind: Kind, show: Any
) -> dict[str, Any]:
    """A page of those of a kind, by name."""
    [after] = page.after(str) or [""]
    async with engine.begin() as tx:
        found = await store.listed(tx, caller.workspace, kind, after=after, limit=page.ask)
    return page.answer(found, key=lambda one: [one.name], show=show)


async def declared(
    engine: AsyncEngine, caller: Operator, named: tuple[Kind, str], document: Document, by: By
) -> DeclaredRule:
    """Let it hold under its name."""
    kind, name = named[0], rule_name(named[1])
    async with engine.begin() as tx:
        rule, job = await desk.declare(tx, caller.workspace, (kind, name), document, by)
    return DeclaredRule(name=name, version=rule.version, job_id=job)


async def removed(engine: AsyncEngine, caller: Operator, named: tuple[Kind, str]) -> None:
    """Take it away from its name."""
    by = By(caller.subject, TAKEN_AWAY, 0, clock.now())
    async with engine.begin() as tx:
        await desk.remove(tx, caller.workspace, named[0], rule_name(named[1]), by)
