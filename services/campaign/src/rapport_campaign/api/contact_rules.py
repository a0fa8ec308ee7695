"""Routes for operators: how often, when and whom a workspace writes to."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_campaign.domain import caps, quiet_hours
from rapport_campaign.domain.caps import Calendar
from rapport_campaign.domain.contact_rules import (
    DETRACTOR,
    MAX_DAYS,
    USUAL,
    ContactRules,
    ContactRulesError,
    checked,
)
from rapport_campaign.domain.model import Purpose
from rapport_campaign.domain.quiet_hours import DAYS, Day, Quiet, Window, WindowsError
from rapport_campaign.store import contact_rules as store
from rapport_campaign.store.contact_rules import Version
from rapport_common.auth import Operator, operator
from rapport_common.errors import ConflictError, InvalidRequestError
from rapport_common.operator.texts import StorableText
from rapport_common.paging import MAX_BIGINT, Listed, Paging
from rapport_common.routes import Router

Reader = Annotated[Operator, Depends(operator("campaigns:read"))]
Writer = Annotated[Operator, Depends(operator("campaigns:write"))]
Reason = Annotated[StorableText, Field(min_length=1, max_length=1000)]
Word = Annotated[StorableText, Field(max_length=64)]
Time = Annotated[str, Field(max_length=5)]


class WindowBody(BaseModel):
    """Quiet from a time to a time (`HH:MM`) by the clock where the person is, perhaps overnight."""

    model_config = ConfigDict(extra="forbid")

    days: list[Day] = Field(
        default_factory=lambda: list(DAYS), max_length=len(DAYS), description="when it begins"
    )
    since: Time = Field(alias="from", description="such as 21:00")
    until: Time = Field(alias="to", description="such as 08:00, on the next day then; 24:00")

    def window(self) -> Window:
        """As it is kept."""
        return Window(days=tuple(self.days), since=self.since, until=self.until)


class PeriodBody(BaseModel):
    """One of these: so long back from now, or this day, week or month so far."""

    model_config = ConfigDict(extra="forbid")

    minutes: int | None = Field(None, ge=1, le=MAX_DAYS * 24 * 60)
    hours: int | None = Field(None, ge=1, le=MAX_DAYS * 24)
    days: int | None = Field(None, ge=1, le=MAX_DAYS)
    this: Calendar | None = Field(None, description="by the calendar where the person is")


class CapBody(BaseModel):
    """At most so many messages of campaigns to one person in a period."""

    model_config = ConfigDict(extra="forbid")

    id: Word = Field(description="what it is called where a message was held back by it")
    at_most: int = Field(ge=1, le=caps.MOST_ALLOWED, strict=True)
    period: PeriodBody
    channel: Word | None = Field(None, description="null: of all channels together")
    purpose: Purpose | None = Field(None, description="null: of both together")


class DetractorsBody(BaseModel):
    """Who has just said that they would not recommend the shop gets no promotions."""

    model_config = ConfigDict(extra="forbid")

    computed: Word = Field(description="the computed trait that has their last answer")
    at_most: int = Field(DETRACTOR, ge=0, le=10, strict=True, description="counts as a no")


class RulesBody(BaseModel):
    """Rules about messages of campaigns; those of transactional ones are the requester's own."""

    model_config = ConfigDict(extra="forbid")

    timezone: Word = Field(USUAL.timezone, description="of who has no zone themselves (IANA)")
    quiet_hours: list[WindowBody] = Field(default_factory=list, max_length=quiet_hours.MAX_WINDOWS)
    caps: list[CapBody] = Field(default_factory=list, max_length=caps.MAX_CAPS)
    once_per_address_days: int = Field(
        MAX_DAYS,
        ge=0,
        le=MAX_DAYS,
        strict=True,
        description="for so long an address gets a campaign through one of its owners; 0: each",
    )
    detractors: DetractorsBody | None = None


class NewRules(RulesBody):
    """Rules that take the place of others, as a whole."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "timezone": "Europe/Berlin",
                    "quiet_hours": [{"from": "21:00", "to": "08:00"}],
                    "caps": [
                        {
                            "id": "promo-weekly",
                            "purpose": "promotion",
                            "at_most": 3,
                            "period": {"days": 7},
                        }
                    ],
                    "version": 0,
                    "reason": "spring",
                }
            ]
        },
    )

    version: int = Field(
        ge=0, le=MAX_BIGINT, strict=True, description="of those whose place they take; 0: none"
    )
    reason: Reason


class ShownRules(RulesBody):
    """One version of the rules, by whom and why. Version 0: none were ever declared."""

    version: int
    actor: str | None
    reason: str | None
    created_at: datetime | None


def contact_rules_routes(engine: AsyncEngine) -> APIRouter:
    """All of it."""
    router = Router(tags=["contact rules"])

    @router.get("/v1/contact-rules")
    async def rules(caller: Reader) -> ShownRules:
        """How often, when and whom campaigns write to; without any rules there are no bounds."""
        async with engine.begin() as tx:
            found = await store.history(tx, caller.workspace, 1)
        return _shown(found[0]) if found else _NONE

    @router.get("/v1/contact-rules/history", response_model=Listed[ShownRules])
    async def history(caller: Reader, page: Paging) -> dict[str, Any]:
        """All versions, the newest first."""
        after = page.after(int)
        async with engine.begin() as tx:
            before = after[0] if after else None
            found = await store.history(tx, caller.workspace, page.ask, before)
        return page.answer(found, key=lambda one: [one.version], show=_shown)

    @router.put("/v1/contact-rules")
    async def declare(body: NewRules, caller: Writer) -> ShownRules:
        """Let these hold from now on, for every message that is not sent yet."""
        wanted = _checked(body)
        async with engine.begin() as tx:
            known = await store.history(tx, caller.workspace, 1)
            version = known[0].version if known else 0
            by = (caller.subject, body.reason)
            if version != body.version or not await store.add(
                tx, caller.workspace, version + 1, wanted, by
            ):
                message = f"The rules are not at version {body.version} any more: look at them."
                raise ConflictError(message, details={"version": version})
            return _shown((await store.history(tx, caller.workspace, 1))[0])

    return router


def windows_of(bodies: list[WindowBody] | None) -> Quiet | None:
    """The windows of a campaign's own, checked; None when it has none."""
    if bodies is None:
        return None
    try:
        return quiet_hours.checked([one.window() for one in bodies])
    except WindowsError as error:
        where = "quiet_hours" + error.where.removeprefix("windows")
        raise _invalid(where, error) from error


def shown_windows(windows: Quiet | None) -> list[dict[str, Any]] | None:
    """The windows of a campaign as they were given."""
    return None if windows is None else msgspec.to_builtins(windows)


def _checked(body: NewRules) -> ContactRules:
    told = body.model_dump(by_alias=True, exclude={"version", "reason"})
    try:
        return checked(msgspec.convert(told, ContactRules))
    except ContactRulesError as error:
        raise _invalid(error.where, error) from error


def _invalid(where: str, error: ValueError) -> InvalidRequestError:
    return InvalidRequestError(f"{where}: {error}.", details={"field": where})


_NONE = ShownRules(version=0, actor=None, reason=None, created_at=None)


def _shown(found: Version) -> ShownRules:
    return ShownRules.model_validate(
        {
            **msgspec.to_builtins(found.rules),
            "version": found.version,
            "actor": found.actor,
            "reason": found.reason,
            "created_at": found.created_at,
        }
    )
