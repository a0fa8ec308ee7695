"""Tracking plans: uploaded as one document, compared, tested, drafted; and what breaks them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock
from rapport_common.errors import InvalidRequestError
from rapport_common.events.envelope import EventType
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router
from rapport_ingest.api import models
from rapport_ingest.api.fields import NO_NUL, Reader, SourceId, Text, Writer
from rapport_ingest.domain.plan import Difference, PlannedEvent, Violation
from rapport_ingest.domain.source import Caller
from rapport_ingest.handlers import plans
from rapport_ingest.handlers.plans import Tested
from rapport_ingest.store import violations
from rapport_ingest.store.violations import Broken, Count

EventName = Annotated[str | None, Query(max_length=512, pattern=NO_NUL)]


class Planned(BaseModel):
    """The schema of an event's properties, or of the traits of an identify or group event."""

    model_config = ConfigDict(extra="forbid")

    type: EventType = "track"
    name: str = Field("", max_length=512, description="Empty for types without a name.")
    version: str = Field("1", min_length=1, max_length=64)
    json_schema: dict[str, Any] = Field(alias="schema", description="JSON Schema, draft 2020-12.")


class PlanDocument(BaseModel):
    """A whole plan; of several versions of an event the last new one is the newest."""

    model_config = ConfigDict(extra="forbid")

    events: list[Planned]

    def entries(self) -> list[PlannedEvent]:
        """The document as the domain has it."""
        return [
            PlannedEvent(one.type, one.name, one.version, one.json_schema) for one in self.events
        ]


def plan_routes(engine: AsyncEngine) -> APIRouter:
    """Keep a source's plan, and read what breaks it."""
    router = Router(tags=["plans"])

    @router.put("/v1/sources/{source}/plan", response_model=models.PlanChanges)
    async def put_plan(source: SourceId, body: PlanDocument, caller: Writer) -> dict[str, Any]:
        """Replace the plan as a whole; it holds on every replica within a second."""
        async with engine.begin() as tx:
            changes = await plans.replace(tx, Caller(caller.workspace, source), body.entries())
        return _changes(changes)

    @router.get("/v1/sources/{source}/plan", response_model=PlanDocument)
    async def get_plan(source: SourceId, caller: Reader) -> dict[str, Any]:
        """The plan, as it can be uploaded again."""
        async with engine.begin() as tx:
            return _document(await plans.current(tx, Caller(caller.workspace, source)))

    @router.delete("/v1/sources/{source}/plan", status_code=204)
    async def delete_plan(source: SourceId, caller: Writer) -> None:
        """Take the plan away: all events are unplanned."""
        async with engine.begin() as tx:
            await plans.replace(tx, Caller(caller.workspace, source), [])

    _add_trials(router, engine)
    return router


def _add_trials(router: APIRouter, engine: AsyncEngine) -> None:
    """Routes that change nothing: what a plan would do, could be, and has met."""

    @router.post("/v1/sources/{source}/plan/check", response_model=models.PlanCheck)
    async def check_plan(source: SourceId, body: PlanDocument, caller: Writer) -> dict[str, Any]:
        """What this plan would change, and which known events break it; keeps nothing."""
        async with engine.begin() as tx:
            changes, found = await plans.tested(
                tx, Caller(caller.workspace, source), body.entries()
            )
        return {**_changes(changes), **_tested(found)}

    @router.post("/v1/sources/{source}/plan/draft", response_model=PlanDocument)
    async def draft_plan(
        source: SourceId, caller: Reader, *, kind: EventType | None = None, name: EventName = None
    ) -> dict[str, Any]:
        """A plan drafted from what the catalogue learnt, to be looked through and uploaded."""
        async with engine.begin() as tx:
            return _document(await plans.draft(tx, Caller(caller.workspace, source), kind, name))

    @router.get("/v1/violations", response_model=Listed[models.Violation])
    async def list_violations(
        caller: Reader,
        page: Paging,
        *,
        source: Text = None,
        event: EventName = None,
        since: datetime | None = None,
    ) -> dict[str, Any]:
        """What events broke, by field and rule, the latest first."""
        after = page.after(datetime, *(str,) * len(violations.ORDER))
        async with engine.begin() as tx:
            found = await violations.latest(
                tx,
                caller.workspace,
                source=source,
                name=event,
                since=_utc(since),
                after=after,
                limit=page.ask,
            )
        return page.answer(
            found,
            key=lambda one: [one[1].last_at, *(getattr(one[0], n) for n in violations.ORDER)],
            show=lambda one: _shown(*one),
        )


def _utc(moment: datetime | None) -> datetime | None:
    if moment is None or moment.tzinfo is None:
        return moment.replace(tzinfo=UTC) if moment else None
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        message = "since: not a time that can be searched from."
        raise InvalidRequestError(message) from error


def _document(entries: Sequence[PlannedEvent]) -> dict[str, Any]:
    return {
        "events": [
            {"type": one.type, "name": one.name, "version": one.version, "schema": one.schema}
            for one in entries
        ]
    }


def _changes(changes: Difference) -> dict[str, Any]:
    return {
        verb: [{"type": one[0], "name": one[1], "version": one[2]} for one in keys]
        for verb, keys in (
            ("added", changes.added),
            ("changed", changes.changed),
            ("removed", changes.removed),
        )
    }


def _tested(found: Sequence[Tested]) -> dict[str, Any]:
    rows = [
        {
            "type": one.entry.key.type,
            "name": one.entry.key.name,
            "events": one.entry.learnt.events,
            "planned": one.violations is not None,
            "violations": [_violation(each) for each in one.violations or []],
        }
        for one in found
    ]
    return {
        "tested": len(rows),
        "broken": [one for one in rows if one["violations"]],
        "unplanned": [one for one in rows if not one["planned"]],
    }


def _violation(one: Violation) -> dict[str, str]:
    return {"path": one.path, "rule": one.rule, "message": one.message}


def _shown(broken: Broken, count: Count) -> dict[str, Any]:
    return {
        "source": broken.source,
        "type": broken.type,
        "name": broken.name,
        "version": broken.version,
        "path": broken.path,
        "rule": broken.rule,
        "events": count.events,
        "first_at": clock.iso(count.first_at),
        "last_at": clock.iso(count.last_at),
        "message": count.message,
        "message_id": count.message_id,
    }
