"""The operator API of surveys: made, changed, run in waves, and sent out."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Response
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock
from rapport_common.idempotency import Repeatable
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router
from rapport_feedback import metrics
from rapport_feedback.api.callers import Reader, Writer
from rapport_feedback.api.models import (
    Invited,
    SurveyChange,
    Wave,
    id_of,
)
from rapport_feedback.api.survey_models import (
    FormBody,
    NewInvitation,
    NewLink,
    NewSurvey,
    SurveyView,
    SurveyWithForm,
    VersionView,
)
from rapport_feedback.handlers.surveys import Surveys
from rapport_feedback.store import survey_quotas
from rapport_feedback.store import surveys as survey_store
from rapport_feedback.tables import SCHEMA


def survey_routes(engine: AsyncEngine, surveys: Surveys) -> APIRouter:
    """/v1/surveys: listed and shown."""
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
    async def one(survey_id: str, caller: Reader) -> SurveyWithForm:
        """A survey with what it asks, and which words lack in which of its languages."""
        async with engine.begin() as tx:
            chosen = id_of(survey_id, "survey")
            found, form = await surveys.form(tx, caller.workspace, chosen)
            counted = await survey_quotas.taken(tx, caller.workspace, chosen)
        return SurveyWithForm.told(found, form, counted)

    return router


def survey_change_routes(engine: AsyncEngine, surveys: Surveys) -> APIRouter:
    """/v1/surveys: made, archived and run again."""
    router = Router(prefix="/v1/surveys", tags=["surveys"])

    @router.post("", status_code=201)
    async def create(body: NewSurvey, caller: Writer, once: Repeatable) -> SurveyWithForm:
        """A new survey in its first wave: one question by itself, or a form."""
        workspace, new, form = caller.workspace, uuid4(), body.asked()
        said = body.model_dump()
        async with engine.begin() as tx:
            made = await once.earlier(tx, SCHEMA, workspace, body=said, made_id=str(new))
            if made is not None:
                return SurveyWithForm.told(*await surveys.form(tx, workspace, UUID(made)), {})
            survey = await surveys.create(
                *(tx, workspace, new),
                name=body.name,
                form=form,
                actor=caller.subject,
                now=clock.now(),
            )
        return SurveyWithForm.told(survey, form, {})

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
            chosen = id_of(survey_id, "survey")
            wave = await surveys.next_wave(tx, caller.workspace, chosen, clock.now())
            await once.settle(tx, SCHEMA, caller.workspace, str(wave))
        return Wave(wave=wave)

    return router


def form_routes(engine: AsyncEngine, surveys: Surveys) -> APIRouter:
    """/v1/surveys/{survey_id}: what it is called, what it asks, and what it asked."""
    router = Router(prefix="/v1/surveys", tags=["surveys"])

    @router.patch("/{survey_id}")
    async def change(survey_id: str, body: SurveyChange, caller: Writer) -> SurveyView:
        """Rename a survey; what it asks is changed by PUT …/form."""
        async with engine.begin() as tx:
            chosen = id_of(survey_id, "survey")
            found = await surveys.rename(tx, caller.workspace, chosen, body.name)
        return SurveyView.of(found)

    @router.put("/{survey_id}/form")
    async def ask(survey_id: str, body: FormBody, caller: Writer) -> SurveyWithForm:
        """Ask something else from now on; who has begun finishes the version they began.

        The same form again makes no version.
        """
        async with engine.begin() as tx:
            chosen = id_of(survey_id, "survey")
            survey, form = await surveys.change_form(
                tx,
                caller.workspace,
                chosen,
                body.form.root,
                actor=caller.subject,
                now=clock.now(),
            )
            counted = await survey_quotas.taken(tx, caller.workspace, chosen)
        return SurveyWithForm.told(survey, form, counted)

    @router.get("/{survey_id}/versions", response_model=Listed[VersionView])
    async def versions(survey_id: str, caller: Reader, page: Paging) -> dict[str, Any]:
        """What a survey asks and has asked, the newest version first."""
        [before] = page.after(int) or [None]
        async with engine.begin() as tx:
            chosen = id_of(survey_id, "survey")
            await surveys.get(tx, caller.workspace, chosen)
            found = await survey_store.versions(
                tx, caller.workspace, chosen, before=before, limit=page.ask
            )
        return page.answer(found, key=lambda one: [one.version], show=VersionView.of)

    return router


def invitation_routes(engine: AsyncEngine, surveys: Surveys, public_url: str) -> APIRouter:
    """/v1/surveys/{survey_id}/invitations and links: they begin with `public_url`."""
    router = Router(prefix="/v1/surveys", tags=["surveys"])

    @router.post("/{survey_id}/invitations", status_code=201)
    async def invite(
        survey_id: str, body: NewInvitation, caller: Writer, response: Response
    ) -> Invited:
        """The link of a person to the survey's wave; 200 with the same link the next time.

        409 `too_soon` with `opens_at` while the contact policy is against a new one, unless
        `override` is said with a reason.
        """
        async with engine.begin() as tx:
            token, is_new = await surveys.invite(
                tx,
                caller.workspace,
                id_of(survey_id, "survey"),
                body.contact(),
                clock.now(),
                context=body.dimensions(),
                traits=body.traits,
                override=body.overridden(caller.subject),
            )
        metrics.INVITATIONS.labels("new" if is_new else "repeated").inc()
        response.status_code = 201 if is_new else 200
        return Invited(url=f"{public_url}/s/{token}")

    @router.post("/{survey_id}/links", status_code=201)
    async def link(survey_id: str, body: NewLink, caller: Writer, response: Response) -> Invited:
        """The link for all to an anonymous survey's wave; for the same context the same link."""
        async with engine.begin() as tx:
            token, is_new = await surveys.open_link(
                tx,
                caller.workspace,
                id_of(survey_id, "survey"),
                clock.now(),
                context=body.dimensions(),
            )
        response.status_code = 201 if is_new else 200
        return Invited(url=f"{public_url}/s/{token}")

    return router
