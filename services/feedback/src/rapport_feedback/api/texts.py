"""Routes for operators: what was read of texts, and what people say of it."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.errors import InvalidRequestError
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router
from rapport_feedback.api.callers import Reader, Writer
from rapport_feedback.api.models import id_of
from rapport_feedback.api.text_models import (
    JobAsked,
    Label,
    Language,
    NewCorrection,
    Source,
    State,
    TextView,
    TextWithReasons,
)
from rapport_feedback.handlers import texts
from rapport_feedback.handlers.text_work import ask_reading
from rapport_feedback.store import text_lists
from rapport_feedback.store.text_lists import Asked


def text_routes(engine: AsyncEngine) -> APIRouter:
    """/v1/texts."""
    router = Router(prefix="/v1/texts", tags=["texts"])

    @router.get("", response_model=Listed[TextView])
    async def listed(
        caller: Reader,
        page: Paging,
        *,
        topic: str | None = None,
        sentiment: Label | None = None,
        language: Language | None = None,
        state: State | None = None,
        source: Source | None = None,
    ) -> dict[str, Any]:
        """By their ids, in an order that says nothing of when they came."""
        [after] = page.after(UUID) or [None]
        asked = Asked(topic, sentiment, language, state, source)
        async with engine.begin() as tx:
            found = await text_lists.listed(
                tx, caller.workspace, asked, after=after, limit=page.ask
            )
        return page.answer(found, key=lambda one: [str(one.text_id)], show=TextView.of)

    @router.post("/enrich", status_code=202)
    async def enrich(caller: Writer) -> JobAsked:
        """Have all texts read, old ones too, by a job; what holds of them stays until then."""
        async with engine.begin() as tx:
            return JobAsked(job_id=UUID(await ask_reading(tx, caller.workspace, "all texts")))

    return router


def one_text_routes(engine: AsyncEngine) -> APIRouter:
    """/v1/texts/{text_id}: shown with reasons, corrected."""
    router = Router(prefix="/v1/texts", tags=["texts"])

    @router.get("/{text_id}")
    async def one(text_id: str, caller: Reader) -> TextWithReasons:
        """A text with the reasons for what was read, those nearly the same, and corrections."""
        async with engine.begin() as tx:
            return await _shown(tx, caller.workspace, id_of(text_id, "text"))

    @router.post("/{text_id}/corrections")
    async def correct(text_id: str, body: NewCorrection, caller: Writer) -> TextWithReasons:
        """Say what a text is: it holds at once, and teaches later. The same again is no news."""
        if body.topics is None and body.sentiment is None:
            message = "body: say topics or sentiment, or both."
            raise InvalidRequestError(message, details={"field": "body"})
        known = id_of(text_id, "text")
        async with engine.begin() as tx:
            await texts.correct(
                tx,
                caller.workspace,
                known,
                topics=body.topics,
                label=body.sentiment,
                actor=caller.subject,
            )
            return await _shown(tx, caller.workspace, known)

    return router


async def _shown(tx: Any, workspace: str, text_id: UUID) -> TextWithReasons:
    found = await texts.text_of(tx, workspace, text_id)
    near = await texts.alike(tx, workspace, found)
    said = await text_lists.corrections(tx, workspace, text_id)
    return TextWithReasons.all_of(found, near, said)
