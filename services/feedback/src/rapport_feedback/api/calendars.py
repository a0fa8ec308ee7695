"""Routes for operators: business calendars, in versions."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock
from rapport_common.errors import InvalidRequestError
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router
from rapport_feedback.api.callers import Reader, Writer
from rapport_feedback.api.rule_models import (
    Declared,
    DueView,
    NewCalendar,
    NewHolidays,
    ShownCalendar,
    rule_name,
)
from rapport_feedback.domain.calendars import FIRST, LAST, CalendarDocument, calendar_of
from rapport_feedback.domain.hours import NeverOpenError
from rapport_feedback.domain.ical import ICalError, holidays_of
from rapport_feedback.domain.policies import ServiceLevels
from rapport_feedback.handlers import case_rules
from rapport_feedback.handlers.case_rules import By
from rapport_feedback.store import case_rules as store
from rapport_feedback.store.case_rules import Named

At = Annotated[datetime | None, Query(description="from then; left out: now")]
Minutes = Annotated[int, Query(ge=0, le=120_000, description="of open time")]
TAKEN_AWAY = "taken away"


def calendar_routes(engine: AsyncEngine, levels: ServiceLevels) -> APIRouter:
    """/v1/calendars: listed, declared, taken away."""
    router = Router(prefix="/v1/calendars", tags=["calendars"])

    @router.get("", response_model=Listed[ShownCalendar])
    async def listed(caller: Reader, page: Paging) -> dict[str, Any]:
        """By name. The one named `default` stands in for that of the settings."""
        [after] = page.after(str) or [""]
        async with engine.begin() as tx:
            found = await store.newest(
                tx, caller.workspace, "calendar", after=after, limit=page.ask
            )
        return page.answer(found, key=lambda one: [one.name], show=ShownCalendar.of)

    @router.get("/{name}")
    async def one(name: str, caller: Reader) -> ShownCalendar:
        async with engine.begin() as tx:
            found = await case_rules.current(tx, caller.workspace, ("calendar", rule_name(name)))
        return ShownCalendar.of(found)

    @router.put("/{name}")
    async def declare(name: str, body: NewCalendar, caller: Writer) -> Declared:
        """Let this hold from now on; limits of open cases follow, by a job."""
        by = By(caller.subject, body.reason, body.version)
        now = clock.now()
        named: Named = ("calendar", rule_name(name))
        async with engine.begin() as tx:
            found, job = await case_rules.declare(
                tx, caller.workspace, named, body.document(), by, levels=levels, now=now
            )
        return Declared(name=name, version=found.version, job_id=job)

    @router.delete("/{name}", status_code=204)
    async def remove(name: str, caller: Writer) -> None:
        """Take it away; refused while policies go by it. Its versions stay."""
        named: Named = ("calendar", rule_name(name))
        by = By(caller.subject, TAKEN_AWAY, 0)
        async with engine.begin() as tx:
            await case_rules.remove(tx, caller.workspace, named, by, levels)

    return router


def calendar_use_routes(engine: AsyncEngine, levels: ServiceLevels) -> APIRouter:
    """/v1/calendars/{name}: its versions, holidays from elsewhere, and counting by it."""
    router = Router(prefix="/v1/calendars", tags=["calendars"])

    @router.get("/{name}/history", response_model=Listed[ShownCalendar])
    async def history(name: str, caller: Reader, page: Paging) -> dict[str, Any]:
        """All versions, the newest first."""
        [before] = page.after(int) or [None]
        async with engine.begin() as tx:
            found = await store.history(
                tx, caller.workspace, "calendar", rule_name(name), before=before, limit=page.ask
            )
        return page.answer(found, key=lambda one: [one.version], show=ShownCalendar.of)

    @router.post("/{name}/holidays")
    async def holidays(name: str, body: NewHolidays, caller: Writer) -> Declared:
        """Take holidays of an iCalendar text: whole days, rules of the year for ten years."""
        now = clock.now()
        named: Named = ("calendar", rule_name(name))
        try:
            days = await asyncio.to_thread(holidays_of, body.ical, now.date())
        except ICalError as error:
            message = f"ical: {error}."
            raise InvalidRequestError(message, details={"field": "ical"}) from error
        by = By(caller.subject, body.reason, body.version)
        async with engine.begin() as tx:
            told = await case_rules.calendar(tx, caller.workspace, name)
            wanted: CalendarDocument = msgspec.structs.replace(told, holidays=tuple(days.days))
            found, job = await case_rules.declare(
                tx, caller.workspace, named, wanted, by, levels=levels, now=now
            )
        return Declared(name=name, version=found.version, job_id=job)

    @router.get("/{name}/due")
    async def due(name: str, caller: Reader, minutes: Minutes, at: At = None) -> DueView:
        """When so many open minutes will have passed."""
        async with engine.begin() as tx:
            told = await case_rules.calendar(tx, caller.workspace, rule_name(name))
        calendar, start = calendar_of(told), instant(at)
        try:
            found = calendar.add(start, timedelta(minutes=minutes))
        except NeverOpenError as error:
            message = f"minutes: {error}."
            raise InvalidRequestError(message, details={"field": "minutes"}) from error
        seconds = calendar.between(start, found).total_seconds()
        return DueView(due_at=found, open_seconds=int(seconds))

    return router


def instant(told: datetime | None) -> datetime:
    """An instant that a caller gave, or now; InvalidRequestError for one that no calendar has."""
    if told is None:
        return clock.now()
    if not FIRST <= told.date() <= LAST:
        message = f"at: {told} is not from {FIRST} to {LAST}."
        raise InvalidRequestError(message, details={"field": "at"})
    return told if told.tzinfo else told.replace(tzinfo=UTC)
