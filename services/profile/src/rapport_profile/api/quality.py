"""How good what each source says of people is: measured by a job, shown as of the last one."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.auth import Operator, operator
from rapport_common.errors import NotFoundError
from rapport_common.idempotency import Repeatable
from rapport_common.jobs.routes import ShownJob, shown
from rapport_common.routes import Router
from rapport_profile.api.models import people as models
from rapport_profile.domain.quality import FieldQuality, Quality, SourceQuality
from rapport_profile.handlers.jobs import start
from rapport_profile.store import quality as store
from rapport_profile.store.jobs import MEASURE_QUALITY

Reader = Annotated[Operator, Depends(operator("profiles:read"))]
Writer = Annotated[Operator, Depends(operator("profiles:write"))]


class NewMeasurement(BaseModel):
    """Measuring anew; there is nothing to choose."""

    model_config = ConfigDict(extra="forbid")


def quality_routes(engine: AsyncEngine) -> APIRouter:
    """Measure, and show what was measured."""
    router = Router(tags=["quality"])

    @router.get("/v1/quality", response_model=models.Quality)
    async def quality(caller: Reader) -> dict[str, Any]:
        """What each source says of people: how much, how much can be read, how fresh it is."""
        async with engine.begin() as tx:
            job = await store.latest(tx, caller.workspace)
        if job is None:
            message = "Nothing has been measured yet: `POST /v1/quality/measure` does."
            raise NotFoundError(message)
        found = msgspec.convert(job.report, Quality)
        sources = [_source(name, one) for name, one in sorted(found.sources.items())]
        return {"measured_at": found.looked_at, "people": found.people, "sources": sources}

    @router.post("/v1/quality/measure", status_code=202)
    async def measure(_body: NewMeasurement, caller: Writer, once: Repeatable) -> ShownJob:
        """Look at everybody: a job whose report `GET /v1/quality` shows."""
        async with engine.begin() as tx:
            return shown(await start(tx, once, caller.workspace, MEASURE_QUALITY, {}))

    return router


def _source(name: str, one: SourceQuality) -> dict[str, Any]:
    fields = [_field(field, found, one.people) for field, found in sorted(one.fields.items())]
    return {
        "source": name,
        "people": one.people,
        "in_pairs": one.in_pairs,
        "fields": fields,
    }


def _field(name: str, one: FieldQuality, people: int) -> dict[str, Any]:
    return {
        "field": name,
        "filled": round(one.filled / people, 4),
        "valid": round(one.valid / one.filled, 4),
        "fresh": round(one.fresh / one.filled, 4),
        "recent": round(one.recent / one.filled, 4),
        "newest_at": one.newest_at,
    }
