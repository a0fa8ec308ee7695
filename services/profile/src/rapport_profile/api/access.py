"""What is known of somebody: requests, what services have told, and the file."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.auth import Operator, operator
from rapport_common.idempotency import Repeatable
from rapport_common.ids import uuid7_text
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router, add_routes
from rapport_profile.api.decisions import NamedIdentifier, Reason
from rapport_profile.api.models import privacy as models
from rapport_profile.domain.naming import Ids
from rapport_profile.handlers.accessing import Accessing
from rapport_profile.store import access_requests as store
from rapport_profile.tables import SCHEMA

Reader = Annotated[Operator, Depends(operator("privacy:read"))]
Writer = Annotated[Operator, Depends(operator("privacy:write"))]
LINES = "application/jsonl"


class NewAccess(BaseModel):
    """Who asks what is known of them, and why that is answered."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "identifier": {"kind": "email", "value": "ada@example.com"},
                "reason": "request 4710, Article 15 GDPR",
            }
        },
    )

    identifier: NamedIdentifier = Field(description="any one of the person's")
    reason: Reason = Field(description="name your own file of the request, not the person")


class _File(StreamingResponse):
    media_type = LINES


def access_routes(engine: AsyncEngine, ids: Ids, accessing: Accessing) -> APIRouter:
    """Ask what is known of somebody, and read it."""
    router = Router(tags=["privacy"])
    add_routes(router, _asked(engine, ids, accessing), _told(engine, accessing))
    return router


def _asked(engine: AsyncEngine, ids: Ids, accessing: Accessing) -> APIRouter:
    router = Router()

    @router.post("/v1/privacy/access", status_code=201, response_model=models.Access)
    async def ask(body: NewAccess, caller: Writer, once: Repeatable) -> dict[str, Any]:
        """Gather all that is known of a person, in all services, into one file.

        Each service tells its part; one that is down does when it is back. The file is there when
        all have, and for some days.
        """
        identifier = body.identifier.normal()
        # What the key is compared with must not tell who it was.
        spec = {"identifier": ids.of(caller.workspace, identifier), "reason": body.reason}
        made = uuid7_text()
        async with engine.begin() as tx:
            known = await once.earlier(tx, SCHEMA, caller.workspace, body=spec, made_id=made)
            if known is None:
                await accessing.ask(tx, caller, identifier, (made, body.reason))
            return await accessing.shown(tx, caller.workspace, known or made)

    return router


def _told(engine: AsyncEngine, accessing: Accessing) -> APIRouter:
    router = Router()

    @router.get("/v1/privacy/access", response_model=Listed[models.Access])
    async def requests(caller: Reader, page: Paging) -> dict[str, Any]:
        """All requests, the newest first, with what services have told."""
        after = page.after(UUID)
        async with engine.begin() as tx:
            before = str(after[0]) if after else None
            found = await store.latest(tx, caller.workspace, page.ask, before)
            answers = await store.answers(tx, caller.workspace, [row.id for row in found])
        return page.answer(
            found, key=lambda row: [row.id], show=lambda row: accessing.show(row, answers[row.id])
        )

    @router.get("/v1/privacy/access/{access_id}", response_model=models.Access)
    async def request(access_id: UUID, caller: Reader) -> dict[str, Any]:
        """One request."""
        async with engine.begin() as tx:
            return await accessing.shown(tx, caller.workspace, str(access_id))

    @router.get(
        "/v1/privacy/access/{access_id}/file",
        response_class=_File,
        responses={200: {"content": {LINES: {}}}},
    )
    async def file(access_id: UUID, caller: Reader) -> StreamingResponse:
        """All that is known, as JSON Lines; the first line says what stands in the others.

        Who reads it, and when, is noted. 409 while a service has not told its part, and once it
        has expired or the person was forgotten.
        """
        async with engine.begin() as tx:
            found = await accessing.read(tx, caller, str(access_id))
        return _File(
            accessing.content(engine, caller.workspace, found),
            headers={
                "Content-Disposition": f'attachment; filename="access-{access_id}.jsonl"',
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",
            },
        )

    return router
