"""The page on which the owner of an address says what they want: /p.

The signed link is the permission, and shows its own address only. A GET changes nothing, so no link
scanner does; a POST has to come from a form of this page.
"""

from dataclasses import replace
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_campaign import pages
from rapport_campaign.api.public import READ, PageRoute, answered, unknown_link
from rapport_campaign.domain import tokens
from rapport_campaign.domain.preferences import Holder
from rapport_campaign.domain.tokens import Token
from rapport_campaign.handlers.preferences import Preferences
from rapport_campaign.tables import SCHEMA
from rapport_common.brands import brand_of
from rapport_common.errors import AppError, InvalidRequestError
from rapport_common.pages.language import LANGUAGES, language_of, tag

MAX_FORM = 64 * 1024
MAX_FIELDS = 100
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")


def preference_pages(engine: AsyncEngine, preferences: Preferences, key: bytes) -> APIRouter:
    """/p/{token}; `key` signs links and forms."""
    router = APIRouter(include_in_schema=False, route_class=PageRoute)

    @router.api_route("/p/{text}", methods=READ)
    async def ask(text: str, request: Request) -> Response:
        token = _token(key, text)
        return await _page(engine, preferences, (key, token), request, saved=False)

    @router.post("/p/{text}")
    async def choose(text: str, request: Request) -> Response:
        token = _token(key, text)
        fields = await _fields(request)
        seen = _seen(tokens.read(key, "form", "".join(fields.get("form", [])[:1])), token)
        chosen = None if "nothing" in fields else frozenset(fields.get("topic", []))
        async with engine.begin() as tx:
            holder = await _holder(preferences, tx, token)
            await preferences.choose(tx, holder, chosen, (seen, ip_of(request)))
        return await _page(engine, preferences, (key, token), request, saved=True)

    return router


async def _page(
    engine: AsyncEngine,
    preferences: Preferences,
    signed: tuple[bytes, Token],
    request: Request,
    *,
    saved: bool,
) -> Response:
    key, token = signed
    language = chosen_language(request)
    async with engine.begin() as tx:
        shown = await preferences.shown(tx, await _holder(preferences, tx, token))
        brand = await brand_of(tx, SCHEMA, token.workspace)
    if saved and shown.holder.is_test:
        return answered(pages.test_mail(language=language, brand=brand))
    # A form stands for the topics that it shows.
    form = tokens.sign(key, "form", replace(token, link_id=f"{shown.version:024x}"))
    return answered(pages.preferences(shown, form, saved=saved, language=language, brand=brand))


def _seen(form: Token | None, token: Token) -> int:
    """The version of the topics on a form of the page of a token."""
    if form is None or replace(form, link_id=token.link_id) != token:
        message = "This form is not from this page."
        raise InvalidRequestError(message, details={"field": "form"})
    return int(form.link_id, 16)


async def _holder(preferences: Preferences, tx: AsyncConnection, token: Token) -> Holder:
    found = await preferences.holder(tx, token)
    if found is None:
        raise unknown_link()
    return found


def _token(key: bytes, text: str) -> Token:
    token = tokens.read(key, "preferences", text)
    if token is None:
        raise unknown_link()
    return token


def chosen_language(request: Request) -> str:
    """The one that is asked for by name, else by the browser."""
    asked = request.query_params.get("lang", "")
    if asked in {tag(one) for one in LANGUAGES} or asked.partition("-")[0] in {"de", "zh", "ar"}:
        return language_of(asked)
    return language_of(request.headers.get("accept-language", ""))


async def _fields(request: Request) -> dict[str, list[str]]:
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


def ip_of(request: Request) -> str | None:
    """Where it came from; behind a proxy nobody here can say so, and a guess proves nothing."""
    if any(name in request.headers for name in _FORWARDED) or request.client is None:
        return None
    return request.client.host
