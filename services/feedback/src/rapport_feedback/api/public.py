"""The pages behind a survey link: whoever has the link may answer; a GET changes nothing."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy.ext.asyncio import AsyncEngine
from typing_extensions import override

from rapport_common import clock
from rapport_common.brands import brand_of
from rapport_common.errors import AppError, InvalidRequestError
from rapport_common.events.codec import UNREADABLE
from rapport_common.pages.brand import Brand
from rapport_common.pages.language import language_of
from rapport_common.pages.site import Page
from rapport_common.problem_pages import PeopleRoute
from rapport_common.routes import Router
from rapport_feedback import metrics, pages
from rapport_feedback.domain.nps import HIGHEST, LOWEST
from rapport_feedback.domain.surveys import MAX_COMMENT
from rapport_feedback.handlers.cases import Cases
from rapport_feedback.handlers.surveys import LinkView, Surveys
from rapport_feedback.tables import SCHEMA

MAX_FORM_BYTES = 128 * 1024
MAX_FIELDS = 20

Fields = Mapping[str, str]


class PageRoute(PeopleRoute):
    """A survey's address."""

    @override
    @staticmethod
    def problem_page(status: int, message: str, languages: str) -> Page:
        return pages.problem(status, message, language=language_of(languages))


def survey_pages(engine: AsyncEngine, surveys: Surveys, cases: Cases) -> APIRouter:
    """/s/{token}."""
    router = Router(prefix="/s", tags=["pages"], route_class=PageRoute)

    @router.get("/{token}", response_class=HTMLResponse)
    @router.head("/{token}", include_in_schema=False)
    async def show(token: str, request: Request) -> HTMLResponse:
        invitation_id = surveys.invited(token)
        async with engine.begin() as tx:
            view = await surveys.view(tx, invitation_id, clock.now())
            brand = await brand_of(tx, SCHEMA, view.invitation.workspace)
        return _survey_page(token, view, request, brand)

    @router.post("/{token}", response_class=HTMLResponse)
    async def answer(token: str, request: Request) -> HTMLResponse:
        invitation_id = surveys.invited(token)
        fields = await _fields(request)
        score, comment = _score(fields), _text(fields, "comment", MAX_COMMENT)
        try:
            async with engine.begin() as tx:
                view = await surveys.answer(
                    tx, invitation_id, score=score, comment=comment, now=clock.now()
                )
                brand = await brand_of(tx, SCHEMA, view.invitation.workspace)
        except AppError:
            metrics.ANSWERS.labels("refused").inc()
            raise
        metrics.ANSWERS.labels(_outcome(view)).inc()
        return _survey_page(token, view, request, brand)

    _add_complaints(router, engine, surveys, cases)
    return router


def _add_complaints(router: APIRouter, engine: AsyncEngine, surveys: Surveys, cases: Cases) -> None:
    @router.post("/{token}/complaint", response_class=HTMLResponse)
    async def complain(token: str, request: Request) -> HTMLResponse:
        invitation_id = surveys.invited(token)
        fields = await _fields(request)
        subject = _required(fields, "subject", pages.MAX_SUBJECT)
        body = _required(fields, "body", pages.MAX_BODY)
        now = clock.now()
        async with engine.begin() as tx:
            invitation = await surveys.opened(tx, invitation_id, now, lock=True)
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


def respond(page: Page) -> HTMLResponse:
    """A page with the headers that keep it to itself."""
    return HTMLResponse(page.html, headers=dict(page.headers))


def _survey_page(token: str, view: LinkView, request: Request, brand: Brand) -> HTMLResponse:
    told = pages.survey(
        token,
        view.invitation.question,
        view.response,
        changeable=view.changeable,
        language=language(request),
        brand=brand,
    )
    return respond(told)


def _outcome(view: LinkView) -> str:
    if not view.recorded or view.response is None:
        return "unchanged"
    return "recorded" if view.response.revision == 1 else "revised"


async def _fields(request: Request) -> Fields:
    """The fields of a form (or of a JSON object), bounded before they are parsed."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_FORM_BYTES:
            raise AppError(pages.TOO_LONG, status=413, code="too_large")
    if request.headers.get("content-type", "").startswith("application/json"):
        return _json_fields(bytes(raw))
    return _form_fields(raw.decode("utf-8", "replace"))


def _form_fields(raw: str) -> Fields:
    try:
        return dict(parse_qsl(raw, keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError as error:
        raise InvalidRequestError(pages.TOO_MANY_FIELDS) from error


def _json_fields(raw: bytes) -> Fields:
    try:
        decoded = msgspec.json.decode(raw, type=dict[str, str | int | None])
    except UNREADABLE as error:
        raise InvalidRequestError(pages.NOT_AN_OBJECT) from error
    return {name: str(value) for name, value in decoded.items() if value is not None}


def _score(fields: Fields) -> int | None:
    given = fields.get("score", "").strip()
    if not given:
        return None
    if given in {str(score) for score in range(LOWEST, HIGHEST + 1)}:
        return int(given)
    raise InvalidRequestError(pages.NO_SUCH_SCORE)


def _text(fields: Fields, name: str, longest: int) -> str | None:
    """A field's text, with one kind of line end; None when the form had no such field."""
    if name not in fields:
        return None
    text = fields[name].replace("\r\n", "\n").strip()
    if len(text) > longest:
        raise InvalidRequestError(pages.TOO_LONG, details={"longest": longest})
    if "\0" in text:
        raise InvalidRequestError(pages.UNSTORABLE)
    return text


def _required(fields: Fields, name: str, longest: int) -> str:
    text = _text(fields, name, longest)
    if not text:
        raise InvalidRequestError(pages.EMPTY_COMPLAINT)
    return text
