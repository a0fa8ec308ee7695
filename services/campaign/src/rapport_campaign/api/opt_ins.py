"""Double opt-in: operators, and servers, ask; the link of the mail confirms (/d)."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_campaign import pages
from rapport_campaign.api.preference_pages import chosen_language
from rapport_campaign.api.public import READ, Door, PageRoute, answered, fields_of, unknown_link
from rapport_campaign.api.words import Line, Recipient
from rapport_campaign.domain import tokens
from rapport_campaign.domain.tokens import Token
from rapport_campaign.handlers.opt_ins import LIFETIME, OptIns
from rapport_campaign.handlers.preferences import name_of, new_key
from rapport_campaign.store import opt_ins as store
from rapport_campaign.store.opt_ins import Fate, OptIn
from rapport_campaign.tables import SCHEMA
from rapport_common import clock
from rapport_common.auth import Operator, operator
from rapport_common.brands import brand_of
from rapport_common.errors import AppError, NotFoundError
from rapport_common.events.consent import ANY_PURPOSE, is_purpose, normal_purpose
from rapport_common.idempotency import Repeatable
from rapport_common.operator.texts import StorableText
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router

Reader = Annotated[Operator, Depends(operator("campaigns:read"))]
Writer = Annotated[Operator, Depends(operator("campaigns:write"))]


def _purpose(text: str) -> str:
    word = normal_purpose(text)
    if word is None or word == ANY_PURPOSE or not is_purpose(word):
        message = "must be one purpose that is known, or your own, which begins with x_"
        raise PydanticCustomError("purpose", message)
    return word


class NewOptIn(BaseModel):
    """Who is asked to confirm what, and why."""

    model_config = ConfigDict(extra="forbid")

    profile_id: Line
    address: Recipient
    purpose: Annotated[str, Field(max_length=64), AfterValidator(_purpose)] = "promotion"
    language: Literal["en", "de", "zh_Hans", "ar"] = Field("en", description="of the mail")
    wording_version: Annotated[StorableText, Field(max_length=200)] | None = None
    reason: Annotated[StorableText, Field(min_length=1, max_length=1000)]


class ShownOptIn(BaseModel):
    """A request, and what became of it.

    `ended`: nobody has used its link in time, or somebody has said no at the address since.
    """

    id: str
    profile_id: str
    address: str
    purpose: str
    language: str
    wording_version: str | None
    actor: str
    reason: str
    state: Fate
    asked_at: datetime
    ends_at: datetime
    confirmed_at: datetime | None


def opt_in_routes(engine: AsyncEngine, opt_ins: OptIns) -> APIRouter:
    """For operators."""
    router = Router(tags=["opt-ins"])

    @router.post("/v1/opt-ins", status_code=201)
    async def ask(body: NewOptIn, caller: Writer, once: Repeatable) -> ShownOptIn:
        """Send a mail with a link by which the owner of an address confirms a yes, once, in 7 days.

        Until then it is an unconfirmed yes.
        """
        spec, now = body.model_dump(), clock.now()
        made = OptIn(
            workspace=caller.workspace,
            opt_in_id=new_key(),
            actor=caller.subject,
            asked_at=now,
            ends_at=now + LIFETIME,
            **spec,
        )
        async with engine.begin() as tx:
            known = await once.earlier(
                tx, SCHEMA, caller.workspace, body=spec, made_id=made.opt_in_id
            )
            if known is not None:
                found = await _found(tx, caller.workspace, known)
                return _shown((found, await opt_ins.fate(tx, found)))
            await opt_ins.ask(tx, made)
        return _shown((made, "asked"))

    @router.get("/v1/opt-ins", response_model=Listed[ShownOptIn])
    async def listed(caller: Reader, page: Paging) -> dict[str, Any]:
        """The newest requests."""
        after = page.after(datetime, str)
        async with engine.begin() as tx:
            before = (after[0], after[1]) if after else None
            rows = await store.latest(tx, caller.workspace, page.ask, before)
            found = [(one, await opt_ins.fate(tx, one)) for one in rows]
        return page.answer(found, key=lambda one: [one[0].asked_at, one[0].opt_in_id], show=_shown)

    @router.get("/v1/opt-ins/{opt_in_id}")
    async def one(opt_in_id: str, caller: Reader) -> ShownOptIn:
        """A request and what became of it."""
        async with engine.begin() as tx:
            found = await _found(tx, caller.workspace, opt_in_id)
            return _shown((found, await opt_ins.fate(tx, found)))

    return router


async def _found(tx: AsyncConnection, workspace: str, opt_in_id: str) -> OptIn:
    found = await store.find(tx, workspace, opt_in_id) if "\0" not in opt_in_id else None
    if found is None:
        message = f"There is no opt-in {opt_in_id!r} in this workspace."
        raise NotFoundError(message)
    return found


def _shown(known: tuple[OptIn, Fate]) -> ShownOptIn:
    one, state = known
    return ShownOptIn(
        id=one.opt_in_id,
        profile_id=one.profile_id,
        address=one.address,
        purpose=one.purpose,
        language=one.language,
        wording_version=one.wording_version,
        actor=one.actor,
        reason=one.reason,
        state=state,
        asked_at=one.asked_at,
        ends_at=one.ends_at,
        confirmed_at=one.confirmed_at,
    )


def opt_in_pages(engine: AsyncEngine, opt_ins: OptIns, door: Door) -> APIRouter:
    """/d/{token}: a GET asks, only a POST of its form confirms."""
    router = Router(include_in_schema=False, route_class=PageRoute)

    @router.api_route("/d/{text}", methods=READ)
    async def ask(text: str, request: Request) -> Response:
        token = _token(door, text)
        async with engine.begin() as tx:
            state = await opt_ins.state(tx, token.workspace, token.send_key)
            return await _page(tx, state, door.form(token), request)

    @router.post("/d/{text}")
    async def confirm(text: str, request: Request) -> Response:
        token = _token(door, text)
        # Scanners that follow links by POST know of no form.
        form = door.form(door.of_form(await fields_of(request), token))
        async with engine.begin() as tx:
            ip = door.ip_of(request)
            state = await opt_ins.confirm(tx, token.workspace, token.send_key, ip)
            return await _page(tx, state, form, request)

    return router


def _token(door: Door, text: str) -> Token:
    token = tokens.read(door.key, "opt_in", text)
    if token is None:
        raise unknown_link()
    return token


async def _page(
    tx: AsyncConnection, known: tuple[OptIn, Fate] | None, form: str, request: Request
) -> Response:
    if known is None:
        raise unknown_link()
    found, state = known
    if state == "ended":
        message = "This link has ended."
        raise AppError(message, status=410, code="ended")
    language = chosen_language(request)
    topic = await name_of(tx, found.workspace, found.purpose, language)
    return answered(
        pages.opt_in(
            found.address,
            topic,
            form,
            confirmed=state == "confirmed",
            language=language,
            brand=await brand_of(tx, SCHEMA, found.workspace),
        )
    )
