"""Exports over HTTP: a file as the answer, as long as it takes."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.types import Send
from typing_extensions import override

from rapport_common.auth import Operator, operator
from rapport_common.errors import InvalidRequestError
from rapport_profile.domain.export_columns import (
    LONGEST_NAME,
    MOST_COLUMNS,
    USUAL,
    UnknownColumnError,
    columns_of,
)
from rapport_profile.handlers.exporting import Exporting, Format, Wanted

Exporter = Annotated[Operator, Depends(operator("profiles:export"))]
MOST_IDS = 20_000
SILENCE_SECONDS = 60.0
"""For so long a part of a file may wait to be taken; then the answer ends without its end."""

_TYPES: dict[Format, str] = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/jsonl",
    "parquet": "application/vnd.apache.parquet",
}
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
    router = APIRouter(tags=["profiles"])
    exporting = Exporting(engine)

    @router.post(
        "/v1/profiles/export",
        response_class=StreamingResponse,
        responses={200: {"content": {one: {} for one in _TYPES.values()}}},
    )
    async def export_people(body: NewExport, caller: Exporter) -> StreamingResponse:
        """A file of people, as CSV, JSON Lines or Parquet. It is whole only if the answer ends.

        People come in the order of their ids, each as they are when it is their turn.
        """
        wanted = _wanted(body, caller)
        exporting.require_room()
        name = f"profiles.{body.format}{'.gz' if _is_gz(body) else ''}"
        return File(
            exporting.parts(wanted),
            media_type="application/gzip" if _is_gz(body) else _TYPES[body.format],
            headers={
                "Content-Disposition": f'attachment; filename="{name}"',
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",
            },
        )

    return router


class File(StreamingResponse):
    """An answer that ends early when nobody takes it."""

    def __init__(self, parts: AsyncGenerator[bytes], **told: Any) -> None:
        super().__init__(parts, **told)
        self._parts = parts

    @override
    async def stream_response(self, send: Send) -> None:
        async def sent(message: Any) -> None:
            async with asyncio.timeout(SILENCE_SECONDS):
                await send(message)

        try:
            await super().stream_response(sent)
        finally:
            await self._parts.aclose()


def _is_gz(body: NewExport) -> bool:
    return body.gzip and body.format != "parquet"


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
