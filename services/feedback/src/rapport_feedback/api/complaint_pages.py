"""The form for complaints that anybody may fill in who has its link: a GET changes nothing."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock
from rapport_common.brands import brand_of
from rapport_common.errors import InvalidRequestError, NotFoundError, TooLargeError
from rapport_common.events.contact import email_address, phone_number
from rapport_common.files.uploads import received
from rapport_common.routes import Router
from rapport_feedback import pages
from rapport_feedback.api.public import PageRoute, language, respond
from rapport_feedback.api.survey_fields import read_fields
from rapport_feedback.domain.arrivals import Arrival, Writer
from rapport_feedback.domain.attached import MOST_AT_ONCE
from rapport_feedback.domain.case_fields import Fields
from rapport_feedback.domain.letters import clean
from rapport_feedback.domain.posted import MOST_FORM, PostedForm, posted_form
from rapport_feedback.domain.threads import at_place
from rapport_feedback.handlers.arriving import NO_FORM, Arriving, Words, open_form
from rapport_feedback.handlers.attachments import RefusedFileError
from rapport_feedback.store.arrivals import Form
from rapport_feedback.tables import SCHEMA

FORM = "form"
"""What the word in a form's link is for."""
TRAP = "website"
"""A field that people do not see: whoever fills it in is a program."""
PARSED_AT_ONCE = 2
"""Forms with files that are read at a time: others wait, on the disk."""
MOST_NAME, MOST_WORD = 200, 100


def complaint_pages(engine: AsyncEngine, arriving: Arriving, link_key: bytes) -> APIRouter:
    """/complain/{word}."""
    router = Router(prefix="/complain", tags=["pages"], route_class=PageRoute)
    reading = asyncio.Semaphore(PARSED_AT_ONCE)

    @router.get("/{word}", response_class=HTMLResponse)
    @router.head("/{word}", include_in_schema=False)
    async def show(word: str, request: Request) -> HTMLResponse:
        workspace, form_id = _led(link_key, word)
        async with engine.begin() as tx:
            form = await open_form(tx, workspace, form_id)
            brand = await brand_of(tx, SCHEMA, workspace)
        return respond(
            pages.complaint_form(files=form.files, language=language(request), brand=brand)
        )

    @router.post("/{word}", response_class=HTMLResponse)
    async def complain(word: str, request: Request) -> HTMLResponse:
        workspace, form_id = _led(link_key, word)
        async with engine.begin() as tx:
            # Before a large body is read for nothing.
            form = await open_form(tx, workspace, form_id)
            brand = await brand_of(tx, SCHEMA, workspace)
        posted = await _posted(request, reading)
        now, spoken = clock.now(), language(request)
        if posted.fields.get(TRAP):
            return respond(pages.complaint_taken(None, None, language=spoken, brand=brand))
        arrival, words = _said(posted, form, now)
        try:
            async with engine.begin() as tx:
                made = await arriving.by_form(tx, workspace, form_id, arrival, words)
        except RefusedFileError as error:
            raise InvalidRequestError(pages.FILE_REFUSED, details=error.details) from error
        answer_by = (made.case.due_at or now + arriving.cases.levels.resolve).date()
        told = pages.complaint_taken(made.number, answer_by, language=spoken, brand=brand)
        return respond(told)

    return router


def _led(link_key: bytes, word: str) -> tuple[str, UUID]:
    led = at_place(link_key, FORM, word)
    if led is None:
        raise NotFoundError(NO_FORM)
    return led[0], UUID(led[1])


async def _posted(request: Request, reading: asyncio.Semaphore) -> PostedForm:
    """A form with files or without, or a JSON object."""
    kind = request.headers.get("content-type", "")
    if not kind.lower().startswith("multipart/form-data"):
        fields = await read_fields(request)
        return PostedForm({name: values[-1] for name, values in fields.items() if values})
    async with received(request.stream()) as file:
        if file.seek(0, 2) > MOST_FORM:
            raise TooLargeError(MOST_FORM)
        file.seek(0)
        async with reading:
            return await asyncio.to_thread(lambda: posted_form(kind, file.read()))


def _said(posted: PostedForm, form: Form, now: datetime) -> tuple[Arrival, Words]:
    fields = posted.fields
    subject = _text(fields, "subject", pages.MAX_SUBJECT)
    body = _text(fields, "body", pages.MAX_BODY)
    if not subject or not body:
        raise InvalidRequestError(pages.EMPTY_COMPLAINT)
    if len(posted.files) > MOST_AT_ONCE:
        raise InvalidRequestError(pages.FILE_REFUSED)
    typed = _text(fields, "email", MOST_NAME)
    email = email_address(typed) if typed else None
    phone = _text(fields, "phone", MOST_WORD)
    if (typed and email is None) or not (email or phone):
        raise InvalidRequestError(pages.NO_ADDRESS)
    writer = Writer(
        email=email,
        phone=phone_number(phone) or phone or None,
        name=_text(fields, "name", MOST_NAME) or None,
    )
    words = Words(
        subject=" ".join(subject.split()),
        body=body,
        files=tuple(posted.files),
        fields=Fields(order_id=_text(fields, "order", MOST_WORD)),
    )
    return Arrival("form", str(form.form_id), writer, now), words


def _text(fields: Mapping[str, str], name: str, longest: int) -> str:
    """What was typed, as a person can read it; markup in it is text."""
    given = fields.get(name, "")
    if len(given) > 2 * longest:
        raise InvalidRequestError(pages.TOO_LONG, details={"longest": longest})
    found = clean(given, 2 * longest).strip()
    if len(found) > longest:
        raise InvalidRequestError(pages.TOO_LONG, details={"longest": longest})
    return found
