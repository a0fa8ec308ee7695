"""/v1/cases/{case_id}: duplicates, merged and apart again, and links."""

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router
from rapport_feedback.api.callers import Reader, Writer
from rapport_feedback.api.case_models import CaseView, Seen
from rapport_feedback.api.models import Note, id_of
from rapport_feedback.domain.case_links import Link, Way
from rapport_feedback.domain.cases import State
from rapport_feedback.handlers.merging import By, Merging
from rapport_feedback.store import case_links
from rapport_feedback.store.case_links import Linked

_OTHER = "01890a5d-ac96-774b-bcce-b302099a8057"


class MergeBody(Seen):
    """Into which case."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"into_id": _OTHER, "reason": "the same parcel"}]},
    )

    into_id: UUID
    reason: Note = ""


class WhyBody(Seen):
    """Why."""

    reason: Note = ""


class Merged(BaseModel):
    """The case that was closed as a duplicate, and the one that goes on."""

    id: UUID
    heir_id: UUID
    heir: CaseView


class Proposal(CaseView):
    """A case that may be the same, and why."""

    score: float = Field(description="from 0 to 1")
    words: float = Field(description="the share of words that both have")
    same_person: bool
    same_order: bool


class LinkBody(Seen):
    """How this case is linked with the other."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"other_id": _OTHER, "kind": "caused_by"}]},
    )

    other_id: UUID
    kind: Link
    reason: Note = ""


class LinkView(BaseModel):
    """A linked case, as it is read from the one that was asked for."""

    other_id: UUID
    kind: Way
    number: int
    state: State
    subject: str
    actor: str
    at: datetime

    @classmethod
    def of(cls, one: Linked) -> "LinkView":
        """A link as staff see it."""
        return cls(
            other_id=one.case_id,
            kind=one.way,
            number=one.number,
            state=State(one.state),
            subject=one.subject,
            actor=one.actor,
            at=one.at,
        )


def merge_routes(engine: AsyncEngine, merging: Merging) -> APIRouter:
    """Duplicates"""
    router = Router(prefix="/v1/cases", tags=["cases"])

    @router.get("/{case_id}/duplicates", response_model=Listed[Proposal])
    async def proposals(case_id: str, caller: Reader, page: Paging) -> dict[str, Any]:
        """Cases of the last and next 30 days that may be the same, the likest first: of the same
        person with near words, or of the same order.
        """
        now = clock.now()
        [behind] = page.after(int) or [0]
        async with engine.begin() as tx:
            found = await merging.proposals(tx, caller.workspace, id_of(case_id, "case"))
        numbered = list(enumerate(found, start=1))[behind : behind + page.ask]
        return page.answer(
            numbered,
            key=lambda one: [one[0]],
            show=lambda one: Proposal(
                **CaseView.of(one[1][0], now).model_dump(),
                score=one[1][1].score,
                words=round(one[1][1].words, 3),
                same_person=one[1][1].same_person,
                same_order=one[1][1].same_order,
            ),
        )

    @router.post("/{case_id}/merge")
    async def merge(case_id: str, body: MergeBody, caller: Writer) -> Merged:
        """Close a case as a duplicate: what is written at it, and what comes, is the other's."""
        by = By(caller.subject, body.reason, clock.now(), body.version)
        async with engine.begin() as tx:
            case, heir = await merging.merge(
                tx, caller.workspace, id_of(case_id, "case"), body.into_id, by
            )
        shown = CaseView.of(heir, by.now)
        return Merged(id=case.case_id, heir_id=heir.case_id, heir=shown)

    @router.post("/{case_id}/unmerge")
    async def unmerge(case_id: str, body: WhyBody, caller: Writer) -> CaseView:
        """Undo that, within 7 days: the case is as if it had never been closed."""
        by = By(caller.subject, body.reason, clock.now(), body.version)
        async with engine.begin() as tx:
            case = await merging.undo(tx, caller.workspace, id_of(case_id, "case"), by)
        return CaseView.of(case, by.now)

    return router


def link_routes(engine: AsyncEngine, merging: Merging) -> APIRouter:
    """Links"""
    router = Router(prefix="/v1/cases", tags=["cases"])

    @router.get("/{case_id}/links", response_model=Listed[LinkView])
    async def listed(case_id: str, caller: Reader, page: Paging) -> dict[str, Any]:
        """The cases that this one is linked with, the newest first."""
        [before] = page.after(int) or [None]
        async with engine.begin() as tx:
            found = await case_links.of_case(
                tx, caller.workspace, id_of(case_id, "case"), before=before, limit=page.ask
            )
        return page.answer(found, key=lambda one: [one.number], show=LinkView.of)

    @router.post("/{case_id}/links", status_code=204)
    async def link(case_id: str, body: LinkBody, caller: Writer) -> None:
        """Link a case with another: related, caused by it, or a part of it."""
        by = By(caller.subject, body.reason, clock.now(), body.version)
        async with engine.begin() as tx:
            await merging.link(
                tx, caller.workspace, id_of(case_id, "case"), (body.other_id, body.kind), by
            )

    @router.delete("/{case_id}/links/{other_id}", status_code=204)
    async def unlink(case_id: str, other_id: str, caller: Writer) -> None:
        """Let the two have nothing to do with each other."""
        by = By(caller.subject, "", clock.now())
        ids = id_of(case_id, "case"), id_of(other_id, "case")
        async with engine.begin() as tx:
            await merging.unlink(tx, caller.workspace, *ids, by)

    return router
