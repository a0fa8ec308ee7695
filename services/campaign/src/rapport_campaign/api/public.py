"""The pages behind the links of a mail. No login: the signed token is the permission.

Only a POST unsubscribes (RFC 8058 and the page's own button), and only a GET that a person may
have made counts as an open or a click: link scanners ask with HEAD or say that they prefetch.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy.ext.asyncio import AsyncEngine
from typing_extensions import override

from rapport_campaign import pages
from rapport_campaign.domain import tokens
from rapport_campaign.domain.tokens import Token
from rapport_campaign.handlers.track import Tracker, Visitor
from rapport_campaign.tables import SCHEMA
from rapport_common import logging, tracing
from rapport_common.brands import brand_of
from rapport_common.db import is_retriable
from rapport_common.errors import AppError, InvalidRequestError, NotFoundError, UnavailableError
from rapport_common.pages.language import language_of
from rapport_common.pages.site import Page
from rapport_common.problem_pages import PeopleRoute
from rapport_common.proxies import Proxies
from rapport_common.routes import Router

log = logging.get(__name__)

PAGE_SECONDS = 6.0
_left: set[asyncio.Task[Response]] = set()
"""Answers that nobody waits for any more."""

MAX_FORM = 64 * 1024
MAX_FIELDS = 100
MAX_AGENT = 500

_PREFETCH = ("purpose", "sec-purpose", "x-purpose", "x-moz")
READ = ["GET", "HEAD"]


@dataclass(frozen=True, slots=True)
class Door:
    """What the pages on which somebody says something know people by: links, forms, addresses.

    `key` signs links and forms; `proxies` say where requests are from.
    """

    key: bytes
    proxies: Proxies

    def ip_of(self, request: Request) -> str | None:
        """Where a request came from, where that is sure: it is kept as a proof."""
        peer = request.client.host if request.client is not None else None
        return self.proxies.certain(peer, request.headers.raw)

    def visitor(self, request: Request) -> Visitor:
        """Who asks, as far as can be known."""
        return Visitor(request.headers.get("user-agent", "")[:MAX_AGENT], self.ip_of(request))

    def form(self, token: Token) -> str:
        """The field that shows that a form is one of ours, of the page of a link."""
        return tokens.sign(self.key, "form", token)

    def of_form(self, fields: Mapping[str, list[str]], token: Token) -> Token:
        """What the form stands for that was sent to the page of a link."""
        form = tokens.read(self.key, "form", "".join(fields.get("form", [])[:1]))
        if form is None or replace(form, link_id=token.link_id) != token:
            message = "This form is not from this page."
            raise InvalidRequestError(message, details={"field": "form"})
        return form


async def fields_of(request: Request) -> dict[str, list[str]]:
    """The fields of a form that was sent."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_FORM:
            message = "The form is too long."
            raise AppError(message, status=413, code="too_large")
    try:
        return parse_qs(raw.decode("utf-8", "replace"), max_num_fields=MAX_FIELDS)
    except ValueError as error:
        message = "The form has too many fields."
        raise InvalidRequestError(message) from error


def public_routes(engine: AsyncEngine, tracker: Tracker, door: Door) -> APIRouter:
    """/u (unsubscribe), /c (click) and /o (open)."""
    router = Router(include_in_schema=False, route_class=PageRoute)
    _unsubscribe_routes(router, engine, tracker, door.key)
    _click_and_open(router, engine, tracker, door)
    return router


def _unsubscribe_routes(
    router: APIRouter, engine: AsyncEngine, tracker: Tracker, key: bytes
) -> None:
    @router.api_route("/u/{text}", methods=READ)
    async def ask(text: str, request: Request) -> Response:
        token = tokens.read(key, "unsubscribe", text)
        if token is None:
            raise unknown_link()
        async with engine.begin() as tx:
            found = await tracker.recipient(tx, token)
            brand = await brand_of(tx, SCHEMA, token.workspace)
        if found is None:
            raise unknown_link()
        return answered(
            pages.ask(
                found.address,
                language=_language(request),
                brand=brand,
                of_surveys=found.of_surveys,
            )
        )

    @router.post("/u/{text}")
    async def unsubscribe(text: str, request: Request) -> Response:
        token = tokens.read(key, "unsubscribe", text)
        if token is None:
            raise unknown_link()
        async with engine.begin() as tx:
            found = await tracker.unsubscribe(tx, token, tracing.current())
            brand = await brand_of(tx, SCHEMA, token.workspace)
        if found is None:
            raise unknown_link()
        language = _language(request)
        if found.is_test:
            return answered(pages.test_mail(language=language, brand=brand))
        return answered(
            pages.done(found.address, language=language, brand=brand, of_surveys=found.of_surveys)
        )


def _click_and_open(router: APIRouter, engine: AsyncEngine, tracker: Tracker, door: Door) -> None:
    @router.api_route("/c/{text}", methods=READ)
    async def click(text: str, request: Request) -> Response:
        token = tokens.read(door.key, "click", text)
        if token is None:
            raise unknown_link()
        async with engine.begin() as tx:
            if counts(request):
                url = await tracker.clicked(tx, token, tracing.current(), door.visitor(request))
            else:
                url = await tracker.target(tx, token)
        if url is None:
            raise unknown_link()
        return RedirectResponse(url, 302, headers=pages.PIXEL_HEADERS)

    @router.api_route("/o/{text}", methods=READ)
    async def opened(text: str, request: Request) -> Response:
        token = tokens.read(door.key, "open", text)
        if token is None:
            raise unknown_link()
        if counts(request):
            async with engine.begin() as tx:
                await tracker.opened(tx, token, tracing.current(), door.visitor(request))
        return Response(pages.PIXEL, media_type="image/gif", headers=pages.PIXEL_HEADERS)


async def soon(answer: Coroutine[Any, Any, Response], seconds: float) -> Response:
    """An answer within so many seconds, else TimeoutError, whatever it is busy with.

    It is cancelled then and not waited for: a driver whose server is frozen says good-bye to it
    for much longer than a person waits.
    """
    task = asyncio.get_running_loop().create_task(answer)
    await asyncio.wait({task}, timeout=seconds)
    if not task.done():
        _left.add(task)
        task.add_done_callback(_forget)
        task.cancel()
        raise TimeoutError
    return task.result()


def _forget(task: asyncio.Task[Response]) -> None:
    _left.discard(task)
    if not task.cancelled():
        # Its error was told already: nobody answered in time.
        task.exception()


class PageRoute(PeopleRoute):
    """The address of a mail's link, of which nobody waits for a database for long."""

    @override
    @staticmethod
    def problem_page(status: int, message: str, languages: str) -> Page:
        return pages.problem(status, message, language=language_of(languages))

    @override
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def in_time(request: Request) -> Response:
            try:
                return await soon(handle(request), PAGE_SECONDS)
            except Exception as error:
                if not is_retriable(error):
                    raise
                log.warning("page not served, the database is away", error=type(error).__name__)
                message = "The database is away for the moment; try the same request again."
                raise UnavailableError(message, retry_after=5) from error

        return in_time


def counts(request: Request) -> bool:
    """Whether a person may be behind a request: not for HEAD, not for what says it prefetches."""
    says = " ".join(request.headers.get(name, "") for name in _PREFETCH).lower()
    return request.method == "GET" and not any(
        word in says for word in ("prefetch", "preview", "prerender")
    )


def _language(request: Request) -> str:
    return language_of(request.headers.get("accept-language", ""))


def unknown_link() -> NotFoundError:
    """The same for every link that is not ours, whatever is wrong with it."""
    return NotFoundError("No such link was made here; it may have been cut.")


def answered(page: Page) -> Response:
    """A page with the headers that keep it to itself."""
    return HTMLResponse(page.html, headers=dict(page.headers))
