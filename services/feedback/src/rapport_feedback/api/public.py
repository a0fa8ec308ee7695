"""The pages behind a survey link: whoever has the link may answer; a GET changes nothing."""

from dataclasses import replace
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import override

from rapport_common import clock
from rapport_common.brands import brand_of
from rapport_common.errors import AppError, InvalidRequestError, NotFoundError
from rapport_common.pages.brand import Brand
from rapport_common.pages.language import language_of, wanted
from rapport_common.pages.site import PRIVATE_HEADERS, Page
from rapport_common.problem_pages import PeopleRoute, prefers_json
from rapport_common.routes import Router
from rapport_feedback import metrics, pages
from rapport_feedback.api.survey_fields import MAX_FIELDS, read_fields
from rapport_feedback.domain.question_fields import UNSTORABLE, AnswerError, Fields, read
from rapport_feedback.handlers.cases import Cases
from rapport_feedback.handlers.survey_answers import LinkView, PageError, Posted, SurveyAnswers
from rapport_feedback.pages import Sheet
from rapport_feedback.tables import SCHEMA

MAX_NAME = 40
NO_COMPLAINT = "There is no such page. Please check that the link is complete."


class PageRoute(PeopleRoute):
    """A survey's address."""

    @override
    @staticmethod
    def problem_page(status: int, message: str, languages: str) -> Page:
        return pages.problem(status, message, language=language_of(languages))


def survey_pages(engine: AsyncEngine, answers: SurveyAnswers, cases: Cases) -> APIRouter:
    """/s/{token}."""
    router = Router(prefix="/s", tags=["pages"], route_class=PageRoute)

    @router.get("/{token}", response_class=HTMLResponse)
    @router.head("/{token}", include_in_schema=False)
    async def show(token: str, request: Request) -> HTMLResponse:
        invitation_id = answers.invited(token)
        page = request.query_params.get("page", "")[:MAX_NAME] or None
        async with engine.begin() as tx:
            view = await answers.view(tx, invitation_id, clock.now(), page=page)
            brand = await brand_of(tx, SCHEMA, view.invitation.workspace)
        told = replace(_sheet(token, view), chosen=_chosen(view, request))
        return _survey_page(told, request, brand)

    @router.post("/{token}", response_class=HTMLResponse)
    async def answer(token: str, request: Request) -> Response:
        invitation_id = answers.invited(token)
        fields = await read_fields(request)
        posted = _posted(fields)
        try:
            async with engine.begin() as tx:
                view = await _answered(tx, answers, invitation_id, posted)
                is_shown = view.form.layout == "press" or view.invitation.is_open
                workspace = view.invitation.workspace
                brand = await brand_of(tx, SCHEMA, workspace) if is_shown else None
        except PageError as error:
            metrics.ANSWERS.labels("refused").inc()
            if prefers_json(request.headers.get("accept", "")):
                raise
            return await _asked_again(engine, token, request, posted, error)
        except AppError:
            metrics.ANSWERS.labels("refused").inc()
            raise
        metrics.ANSWERS.labels(_outcome(view)).inc()
        if brand is not None:
            return _survey_page(_sheet(token, view), request, brand)
        # The way back leads to pages that were shown, none of which is sent again by it.
        return RedirectResponse(f"./{token}", status_code=303, headers=PRIVATE_HEADERS)

    _add_complaints(router, engine, answers, cases)
    return router


async def _answered(
    tx: AsyncConnection, answers: SurveyAnswers, invitation_id: UUID, posted: Posted
) -> LinkView:
    """What a press has made of it; the button that leads back records nothing."""
    now = clock.now()
    if back := posted.fields.get("_back"):
        return await answers.view(tx, invitation_id, now, page=back[-1], key=posted.key)
    return await answers.answer(tx, invitation_id, posted, now)


async def _asked_again(
    engine: AsyncEngine, token: str, request: Request, posted: Posted, error: PageError
) -> HTMLResponse:
    async with engine.begin() as tx:
        brand = await brand_of(tx, SCHEMA, error.view.invitation.workspace)
    told = replace(_sheet(token, error.view), typed=posted.fields, wrong=error.wrong)
    return _survey_page(told, request, brand, status=422)


def _add_complaints(
    router: APIRouter, engine: AsyncEngine, answers: SurveyAnswers, cases: Cases
) -> None:
    @router.post("/{token}/complaint", response_class=HTMLResponse)
    async def complain(token: str, request: Request) -> HTMLResponse:
        invitation_id = answers.invited(token)
        fields = await read_fields(request)
        subject = _required(fields, "subject", pages.MAX_SUBJECT)
        body = _required(fields, "body", pages.MAX_BODY)
        now = clock.now()
        async with engine.begin() as tx:
            invitation = await answers.opened(tx, invitation_id, now, lock=True)
            if invitation.is_open:
                # Nobody is known whom an answer could be sent to.
                raise NotFoundError(NO_COMPLAINT)
            complaint, is_new = await cases.complain(tx, invitation, subject, body, now)
            brand = await brand_of(tx, SCHEMA, invitation.workspace)
        if is_new:
            metrics.CASES.labels(complaint.case.state).inc()
        told = pages.case_taken(
            token,
            complaint.number,
            (complaint.case.due_at or now + cases.levels.resolve).date(),
            language=language(request),
            brand=brand,
        )
        return respond(told)


def language(request: Request) -> str:
    """The language the reader's browser asks for, of those the pages are written in."""
    return language_of(request.headers.get("accept-language", ""))


def respond(page: Page, status: int = 200) -> HTMLResponse:
    """A page with the headers that keep it to itself."""
    return HTMLResponse(page.html, status_code=status, headers=dict(page.headers))


def _survey_page(
    sheet: Sheet, request: Request, brand: Brand, *, status: int = 200
) -> HTMLResponse:
    accepted = request.headers.get("accept-language", "")
    told = pages.survey(sheet, language=language(request), wanted=wanted(accepted), brand=brand)
    return respond(told, status)


def _sheet(token: str, view: LinkView) -> Sheet:
    """A view as the page shows it."""
    ids = [page.id for page in view.way.pages]
    at = ids.index(view.pages[0].id) if view.pages and view.pages[0].id in ids else 0
    return Sheet(
        token=token,
        form=view.form,
        response=view.response,
        changeable=view.changeable,
        pages=view.pages,
        before=ids[at - 1] if at and view.form.layout == "pages" else None,
        number=at + 1,
        key=view.key,
        is_full=view.is_full,
        may_complain=not view.invitation.is_open,
        traits=view.invitation.traits,
    )


def _chosen(view: LinkView, request: Request) -> dict[str, list[str]]:
    """What was pressed in a mail: it waits on the first page for one press, and is no answer."""
    if view.response is not None:
        return {}
    found: dict[str, list[str]] = {}
    for question in view.form.pages[0].questions:
        given = request.query_params.getlist(question.id)[:MAX_FIELDS]
        try:
            if given and read(question, {question.id: given}):
                found[question.id] = given
        except AnswerError:
            continue
    return found


def _posted(fields: Fields) -> Posted:
    def last(name: str) -> str | None:
        return fields[name][-1] if fields.get(name) else None

    return Posted(fields, last("_page"), last("_key"))


def _outcome(view: LinkView) -> str:
    if not view.recorded or view.response is None:
        return "unchanged"
    return "recorded" if view.response.revision == 1 else "revised"


def _required(fields: Fields, name: str, longest: int) -> str:
    """A field's text, with one kind of line end."""
    text = (fields.get(name) or [""])[-1].replace("\r\n", "\n").strip()
    if len(text) > longest:
        raise InvalidRequestError(pages.TOO_LONG, details={"longest": longest})
    if "\0" in text:
        raise InvalidRequestError(UNSTORABLE)
    if not text:
        raise InvalidRequestError(pages.EMPTY_COMPLAINT)
    return text
