"""/v1/tasks: what staff are asked to tell people, by phone or in a store."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_campaign.api.operator import known_id
from rapport_campaign.api.words import Line
from rapport_campaign.domain.tasks import MAX_QUEUE, Task, TaskChannel, TaskOutcome, TaskState
from rapport_campaign.handlers import tasks
from rapport_campaign.handlers.tasks import Done, Exporting
from rapport_campaign.store import tasks as store
from rapport_common.auth import Operator, operator
from rapport_common.exporting.answers import TYPES, File
from rapport_common.operator.texts import StorableText
from rapport_common.paging import Listed, Paging
from rapport_common.publisher import Publisher
from rapport_common.routes import Router

Reader = Annotated[Operator, Depends(operator("campaigns:read"))]
Writer = Annotated[Operator, Depends(operator("campaigns:write"))]
Staff = Annotated[Operator, Depends(operator("tasks:work", "campaigns:write"))]
MOST_CLAIMED = 50


class TaskClaim(BaseModel):
    """How many tasks, for how long, and which."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"count": 5, "queue": "Berlin"}}
    )

    count: int = Field(1, ge=1, le=MOST_CLAIMED)
    lease_minutes: int = Field(30, ge=1, le=480, description="then others may take them")
    channel: TaskChannel | None = None
    queue: Annotated[StorableText, Field(max_length=MAX_QUEUE)] | None = None
    campaign_id: Line | None = None


class TaskDone(BaseModel):
    """What came of a task. `refused`: no more promotions by this channel."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"outcome": "reached", "note": "will come"}}
    )

    outcome: TaskOutcome
    note: Annotated[StorableText, Field(max_length=1000)] = ""
    again_at: AwareDatetime | None = Field(None, description="of call_again: when")


class NewTaskExport(BaseModel):
    """As what."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"formulas": "quote"}})

    formulas: Literal["quote", "keep"] = Field(
        "quote", description="what a spreadsheet would take for a formula gets an apostrophe"
    )


class ShownTask(BaseModel):
    """A task: whom to tell what, until when, and what came of it."""

    id: UUID
    message_id: str
    channel: TaskChannel
    queue: str
    campaign_id: str | None
    profile_id: str
    point: str = Field(description="the number to call; empty for a store")
    title: str
    script: str
    url: str
    state: TaskState
    attempts: int
    holder: str | None
    lease_until_at: datetime | None
    outcome: TaskOutcome | None
    note: str
    created_at: datetime
    due_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    ended_by: str | None


class ClaimedTasks(BaseModel):
    """The tasks that are yours until their leases end."""

    items: list[ShownTask]


def task_routes(engine: AsyncEngine) -> APIRouter:
    """Look at tasks."""
    router = Router(tags=["tasks"])
    exporting = Exporting(engine)

    @router.get("/v1/tasks", response_model=Listed[ShownTask])
    async def listed(
        caller: Reader,
        page: Paging,
        *,
        state: TaskState | None = None,
        channel: TaskChannel | None = None,
        queue: str | None = None,
        campaign_id: str | None = None,
    ) -> dict[str, Any]:
        """Tasks, the newest first."""
        after = page.after(datetime, UUID)
        async with engine.begin() as tx:
            found = await store.listed(
                tx,
                caller.workspace,
                state=state,
                fits=_fits(channel, queue, campaign_id),
                after=(after[0], after[1]) if after else None,
                limit=page.ask,
            )
        return page.answer(found, key=lambda one: [one.created_at, one.task_id], show=_shown)

    @router.get("/v1/tasks/{task_id}", response_model=ShownTask)
    async def one(task_id: UUID, caller: Reader) -> dict[str, Any]:
        """A task."""
        async with engine.begin() as tx:
            return _shown(await tasks.require(tx, caller.workspace, task_id))

    @router.post(
        "/v1/tasks/export",
        response_class=StreamingResponse,
        responses={200: {"content": {TYPES["csv"]: {}}}},
    )
    async def export(body: NewTaskExport, caller: Reader) -> StreamingResponse:
        """A CSV file of all open tasks; it is whole only if the answer ends."""
        exporting.places.require_room()
        parts = exporting.parts(caller.workspace, guarded=body.formulas == "quote")
        return File(parts, "tasks", "csv")

    return router


def task_writing_routes(engine: AsyncEngine, publisher: Publisher) -> APIRouter:
    """Work on tasks."""
    router = Router(tags=["tasks"])

    @router.post("/v1/tasks/claim", response_model=ClaimedTasks)
    async def claim(body: TaskClaim, caller: Staff) -> dict[str, Any]:
        """Take tasks that are due: nobody else gets them before the lease ends.

        Who may not be told any more is left out: permission is asked for anew.
        """
        async with engine.begin() as tx:
            taken = await tasks.claim(
                tx,
                caller,
                fits=_fits(body.channel, body.queue, body.campaign_id),
                lease=timedelta(minutes=body.lease_minutes),
                limit=body.count,
            )
        return {"items": [_shown(one) for one in taken]}

    @router.post("/v1/tasks/{task_id}/done", response_model=ShownTask)
    async def done(task_id: UUID, body: TaskDone, caller: Staff) -> dict[str, Any]:
        """Say what came of a task."""
        told = Done(body.outcome, body.note, body.again_at)
        async with engine.begin() as tx:
            return _shown(await tasks.done(tx, caller, task_id, told, publisher))

    return router


def _fits(channel: str | None, queue: str | None, campaign_id: str | None) -> dict[str, str | None]:
    campaign = known_id(campaign_id) if campaign_id is not None else None
    return {"channel": channel, "queue": queue, "campaign": campaign}


def _shown(one: Task) -> dict[str, Any]:
    return {
        "id": one.task_id,
        "message_id": one.send_key,
        "channel": one.channel,
        "queue": one.queue,
        "campaign_id": one.campaign_id,
        "profile_id": one.profile_id,
        "point": one.point,
        "title": one.title,
        "script": one.script,
        "url": one.url,
        "state": one.state,
        "attempts": one.attempts,
        "holder": one.holder,
        "lease_until_at": one.lease_until,
        "outcome": one.outcome,
        "note": one.note,
        "created_at": one.created_at,
        "due_at": one.due_at,
        "expires_at": one.expires_at,
        "ended_at": one.ended_at,
        "ended_by": one.ended_by,
    }
