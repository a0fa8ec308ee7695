"""The page on which the owner of an address says what they want: /p.

The signed link is the permission, and shows its own address only. A GET changes nothing, so no link
scanner does; a POST has to come from a form of this page.
"""

from dataclasses import replace

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_campaign import pages
from rapport_campaign.api.public import READ, Door, PageRoute, answered, fields_of, unknown_link
from rapport_campaign.domain import tokens
from rapport_campaign.domain.preferences import Holder
from rapport_campaign.domain.tokens import Token
from rapport_campaign.handlers.preferences import Preferences
from rapport_campaign.tables import SCHEMA
from rapport_common.brands import brand_of
from rapport_common.pages.language import LANGUAGES, language_of, tag
from rapport_common.routes import Router


def preference_pages(engine: AsyncEngine, preferences: Preferences, door: Door) -> APIRouter:
    """/p/{token}; `door` reads links and forms."""
    router = Router(include_in_schema=False, route_class=PageRoute)

    @router.api_route("/p/{text}", methods=READ)
    async def ask(text: str, request: Request) -> Response:
        token = _token(door, text)
        return await _page(engine, preferences, (door, token), request, saved=False)

    @router.post("/p/{text}")
    async def choose(text: str, request: Request) -> Response:
        token = _token(door, text)
        fields = await fields_of(request)
        seen = int(door.of_form(fields, token).link_id, 16)
        chosen = None if "nothing" in fields else frozenset(fields.get("topic", []))
        async with engine.begin() as tx:
            holder = await _holder(preferences, tx, token)
            await preferences.choose(tx, holder, chosen, (seen, door.ip_of(request)))
        return await _page(engine, preferences, (door, token), request, saved=True)

    return router


async def _page(
    engine: AsyncEngine,
    preferences: Preferences,
    shown_by: tuple[Door, Token],
    request: Request,
    *,
    saved: bool,
) -> Response:
    door, token = shown_by
    language = chosen_language(request)
    async with engine.begin() as tx:
        shown = await preferences.shown(tx, await _holder(preferences, tx, token))
        brand = await brand_of(tx, SCHEMA, token.workspace)
    if saved and shown.holder.is_test:
        return answered(pages.test_mail(language=language, brand=brand))
    # A form stands for the topics that it shows.
    form = door.form(replace(token, link_id=f"{shown.version:024x}"))
    return answered(pages.preferences(shown, form, saved=saved, language=language, brand=brand))


async def _holder(preferences: Preferences, tx: AsyncConnection, token: Token) -> Holder:
    found = await preferences.holder(tx, token)
    if found is None:
        raise unknown_link()
    return found


def _token(door: Door, text: str) -> Token:
    token = tokens.read(door.key, "preferences", text)
    if token is None:
        raise unknown_link()
    return token


def chosen_language(request: Request) -> str:
    """The one that is asked for by name, else by the browser."""
    asked = request.query_params.get("lang", "")
    if asked in {tag(one) for one in LANGUAGES} or asked.partition("-")[0] in {"de", "zh", "ar"}:
        return language_of(asked)
    return language_of(request.headers.get("accept-language", ""))
