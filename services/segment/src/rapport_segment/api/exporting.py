"""/v1/segments/{id}/export and /v1/segments/overlap: members as a file, and across segments."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.auth import Operator
from rapport_common.errors import InvalidRequestError
from rapport_common.exporting.answers import TYPES, File, Format
from rapport_common.exporting.columns import UnknownColumnError
from rapport_common.routes import Router
from rapport_segment.api.callers import PERSONAL, Previewer, Reader
from rapport_segment.domain import overlaps
from rapport_segment.domain.export_columns import (
    LONGEST_NAME,
    MOST_COLUMNS,
    USUAL,
    columns_of,
    personal,
)
from rapport_segment.handlers.exporting import SILENCE_SECONDS, Exporting, Wanted
from rapport_segment.handlers.overlapping import overlapping
from rapport_segment.handlers.segments import require

_EXAMPLE: JsonDict = {
    "format": "csv",
    "columns": ["id", "entered_at", "contact_points.email", "traits.city"],
}
_OVERLAP: JsonDict = {
    "segment_ids": [
        "01a22947-d1de-7294-96aa-7a623b834ab5",
        "01a22947-d1de-7294-96aa-7a623b834ab6",
    ]
}


class NewMemberExport(BaseModel):
    """What of the members, and as what."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _EXAMPLE})

    format: Format
    columns: list[Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]] = Field(
        default_factory=lambda: list(USUAL),
        min_length=1,
        max_length=MOST_COLUMNS,
        description="of the stay (`id`, `entered_at`, `reason`, `entry_id`, `segment_version`), "
        "and, with the scope `profiles:export`, of the person: `contact_points.email`, "
        "`identifiers.user_id`, `traits.city`, `computed.orders`, or a section as a whole",
    )
    gzip: bool = Field(False, description="pack it; the columns of Parquet are packed then")
    formulas: Literal["quote", "keep"] = Field(
        "quote",
        description="what a spreadsheet would take for a formula has an apostrophe before it in "
        "CSV; `keep` it for other programs",
    )


def _all_different(ids: list[UUID]) -> list[UUID]:
    if len(set(ids)) < len(ids):
        raise ValueError("must name each segment once")
    return ids


class Overlap(BaseModel):
    """Which segments to lay over one another."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _OVERLAP})

    segment_ids: Annotated[
        list[UUID],
        Field(min_length=overlaps.FEWEST, max_length=overlaps.MOST),
        AfterValidator(_all_different),
    ]


class SharedMembers(BaseModel):
    """Who is in all of these segments, and who of them is in none of the others asked for."""

    segment_ids: list[UUID]
    members: int
    only: int


class Overlapping(BaseModel):
    """Every choice of the segments, single ones first; `anywhere` are all people in any of them."""

    anywhere: int
    choices: list[SharedMembers]


def export_routes(engine: AsyncEngine, exports: AsyncEngine) -> APIRouter:
    """Take members away as a file. `exports` are the connections that snapshots may hold."""
    router = Router(tags=["members"])
    exporting = Exporting(exports)

    @router.post(
        "/v1/segments/{segment_id}/export",
        response_class=StreamingResponse,
        responses={200: {"content": {one: {} for one in TYPES.values()}}},
    )
    async def export_members(
        segment_id: UUID, body: NewMemberExport, caller: Reader
    ) -> StreamingResponse:
        """A file of the members, as CSV, JSON Lines or Parquet. It is whole only if the answer
        ends.

        All of it is as of one instant; members come in the order of their ids.
        """
        wanted = _wanted(body, segment_id, caller)
        exporting.places.require_room()
        async with engine.begin() as tx:
            await require(tx, caller.workspace, segment_id)
        return File(
            exporting.parts(wanted),
            "members",
            body.format,
            gzip=body.gzip,
            silence=SILENCE_SECONDS,
        )

    return router


def overlap_routes(engine: AsyncEngine) -> APIRouter:
    """Count across segments."""
    router = Router(tags=["segments"])

    @router.post("/v1/segments/overlap", response_model=Overlapping)
    async def overlap(body: Overlap, caller: Previewer) -> dict[str, Any]:
        """Count who is in several of two to five segments, all of one instant."""
        async with engine.begin() as tx:
            counts = await overlapping(tx, caller.workspace, body.segment_ids)
        found = overlaps.shared(counts, len(body.segment_ids))
        return {
            "anywhere": sum(counts.values()),
            "choices": [
                {
                    "segment_ids": overlaps.named(one.chosen, body.segment_ids),
                    "members": one.members,
                    "only": one.only,
                }
                for one in found
            ],
        }

    return router


def _wanted(body: NewMemberExport, segment_id: UUID, caller: Operator) -> Wanted:
    try:
        columns_of(body.columns)
    except UnknownColumnError as error:
        raise InvalidRequestError(f"columns: {error}", details={"path": "body.columns"}) from error
    if personal(body.columns):
        caller.require(PERSONAL)
    return Wanted(
        caller.workspace,
        caller.subject,
        segment_id,
        body.format,
        body.columns,
        gzip=body.gzip,
        guarded=body.formulas == "quote",
    )
