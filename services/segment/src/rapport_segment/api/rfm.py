"""/v1/rfm: what RFM is worked out of, working it out, and its tiers as segments."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.errors import NotFoundError
from rapport_common.jobs.routes import ShownJob, shown
from rapport_common.routes import Router
from rapport_segment.api.callers import Reader, Writer
from rapport_segment.api.models import Adopted, adopted
from rapport_segment.domain.rfm_rules import RfmRules
from rapport_segment.handlers import rfm
from rapport_segment.store import scores
from rapport_segment.store.jobs import JOBS
from rapport_segment.store.scores import KeptRules

Bounds = Annotated[list[Decimal], Field(min_length=4, max_length=4)]


class Value(BaseModel):
    """A value of a person: an aggregate, or a computed trait of the workspace."""

    model_config = ConfigDict(extra="forbid")

    computed: str | None = Field(None, max_length=100)
    defined: str | None = Field(None, max_length=100)
    currency: str | None = Field(None, max_length=10)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.computed is None) is (self.defined is None):
            raise ValueError("give computed or defined")
        return self

    @property
    def document(self) -> dict[str, str]:
        return self.model_dump(exclude_none=True)


class _Rules(BaseModel):
    """What RFM is worked out of. Without `bounds` scores are quintiles over all customers."""

    recency: Value = Value(computed="last_order_at")
    frequency: Value = Value(computed="orders")
    monetary: Value
    bounds: dict[Literal["recency", "frequency", "monetary"], Bounds] = Field(
        default={}, description="four that go up; of recency in days"
    )
    every_hours: Annotated[int, Field(ge=1, le=8760)] | None = Field(
        24, description="how often it is worked out anew; null: on demand only"
    )


class Rfm(_Rules):
    """What RFM is worked out of. Without `bounds` scores are quintiles over all customers."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"monetary": {"computed": "revenue", "currency": "EUR"}}]},
    )


class ShownRfm(_Rules):
    """What RFM is worked out of, and what came of it: people by tier."""

    updated_at: datetime
    updated_by: str
    job_id: str | None
    tiers: dict[str, int]


def rfm_routes(engine: AsyncEngine, kept: timedelta) -> APIRouter:
    """Set RFM up, and work it out."""
    router = Router(tags=["rfm"])

    @router.get("/v1/rfm", response_model=ShownRfm)
    async def show(caller: Reader) -> dict[str, Any]:
        """Show what RFM is worked out of, and how many people are in each tier."""
        async with engine.begin() as tx:
            kept = await rfm.require(tx, caller.workspace)
            return _shown(kept, await scores.tiers(tx, caller.workspace))

    @router.put("/v1/rfm", response_model=ShownRfm)
    async def put(body: Rfm, caller: Writer) -> dict[str, Any]:
        """Say what RFM is worked out of; a job does so at once."""
        rules = RfmRules(
            recency=body.recency.document,
            frequency=body.frequency.document,
            monetary=body.monetary.document,
            bounds={name: tuple(some) for name, some in body.bounds.items()},
            every_hours=body.every_hours,
        )
        async with engine.begin() as tx:
            kept = await rfm.put(tx, caller, rules)
            return _shown(kept, await scores.tiers(tx, caller.workspace))

    @router.post("/v1/rfm/run", status_code=202)
    async def run(caller: Writer) -> ShownJob:
        """Work RFM out now."""
        async with engine.begin() as tx:
            job = await JOBS.find(tx, caller.workspace, await rfm.run(tx, caller.workspace))
        if job is None:
            raise NotFoundError("The job is not there any more.")
        return shown(job)

    @router.post("/v1/rfm/adopt", status_code=202, response_model=Adopted)
    async def adopt(caller: Writer) -> dict[str, Any]:
        """Make a segment of each tier that has none yet."""
        async with engine.begin() as tx:
            return adopted(await rfm.adopt(tx, caller), kept)

    return router


def _shown(kept: KeptRules, tiers: dict[str, int]) -> dict[str, Any]:
    rules = kept.rules
    return {
        "recency": rules.recency,
        "frequency": rules.frequency,
        "monetary": rules.monetary,
        "bounds": rules.bounds,
        "every_hours": rules.every_hours,
        "updated_at": kept.updated_at,
        "updated_by": kept.updated_by,
        "job_id": kept.job,
        "tiers": tiers,
    }
