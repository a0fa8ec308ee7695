"""/v1/audiences: files for advertising platforms."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.auth import Operator, operator
from rapport_common.exporting.answers import File as Answer
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router
from rapport_segment.api.callers import PERSONAL, Reader, Writer
from rapport_segment.api.models import Name
from rapport_segment.domain.audiences import THIRD_PARTY, Platform
from rapport_segment.handlers import audiences
from rapport_segment.store import audiences as store
from rapport_segment.store.audiences import Audience, File

Fetcher = Annotated[Operator, Depends(operator(PERSONAL))]
MOST_HOURS = 24 * 31
SHA256_HEADER, LEFT_OUT_HEADER = "Rapport-Sha256", "Rapport-Left-Out"
_EXAMPLE: JsonDict = {
    "name": "Best customers, Google",
    "segment_id": "01a22947-d1de-7294-96aa-7a623b834ab5",
    "platform": "google",
    "every_hours": 24,
}


class NewAudience(BaseModel):
    """Of which segment, for which platform, with a yes to what, and how often."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _EXAMPLE})

    name: Name
    segment_id: UUID
    platform: Platform
    purpose: str = Field(
        THIRD_PARTY,
        max_length=64,
        description="`third_party`, or one of your own, such as x_lookalikes",
    )
    every_hours: int | None = Field(
        None, ge=1, le=MOST_HOURS, description="null: a file is made when it is asked for"
    )


class ShownAudience(BaseModel):
    """An audience; `job_id` is the newest job that makes a file."""

    id: UUID
    name: str
    segment_id: UUID
    platform: Platform
    purpose: str
    every_hours: int | None
    job_id: str | None
    created_at: datetime
    created_by: str


class AudienceFile(BaseModel):
    """A file: how many people are in it, and how many members are not, by reason."""

    id: UUID
    made_at: datetime
    rows: int
    left_out: dict[str, int]
    bytes: int
    sha256: str


def audience_routes(engine: AsyncEngine) -> APIRouter:
    """Define audiences, and have files made."""
    router = Router(tags=["audiences"])

    @router.post("/v1/audiences", status_code=201, response_model=ShownAudience)
    async def create(body: NewAudience, caller: Writer) -> dict[str, Any]:
        """Define an audience. Whoever is in a file has said yes to that, at that address."""
        caller.require(PERSONAL)
        async with engine.begin() as tx:
            made = await audiences.create(tx, caller, audiences.Wanted(**body.model_dump()))
        return _shown(made)

    @router.post("/v1/audiences/{audience_id}/build", status_code=202, response_model=ShownAudience)
    async def build(audience_id: UUID, caller: Writer) -> dict[str, Any]:
        """Have a file made now; one that is being made is made to its end."""
        async with engine.begin() as tx:
            return _shown(await audiences.build(tx, caller.workspace, audience_id))

    @router.delete("/v1/audiences/{audience_id}", status_code=204)
    async def archive(audience_id: UUID, caller: Writer) -> None:
        """End an audience: its files go."""
        async with engine.begin() as tx:
            await audiences.archive(tx, caller.workspace, audience_id)

    return router


def audience_reading_routes(engine: AsyncEngine) -> APIRouter:
    """Look at audiences."""
    router = Router(tags=["audiences"])

    @router.get("/v1/audiences", response_model=Listed[ShownAudience])
    async def listing(caller: Reader, page: Paging) -> dict[str, Any]:
        """List audiences by name."""
        [after] = page.after(str) or [None]
        async with engine.begin() as tx:
            found = await store.listed(tx, caller.workspace, after=after, limit=page.ask)
        return page.answer(found, key=lambda one: [one.name], show=_shown)

    @router.get("/v1/audiences/{audience_id}", response_model=ShownAudience)
    async def show(audience_id: UUID, caller: Reader) -> dict[str, Any]:
        """Show one audience."""
        async with engine.begin() as tx:
            return _shown(await audiences.require(tx, caller.workspace, audience_id))

    return router


def audience_file_routes(engine: AsyncEngine, exports: AsyncEngine) -> APIRouter:
    """Look at files, and fetch them. `exports` are the connections of what takes long."""
    router = Router(tags=["audiences"])
    fetching = audiences.Fetching(exports)

    @router.get("/v1/audiences/{audience_id}/files", response_model=Listed[AudienceFile])
    async def files(audience_id: UUID, caller: Reader, page: Paging) -> dict[str, Any]:
        """List the files that are kept, the newest first: two at most."""
        after = page.after(datetime, UUID)
        async with engine.begin() as tx:
            await audiences.require(tx, caller.workspace, audience_id)
            found = await store.files(tx, caller.workspace, audience_id)
        behind = [one for one in found if after is None or (one.made_at, one.file_id) < after]
        return page.answer(
            behind[: page.ask], key=lambda one: [one.made_at, one.file_id], show=_file
        )

    @router.get(
        "/v1/audiences/{audience_id}/file",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/csv": {}}}},
    )
    async def fetch(audience_id: UUID, caller: Fetcher) -> StreamingResponse:
        """The newest file. It is whole only if the answer ends, and has the SHA-256 it says."""
        fetching.places.require_room()
        async with engine.begin() as tx:
            one, newest = await audiences.newest(tx, caller.workspace, audience_id)
        answer = Answer(
            fetching.parts(caller.workspace, newest.file_id),
            f"{one.platform}-audience",
            "csv",
            silence=audiences.SILENCE_SECONDS,
        )
        answer.headers[SHA256_HEADER] = newest.sha256
        left = (f"{reason}={count}" for reason, count in newest.left_out.items())
        answer.headers[LEFT_OUT_HEADER] = ", ".join(left)
        return answer

    return router


def _shown(one: Audience) -> dict[str, Any]:
    return {
        "id": one.audience_id,
        "name": one.name,
        "segment_id": one.segment_id,
        "platform": one.platform,
        "purpose": one.purpose,
        "every_hours": one.every_hours,
        "job_id": one.job,
        "created_at": one.created_at,
        "created_by": one.created_by,
    }


def _file(one: File) -> dict[str, Any]:
    return {
        "id": one.file_id,
        "made_at": one.made_at,
        "rows": one.rows,
        "left_out": one.left_out,
        "bytes": one.bytes,
        "sha256": one.sha256,
    }
