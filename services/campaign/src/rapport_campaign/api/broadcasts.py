"""/v1/broadcasts: one message to all who are in an audience, now, later or again and again."""

import uuid
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_campaign.api.broadcast_bodies import BroadcastChange, NewBroadcast
from rapport_campaign.api.broadcast_models import (
    ActView,
    AnswerView,
    BroadcastView,
    RunView,
    act_view,
    answer_view,
    broadcast_view,
    run_view,
)
from rapport_campaign.domain.broadcasts import Broadcast
from rapport_campaign.domain.model import Campaign
from rapport_campaign.handlers import broadcasts as use
from rapport_campaign.handlers import conducting, dry_runs
from rapport_campaign.handlers.segments import Arrivals
from rapport_campaign.handlers.templates import require_usable
from rapport_campaign.renderer import Renderer
from rapport_campaign.store import answers, campaigns, runs
from rapport_campaign.store import broadcasts as store
from rapport_campaign.store.jobs import JOBS
from rapport_campaign.tables import SCHEMA
from rapport_common import clock
from rapport_common.auth import Operator, operator
from rapport_common.errors import NotFoundError
from rapport_common.idempotency import Repeatable
from rapport_common.jobs.routes import JobId, ShownJob, shown
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router

Reader = Annotated[Operator, Depends(operator("campaigns:read"))]
Writer = Annotated[Operator, Depends(operator("campaigns:write"))]
Words = Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")]
Outcome = Annotated[Literal["gets", "waits", "never", "fails"] | None, Query()]
Render = Annotated[
    bool, Query(description="false: no message is made, so none is known that can't be")
]


def broadcast_routes(engine: AsyncEngine, renderer: Renderer, arrivals: Arrivals) -> APIRouter:
    """For operators."""
    router = Router(tags=["broadcasts"])
    _making(router, engine, renderer, arrivals)
    _reading(router, engine)
    _telling(router, engine)
    _deciding(router, engine)
    _holding(router, engine)
    _asking(router, engine)
    return router


def _making(router: APIRouter, engine: AsyncEngine, renderer: Renderer, arrivals: Arrivals) -> None:
    @router.post("/v1/broadcasts", status_code=201)
    async def create(body: NewBroadcast, caller: Writer, once: Repeatable) -> BroadcastView:
        """Make a draft. Nothing is sent before it is scheduled."""
        says = body.says()
        await require_usable(renderer, says)
        now, new = clock.now(), str(uuid.uuid4())
        campaign = Campaign(
            workspace=caller.workspace,
            campaign_id=new,
            broadcast_id=new,
            state="draft",
            created_at=now,
            **says,
        )
        broadcast = Broadcast(
            workspace=caller.workspace,
            broadcast_id=new,
            state="draft",
            created_at=now,
            edited_by=caller.subject,
            **body.sends(),
        )
        await arrivals.wait_for_all(caller.workspace, broadcast.audience.named)
        async with engine.begin() as tx:
            made = await once.earlier(
                tx,
                SCHEMA,
                caller.workspace,
                body=body.model_dump(mode="json", exclude_unset=True),
                made_id=new,
            )
            if made is None:
                await use.create(tx, broadcast, campaign)
            return await _view(tx, await use.require(tx, caller.workspace, made or new))

    @router.patch("/v1/broadcasts/{broadcast_id}")
    async def change(broadcast_id: str, body: BroadcastChange, caller: Writer) -> BroadcastView:
        """Change what has not begun; what is left out stays. An approval is over by that."""
        says, sends = body.says(), body.sends()
        async with engine.begin() as tx:
            await use.require(tx, caller.workspace, known_id(broadcast_id))
        await require_usable(renderer, says)
        if "audience" in sends:
            await arrivals.wait_for_all(caller.workspace, sends["audience"].named)
        place = (caller.workspace, known_id(broadcast_id))
        async with engine.begin() as tx:
            found = await use.change(tx, *place, says=says, sends=sends, by=caller.subject)
            return await _view(tx, found)


def _reading(router: APIRouter, engine: AsyncEngine) -> None:
    @router.get("/v1/broadcasts", response_model=Listed[BroadcastView])
    async def listed(caller: Reader, page: Paging) -> dict[str, Any]:
        """The newest broadcasts of the workspace."""
        after = page.after(datetime, UUID)
        async with engine.begin() as tx:
            found = await store.listed(
                tx,
                caller.workspace,
                after=(after[0], str(after[1])) if after else None,
                limit=page.ask,
            )
            keys = [(one.workspace, one.broadcast_id) for one in found]
            said = await campaigns.named(tx, keys)
            counts = await store.counts(tx, caller.workspace, [one.broadcast_id for one in found])
        return page.answer(
            found,
            key=lambda one: [one.created_at, one.broadcast_id],
            show=lambda one: broadcast_view(
                one, said.get((one.workspace, one.broadcast_id)), counts[one.broadcast_id]
            ),
        )

    @router.get("/v1/broadcasts/{broadcast_id}")
    async def show(broadcast_id: str, caller: Reader) -> BroadcastView:
        """A broadcast, and how many of its messages are in which state."""
        async with engine.begin() as tx:
            return await _view(tx, await use.require(tx, caller.workspace, known_id(broadcast_id)))


def _telling(router: APIRouter, engine: AsyncEngine) -> None:
    @router.get("/v1/broadcasts/{broadcast_id}/runs", response_model=Listed[RunView])
    async def its_runs(broadcast_id: str, caller: Reader, page: Paging) -> dict[str, Any]:
        """Its runs, the newest first. The messages of one are at /v1/campaigns/{run}/messages."""
        [after] = page.after(int) or [None]
        async with engine.begin() as tx:
            found = await use.require(tx, caller.workspace, known_id(broadcast_id))
            rows = await runs.listed(
                tx, caller.workspace, found.broadcast_id, after=after, limit=page.ask
            )
            counts = await runs.counts(tx, caller.workspace, [one.run_id for one in rows])
        return page.answer(
            rows,
            key=lambda one: [one.number],
            show=lambda one: run_view(one, counts[one.run_id]),
        )

    @router.get("/v1/broadcasts/{broadcast_id}/history", response_model=Listed[ActView])
    async def history(broadcast_id: str, caller: Reader, page: Paging) -> dict[str, Any]:
        """Who did what to it, the newest first; `rapport` is what it did by itself."""
        [after] = page.after(UUID) or [None]
        async with engine.begin() as tx:
            found = await use.require(tx, caller.workspace, known_id(broadcast_id))
            acts = await store.acts(
                tx,
                caller.workspace,
                found.broadcast_id,
                after=str(after) if after else None,
                limit=page.ask,
            )
        return page.answer(acts, key=lambda one: [one.act_id], show=act_view)


def _deciding(router: APIRouter, engine: AsyncEngine) -> None:
    @router.post("/v1/broadcasts/{broadcast_id}/schedule")
    async def schedule(broadcast_id: str, caller: Writer) -> BroadcastView:
        """Let a draft begin when its schedule says, or wait for an approval."""
        async with engine.begin() as tx:
            place = (caller.workspace, known_id(broadcast_id))
            return await _view(tx, await use.schedule(tx, *place, caller.subject))

    @router.post("/v1/broadcasts/{broadcast_id}/approve")
    async def approve(broadcast_id: str, caller: Writer) -> BroadcastView:
        """Say yes to what goes to many people; who has edited it last can't."""
        async with engine.begin() as tx:
            place = (caller.workspace, known_id(broadcast_id))
            return await _view(tx, await use.approve(tx, *place, caller.subject))

    @router.post("/v1/broadcasts/{broadcast_id}/again", status_code=201)
    async def again(broadcast_id: str, caller: Writer) -> RunView:
        """Begin a run for those only whose message failed in the newest run, which has ended."""
        async with engine.begin() as tx:
            place = (caller.workspace, known_id(broadcast_id))
            return run_view(await conducting.again(tx, *place, caller.subject), {})


def _holding(router: APIRouter, engine: AsyncEngine) -> None:
    @router.post("/v1/broadcasts/{broadcast_id}/pause")
    async def pause(broadcast_id: str, caller: Writer) -> BroadcastView:
        """Hold it: nothing goes that no sender has in its hands by now."""
        async with engine.begin() as tx:
            place = (caller.workspace, known_id(broadcast_id))
            return await _view(tx, await conducting.pause(tx, *place, caller.subject))

    @router.post("/v1/broadcasts/{broadcast_id}/resume")
    async def resume(broadcast_id: str, caller: Writer) -> BroadcastView:
        """Go on; what is too late by now is not sent."""
        async with engine.begin() as tx:
            place = (caller.workspace, known_id(broadcast_id))
            return await _view(tx, await conducting.resume(tx, *place, caller.subject))

    @router.post("/v1/broadcasts/{broadcast_id}/cancel")
    async def cancel(broadcast_id: str, caller: Writer) -> BroadcastView:
        """End it for good: what is planned is suppressed as `cancelled`."""
        async with engine.begin() as tx:
            place = (caller.workspace, known_id(broadcast_id))
            return await _view(tx, await conducting.cancel(tx, *place, caller.subject))


def _asking(router: APIRouter, engine: AsyncEngine) -> None:
    @router.post("/v1/broadcasts/{broadcast_id}/dry-runs", status_code=202, response_model=ShownJob)
    async def dry_run(
        broadcast_id: str, caller: Writer, once: Repeatable, *, render: Render = True
    ) -> Any:
        """Find out who would get it now, when, and who would not, and why; nothing is sent.

        The report of the job has how many, by outcome and reason; and of the `run` as of when that
        is, whether messages were made, when the first and the last would go, and why it would not
        be begun.
        """
        new, asked = dry_runs.new_id(), known_id(broadcast_id)
        async with engine.begin() as tx:
            made = await once.earlier(
                tx, SCHEMA, caller.workspace, body={"render": render}, made_id=new
            )
            if made is None:
                await dry_runs.ask(tx, caller.workspace, asked, new, render=render)
            found = await JOBS.find(tx, caller.workspace, made or new)
        return found and shown(found)

    @router.get(
        "/v1/broadcasts/{broadcast_id}/dry-runs/{job_id}/people",
        response_model=Listed[AnswerView],
    )
    async def people(
        broadcast_id: str,
        job_id: JobId,
        caller: Reader,
        page: Paging,
        *,
        outcome: Outcome = None,
        reason: Words = None,
        profile_id: Words = None,
    ) -> dict[str, Any]:
        """What a dry run has found of each person, by their ids; kept for 7 days."""
        [after] = page.after(str) or [""]
        async with engine.begin() as tx:
            job = await dry_runs.require_job(tx, caller.workspace, known_id(broadcast_id), job_id)
            found = await answers.listed(
                tx,
                caller.workspace,
                job.id,
                profile_id=profile_id,
                outcome=outcome,
                reason=reason,
                after=after,
                limit=page.ask,
            )
        return page.answer(found, key=lambda one: [one.profile_id], show=answer_view)


def known_id(text: str) -> str:
    """A broadcast's id in its one spelling; NotFoundError for what can't be one."""
    try:
        return str(uuid.UUID(text))
    except ValueError as error:
        message = f"There is no broadcast {text!r}: an id looks like {uuid.UUID(int=0)}."
        raise NotFoundError(message) from error


async def _view(tx: AsyncConnection, broadcast: Broadcast) -> BroadcastView:
    counts = await store.counts(tx, broadcast.workspace, [broadcast.broadcast_id])
    return broadcast_view(
        broadcast, await use.saying(tx, broadcast), counts[broadcast.broadcast_id]
    )
