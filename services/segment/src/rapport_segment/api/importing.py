"""/v1/segments/import: definitions as other platforms write them."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.routes import Router
from rapport_segment.api.callers import Writer
from rapport_segment.api.models import TEXT, Name
from rapport_segment.domain import printing
from rapport_segment.domain.importing.peers import Peer, imported
from rapport_segment.domain.rules import parse
from rapport_segment.handlers import segments
from rapport_segment.handlers.nesting import require_known

_EXAMPLE: JsonDict = {
    "platform": "customerio",
    "definition": {"and": [{"attribute": {"field": "plan", "operator": "eq", "value": "gold"}}]},
}
Names = Annotated[
    dict[
        Annotated[str, Field(min_length=1, max_length=200)],
        Annotated[str, Field(min_length=1, max_length=200)],
    ],
    Field(max_length=1000),
]


class NewImport(BaseModel):
    """A peer's definition. With a `name` a segment is made of it; else it is only shown."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _EXAMPLE})

    platform: Peer
    definition: dict[str, Any] = Field(description="the JSON as the platform's API gives it")
    name: Name | None = None
    fields: Names = Field(
        default_factory=dict, description="our traits for fields that are called otherwise here"
    )
    segments: Names = Field(
        default_factory=dict, description="our ids for the platform's segments and lists"
    )
    events: Names = Field(
        default_factory=dict, description="our names for the platform's events, or for their ids"
    )


class ImportedRule(BaseModel):
    """The rule, where it means something else here, and the segment if one was made."""

    rule: dict[str, Any]
    text: str = TEXT
    notes: list[str]
    segment_id: UUID | None
    job_id: str | None


def import_routes(engine: AsyncEngine) -> APIRouter:
    """Read definitions of other platforms."""
    router = Router(tags=["segments"])

    @router.post("/v1/segments/import", response_model=ImportedRule)
    async def import_segment(body: NewImport, caller: Writer) -> dict[str, Any]:
        """Read a definition of Dittofeed, Customer.io, Klaviyo, Mautic or Notifuse as a rule.

        What can't be one is refused, all of it with its place: nothing is left out silently.
        """
        found = imported(body.platform, body.definition, body.fields, body.segments, body.events)
        rule, made = parse(found.rule), None
        async with engine.begin() as tx:
            if body.name is None:
                await require_known(tx, caller.workspace, rule)
            else:
                made = await segments.create(tx, caller, body.name, found.rule)
        return {
            "rule": found.rule,
            "text": printing.line(rule),
            "notes": found.notes,
            "segment_id": made.stored.segment_id if made else None,
            "job_id": made.stored.job if made else None,
        }

    return router
