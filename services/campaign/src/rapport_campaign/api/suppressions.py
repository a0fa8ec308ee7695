"""/v1/suppressions: addresses that a workspace writes to no more, by hand and by file."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_campaign.domain.suppressions import (
    MAX_REASON,
    EntryError,
    ListedPurpose,
    Place,
    place_of,
)
from rapport_campaign.handlers import suppressing, suppression_files
from rapport_campaign.handlers.suppressing import Exporting
from rapport_campaign.handlers.suppression_files import IMPORT, FileForm, FileSpec
from rapport_campaign.store import suppression_list as store
from rapport_campaign.store.jobs import JOBS
from rapport_campaign.store.suppression_list import Kept
from rapport_common import clock
from rapport_common.auth import Operator, operator
from rapport_common.errors import InvalidRequestError, NotFoundError
from rapport_common.events.contact import EMAIL_CHANNEL, MAX_POINT, contact_point
from rapport_common.exporting.answers import TYPES, File, Format
from rapport_common.files.parts import Refusal
from rapport_common.files.rows import Encoding
from rapport_common.files.uploads import received
from rapport_common.jobs.routes import JobId, ShownJob, shown
from rapport_common.operator.texts import StorableText
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router

Reader = Annotated[Operator, Depends(operator("campaigns:read"))]
Writer = Annotated[Operator, Depends(operator("campaigns:write"))]
Reason = Annotated[StorableText, Field(min_length=1, max_length=MAX_REASON)]
MOST = 500
UPLOADS = re.compile(r"/v1/suppressions/imports")
"""Where a body may be as long as a file."""

_ADDING: JsonDict = {
    "addresses": [{"address": "ada@example.com"}, {"channel": "sms", "address": "+491701234567"}],
    "reason": "asked on the phone",
}


class PlaceBody(BaseModel):
    """Where somebody is reached, in any form in which it may be written."""

    model_config = ConfigDict(extra="forbid")

    address: Annotated[StorableText, Field(max_length=MAX_POINT)]
    channel: Annotated[StorableText, Field(max_length=64)] = Field(
        EMAIL_CHANNEL, description="email, sms, …; all: by whatever channel leads there"
    )


class Additions(BaseModel):
    """Addresses to put on the list."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_ADDING]})

    addresses: list[PlaceBody] = Field(min_length=1, max_length=MOST)
    purpose: ListedPurpose = Field("all", description="promotion: everything else may go there")
    reason: Reason


class Removals(BaseModel):
    """Addresses to take off the list."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"addresses": [{"address": "ada@example.com"}], "reason": "a mistake"}]
        },
    )

    addresses: list[PlaceBody] = Field(min_length=1, max_length=MOST)
    reason: Reason


class Changed(BaseModel):
    """How many addresses were not on the list so before, or are not on it any more."""

    changed: int


class ShownSuppression(BaseModel):
    """An address on the list, or one that was taken off it."""

    address: str
    channel: str
    purpose: ListedPurpose
    reason: str
    actor: str
    at: datetime
    ended_at: datetime | None
    ended_by: str | None
    ended_because: str | None


class ShownRow(BaseModel):
    """A row that was not taken, by the line of the file in which it begins, from 1."""

    line: int
    code: str
    reason: str


class NewSuppressionExport(BaseModel):
    """As what."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"format": "csv"}]})

    format: Format
    gzip: bool = Field(False, description="pack it; the columns of Parquet are packed then")
    formulas: Literal["quote", "keep"] = Field(
        "quote",
        description="what a spreadsheet would take for a formula has an apostrophe before it in "
        "CSV; `keep` it for other programs",
    )


def _given(
    reason: Annotated[str, Query(min_length=1, max_length=MAX_REASON)],
    form: Annotated[FileForm, Query(alias="format")] = "csv",
    purpose: Annotated[ListedPurpose, Query(description="of rows that have none")] = "all",
    encoding: Annotated[Encoding, Query(description="of CSV and lines")] = "utf-8",
    delimiter: Annotated[
        str | None, Query(min_length=1, max_length=1, description="of CSV; else it is found")
    ] = None,
) -> FileSpec:
    """How a file is read; InvalidRequestError."""
    wrong = {"reason": reason, "delimiter": "" if delimiter == "\t" else delimiter or ""}
    for name, value in wrong.items():
        if not value.isprintable() or value == '"':
            message = f"{name}: one line of visible text."
            raise InvalidRequestError(message, details={"path": f"query.{name}"})
    return FileSpec(
        form=form,
        reason=reason,
        purpose=purpose,
        actor="",
        encoding=encoding,
        delimiter=delimiter,
    )


Given = Annotated[FileSpec, Depends(_given)]


def suppression_routes(engine: AsyncEngine) -> APIRouter:
    """All of it."""
    router = Router(tags=["suppressions"])
    _reading(router, engine)
    _changing(router, engine)
    _files(router, engine)
    return router


def _reading(router: APIRouter, engine: AsyncEngine) -> None:
    @router.get("/v1/suppressions", response_model=Listed[ShownSuppression])
    async def listed(
        caller: Reader,
        page: Paging,
        *,
        address: Annotated[str | None, Query(max_length=MAX_POINT)] = None,
        ended: Annotated[bool, Query()] = False,
    ) -> dict[str, Any]:
        """What is on the list, by addresses; one of them; or what was taken off.

        Who has unsubscribed is not here: their word is lifted by a younger consent alone.
        """
        after = page.after(str, str)
        only = None if address is None else contact_point("all", address) or address
        if "\0" in (only or ""):
            only = ""
        async with engine.begin() as tx:
            found = await store.page(
                tx,
                caller.workspace,
                (after[0], after[1]) if after else ("", ""),
                page.ask,
                ended=ended,
                address=only,
            )
        return page.answer(
            found,
            key=lambda one: [one.entry.place.address, one.entry.place.channel],
            show=_shown,
        )


def _changing(router: APIRouter, engine: AsyncEngine) -> None:
    @router.post("/v1/suppressions/add")
    async def add(body: Additions, caller: Writer) -> Changed:
        """Write to these addresses no more, also what is planned; those that are on it stay."""
        places = _places(body.addresses, body.purpose)
        async with engine.begin() as tx:
            found = await suppressing.put(
                tx,
                (caller.workspace, caller.subject),
                [(one, body.reason) for one in places],
                at=clock.now(),
            )
        return Changed(changed=found)

    @router.post("/v1/suppressions/remove")
    async def remove(body: Removals, caller: Writer) -> Changed:
        """Let these addresses be written to again, as far as their owners allow it."""
        places = _places(body.addresses, "all")
        async with engine.begin() as tx:
            return Changed(changed=await suppressing.take(tx, caller, places, body.reason))


def _files(router: APIRouter, engine: AsyncEngine) -> None:
    exporting = Exporting(engine)

    @router.post("/v1/suppressions/imports", status_code=202, response_model=ShownJob)
    async def put_file(request: Request, caller: Writer, spec: Given) -> Any:
        """Put what a file has on the list, by a job; the body is the file, 128 MiB at most, packed
        by gzip or not.

        Columns: `address` (or `email`, `phone`, and as they are called in others' exports),
        `channel`, `purpose` (`promotion` or `all`), `reason`. `lines`: an address on each line.
        """
        async with received(request.stream()) as body:
            if not body.read(1):
                raise InvalidRequestError("The body is empty; it is the file.")
            body.seek(0)
            async with engine.begin() as tx:
                whole = msgspec.structs.replace(spec, actor=caller.subject)
                job = await suppression_files.begin(tx, caller.workspace, whole, body)
                found = await JOBS.find(tx, caller.workspace, job)
        return found and shown(found)

    @router.get("/v1/suppressions/imports/{job_id}/refused")
    async def refused(job_id: JobId, caller: Reader, page: Paging) -> Listed[ShownRow]:
        """The rows of a file that were not taken, by their lines."""
        [after] = page.after(int) or [0]
        async with engine.begin() as tx:
            job = await JOBS.find(tx, caller.workspace, job_id)
            if job is None or job.kind != IMPORT:
                raise NotFoundError(f"There is no import {job_id!r} of suppressions.")
            found = await store.FILES.refused(
                tx, caller.workspace, job_id, after=after, limit=page.ask
            )
        answer = page.answer(found, key=lambda one: [one.line], show=_shown_row)
        return Listed[ShownRow](**answer)

    @router.post(
        "/v1/suppressions/export",
        response_class=StreamingResponse,
        responses={200: {"content": {one: {} for one in TYPES.values()}}},
    )
    async def export(body: NewSuppressionExport, caller: Reader) -> StreamingResponse:
        """A file of what is on the list, as CSV, JSON Lines or Parquet.

        It is whole only if the answer ends, and can be imported again as it is.
        """
        exporting.places.require_room()
        guarded = body.formulas == "quote"
        parts = exporting.parts(caller.workspace, body.format, gzip=body.gzip, guarded=guarded)
        return File(parts, "suppressions", body.format, gzip=body.gzip)


def _shown_row(one: Refusal) -> dict[str, Any]:
    return {"line": one.line, "code": one.code, "reason": one.reason}


def _places(bodies: Sequence[PlaceBody], purpose: ListedPurpose) -> list[Place]:
    found = []
    for number, one in enumerate(bodies):
        try:
            found.append(place_of(one.channel, one.address, purpose))
        except EntryError as error:
            where = f"addresses.{number}.{error.where}"
            raise InvalidRequestError(f"{where}: {error}.", details={"field": where}) from error
    return found


def _shown(kept: Kept) -> ShownSuppression:
    entry = kept.entry
    return ShownSuppression(
        address=entry.place.address,
        channel=entry.place.channel,
        purpose=entry.place.purpose,
        reason=entry.reason,
        actor=entry.actor,
        at=entry.at,
        ended_at=kept.ended_at,
        ended_by=kept.ended_by,
        ended_because=kept.ended_because,
    )
