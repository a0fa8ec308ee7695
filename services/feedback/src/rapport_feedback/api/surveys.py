"""The operator API of surveys: made, run in waves, sent out, and scored."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Query, Response
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock
from rapport_common.idempotency import Repeatable
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router
from rapport_feedback import metrics
from rapport_feedback.api.callers import Reader, Writer
from rapport_feedback.api.models import (
    Invited,
    Named,
    NewSurvey,
    ScoreView,
    SurveyChange,
    SurveyView,
    Wave,
    id_of,
)
from rapport_feedback.handlers.surveys import Surveys
from rapport_feedback.store import surveys as survey_store
from rapport_feedback.tables import SCHEMA

MAX_WAVE = 2**31 - 1


def survey_routes(engine: AsyncEngine, surveys: Surveys) -> APIRouter:
    """/v1/surveys: listed, shown and scored."""
    router = Router(prefix="/v1/surveys", tags=["surveys"])

    @router.get("", response_model=Listed[SurveyView])
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


def survey_change_routes(engine: AsyncEngine, surveys: Surveys) -> APIRouter:
    """/v1/surveys: made, renamed, archived and run again."""
    router = Router(prefix="/v1/surveys", tags=["surveys"])

    @router.post("", status_code=201)
    async def create(body: NewSurvey, caller: Writer, once: Repeatable) -> SurveyView:
        """A new survey in its first wave."""
        workspace, new = caller.workspace, uuid4()
        async with engine.begin() as tx:
            made = await once.earlier(
                tx, SCHEMA, workspace, body=body.model_dump(), made_id=str(new)
            )
            if made is not None:
                return SurveyView.of(await surveys.get(tx, workspace, UUID(made)))
            survey = await surveys.create(
                tx, workspace, new, name=body.name, question=body.question, now=clock.now()
            )
        return SurveyView.of(survey)

    @router.patch("/{survey_id}")
    async def change(survey_id: str, body: SurveyChange, caller: Writer) -> SurveyView:
        """Rename a survey; its question stays, since answers are to that one."""
        async with engine.begin() as tx:
            chosen = id_of(survey_id, "survey")
            found = await surveys.rename(tx, caller.workspace, chosen, body.name)
        return SurveyView.of(found)

    @router.delete("/{survey_id}", status_code=204)
    async def archive(survey_id: str, caller: Writer) -> None:
        """Archive a survey: no new links; those that are out can be answered until they end."""
        async with engine.begin() as tx:
            chosen = id_of(survey_id, "survey")
            await surveys.archive(tx, caller.workspace, chosen, clock.now())

    @router.post("/{survey_id}/waves", status_code=201)
    async def next_wave(survey_id: str, caller: Writer, once: Repeatable) -> Wave:
        """Begin the next run; invitations made before stay in theirs."""
        async with engine.begin() as tx:
            made = await once.earlier(tx, SCHEMA, caller.workspace, body=None, made_id="")
            if made is not None:
                return Wave(wave=int(made))
            wave = await surveys.next_wave(tx, caller.workspace, id_of(survey_id, "survey"))
            await once.settle(tx, SCHEMA, caller.workspace, str(wave))
        return Wave(wave=wave)

    return router


def invitation_routes(engine: AsyncEngine, surveys: Surveys, public_url: str) -> APIRouter:
    """/v1/surveys/{survey_id}/invitations: links begin with `public_url`."""
    router = Router(prefix="/v1/surveys", tags=["surveys"])

    @router.post("/{survey_id}/invitations", status_code=201)
    async def invite(survey_id: str, body: Named, caller: Writer, response: Response) -> Invited:
        """The link of a person to the survey's wave; 200 with the same link the next time."""
        async with engine.begin() as tx:
            token, is_new = await surveys.invite(
                tx, caller.workspace, id_of(survey_id, "survey"), body.contact(), clock.now()
            )
        metrics.INVITATIONS.labels("new" if is_new else "repeated").inc()
        response.status_code = 201 if is_new else 200
        return Invited(url=f"{public_url}/s/{token}")

    return router
