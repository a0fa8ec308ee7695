"""Who is one person by an operator's word: merges, people who are kept apart, and why."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common.auth import Operator, operator
from rapport_common.errors import NotFoundError
from rapport_common.events.activity import ProfileActivity
from rapport_common.events.envelope import Identifier
from rapport_common.idempotency import Once, Repeatable
from rapport_common.ids import uuid7_text
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router, add_routes
from rapport_profile.api import explanations
from rapport_profile.api.models import people as models
from rapport_profile.domain.naming import MERGE, Ids, normal_or_given
from rapport_profile.handlers.deciding import Deciding, told
from rapport_profile.handlers.explaining import explained
from rapport_profile.store import decisions as store
from rapport_profile.store import reads
from rapport_profile.store.decisions import APART, CUT
from rapport_profile.store.rules import RuleShelf
from rapport_profile.tables import SCHEMA

Reader = Annotated[Operator, Depends(operator("profiles:read"))]
Writer = Annotated[Operator, Depends(operator("profiles:write"))]
NO_NUL = r"^[^\x00]*$"
Kind = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Value = Annotated[str, Field(min_length=1, max_length=512, pattern=NO_NUL)]
Reason = Annotated[str, Field(min_length=1, max_length=1000, pattern=NO_NUL)]
_Answer = dict[str, Any]
Text = Annotated[str, Query(min_length=1, max_length=512, pattern=NO_NUL)]


class NamedIdentifier(BaseModel):
    """An identifier, in whatever form it is written."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind
    value: Value

    def normal(self) -> Identifier:
        """The same in its normal form."""
        return normal_or_given((self.kind, self.value))


class NewDecision(BaseModel):
    """What is said of two identifiers, and why."""

    model_config = ConfigDict(extra="forbid")

    one: NamedIdentifier
    other: NamedIdentifier
    reason: Reason
    dry_run: bool = Field(False, description="only show what would change")


class NewCut(BaseModel):
    """An event that names others by mistake, and why."""

    model_config = ConfigDict(extra="forbid")

    source: Annotated[str, Field(min_length=1, max_length=64, pattern=NO_NUL)]
    message_id: Value
    reason: Reason
    dry_run: bool = Field(False, description="only show what would change")


class Undoing(BaseModel):
    """Why a decision is taken back."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason
    dry_run: bool = Field(False, description="only show what would change")


def decision_routes(engine: AsyncEngine, ids: Ids) -> APIRouter:
    """Merge people, keep them apart, undo that, and see why identifiers are one person."""
    router = Router(tags=["identity"])
    add_routes(router, _decided(engine, Deciding(ids)), _kept(engine), _explained(engine, ids))
    return router


def _decided(engine: AsyncEngine, deciding: Deciding) -> APIRouter:
    router = Router()
    carry_out = partial(_carried_out, engine)

    async def decide(caller: Operator, once: Once, kind: str, body: NewDecision) -> _Answer:
        pair = (body.one.normal(), body.other.normal())
        spec = {"kind": kind, **body.model_dump()}
        return await carry_out(
            (caller, once, spec),
            lambda tx, new: deciding.decide(tx, caller, kind, pair, (new, body.reason)),
        )

    @router.post("/v1/profiles/merge", status_code=201, response_model=models.Decided)
    async def merge(
        body: NewDecision, caller: Writer, once: Repeatable, response: Response
    ) -> _Answer:
        """Two identifiers are one person from now on, whatever events say. 200 for a dry run."""
        return _status(response, body, await decide(caller, once, MERGE, body))

    @router.post("/v1/profiles/keep-apart", status_code=201, response_model=models.Decided)
    async def keep_apart(
        body: NewDecision, caller: Writer, once: Repeatable, response: Response
    ) -> _Answer:
        """Two identifiers are never one person from now on, whatever events say. 200: dry run."""
        return _status(response, body, await decide(caller, once, APART, body))

    @router.post("/v1/profiles/cut", status_code=201, response_model=models.Decided)
    async def cut(body: NewCut, caller: Writer, once: Repeatable, response: Response) -> _Answer:
        """An event says nothing of who is who from now on. 200 for a dry run.

        What else it says stays, of its strongest identifier. No `changes`: others say the same.
        """
        event = (body.source, body.message_id)
        answer = await carry_out(
            (caller, once, {"kind": CUT, **body.model_dump()}),
            lambda tx, new: deciding.cut(tx, caller, event, (new, body.reason)),
        )
        return _status(response, body, answer)

    @router.post("/v1/decisions/{decision_id}/undo", response_model=models.Decided)
    async def undo(decision_id: UUID, body: Undoing, caller: Writer) -> _Answer:
        """A decision holds no more: only events say who is who, and other decisions."""
        async with engine.connect() as tx, tx.begin() as work:
            steps = await deciding.undo(tx, caller, str(decision_id), body.reason)
            if body.dry_run:
                await work.rollback()
        return {"decision_id": str(decision_id), "changes": told(steps)}

    return router


async def _carried_out(
    engine: AsyncEngine,
    asked: tuple[Operator, Once, dict[str, Any]],
    act: Callable[[AsyncConnection, str], Awaitable[Sequence[ProfileActivity]]],
) -> _Answer:
    """What an operator wants, carried out once, or only shown, and what changes by it."""
    caller, once, spec = asked
    async with engine.connect() as tx, tx.begin() as work:
        new = uuid7_text()
        earlier = await once.earlier(tx, SCHEMA, caller.workspace, body=spec, made_id=new)
        if earlier is not None:
            return {"decision_id": earlier, "changes": []}
        steps = await act(tx, new)
        if spec["dry_run"]:
            await work.rollback()
    return {"decision_id": None if spec["dry_run"] else new, "changes": told(steps)}


def _status(response: Response, body: NewDecision | NewCut, answer: _Answer) -> _Answer:
    """Nothing is made by a dry run."""
    if body.dry_run:
        response.status_code = 200
    return answer


def _kept(engine: AsyncEngine) -> APIRouter:
    router = Router()

    @router.get("/v1/decisions", response_model=Listed[models.Decision])
    async def decisions(caller: Reader, page: Paging) -> dict[str, Any]:
        """All decisions, those that are undone too, the newest first."""
        after = page.after(UUID)
        async with engine.begin() as tx:
            before = str(after[0]) if after else None
            found = await store.latest(tx, caller.workspace, page.ask, before)
        return page.answer(found, key=lambda row: [row.id], show=_shown)

    return router


def _explained(engine: AsyncEngine, ids: Ids) -> APIRouter:
    router, shelf = Router(), RuleShelf()

    @router.get("/v1/profiles/{profile_id}/why", response_model=models.Why)
    async def why(
        profile_id: UUID, caller: Reader, *, kind: Text, value: Text, to_kind: Text, to_value: Text
    ) -> dict[str, Any]:
        """The events that make two identifiers one person; or what keeps them from being one.

        The first is this person's. `chain` is the shortest way between them; where they are two
        people it does not count, and `obstacles` says why.
        """
        pair = [normal_or_given((kind, value)), normal_or_given((to_kind, to_value))]
        start, end = (ids.of(caller.workspace, one) for one in pair)
        async with engine.begin() as tx:
            found = await reads.alive(tx, caller.workspace, profile_id)
            if found is None:
                message = f"There is no profile {profile_id} in this workspace."
                raise NotFoundError(message, details={"id": str(profile_id)})
            who = reads.Person(caller.workspace, found.id)
            book = await shelf.book(tx, {caller.workspace})
            explanation = await explained(tx, ids, book, who, (start, end))
        return explanations.shown(who.profile_id, explanation)

    return router


def _shown(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "kind": row.kind,
        "one": {"kind": row.a_kind, "value": row.a_value},
        "other": {"kind": row.b_kind, "value": row.b_value},
        "event": row.message_id and {"source": row.source, "message_id": row.message_id},
        "actor": row.actor,
        "reason": row.reason,
        "created_at": row.created_at,
        "undone_at": row.undone_at,
        "undone_by": row.undone_by,
        "undone_reason": row.undone_reason,
    }
