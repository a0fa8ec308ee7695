"""The operator API of standing orders to ask people, and of what becomes of them."""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock
from rapport_common.idempotency import Repeatable
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router
from rapport_feedback.api.asking_models import (
    AskingChange,
    AskingView,
    AskingWithCounts,
    NewAsking,
    OccasionView,
)
from rapport_feedback.api.callers import Reader, Writer
from rapport_feedback.api.models import id_of
from rapport_feedback.domain.askings import Asking, State
from rapport_feedback.handlers import askings
from rapport_feedback.store import askings as store
from rapport_feedback.store import occasions
from rapport_feedback.tables import SCHEMA


def asking_routes(engine: AsyncEngine) -> APIRouter:
    """/v1/askings: listed, shown, and what has become of each occasion."""
    router = Router(prefix="/v1/askings", tags=["askings"])

    @router.get("", response_model=Listed[AskingView])
    async def listed(caller: Reader, page: Paging, *, archived: bool = False) -> dict[str, Any]:
        """Newest first: the living, or the archived ones."""
        after = page.after(datetime, UUID)
        async with engine.begin() as tx:
            found = await store.listed(
                tx,
                caller.workspace,
                archived=archived,
                after=(after[0], after[1]) if after else None,
                limit=page.ask,
            )
        return page.answer(
            found, key=lambda one: (one.created_at, one.asking_id), show=AskingView.of
        )

    @router.get("/{asking_id}")
    async def one(asking_id: str, caller: Reader) -> AskingWithCounts:
        """A standing order, and how many were asked, answered, or not asked and why."""
        async with engine.begin() as tx:
            found = await askings.get(tx, caller.workspace, id_of(asking_id, "asking"))
            counts = await occasions.counts(tx, caller.workspace, found.asking_id)
        return AskingWithCounts.told(found, counts)

    @router.get("/{asking_id}/occasions", response_model=Listed[OccasionView])
    async def of_asking(
        asking_id: str, caller: Reader, page: Paging, state: State | None = None
    ) -> dict[str, Any]:
        """Each person and occasion, by its name: what has become of it, and why."""
        [after] = page.after(str) or [None]
        async with engine.begin() as tx:
            found = await askings.get(tx, caller.workspace, id_of(asking_id, "asking"))
            listed = await occasions.listed(
                tx, caller.workspace, found.asking_id, state=state, after=after, limit=page.ask
            )
        return page.answer(listed, key=lambda each: [each.occasion], show=OccasionView.of)

    return router


def asking_change_routes(engine: AsyncEngine) -> APIRouter:
    """/v1/askings: given, changed, ended."""
    router = Router(prefix="/v1/askings", tags=["askings"])

    @router.post("", status_code=201)
    async def create(body: NewAsking, caller: Writer, once: Repeatable) -> AskingView:
        """Ask people from now on, whenever what it says happens."""
        workspace, new, now = caller.workspace, uuid4(), clock.now()
        asking = Asking(
            workspace=workspace,
            asking_id=new,
            survey_id=body.survey_id,
            name=body.name,
            document=body.document(),
            created_at=now,
            changed_at=now,
            actor=caller.subject,
        )
        said = body.model_dump(mode="json")
        async with engine.begin() as tx:
            made = await once.earlier(tx, SCHEMA, workspace, body=said, made_id=str(new))
            if made is not None:
                return AskingView.of(await askings.get(tx, workspace, UUID(made)))
            return AskingView.of(await askings.create(tx, asking))

    @router.patch("/{asking_id}")
    async def change(asking_id: str, body: AskingChange, caller: Writer) -> AskingView:
        """Another name, or another way of asking, for what is planned as well."""
        async with engine.begin() as tx:
            before = await askings.get(tx, caller.workspace, id_of(asking_id, "asking"), lock=True)
            after = replace(
                before,
                name=body.name or before.name,
                document=body.order.document() if body.order else before.document,
                changed_at=clock.now(),
            )
            return AskingView.of(await askings.change(tx, before, after))

    @router.delete("/{asking_id}", status_code=204)
    async def archive(asking_id: str, caller: Writer) -> None:
        """Archive it: nobody else is asked or reminded; links that are out can be answered."""
        async with engine.begin() as tx:
            chosen = id_of(asking_id, "asking")
            await askings.archive(tx, caller.workspace, chosen, clock.now())

    return router
