"""/v1/hooks: where vendors report what became of messages; and the addresses that they post to."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_campaign.domain import tokens
from rapport_campaign.domain.tokens import Token
from rapport_campaign.domain.vendors import Vendor
from rapport_campaign.domain.vendors.posts import Post, Secret
from rapport_campaign.handlers import hooks as use
from rapport_campaign.handlers.hooks import Hooks, unknown_hook
from rapport_campaign.render.compose import Office
from rapport_campaign.settings import Settings
from rapport_campaign.store import hooks as store
from rapport_campaign.store.hooks import Hook
from rapport_campaign.tables import SCHEMA
from rapport_common import clock
from rapport_common.auth import Operator, operator
from rapport_common.errors import TooLargeError
from rapport_common.idempotency import Repeatable
from rapport_common.operator.texts import StorableText
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router

Reader = Annotated[Operator, Depends(operator("campaigns:read"))]
Writer = Annotated[Operator, Depends(operator("campaigns:write"))]
HookId = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]
MAX_BODY = 2 * 2**20
_EXAMPLE: JsonDict = {"vendor": "standard"}


class NewHook(BaseModel):
    """An address for a vendor's posts, and what shows that they are the vendor's."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _EXAMPLE})

    vendor: Vendor
    secret: Annotated[StorableText, Field(max_length=1000)] = Field(
        "",
        description="twilio: auth token; sendgrid: verification key; mailgun: webhook signing key; "
        "postmark: user:password; standard: made here when left out; ses: none.",
    )
    topic: Annotated[StorableText, Field(max_length=300)] = Field(
        "", description="ses: the ARN of the SNS topic."
    )


class ShownHook(BaseModel):
    """An address that a vendor posts to; whoever has it and the secret can report."""

    id: str
    vendor: Vendor
    url: str
    topic: str
    created_at: datetime
    created_by: str
    last_at: datetime | None = Field(description="when a post was last believed, to the minute")


class MadeHook(ShownHook):
    """A new one."""

    secret: str | None = Field(description="of `standard`, which makes one; shown this once")


class TakenPost(BaseModel):
    """What a post came to: reports that were new and of messages of ours, and all others."""

    taken: int
    ignored: int


def hook_routes(engine: AsyncEngine, settings: Settings) -> APIRouter:
    """For operators."""
    router = Router(tags=["outcomes"])
    _make_route(router, engine, settings)
    _other_routes(router, engine, settings.office())
    return router


def _make_route(router: APIRouter, engine: AsyncEngine, settings: Settings) -> None:
    office, keys = settings.office(), settings.secret_keys()

    @router.post("/v1/hooks", status_code=201)
    async def make(body: NewHook, caller: Writer, once: Repeatable) -> MadeHook:
        """An address for a vendor to report to. Its secret is kept sealed."""
        given = Secret(body.secret, body.topic)
        hook, secret = use.made(caller.workspace, caller.subject, body.vendor, given, keys)
        async with engine.begin() as tx:
            earlier = await once.earlier(
                tx, SCHEMA, caller.workspace, body=body.model_dump(), made_id=hook.hook_id
            )
            if earlier is not None:
                found = await store.find(tx, caller.workspace, earlier)
                if found is None:
                    raise unknown_hook()
                return MadeHook(**_shown(found, office), secret=None)
            await store.add(tx, hook)
        is_ours = body.vendor == "standard"
        return MadeHook(**_shown(hook, office), secret=secret if is_ours else None)


def _other_routes(router: APIRouter, engine: AsyncEngine, office: Office) -> None:
    @router.get("/v1/hooks", response_model=Listed[ShownHook])
    async def listed(caller: Reader, page: Paging) -> dict[str, Any]:
        """The newest hooks, without their secrets."""
        after = page.after(datetime, str)
        async with engine.begin() as tx:
            found = await store.listed(
                tx,
                caller.workspace,
                after=(after[0], after[1]) if after else None,
                limit=page.ask,
            )
        return page.answer(
            found,
            key=lambda one: [one.created_at, one.hook_id],
            show=lambda one: _shown(one, office),
        )

    @router.delete("/v1/hooks/{hook_id}", status_code=204)
    async def remove(hook_id: HookId, caller: Writer) -> None:
        """Take a hook away: what is posted to its address is refused."""
        async with engine.begin() as tx:
            await use.remove(tx, caller.workspace, hook_id)


def _shown(hook: Hook, office: Office) -> dict[str, Any]:
    signed = tokens.sign(office.link_key, "hook", Token(hook.workspace, hook.hook_id))
    return {
        "id": hook.hook_id,
        "vendor": hook.vendor,
        "url": f"{office.base_url}/hooks/{signed}/{hook.vendor}",
        "topic": hook.topic,
        "created_at": hook.created_at,
        "created_by": hook.created_by,
        "last_at": hook.last_at,
    }


def hook_addresses(hooks: Hooks, settings: Settings) -> APIRouter:
    """What vendors post to: the token in the address says which hook it is."""
    router = Router(include_in_schema=False)
    office = settings.office()

    @router.post("/hooks/{text}/{vendor}")
    async def post(text: str, vendor: str, request: Request) -> TakenPost:
        token = tokens.read(office.link_key, "hook", text)
        if token is None:
            raise unknown_hook()
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY:
                raise TooLargeError(MAX_BODY)
        # As the vendor was told it, whatever proxies make of it: signatures are over it.
        query = f"?{request.url.query}" if request.url.query else ""
        url = f"{office.base_url}/hooks/{text}/{vendor}{query}"
        headers = {name.lower(): value for name, value in request.headers.items()}
        come = Post(url, headers, bytes(body), clock.now().timestamp())
        taken = await hooks.post(token, vendor, come)
        return TakenPost(taken=taken.taken, ignored=taken.ignored)

    return router
