"""Others' systems post complaints: by mappings that are data, signed as Standard Webhooks are."""

from dataclasses import asdict
from datetime import datetime
from typing import Any, Final, Self

import msgspec
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock
from rapport_common.errors import InvalidRequestError, NotFoundError, UnauthorizedError
from rapport_common.events.codec import UNREADABLE
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router
from rapport_feedback import metrics
from rapport_feedback.api.callers import Reader, Writer
from rapport_feedback.api.catalogue_models import ConnectorBody
from rapport_feedback.api.models import Request as Body
from rapport_feedback.api.rule_models import rule_name
from rapport_feedback.domain.connectors import (
    LIBRARY,
    Told,
    UnmappedError,
    is_signed,
    secret_of,
    shown_secret,
    told,
)
from rapport_feedback.domain.threads import at_place, place
from rapport_feedback.handlers import catalogue
from rapport_feedback.handlers.connecting import Connecting
from rapport_feedback.store import catalogue as store
from rapport_feedback.store.catalogue import Listing

CONNECTOR: Final = "connector"
NOBODY = "There is no such connector, or it is archived."
UNSIGNED = (
    "The post is not signed by the connector's secret (Standard Webhooks: webhook-id, "
    "webhook-timestamp of the last five minutes, webhook-signature)."
)


class ConnectorView(BaseModel):
    name: str
    url: str = Field(description="where posts go")
    document: dict[str, Any]
    version: int
    actor: str
    changed_at: datetime

    @classmethod
    def of(cls, one: Listing, url: str) -> Self:
        """A connector as staff see it."""
        return cls(url=url, **one._asdict())


class ConnectorWithSecret(ConnectorView):
    """The same, with the secret by which posts are signed."""

    secret: str


class ShippedConnector(BaseModel):
    """A mapping that comes with Rapport; `document` is what PUT takes."""

    name: str
    about: str
    document: dict[str, Any]


class PreviewBody(Body):
    """A post, to be read by a connector."""

    post: dict[str, Any] = Field(examples=[{"call": {"id": "c-1", "notes": "Late"}}])


class PreviewedPost(BaseModel):
    """What a case would have of a post."""

    says: dict[str, Any]


class TakenPost(BaseModel):
    """What has become of a post: opened, continued, again, too_many."""

    result: str
    number: int = Field(description="of the case")


class Secrets:
    """Where posts go, and how they are signed."""

    def __init__(self, key: bytes, base: str) -> None:
        self.key = key
        self._base = base

    def url(self, workspace: str, name: str) -> str:
        """The address of a connector."""
        return f"{self._base}/connect/{place(self.key, CONNECTOR, workspace, name)}"

    def secret(self, workspace: str, one: Listing) -> bytes:
        """The secret of a connector as it is now."""
        generation = int(one.document.get("generation", 1))
        return secret_of(self.key, workspace, one.name, generation)


def connector_routes(engine: AsyncEngine, secrets: Secrets) -> APIRouter:
    """/v1/connectors."""
    router = Router(prefix="/v1/connectors", tags=["connectors"])

    def view(workspace: str, one: Listing) -> ConnectorView:
        return ConnectorView.of(one, secrets.url(workspace, one.name))

    @router.get("", response_model=Listed[ConnectorView])
    async def listed(caller: Reader, page: Paging) -> dict[str, Any]:
        """By name; without their secrets."""
        [after] = page.after(str) or [""]
        async with engine.begin() as tx:
            found = await store.listed(tx, caller.workspace, CONNECTOR, after=after, limit=page.ask)
        return page.answer(
            found, key=lambda one: [one.name], show=lambda one: view(caller.workspace, one)
        )

    @router.get("/{name}")
    async def one(name: str, caller: Writer) -> ConnectorWithSecret:
        """With its secret, which takes the scope to write."""
        async with engine.begin() as tx:
            found = await catalogue.current(tx, caller.workspace, CONNECTOR, rule_name(name))
        secret = shown_secret(secrets.secret(caller.workspace, found))
        return ConnectorWithSecret(**view(caller.workspace, found).model_dump(), secret=secret)

    _add_changes(router, engine, secrets)
    return router


def _add_changes(router: APIRouter, engine: AsyncEngine, secrets: Secrets) -> None:
    @router.put("/{name}")
    async def declare(name: str, body: ConnectorBody, caller: Writer) -> ConnectorView:
        """Let a connector be as given; its address and secret stay, unless `generation` changes."""
        document = body.model_dump(exclude_none=True, mode="json")
        async with engine.begin() as tx:
            made = await store.put(
                tx,
                caller.workspace,
                CONNECTOR,
                rule_name(name),
                document,
                actor=caller.subject,
                at=clock.now(),
            )
        return ConnectorView.of(made, secrets.url(caller.workspace, name))

    @router.delete("/{name}", status_code=204)
    async def archive(name: str, caller: Writer) -> None:
        """Take no more posts; its cases stay."""
        async with engine.begin() as tx:
            if not await store.archive(
                tx,
                caller.workspace,
                CONNECTOR,
                rule_name(name),
                actor=caller.subject,
                at=clock.now(),
            ):
                raise catalogue.missing(CONNECTOR, name)


def connector_use_routes(
    engine: AsyncEngine, secrets: Secrets, connecting: Connecting
) -> APIRouter:
    """Mappings that come with Rapport, what a post would say, and the posts themselves."""
    router = Router(tags=["connectors"])

    @router.get("/v1/connector-library", response_model=Listed[ShippedConnector])
    async def library(caller: Reader, page: Paging) -> dict[str, Any]:
        """Mappings that come with Rapport; none holds before it is set."""
        del caller
        [after] = page.after(str) or [""]
        found = [(name, *one) for name, one in sorted(LIBRARY.items()) if name > after]
        return page.answer(
            found[: page.ask],
            key=lambda one: [one[0]],
            show=lambda one: ShippedConnector(name=one[0], about=one[1], document=one[2]),
        )

    @router.post("/v1/connectors/{name}/preview")
    async def preview(name: str, body: PreviewBody, caller: Reader) -> PreviewedPost:
        """What a case would have of a post; nothing is kept."""
        async with engine.begin() as tx:
            found = await catalogue.current(tx, caller.workspace, CONNECTOR, rule_name(name))
        return PreviewedPost(says=asdict(_told(found, body.post)))

    @router.post("/connect/{word}", tags=["incoming"])
    async def posted(word: str, request: Request) -> TakenPost:
        """Take a post of a connector: its id is one case for ever, its message one message."""
        led = at_place(secrets.key, CONNECTOR, word)
        if led is None:
            raise NotFoundError(NOBODY)
        workspace, name = led
        raw, now = await request.body(), clock.now()
        async with engine.begin() as tx:
            found = await store.find(tx, workspace, CONNECTOR, name)
        if found is None:
            raise NotFoundError(NOBODY)
        secret = secrets.secret(workspace, found)
        if not is_signed(secret, request.headers, raw, now.timestamp()):
            metrics.POSTS.labels("unsigned").inc()
            raise UnauthorizedError(UNSIGNED)
        said = _told(found, _post(raw))
        async with engine.begin() as tx:
            made, result = await connecting.take(tx, workspace, found, said, now)
        metrics.POSTS.labels(result).inc()
        return TakenPost(result=result, number=made.number)

    return router


def _post(raw: bytes) -> object:
    try:
        return msgspec.json.decode(raw)
    except (RecursionError, *UNREADABLE) as error:
        message = "The post is no JSON that can be read."
        raise InvalidRequestError(message) from error


def _told(connector: Listing, post: object) -> Told:
    try:
        return told(connector.document["mapping"], post)
    except UnmappedError as error:
        raise InvalidRequestError(str(error), details={"connector": connector.name}) from error
