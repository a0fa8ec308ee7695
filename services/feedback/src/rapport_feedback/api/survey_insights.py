"""The operator API of what is behind the score of a wave."""

from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.routes import Router
from rapport_feedback.api.callers import Reader
from rapport_feedback.api.insight_models import DriversView, WeightedView
from rapport_feedback.api.models import id_of
from rapport_feedback.domain.survey_forms import Dimension
from rapport_feedback.handlers import survey_insights as use
from rapport_feedback.handlers.surveys import Surveys

MAX_WAVE = 2**31 - 1
Wave = Annotated[int | None, Query(ge=1, le=MAX_WAVE, description="The current one.")]


def insight_routes(engine: AsyncEngine, surveys: Surveys) -> APIRouter:
    """/v1/surveys/{survey_id}: weighted score and drivers."""
    router = Router(prefix="/v1/surveys", tags=["surveys"])

    @router.get("/{survey_id}/weighted")
    async def weighted(
        survey_id: str, caller: Reader, *, by: Dimension, wave: Wave = None
    ) -> WeightedView:
        """The score as if all groups had answered alike: weighted by the inverse of their response
        rates, beside the score as it is. `why_not` says what it lacks.
        """
        chosen = id_of(survey_id, "survey")
        async with engine.begin() as tx:
            found = await use.weighted(tx, surveys, caller.workspace, chosen, wave=wave, by=by)
        return WeightedView.of(found)

    @router.get("/{survey_id}/drivers")
    async def drivers(survey_id: str, caller: Reader, *, wave: Wave = None) -> DriversView:
        """Which other answers the score goes with: their relative weights, the strongest first.

        They say what goes together, not what causes what.
        """
        chosen = id_of(survey_id, "survey")
        async with engine.begin() as tx:
            found = await use.driven(tx, surveys, caller.workspace, chosen, wave)
        return DriversView.of(found)

    return router
