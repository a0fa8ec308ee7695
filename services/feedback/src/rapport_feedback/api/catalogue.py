"""Documents by name that the work at cases is made of: listed, shown, set, archived."""

from datetime import datetime
from typing import Any, Self

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import clock
from rapport_common.errors import InvalidRequestError
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router
from rapport_feedback.api.callers import Reader, Writer
from rapport_feedback.api.catalogue_models import (
    CauseBody,
    GoodwillLimitBody,
    MacroBody,
    ReasonBody,
    TemplateBody,
)
from rapport_feedback.api.models import Request
from rapport_feedback.api.rule_models import rule_name
from rapport_feedback.handlers import catalogue
from rapport_feedback.store import catalogue as store
from rapport_feedback.store.catalogue import Kind, Listing


class ListingView(BaseModel):
    """A document as it holds now."""

    name: str
    document: dict[str, Any]
    version: int
    actor: str
    changed_at: datetime

    @classmethod
    def of(cls, one: Listing) -> Self:
        """A document as staff see it."""
        return cls(**one._asdict())


def catalogue_routes(engine: AsyncEngine) -> list[APIRouter]:
    """Those of all kinds but connectors, which have a secret."""
    return [
        _routes(engine, "template", TemplateBody),
        _routes(engine, "macro", MacroBody),
        _routes(engine, "reason", ReasonBody),
        _routes(engine, "cause", CauseBody),
        _routes(engine, "goodwill_limit", GoodwillLimitBody),
    ]


def _routes(engine: AsyncEngine, kind: Kind, model: type[Request]) -> APIRouter:
    router = Router(prefix=catalogue.PLACES[kind], tags=["case catalogues"])
    shown_kind = kind.replace("_", " ")

    @router.get("", response_model=Listed[ListingView], summary=f"List each {shown_kind} by name")
    async def listed(caller: Reader, page: Paging) -> dict[str, Any]:
        [after] = page.after(str) or [""]
        async with engine.begin() as tx:
            found = await store.listed(tx, caller.workspace, kind, after=after, limit=page.ask)
        return page.answer(found, key=lambda one: [one.name], show=ListingView.of)

    @router.get("/{name}", summary=f"Show a {shown_kind}")
    async def one(name: str, caller: Reader) -> ListingView:
        async with engine.begin() as tx:
            return ListingView.of(
                await catalogue.current(tx, caller.workspace, kind, rule_name(name))
            )

    _add_changes(router, engine, kind, model)
    return router


def _add_changes(router: APIRouter, engine: AsyncEngine, kind: Kind, model: type[Request]) -> None:
    shown_kind = kind.replace("_", " ")

    async def declare(name: str, body: Any, caller: Writer) -> ListingView:
        document = body.model_dump(exclude_none=True, mode="json")
        async with engine.begin() as tx:
            await _require_parts(tx, caller.workspace, document)
            made = await store.put(
                tx,
                caller.workspace,
                kind,
                rule_name(name),
                document,
                actor=caller.subject,
                at=clock.now(),
            )
        return ListingView.of(made)

    declare.__annotations__["body"] = model
    router.put("/{name}", summary=f"Let a {shown_kind} be as given")(declare)

    @router.delete("/{name}", status_code=204, summary=f"Archive a {shown_kind}")
    async def archive(name: str, caller: Writer) -> None:
        async with engine.begin() as tx:
            if not await store.archive(
                tx,
                caller.workspace,
                kind,
                rule_name(name),
                actor=caller.subject,
                at=clock.now(),
            ):
                raise catalogue.missing(kind, name)


async def _require_parts(tx: AsyncConnection, workspace: str, document: dict[str, Any]) -> None:
    """What a document names by name is there."""
    template = document.get("template")
    if template and await store.find(tx, workspace, "template", template) is None:
        message = f"/template: there is no answer template {template!r}: set it first."
        raise InvalidRequestError(message)
