"""Files of cases: taken after a look at them, given back as something to keep and never to open."""

from datetime import datetime
from typing import Annotated, Any, Self
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock
from rapport_common.errors import ConflictError, TooLargeError
from rapport_common.files.uploads import received
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router
from rapport_feedback.api.callers import Reader, Writer
from rapport_feedback.api.models import id_of
from rapport_feedback.domain.attached import MOST_BYTES
from rapport_feedback.domain.letters import Enclosed
from rapport_feedback.handlers import attachments
from rapport_feedback.store import attachments as store
from rapport_feedback.store.attachments import Attachment

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}
"""A browser keeps it as a file, whatever it is."""


class AttachmentView(BaseModel):
    """A file of a case."""

    id: UUID
    name: str
    media_type: str = Field(description="by its content")
    size: int = Field(description="bytes")
    sha256: str
    origin: str = Field(description="form, mail, or who has put it there")
    refused: str = Field(description="why its content is not kept; empty: it is")
    at: datetime

    @classmethod
    def of(cls, one: Attachment) -> Self:
        """A file as staff see it."""
        return cls(
            id=one.attachment_id,
            name=one.name,
            media_type=one.media_type,
            size=one.size,
            sha256=one.sha256.hex(),
            origin=one.origin,
            refused=one.refused,
            at=one.at,
        )


def attachment_routes(engine: AsyncEngine) -> APIRouter:
    """/v1/cases/{case_id}/attachments."""
    router = Router(prefix="/v1/cases/{case_id}/attachments", tags=["attachments"])

    @router.post("", status_code=201)
    async def upload(
        case_id: str,
        request: Request,
        caller: Writer,
        name: Annotated[str, Query(min_length=1, max_length=300)],
    ) -> AttachmentView:
        """Put the body at a case as a file: pictures, PDF, plain text, office documents without
        programs; 10 MiB each, 50 MiB and 50 files of a case. The same content is kept once.
        """
        place = (caller.workspace, id_of(case_id, "case"))
        async with received(request.stream()) as file:
            if file.seek(0, 2) > MOST_BYTES:
                raise TooLargeError(MOST_BYTES)
            file.seek(0)
            content = file.read()
        async with engine.begin() as tx:
            await attachments.lock_case(tx, *place)
            made = await attachments.attach(
                tx, place, Enclosed(name, content), caller.subject, clock.now()
            )
        return AttachmentView.of(made)

    @router.get("", response_model=Listed[AttachmentView])
    async def listed(case_id: str, caller: Reader, page: Paging) -> dict[str, Any]:
        """The files of a case, and those that were refused, each with the reason."""
        place = (caller.workspace, id_of(case_id, "case"))
        [after] = page.after(UUID) or [None]
        async with engine.begin() as tx:
            found = await store.of_case(tx, *place, after=after, limit=page.ask)
        return page.answer(found, key=lambda one: [one.attachment_id], show=AttachmentView.of)

    _add_one(router, engine)
    return router


def _add_one(router: APIRouter, engine: AsyncEngine) -> None:
    @router.get("/{attachment_id}/file", response_class=StreamingResponse)
    async def download(case_id: str, attachment_id: str, caller: Reader) -> StreamingResponse:
        """The content, as a file to keep."""
        place = (caller.workspace, id_of(case_id, "case"))
        async with engine.begin() as tx:
            one = await attachments.found(tx, *place, id_of(attachment_id, "file"))
        if one.refused:
            raise ConflictError(one.refused, details={"id": attachment_id})
        return StreamingResponse(
            store.content(engine, caller.workspace, one.attachment_id),
            media_type="application/octet-stream",
            headers={
                **HEADERS,
                "Content-Length": str(one.size),
                "Content-Disposition": f"attachment; filename*=UTF-8''{quote(one.name, safe='')}",
            },
        )

    @router.delete("/{attachment_id}", status_code=204)
    async def remove(case_id: str, attachment_id: str, caller: Writer) -> None:
        """Remove the content of a file; what it was stays."""
        place = (caller.workspace, id_of(case_id, "case"))
        async with engine.begin() as tx:
            one = await attachments.found(tx, *place, id_of(attachment_id, "file"))
            await store.drop(tx, caller.workspace, one.attachment_id)
