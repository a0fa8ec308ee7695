"""The operator API of what surveys have come to: scores, their trend, and every answer."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import AwareDatetime
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock
from rapport_common.brands import brand_of
from rapport_common.pages.language import language_of
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router
from rapport_feedback import pages
from rapport_feedback.api.callers import Reader
from rapport_feedback.api.models import id_of
from rapport_feedback.api.score_models import ScoreView, TrendView
from rapport_feedback.api.survey_models import ResponseView
from rapport_feedback.domain.survey_forms import Dimension, Form
from rapport_feedback.handlers import survey_scores as use
from rapport_feedback.handlers.survey_scores import Measure, Wanted
from rapport_feedback.handlers.surveys import Surveys
from rapport_feedback.store import survey_answers
from rapport_feedback.tables import SCHEMA

MAX_WAVE = 2**31 - 1
MAX_DAYS = 3650


def score_routes(engine: AsyncEngine, surveys: Surveys) -> APIRouter:
    """/v1/surveys/{survey_id}: score, trend and responses."""
    router = Router(prefix="/v1/surveys", tags=["surveys"])

    @router.get("/{survey_id}/score")
    async def score(
        survey_id: str,
        caller: Reader,
        *,
        measure: Measure = Measure.WAVE,
        wave: Annotated[int | None, Query(ge=1, le=MAX_WAVE)] = None,
        days: Annotated[int, Query(ge=1, le=MAX_DAYS, description="Of `rolling`.")] = 30,
        until: Annotated[AwareDatetime | None, Query(description="Of `rolling`: now.")] = None,
        question: Annotated[str | None, Query(max_length=40)] = None,
        by: Dimension | None = None,
        compare: Annotated[bool, Query(description="With the wave or time before.")] = False,
    ) -> ScoreView:
        """The score, each person counted once: of a `wave`, of the last days (`rolling`), or of
        what each has said last (`latest`); by a dimension as it was when they answered.
        """
        wanted = Wanted(measure, until or clock.now(), days, wave, question, by, compare)
        async with engine.begin() as tx:
            chosen = id_of(survey_id, "survey")
            found = await use.score(tx, surveys, caller.workspace, chosen, wanted)
        return ScoreView.of(found, measure)

    _add_trend(router, engine, surveys)
    _add_responses(router, engine, surveys)
    return router


def _add_trend(router: APIRouter, engine: AsyncEngine, surveys: Surveys) -> None:
    @router.get("/{survey_id}/trend")
    async def trend(survey_id: str, caller: Reader) -> TrendView:
        """The score of each of the last waves, the oldest first."""
        async with engine.begin() as tx:
            chosen = id_of(survey_id, "survey")
            told = await use.trend(tx, surveys, caller.workspace, chosen)
        return TrendView.of(*told)

    @router.get("/{survey_id}/trend/page", response_class=HTMLResponse)
    async def page(survey_id: str, caller: Reader, request: Request) -> HTMLResponse:
        """The same as a page: a chart (SVG) and a table that says the same."""
        async with engine.begin() as tx:
            chosen = id_of(survey_id, "survey")
            survey, question, points = await use.trend(tx, surveys, caller.workspace, chosen)
            brand = await brand_of(tx, SCHEMA, caller.workspace)
        told = pages.trend(
            survey,
            question,
            [(point.wave, point.scored.estimate) for point in points],
            language=language_of(request.headers.get("accept-language", "")),
            brand=brand,
        )
        return HTMLResponse(told.html, headers=dict(told.headers))


def _add_responses(router: APIRouter, engine: AsyncEngine, surveys: Surveys) -> None:
    @router.get("/{survey_id}/responses", response_model=Listed[ResponseView])
    async def responses(survey_id: str, caller: Reader, page: Paging) -> dict[str, Any]:
        """Every answer, in an order that says nothing of when it came."""
        [after] = page.after(UUID) or [None]
        async with engine.begin() as tx:
            chosen = id_of(survey_id, "survey")
            await surveys.get(tx, caller.workspace, chosen)
            found = await survey_answers.responses(
                tx, caller.workspace, chosen, after=after, limit=page.ask
            )
            forms: dict[int, Form] = {}
            for version in {one.raw.version for one in found}:
                _, forms[version] = await surveys.form(tx, caller.workspace, chosen, version)
        return page.answer(
            found,
            key=lambda one: [one.raw.response_id],
            show=lambda one: ResponseView.of(one, forms[one.raw.version]),
        )
