"""Routes for operators: how fast mails go to a provider, and how many a new sender domain sends."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_campaign.domain.lanes import Standing, share
from rapport_campaign.domain.mail_paces import (
    MOST_AT_ONCE,
    MOST_DOMAINS,
    MOST_RULES,
    Lane,
    MailPaces,
    MailPacesError,
    PaceRule,
    SlowDown,
    WarmupRule,
    checked,
    lanes,
)
from rapport_campaign.domain.throttles import MAX_AT_MOST, Throttle
from rapport_campaign.store import lanes as lane_store
from rapport_campaign.store import mail_paces as store
from rapport_campaign.store.mail_paces import Version
from rapport_common import clock
from rapport_common.auth import Operator, operator
from rapport_common.errors import ConflictError, InvalidRequestError
from rapport_common.operator.texts import StorableText
from rapport_common.paging import MAX_BIGINT, Listed, Paging
from rapport_common.routes import Router

Reader = Annotated[Operator, Depends(operator("campaigns:read"))]
Writer = Annotated[Operator, Depends(operator("campaigns:write"))]
Reason = Annotated[StorableText, Field(min_length=1, max_length=1000)]
Name = Annotated[str, Field(pattern="^[a-z0-9][a-z0-9._-]{0,63}$")]
Domain = Annotated[StorableText, Field(max_length=253)]
_USUAL = SlowDown()
_EXAMPLE: dict[str, JsonValue] = {
    "paces": [
        {
            "id": "gmail",
            "to": ["gmail.com", "googlemail.com"],
            "at_most": 600,
            "per": "minute",
            "at_once": 20,
        },
        {"id": "rest", "to": ["*"], "at_most": 100_000, "per": "hour"},
    ],
    "warmups": [
        {
            "sender": "news.shop.example",
            "starts_on": "2026-12-01",
            "first": 50,
            "growth": 2,
            "enough": 20_000,
        }
    ],
    "version": 0,
    "reason": "a new domain",
}


class PaceBody(BaseModel):
    """Mails to these domains together: so many in any window, so many at once. The first that fits
    a mail counts.
    """

    model_config = ConfigDict(extra="forbid")

    id: Name = Field(description="under another one its pace begins anew")
    to: list[Domain] = Field(
        min_length=1, max_length=MOST_DOMAINS, description="of one provider; `*` alone: the rest"
    )
    senders: list[Domain] = Field(
        default_factory=list, max_length=MOST_DOMAINS, description="empty: mails from any domain"
    )
    at_most: int | None = Field(None, ge=1, le=MAX_AT_MOST, strict=True)
    per: Literal["minute", "hour"] = Field("minute", description="any, not only that of the clock")
    at_once: int | None = Field(
        None, ge=1, le=MOST_AT_ONCE, strict=True, description="in the hands of all senders"
    )

    def rule(self) -> PaceRule:
        """As it is kept."""
        return PaceRule(
            id=self.id,
            to=tuple(self.to),
            senders=tuple(self.senders),
            throttle=None if self.at_most is None else Throttle(self.at_most, self.per),
            at_once=self.at_once,
        )


class SenderWarmupBody(BaseModel):
    """So many mails from a domain on its first day (UTC), so many times as many on each that
    follows. Before its first day there are none.
    """

    model_config = ConfigDict(extra="forbid")

    sender: Domain
    starts_on: date
    first: int = Field(ge=1, le=10**9, strict=True)
    growth: float = Field(2, ge=1, le=10, allow_inf_nan=False, description="2: twice each day")
    enough: int = Field(
        ge=1, le=10**9, strict=True, description="from so many a day on there is no bound"
    )


class SlowDownBody(BaseModel):
    """What a pace does when a server says "too many": it is halved, once a minute at most."""

    model_config = ConfigDict(extra="forbid")

    least_percent: int = Field(
        _USUAL.least_percent, ge=1, le=100, strict=True, description="it falls no further; 100: not"
    )
    minutes: int = Field(
        _USUAL.minutes, ge=1, le=24 * 60, strict=True, description="until it has doubled again"
    )


class PacesBody(BaseModel):
    """How fast mails go."""

    model_config = ConfigDict(extra="forbid")

    paces: list[PaceBody] = Field(default_factory=list, max_length=MOST_RULES)
    warmups: list[SenderWarmupBody] = Field(default_factory=list, max_length=MOST_RULES)
    slow_down: SlowDownBody = Field(default_factory=SlowDownBody)


class NewPaces(PacesBody):
    """Rules that take the place of others, as a whole."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})

    version: int = Field(
        ge=0, le=MAX_BIGINT, strict=True, description="of those whose place they take; 0: none"
    )
    reason: Reason


class ShownPaces(PacesBody):
    """One version of the rules, by whom and why. Version 0: none were ever declared."""

    version: int
    actor: str | None
    reason: str | None
    created_at: datetime | None


class ShownLane(BaseModel):
    """How a pace or a warm-up stands."""

    lane: str = Field(description="`to:` and the id of a pace, `from:` and a sender's domain")
    waiting: int = Field(description="mails that it holds back; more than 10000 are not counted")
    in_hand: int = Field(description="mails that senders have in their hands; paces only")
    percent: int = Field(description="of its pace that it has now; below 100 it was slowed")
    sent_today: int = Field(description="taken from it on this day (UTC)")
    allowed_today: int | None = Field(description="of a warm-up that has not ended")


class ShownStandings(BaseModel):
    """How all of them stand."""

    lanes: list[ShownLane]


def mail_pace_routes(engine: AsyncEngine) -> APIRouter:
    """All of it."""
    router = Router(tags=["mail paces"])

    @router.get("/v1/mail-paces")
    async def rules(caller: Reader) -> ShownPaces:
        """How fast mails go; without any rules as fast as there are servers for them."""
        async with engine.begin() as tx:
            found = await store.history(tx, caller.workspace, 1)
        return _shown(found[0]) if found else _NONE

    @router.get("/v1/mail-paces/history", response_model=Listed[ShownPaces])
    async def history(caller: Reader, page: Paging) -> dict[str, Any]:
        """All versions, the newest first."""
        after = page.after(int)
        async with engine.begin() as tx:
            before = after[0] if after else None
            found = await store.history(tx, caller.workspace, page.ask, before)
        return page.answer(found, key=lambda one: [one.version], show=_shown)

    @router.get("/v1/mail-paces/standing")
    async def standing(caller: Reader) -> ShownStandings:
        """How each pace and warm-up stands: what waits, whether it was slowed."""
        async with engine.begin() as tx:
            return await _standings(tx, caller.workspace)

    @router.put("/v1/mail-paces")
    async def declare(body: NewPaces, caller: Writer) -> ShownPaces:
        """Let these hold from now on; all senders hold to them within a second."""
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


def _checked(body: NewPaces) -> MailPaces:
    wanted = MailPaces(
        paces=tuple(one.rule() for one in body.paces),
        warmups=tuple(WarmupRule(**one.model_dump()) for one in body.warmups),
        slow_down=SlowDown(**body.slow_down.model_dump()),
    )
    try:
        return checked(wanted)
    except MailPacesError as error:
        message = f"{error.where}: {error}."
        raise InvalidRequestError(message, details={"field": error.where}) from error


async def _standings(tx: AsyncConnection, workspace: str) -> ShownStandings:
    found = await store.history(tx, workspace, 1)
    bounds = lanes(found[0].rules) if found else {}
    kept = await lane_store.standings(tx, workspace)
    waiting = await lane_store.counts(tx, workspace, list(bounds))
    used = await lane_store.used(tx, [(workspace, one) for one in bounds])
    now = clock.now()
    shown = [
        _lane(bound, kept[name], (waiting[name], used[workspace, name][0]), now)
        for name, bound in bounds.items()
    ]
    return ShownStandings(lanes=shown)


def _lane(bound: Lane, kept: Standing, numbers: tuple[int, int], now: datetime) -> ShownLane:
    return ShownLane(
        lane=bound.name,
        waiting=numbers[0],
        in_hand=numbers[1],
        percent=round(100 * share(kept, bound.slow_down, now)),
        sent_today=kept.sent if kept.day >= now.date() else 0,
        allowed_today=bound.warmup.allowed(now.date()) if bound.warmup else None,
    )


_NONE = ShownPaces(version=0, actor=None, reason=None, created_at=None)


def _shown(found: Version) -> ShownPaces:
    return ShownPaces(
        paces=[_shown_pace(one) for one in found.rules.paces],
        warmups=[
            SenderWarmupBody(
                sender=one.sender,
                starts_on=one.starts_on,
                first=one.first,
                growth=one.growth,
                enough=one.enough,
            )
            for one in found.rules.warmups
        ],
        slow_down=SlowDownBody(
            least_percent=found.rules.slow_down.least_percent,
            minutes=found.rules.slow_down.minutes,
        ),
        version=found.version,
        actor=found.actor,
        reason=found.reason,
        created_at=found.created_at,
    )


def _shown_pace(one: PaceRule) -> PaceBody:
    throttle = one.throttle
    return PaceBody(
        id=one.id,
        to=list(one.to),
        senders=list(one.senders),
        at_most=throttle.at_most if throttle else None,
        per=throttle.per if throttle else "minute",
        at_once=one.at_once,
    )
