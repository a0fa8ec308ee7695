"""The timeline rules of a workspace: how long events of which class stay."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.events.envelope import EventType
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router
from rapport_profile.api.asking import NO_NUL, Reader
from rapport_profile.api.models import rules as models
from rapport_profile.api.rules import NewVersion, Shelf, Writer
from rapport_profile.domain.timeline_rules import (
    MAX_CLASSES,
    MAX_DAYS,
    MAX_NAME,
    MAX_PATTERNS,
    EventClass,
    TimelineRules,
)
from rapport_profile.handlers.rules import declare
from rapport_profile.store.rules import TIMELINE_RULES

Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME, pattern=NO_NUL)]


class DeclaredClass(BaseModel):
    """Events of these types and of these names; of any where there are none."""

    model_config = ConfigDict(extra="forbid")

    types: list[EventType] = Field(default_factory=list, max_length=6)
    names: list[Name] = Field(
        default_factory=list,
        max_length=MAX_PATTERNS,
        description="names of events; `Product *` is how names begin",
    )
    days: int | None = Field(
        ge=1,
        le=MAX_DAYS,
        strict=True,
        description="so long they stay; null: as long as the installation keeps events",
    )


class NewTimelineRules(NewVersion):
    """Timeline rules that take the place of others."""

    classes: list[DeclaredClass] = Field(
        max_length=MAX_CLASSES, description="the first that an event is of says how long it stays"
    )

    def declared(self) -> TimelineRules:
        """The same, as the domain has it."""
        return TimelineRules(
            tuple(EventClass(one.days, tuple(one.types), tuple(one.names)) for one in self.classes)
        )


def timeline_rules_routes(engine: AsyncEngine) -> APIRouter:
    """Show and change the rules."""
    router = Router(tags=["timeline rules"])
    shelf = Shelf(engine, TIMELINE_RULES, _classes)

    @router.get("/v1/timeline-rules", response_model=models.TimelineRules)
    async def timeline_rules_that_hold(caller: Reader) -> dict[str, Any]:
        """The rules that hold; version 0 are those of a workspace that has declared none."""
        return await shelf.holding(caller.workspace)

    @router.get("/v1/timeline-rules/history", response_model=Listed[models.TimelineRules])
    async def history_of_timeline_rules(caller: Reader, page: Paging) -> dict[str, Any]:
        """All versions, the newest first."""
        return await shelf.history(caller.workspace, page)

    @router.put("/v1/timeline-rules", response_model=models.TimelineRules)
    async def declare_timeline_rules(body: NewTimelineRules, caller: Writer) -> dict[str, Any]:
        """Let rules hold from now on. What is over its time goes within a day; its sums stay."""
        by = (caller.subject, body.reason)
        async with engine.begin() as tx:
            made = await declare(
                tx, TIMELINE_RULES, caller.workspace, body.declared(), after=body.version, by=by
            )
        return shelf.version(made)

    return router


def _classes(declared: TimelineRules) -> dict[str, Any]:
    return {"classes": [msgspec.structs.asdict(one) for one in declared.classes]}
