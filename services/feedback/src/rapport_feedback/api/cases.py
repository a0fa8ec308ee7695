"""The operator API of complaint cases."""

from typing import Any, Literal
from uuid import UUID, uuid4

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock
from rapport_common.idempotency import Repeatable
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router
from rapport_feedback import metrics
from rapport_feedback.api.callers import Reader, Writer
from rapport_feedback.api.models import (
    CaseView,
    CaseWithHistory,
    NewCase,
    NewState,
    id_of,
)
from rapport_feedback.domain import cases as rules
from rapport_feedback.domain.cases import State
from rapport_feedback.handlers.cases import Cases
from rapport_feedback.store import case_messages
from rapport_feedback.store import cases as case_store
from rapport_feedback.tables import SCHEMA

CaseFilter = State | Literal["open"] | None


def case_routes(engine: AsyncEngine, cases: Cases) -> APIRouter:
    """/v1/cases: taken down and listed."""
    router = Router(prefix="/v1/cases", tags=["cases"])

    @router.post("", status_code=201)
    async def create(body: NewCase, caller: Writer, once: Repeatable) -> CaseView:
        """Take a complaint down for a customer."""
        now, new, workspace = clock.now(), uuid4(), caller.workspace
        async with engine.begin() as tx:
            made = await once.earlier(
                tx, SCHEMA, workspace, body=body.model_dump(), made_id=str(new)
            )
            if made is not None:
                found, *_rest = await cases.get(tx, workspace, UUID(made))
                return CaseView.of(found, now)
            complaint = await cases.open(
                tx,
                workspace,
                new,
                body.contact(),
                subject=body.subject,
                body=body.body,
                actor=caller.subject,
                now=now,
            )
        metrics.CASES.labels(complaint.case.state).inc()
        return CaseView.of(complaint, now)

    @router.get("", response_model=Listed[CaseView])
    async def listed(
        caller: Reader, page: Paging, *, state: CaseFilter = None, overdue: bool = False
    ) -> dict[str, Any]:
        """Newest first; `state=open` is every state but closed."""
        now = clock.now()
        [before] = page.after(int) or [None]
        async with engine.begin() as tx:
            found = await case_store.cases(
                tx,
                caller.workspace,
                states=_states(state),
                overdue_at=now if overdue else None,
                before=before,
                limit=page.ask,
            )
        return page.answer(
            found, key=lambda one: [one.number], show=lambda one: CaseView.of(one, now)
        )

    return router


def one_case_routes(engine: AsyncEngine, cases: Cases) -> APIRouter:
    """/v1/cases/{case_id}: looked at and moved on."""
    router = Router(prefix="/v1/cases", tags=["cases"])

    @router.get("/{case_id}")
    async def one(case_id: str, caller: Reader) -> CaseWithHistory:
        now = clock.now()
        async with engine.begin() as tx:
            found, steps, missed = await cases.get(tx, caller.workspace, id_of(case_id, "case"))
            written = await case_messages.of_case(tx, caller.workspace, found.case_id)
        allowed = rules.allowed_from(found.case, cases.levels, now)
        return CaseWithHistory.told(found, (steps, missed, written), allowed, now)

    @router.post("/{case_id}/state")
    async def move(case_id: str, body: NewState, caller: Writer) -> CaseView:
        now = clock.now()
        async with engine.begin() as tx:
            moved = await cases.move(
                tx,
                caller.workspace,
                id_of(case_id, "case"),
                body.state,
                actor=caller.subject,
                note=body.note,
                now=now,
            )
        metrics.CASES.labels(moved.case.state).inc()
        return CaseView.of(moved, now)

    return router


def _states(chosen: CaseFilter) -> list[State]:
    if chosen is None:
        return list(State)
    if chosen == "open":
        return [one for one in State if one is not State.CLOSED]
    return [chosen]
