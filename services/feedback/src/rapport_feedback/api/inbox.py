"""/v1/inbox and /v1/case-views: what waits, for whom, and who looks at it."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import clock
from rapport_common.errors import InvalidRequestError
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router
from rapport_feedback.api.callers import Reader, Writer
from rapport_feedback.api.case_models import CaseView
from rapport_feedback.api.desk import Whose, declared, removed, whose
from rapport_feedback.api.desk_models import (
    DeclaredRule,
    InboxCase,
    NewView,
    Presence,
    PresenceBody,
    ShownView,
    ViewerView,
)
from rapport_feedback.api.models import id_of
from rapport_feedback.api.rule_models import rule_name
from rapport_feedback.domain import case_search as words
from rapport_feedback.domain import case_views
from rapport_feedback.domain.case_views import SHIPPED, Sort
from rapport_feedback.domain.cases import Complaint
from rapport_feedback.handlers import desk
from rapport_feedback.handlers.cases import Cases
from rapport_feedback.handlers.desk import By
from rapport_feedback.store import agents, case_search, inbox
from rapport_feedback.store import desk as store
from rapport_feedback.store.agents import Viewer
from rapport_feedback.store.desk import Rule

PRESENCE = timedelta(seconds=60)
"""So long somebody counts as there who says nothing more."""

_UNTOUCHED = "comes with Rapport"
_TOO_LONG = "57014"
ViewName = Annotated[str, Query(max_length=63, description="GET /v1/case-views lists them")]


class FoundCase(CaseView):
    """A case that was found, where, and the words around."""

    places: list[str]
    excerpt: str


def view_routes(engine: AsyncEngine) -> APIRouter:
    """/v1/case-views"""
    router = Router(prefix="/v1/case-views", tags=["inbox"])

    @router.get("", response_model=Listed[ShownView])
    async def listed(
        caller: Reader, page: Paging, *, counts: bool = False, agent: Whose = None
    ) -> dict[str, Any]:
        """By name, those that come with Rapport among them; `counts`: with how many cases."""
        [after] = page.after(str) or [""]
        who, now = whose(agent, caller), clock.now()
        async with engine.begin() as tx:
            own = await store.listed(tx, caller.workspace, "view", after=after, limit=page.ask)
            found = _with_shipped(own, after)[: page.ask]
            shown = [ShownView.of(one) for one in found]
            if counts:
                for one in shown[: page.limit]:
                    await _count(tx, caller.workspace, one, who, now)
        return page.answer(shown, key=lambda one: [one.name])

    @router.get("/{name}")
    async def one(name: str, caller: Reader) -> ShownView:
        async with engine.begin() as tx:
            known = await store.find(tx, caller.workspace, "view", rule_name(name))
            document = await desk.view(tx, caller.workspace, name)
        if known is not None and known.document is not None:
            return ShownView.of(known)
        return ShownView.of(_shipped(name, document))

    @router.put("/{name}")
    async def declare(name: str, body: NewView, caller: Writer) -> DeclaredRule:
        """Let the view be so from now on, for everybody of the workspace."""
        by = By(caller.subject, body.reason, body.version, clock.now())
        return await declared(engine, caller, ("view", name), body.document(), by)

    @router.delete("/{name}", status_code=204)
    async def remove(name: str, caller: Writer) -> None:
        """Take it away; one that comes with Rapport is as it came."""
        await removed(engine, caller, ("view", name))

    return router


def _shipped(name: str, document: case_views.ViewDocument) -> Rule:
    return Rule("view", name, 0, document, "", _UNTOUCHED, None)


def _with_shipped(own: list[Rule], after: str) -> list[Rule]:
    named = {one.name for one in own}
    shipped = [
        _shipped(name, one) for name, one in SHIPPED.items() if name > after and name not in named
    ]
    return sorted([*own, *shipped], key=lambda one: one.name)


async def _count(
    tx: AsyncConnection, workspace: str, shown: ShownView, agent: str, now: datetime
) -> None:
    asked = await _asked(tx, workspace, shown.name, agent)
    number = await inbox.count(tx, workspace, asked, now)
    shown.cases, shown.cases_more = min(number, inbox.COUNTED), number > inbox.COUNTED


async def _asked(tx: AsyncConnection, workspace: str, name: str, agent: str) -> case_views.Asked:
    view = await desk.view(tx, workspace, rule_name(name))
    return case_views.asked(view, agent, await store.desk(tx, workspace))


def inbox_routes(engine: AsyncEngine) -> APIRouter:
    """/v1/inbox"""
    router = Router(tags=["inbox"])

    @router.get("/v1/inbox", response_model=Listed[InboxCase])
    async def shown(
        caller: Reader, page: Paging, *, view: ViewName = "open", agent: Whose = None
    ) -> dict[str, Any]:
        """The cases of a view in its order, each with who has it open now."""
        who, now = whose(agent, caller), clock.now()
        async with engine.begin() as tx:
            asked = await _asked(tx, caller.workspace, view, who)
            after = _place(page, asked.sort)
            found = await inbox.page(tx, caller.workspace, asked, now, after=after, limit=page.ask)
            ids = [one.case_id for one in found]
            there = await agents.viewers(tx, caller.workspace, ids, now)

        def show(one: Complaint) -> InboxCase:
            viewers = [ViewerView.of(each) for each in there.get(one.case_id, ())]
            return InboxCase(**CaseView.of(one, now).model_dump(), viewers=viewers)

        return page.answer(found, key=lambda one: _key(one, asked.sort), show=show)

    return router


def search_routes(engine: AsyncEngine) -> APIRouter:
    """Words in cases"""
    router = Router(tags=["inbox"])

    @router.get("/v1/cases/search", response_model=Listed[FoundCase])
    async def search(
        caller: Reader,
        page: Paging,
        q: Annotated[str, Query(min_length=1, max_length=words.MOST_LETTERS, examples=["late"])],
    ) -> dict[str, Any]:
        """Cases with all these words in one place, by their beginnings, the newest first: subject
        and description, with order and identifiers; a message; a note.
        """
        query = words.query_of(q)
        if query is None:
            message = "q: there is no word in it to look for."
            raise InvalidRequestError(message, details={"parameter": "q"})
        [before] = page.after(int) or [None]
        now = clock.now()
        try:
            async with engine.begin() as tx:
                await case_search.within_time(tx)
                found = await case_search.search(
                    tx, caller.workspace, query, before=before, limit=page.ask
                )
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != _TOO_LONG:
                raise
            message = f"That took longer than {case_search.SECONDS} s: look for more words."
            raise InvalidRequestError(message, code="too_broad") from error
        return page.answer(
            found,
            key=lambda one: [one.complaint.number],
            show=lambda one: FoundCase(
                **CaseView.of(one.complaint, now).model_dump(),
                places=one.places,
                excerpt=one.excerpt[:500],
            ),
        )

    return router


def _place(page: Paging, sort: Sort) -> inbox.Place | None:
    if sort is Sort.DUE:
        found = page.after(datetime | None, int)  # type: ignore[arg-type] # a union is no type
        return None if found is None else (found[0], found[1])
    number = page.after(int)
    return None if number is None else (None, number[0])


def _key(one: Complaint, sort: Sort) -> list[Any]:
    return [one.case.deadline_at, one.number] if sort is Sort.DUE else [one.number]


def presence_routes(engine: AsyncEngine, cases: Cases) -> APIRouter:
    """/v1/cases/{case_id}/presence: who else is at it"""
    router = Router(prefix="/v1/cases", tags=["inbox"])

    @router.put("/{case_id}/presence")
    async def come(case_id: str, body: PresenceBody, caller: Writer) -> Presence:
        """Say that a case is open for the next minute, and learn who else has it open."""
        now, who = clock.now(), whose(body.agent, caller)
        until = now + PRESENCE
        async with engine.begin() as tx:
            found = await cases.get(tx, caller.workspace, id_of(case_id, "case"))
            viewer = Viewer(who, body.writing, until)
            await agents.look_at(tx, caller.workspace, found.case_id, viewer)
            there = await agents.viewers(tx, caller.workspace, [found.case_id], now)
        others = [one for one in there.get(found.case_id, ()) if one.agent_id != who]
        return Presence(until_at=until, others=[ViewerView.of(one) for one in others])

    @router.delete("/{case_id}/presence", status_code=204)
    async def leave(case_id: str, caller: Writer, agent: Whose = None) -> None:
        """Say that it is closed."""
        who = whose(agent, caller)
        async with engine.begin() as tx:
            await agents.leave(tx, caller.workspace, id_of(case_id, "case"), who)

    return router
