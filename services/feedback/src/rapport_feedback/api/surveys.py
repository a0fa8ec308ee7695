"""The operator API of surveys: made, run in waves, sent out, and scored."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock
from rapport_common.paging import Paging
from rapport_feedback import metrics
from rapport_feedback.api.callers import Reader, Writer
from rapport_feedback.api.models import (
    Named,
    NewSurvey,
    ScoreView,
    SurveyChange,
    SurveyPage,
    SurveyView,
    id_of,
)
from rapport_feedback.handlers.surveys import Surveys
from rapport_feedback.store import surveys as survey_store

MAX_WAVE = 2**31 - 1


def survey_routes(engine: AsyncEngine, surveys: Surveys) -> APIRouter:
    """/v1/surveys."""
    router = APIRouter(prefix="/v1/surveys", tags=["surveys"])

    @router.post("", status_code=201)
    async def create(body: NewSurvey, caller: Writer) -> SurveyView:
        async with engine.begin() as tx:
            made = await surveys.create(tx, caller.workspace, body.name, body.question, clock.now())
        return SurveyView.of(made)

    @router.get("", response_model=SurveyPage)
    async def listed(caller: Reader, page: Paging, *, archived: bool = False) -> dict[str, Any]:
        """Newest first: the living, or the archived ones."""
        after = page.after(datetime, UUID)
        async with engine.begin() as tx:
            found = await survey_store.surveys(
                tx,
                caller.workspace,
                archived=archived,
                after=(after[0], after[1]) if after else None,
                limit=page.ask,
            )
        return page.answer(
            found, key=lambda one: (one.created_at, one.survey_id), show=SurveyView.of
        )

    @router.get("/{survey_id}")
    async def one(survey_id: str, caller: Reader) -> SurveyView:
        async with engine.begin() as tx:
            found = await surveys.get(tx, caller.workspace, id_of(survey_id, "survey"))
        return SurveyView.of(found)

    @router.patch("/{survey_id}")
    async def change(survey_id: str, body: SurveyChange, caller: Writer) -> SurveyView:
        """Rename a survey; its question stays, since answers are to that one."""
        async with engine.begin() as tx:
            chosen = id_of(survey_id, "survey")
            found = await surveys.rename(tx, caller.workspace, chosen, body.name)
        return SurveyView.of(found)

    @router.delete("/{survey_id}")
    async def archive(survey_id: str, caller: Writer) -> SurveyView:
        """Archive a survey: no new links; those that are out can be answered until they end."""
        async with engine.begin() as tx:
            chosen = id_of(survey_id, "survey")
            found = await surveys.archive(tx, caller.workspace, chosen, clock.now())
        return SurveyView.of(found)

    @router.post("/{survey_id}/waves", status_code=201)
    async def next_wave(survey_id: str, caller: Writer) -> dict[str, int]:
        async with engine.begin() as tx:
            wave = await surveys.next_wave(tx, caller.workspace, id_of(survey_id, "survey"))
        return {"wave": wave}

    @router.get("/{survey_id}/score")
    async def score(
        survey_id: str,
        caller: Reader,
        wave: Annotated[int | None, Query(ge=1, le=MAX_WAVE)] = None,
    ) -> ScoreView:
        async with engine.begin() as tx:
            chosen = id_of(survey_id, "survey")
            return ScoreView.of(await surveys.score(tx, caller.workspace, chosen, wave))

    return router


def invitation_routes(engine: AsyncEngine, surveys: Surveys, public_url: str) -> APIRouter:
    """/v1/surveys/{survey_id}/invitations: links begin with `public_url`."""
    router = APIRouter(prefix="/v1/surveys", tags=["surveys"])

    @router.post("/{survey_id}/invitations", status_code=201)
    async def invite(
        survey_id: str, body: Named, caller: Writer, response: Response
    ) -> dict[str, str]:
        """The link of a person to the survey's wave; 200 with the same link the next time."""
        async with engine.begin() as tx:
            token, is_new = await surveys.invite(
                tx, caller.workspace, id_of(survey_id, "survey"), body.contact(), clock.now()
            )
        metrics.INVITATIONS.labels("new" if is_new else "repeated").inc()
        response.status_code = 201 if is_new else 200
        return {"url": f"{public_url}/s/{token}"}

    return router
