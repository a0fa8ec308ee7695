"""The routes of a service's retention rules."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock
from rapport_common.auth import Operator, operator
from rapport_common.errors import ConflictError, InvalidRequestError
from rapport_common.keeping import store
from rapport_common.keeping.classes import COUNTED, DataClass
from rapport_common.keeping.store import KeepingStore, Version
from rapport_common.operator.texts import StorableText
from rapport_common.paging import MAX_BIGINT, Listed, Paging
from rapport_common.routes import Router, add_routes

MOST_DAYS = 36_500
Reader = Annotated[Operator, Depends(operator("privacy:read"))]
Writer = Annotated[Operator, Depends(operator("privacy:write"))]
Days = Annotated[int, Field(ge=1, le=MOST_DAYS, strict=True)]


class KeptClass(BaseModel):
    """A class of data of this service."""

    name: str
    about: str
    shortest: int = Field(description="days that it is kept at least")


class RetentionRules(BaseModel):
    """How long which class of data is kept; by whom, and why."""

    version: int = Field(description="0: nobody has declared any")
    days: dict[str, int] = Field(description="by class; what is left out is kept for ever")
    actor: str | None
    reason: str | None
    created_at: datetime | None
    classes: list[KeptClass] = Field(description="all that there are in this service")


class ToBeKept(BaseModel):
    """How long classes would be kept."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"days": {}}})

    days: dict[str, Days] = Field(max_length=100, description="by class; left out: for ever")


class NewRetentionRules(ToBeKept):
    """Rules that take the place of others."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"version": 0, "days": {}, "reason": "for ever, for now"}},
    )

    version: int = Field(
        ge=0, le=MAX_BIGINT, strict=True, description="of those whose place they take; 0: none"
    )
    reason: Annotated[StorableText, Field(min_length=1, max_length=1000)]


class WouldGo(BaseModel):
    """How many rows of each class are over their time."""

    rows: dict[str, int] = Field(
        description=f"up to {COUNTED:,} each, of whom it is only kept among them: these stay"
    )


class Gone(BaseModel):
    """What has gone on one day."""

    day: date
    name: str = Field(description="of the class")
    rows: int


class _Rules:
    """What the routes ask for."""

    def __init__(self, engine: AsyncEngine, service: str, classes: Sequence[DataClass]) -> None:
        self.engine = engine
        self.store = KeepingStore(service)
        self.classes = {one.name: one for one in classes}

    def require_possible(self, days: dict[str, int]) -> None:
        for name, number in days.items():
            one = self.classes.get(name)
            where = f"days.{name[:64]}"
            if one is None:
                message = f"{where}: no class of this service, which has {', '.join(self.classes)}."
                raise InvalidRequestError(message, details={"field": where})
            if number < one.shortest:
                message = f"{where}: it is needed for {one.shortest} days."
                raise InvalidRequestError(message, details={"field": where})

    def shown(self, found: Version) -> dict[str, Any]:
        kept = [
            {"name": one.name, "about": one.about, "shortest": one.shortest}
            for one in self.classes.values()
        ]
        return {**found._asdict(), "classes": kept}


def keeping_routes(engine: AsyncEngine, service: str, classes: Sequence[DataClass]) -> APIRouter:
    """Show and change how long what is kept, and see what that does."""
    router = Router(tags=["retention"])
    rules = _Rules(engine, service, classes)
    add_routes(router, _shown(rules), _changed(rules))
    return router


def _shown(rules: _Rules) -> APIRouter:
    router = Router()

    @router.get("/v1/retention-rules")
    async def retention_rules(caller: Reader) -> RetentionRules:
        """The rules that hold, and the classes that there are."""
        async with rules.engine.begin() as tx:
            found = await rules.store.latest(tx, caller.workspace)
        return RetentionRules(**rules.shown(found))

    @router.get("/v1/retention-rules/history", response_model=Listed[RetentionRules])
    async def history_of_retention_rules(caller: Reader, page: Paging) -> dict[str, Any]:
        """All versions, the newest first."""
        after = page.after(int)
        async with rules.engine.begin() as tx:
            before = after[0] if after else None
            found = await rules.store.history(tx, caller.workspace, page.ask, before)
        return page.answer(found, key=lambda one: [one.version], show=rules.shown)

    @router.get("/v1/retention-rules/gone", response_model=Listed[Gone])
    async def gone_by_retention_rules(caller: Reader, page: Paging) -> dict[str, Any]:
        """How many rows of which class have gone, by day, the newest first."""
        after = page.after(date, str)
        async with rules.engine.begin() as tx:
            found = await rules.store.gone(tx, caller.workspace, page.ask, after)
        return page.answer(found, key=lambda one: [one.day, one.name], show=_gone)

    return router


def _gone(one: store.Gone) -> dict[str, Any]:
    return one._asdict()


def _changed(rules: _Rules) -> APIRouter:
    router = Router()

    @router.put("/v1/retention-rules")
    async def declare_retention_rules(body: NewRetentionRules, caller: Writer) -> RetentionRules:
        """Let rules hold from now on: what is over its time goes within the next hours.

        What has gone does not come back when rules change. Data of whom it is only to be kept
        (restriction of processing) stay.
        """
        rules.require_possible(body.days)
        by = (caller.subject, body.reason)
        async with rules.engine.begin() as tx:
            holding = (await rules.store.latest(tx, caller.workspace)).version
            made = None
            if holding == body.version:
                version = body.version + 1
                made = await rules.store.add(tx, caller.workspace, version, body.days, by)
        if made is None:
            message = f"Version {holding} of the rules holds, not {body.version}: look at it first."
            raise ConflictError(message, details={"version": holding})
        return RetentionRules(**rules.shown(made))

    @router.post("/v1/retention-rules/preview")
    async def preview_retention_rules(body: ToBeKept, caller: Reader) -> WouldGo:
        """How many rows would go by these rules."""
        rules.require_possible(body.days)
        found = {}
        for name, days in body.days.items():
            before = clock.now() - timedelta(days=days)
            async with rules.engine.begin() as tx:
                found[name] = await rules.classes[name].count(tx, caller.workspace, before)
        return WouldGo(rows=found)

    return router
