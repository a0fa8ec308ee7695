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
from rapport_feedback.api.case_models import (
    CaseChange,
    CaseView,
    CaseWithHistory,
    NewCase,
    NewEntryBody,
    NewState,
)
from rapport_feedback.api.models import id_of
from rapport_feedback.domain import cases as rules
from rapport_feedback.domain.cases import State
from rapport_feedback.handlers.cases import Cases, NewEntry
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
                found = await cases.get(tx, workspace, UUID(made))
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
                fields=body.fields(),
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
            told = await cases.record(tx, caller.workspace, id_of(case_id, "case"))
        allowed = rules.allowed_from(told.complaint.case, cases.levels.reopen, now)
        return CaseWithHistory.told(told, allowed, now)

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
                seen=body.version,
            )
        metrics.CASES.labels(moved.case.state).inc()
        return CaseView.of(moved, now)

    return router


def case_change_routes(engine: AsyncEngine, cases: Cases) -> APIRouter:
    """/v1/cases/{case_id}: what is known of it, and what was done."""
    router = Router(prefix="/v1/cases", tags=["cases"])

    @router.patch("/{case_id}")
    async def change(case_id: str, body: CaseChange, caller: Writer) -> CaseView:
        """Say what is known of a case, and whose it is; its clocks go by the policy for that."""
        now = clock.now()
        async with engine.begin() as tx:
            changed = await cases.change(
                tx,
                caller.workspace,
                id_of(case_id, "case"),
                body.changes(),
                actor=caller.subject,
                reason=body.reason,
                now=now,
                seen=body.version,
            )
        return CaseView.of(changed, now)

    @router.post("/{case_id}/entries")
    async def note(case_id: str, body: NewEntryBody, caller: Writer) -> CaseView:
        """Write down what was done: a note for staff; that the customer was told something."""
        now = clock.now()
        async with engine.begin() as tx:
            noted = await cases.note(
                tx,
                caller.workspace,
                id_of(case_id, "case"),
                NewEntry(body.kind, body.note),
                actor=caller.subject,
                now=now,
                seen=body.version,
            )
        return CaseView.of(noted, now)

    return router


def _states(chosen: CaseFilter) -> list[State]:
    if chosen is None:
        return list(State)
    if chosen == "open":
        return [one for one in State if one is not State.CLOSED]
    return [chosen]
