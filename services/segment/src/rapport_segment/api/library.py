"""/v1/segments/library: segments that come with Rapport, to look at and to adopt."""

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StringConstraints
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.errors import InvalidRequestError
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router
from rapport_segment.api.callers import Reader, Writer
from rapport_segment.api.models import Adopted, Name, adopted
from rapport_segment.domain.library.parameters import Kind
from rapport_segment.domain.library.shipped import Shipped
from rapport_segment.handlers.library import adopt_shipped, library, require

LibraryId = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Value = StrictInt | Decimal | Annotated[str, StringConstraints(min_length=1, max_length=200)]
Parameter = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class Need(BaseModel):
    """What has to be told of people, or set up, before anybody is in the segment."""

    kind: str = Field(
        description="event, trait, computed_trait, score, consent or contact_point (a channel)"
    )
    name: str


class LibraryParameter(BaseModel):
    """What may be said otherwise; one whose `value` is null has to be given."""

    name: str
    kind: Kind
    value: int | str | None


class LibrarySegment(BaseModel):
    """A segment that comes with Rapport, with the values of its parameters filled in."""

    id: str
    title: str = Field(description="what the segment is called that is made of it")
    description: str = Field(description="who is in it")
    purpose: str = Field(description="what it is for")
    text: str = Field(description="the rule as one line; {name} where a value has to be given")
    rule: dict[str, Any] | None = Field(description="null while a value has to be given")
    parameters: list[LibraryParameter]
    needs: list[Need]


class Adoption(BaseModel):
    """Which are to be segments, and with which values; each is for those that have it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"ids": ["lapsed_customers"], "parameters": {"days": 120}}]
        },
    )

    ids: Annotated[list[LibraryId], Field(min_length=1, max_length=100)]
    parameters: Annotated[dict[Parameter, Value], Field(max_length=100)] = {}
    name: Name | None = Field(None, description="in place of the title; with one id only")
    active: bool = Field(True, description="false: drafts, which nobody is in")


def library_routes(engine: AsyncEngine, kept: timedelta) -> APIRouter:
    """Look at what comes with Rapport, and make segments of it."""
    router = Router(tags=["segments"])

    @router.get("/v1/segments/library", response_model=Listed[LibrarySegment])
    async def listing(_caller: Reader, page: Paging) -> dict[str, Any]:
        """List the segments that come with Rapport."""
        after = page.after(int)
        numbered = list(enumerate(library().values()))
        first = 0 if after is None else max(0, after[0] + 1)
        return page.answer(
            numbered[first : first + page.ask],
            key=lambda one: (one[0],),
            show=lambda one: _shown(one[1], []),
        )

    @router.get("/v1/segments/library/{library_id}", response_model=LibrarySegment)
    async def show(
        _caller: Reader,
        library_id: Annotated[str, Path(max_length=100)],
        given: Annotated[
            list[Annotated[str, StringConstraints(max_length=400)]],
            Query(alias="set", max_length=100, description="`name=value`, for each parameter"),
        ] = [],  # noqa: B006 - FastAPI makes a new one of it
    ) -> dict[str, Any]:
        """Show one of them with these values."""
        return _shown(require(library_id), given)

    @router.post("/v1/segments/library/adopt", status_code=202, response_model=Adopted)
    async def adopt(body: Adoption, caller: Writer) -> dict[str, Any]:
        """Make segments of some of them, called by their titles. A name that is taken is left as
        it is, and told as `present`.
        """
        if body.name is not None and len(body.ids) > 1:
            message = "name: is for one of them; without it each has its title."
            raise InvalidRequestError(message, details={"field": "name"})
        async with engine.begin() as tx:
            done = await adopt_shipped(
                tx, caller, body.ids, body.parameters, name=body.name, active=body.active
            )
            return adopted(done, kept)

    return router


def _shown(one: Shipped, given: list[str]) -> dict[str, Any]:
    """A `LibrarySegment`."""
    pairs = (each.partition("=") for each in given)
    filled = one.filled({name: value for name, _, value in pairs})
    return {
        "id": one.id,
        "title": one.title,
        "description": filled.description,
        "purpose": one.purpose,
        "text": filled.text,
        "rule": filled.rule,
        "parameters": [
            {"name": each.name, "kind": each.kind, "value": filled.values[each.name]}
            for each in one.parameters
        ],
        "needs": [each._asdict() for each in one.needs()],
    }
