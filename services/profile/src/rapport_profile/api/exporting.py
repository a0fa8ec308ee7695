"""Exports over HTTP: a file as the answer, as long as it takes."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.auth import Operator, operator
from rapport_common.errors import InvalidRequestError
from rapport_common.exporting.answers import TYPES, File, Format
from rapport_common.exporting.columns import UnknownColumnError
from rapport_common.routes import Router
from rapport_profile.domain.export_columns import (
    LONGEST_NAME,
    MOST_COLUMNS,
    USUAL,
    columns_of,
)
from rapport_profile.handlers.exporting import Exporting, Wanted

Exporter = Annotated[Operator, Depends(operator("profiles:export"))]
MOST_IDS = 20_000
_EXAMPLE: JsonDict = {
    "format": "csv",
    "columns": ["id", "contact_points.email", "traits.name", "computed.last_order_at"],
}


class NewExport(BaseModel):
    """Which people, what of them, and as what."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _EXAMPLE})

    format: Format
    columns: list[Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]] = Field(
        default_factory=lambda: list(USUAL),
        min_length=1,
        max_length=MOST_COLUMNS,
        description="`id`, `version`, sections such as `traits`, and parts of them: "
        "`identifiers.email`, `contact_points.email`, `traits.city`, `computed.orders`",
    )
    ids: list[UUID] | None = Field(
        None, max_length=MOST_IDS, description="of these profiles, in this order; without it of all"
    )
    after: UUID | None = Field(
        None, description="go on behind this profile, without a line of names; not with `ids`"
    )
    gzip: bool = Field(False, description="pack it; the columns of Parquet are packed then")
    formulas: Literal["quote", "keep"] = Field(
        "quote",
        description="what a spreadsheet would take for a formula has an apostrophe before it in "
        "CSV; `keep` it for other programs",
    )


def export_routes(engine: AsyncEngine) -> APIRouter:
    """Export people."""
    router = Router(tags=["profiles"])
    exporting = Exporting(engine)

    @router.post(
        "/v1/profiles/export",
        response_class=StreamingResponse,
        responses={200: {"content": {one: {} for one in TYPES.values()}}},
    )
    async def export_people(body: NewExport, caller: Exporter) -> StreamingResponse:
        """A file of people, as CSV, JSON Lines or Parquet. It is whole only if the answer ends.

        People come in the order of their ids, each as they are when it is their turn.
        """
        wanted = _wanted(body, caller)
        exporting.places.require_room()
        return File(exporting.parts(wanted), "profiles", body.format, gzip=body.gzip)

    return router


def _wanted(body: NewExport, caller: Operator) -> Wanted:
    if body.after is not None and (body.ids is not None or body.format == "parquet"):
        message = "after: an export of all people as csv or jsonl can go on; leave it out."
        raise InvalidRequestError(message, details={"path": "body.after"})
    try:
        columns = columns_of(body.columns)
    except UnknownColumnError as error:
        raise InvalidRequestError(f"columns: {error}", details={"path": "body.columns"}) from error
    return Wanted(
        caller.workspace,
        caller.subject,
        body.format,
        columns,
        ids=None if body.ids is None else [str(one) for one in body.ids],
        after=None if body.after is None else str(body.after),
        gzip=body.gzip,
        guarded=body.formulas == "quote",
    )
