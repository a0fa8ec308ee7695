"""/v1/suppressions: addresses that a workspace writes to no more, by hand and by file."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

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
from rapport_campaign.handlers import suppressing
from rapport_campaign.handlers.suppressing import Exporting, FileForm
from rapport_campaign.store import suppression_list as store
from rapport_campaign.store.suppression_list import Kept
from rapport_common.auth import Operator, operator
from rapport_common.errors import InvalidRequestError
from rapport_common.events.contact import EMAIL_CHANNEL, MAX_POINT, contact_point
from rapport_common.exporting.answers import TYPES, File, Format
from rapport_common.operator.texts import StorableText
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router

Reader = Annotated[Operator, Depends(operator("campaigns:read"))]
Writer = Annotated[Operator, Depends(operator("campaigns:write"))]
Reason = Annotated[StorableText, Field(min_length=1, max_length=MAX_REASON)]
MOST = 500
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
    """A row that was not taken, by its number, from 1 behind the header."""

    row: int
    code: str
    reason: str


class Imported(BaseModel):
    """What became of the rows of a file; the first thousand that were not taken are told."""

    rows: int
    taken: int = Field(description="that were not on the list so before")
    refused: int
    refused_rows: list[ShownRow]


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
            found = await suppressing.put(tx, caller, [(one, body.reason) for one in places])
        return Changed(changed=found)

    @router.post("/v1/suppressions/remove")
    async def remove(body: Removals, caller: Writer) -> Changed:
        """Let these addresses be written to again, as far as their owners allow it."""
        places = _places(body.addresses, "all")
        async with engine.begin() as tx:
            return Changed(changed=await suppressing.take(tx, caller, places, body.reason))


def _files(router: APIRouter, engine: AsyncEngine) -> None:
    exporting = Exporting(engine)

    @router.post("/v1/suppressions/import")
    async def put_file(
        request: Request,
        caller: Writer,
        *,
        reason: Annotated[str, Query(min_length=1, max_length=MAX_REASON)],
        form: Annotated[FileForm, Query(alias="format")] = "csv",
    ) -> Imported:
        """Put what a CSV or JSON Lines file has on the list; the body is the file, at most
        2 MiB and 20,000 rows.

        Columns: `address` (or `email`, `phone`), `channel`, `purpose` (`promotion` or `all`),
        `reason`. A longer file is sent in pieces: what is on the list already does no harm.
        """
        if not reason.isprintable():
            message = "reason: one line of visible text."
            raise InvalidRequestError(message, details={"path": "query.reason"})
        content = await request.body()
        if not content.strip():
            raise InvalidRequestError("The body is empty; it is the file.")
        found = await suppressing.put_file(engine, caller, content, form, reason)
        return Imported(
            rows=found.rows,
            taken=found.changed,
            refused=found.refused,
            refused_rows=[
                ShownRow(row=one.row, code=one.code, reason=one.reason) for one in found.refusals
            ],
        )

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
