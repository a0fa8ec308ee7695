"""What the routes of loyalty take and answer. Points are whole numbers, times UTC."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from rapport_common.paging import MAX_BIGINT
from rapport_profile.api.asking import NO_NUL
from rapport_profile.domain.loyalty.calendar import FAR
from rapport_profile.domain.loyalty.checking import MAX_POINTS
from rapport_profile.domain.stamps import EARLIEST

Reason = Annotated[str, Field(min_length=1, max_length=1000, pattern=NO_NUL)]


def _countable(moment: datetime) -> datetime:
    """The same time; an error for one with which days and months can't be counted in any zone."""
    if not EARLIEST <= moment < FAR:
        message = f"must be from {EARLIEST.year} on and before {FAR.year}"
        raise PydanticCustomError("time", message)
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_countable)]
EXAMPLE = {"name": "Club", "points": "stars", "rules": [{"id": "spend", "per": {"CNY": "1"}}]}


class NewProgramme(BaseModel):
    """A programme that takes the place of another."""

    model_config = ConfigDict(extra="forbid")

    programme: dict[str, Any] = Field(
        description="its rules, see the guide on loyalty", examples=[EXAMPLE]
    )
    version: int = Field(
        ge=0, le=MAX_BIGINT, strict=True, description="of the one it follows; 0: there is none"
    )
    since: Moment | None = Field(
        None, description="it holds for what happens from then on; null: from now on"
    )
    reason: Reason


class Programme(BaseModel):
    """One version of a workspace's programme; version 0: there is none."""

    version: int
    programme: dict[str, Any] | None
    begins_at: datetime | None = Field(description="it holds for what happens from then on")
    actor: str | None
    reason: str | None
    created_at: datetime | None


class CurrentProgramme(Programme):
    """The version that was declared last, and from when on anything counts."""

    starts_at: datetime | None = Field(
        description="what happened from then on counts, by the first version until the next began"
    )


class NewBackfill(BaseModel):
    """From when on what happened shall count, though it was told before the programme was."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "since": "2024-01-01T00:00:00Z",
                    "dry_run": True,
                    "reason": "Old customers have their points",
                }
            ]
        },
    )

    since: Moment = Field(description="no later than it counts now")
    dry_run: bool = Field(False, description="only say what would be: nothing is changed")
    reason: Reason


class Points(BaseModel):
    """What a member has: total = available + reserved + pending - debt."""

    total: int
    balance: int = Field(description="all that is not pending; below nothing: a debt")
    available: int
    reserved: int
    pending: int = Field(description="earned, and not to be spent yet")
    debt: int = Field(description="spent, and taken back since; what comes next pays it")


class Tier(BaseModel):
    """The tier that a member has."""

    id: str
    benefits: dict[str, Any]
    until: datetime | None = Field(
        description="when it ends if nothing more counts, days of grace included; null: never"
    )


class NextTier(BaseModel):
    """The tier above, and what is missing for it by its measure."""

    id: str
    gap: str


class TierChange(BaseModel):
    """When a member came to another tier, and why: reached, lapsed, corrected, rules."""

    at: datetime
    from_tier: str | None
    to_tier: str | None
    reason: str


class Lot(BaseModel):
    """Points that were earned together, as far as they are left."""

    lot: str
    points: int = Field(description="that can be spent, or will be")
    reserved_or_spent: int
    earned_at: datetime
    opens_at: datetime = Field(description="from then on they can be spent")
    expires_at: datetime | None


class Expiring(BaseModel):
    """Points that expire at one instant."""

    expires_at: datetime
    points: int


class Standing(BaseModel):
    """How a member stands now."""

    id: UUID = Field(description="of the profile")
    is_member: bool
    points_name: str
    points: Points
    tier: Tier | None
    next_tier: NextTier | None
    counts: str = Field(description="what counts for tiers now, by their measure")
    tier_changes: list[TierChange] = Field(description="the newest 100, newest first")
    lots: list[Lot] = Field(description="of which points are left, those spent first first")
    expiring: list[Expiring]


class Entry(BaseModel):
    """What came to a member's points, or went from them."""

    id: str
    kind: Literal["earned", "reversed", "expired", "redeemed", "adjusted"]
    points: int
    total: int = Field(description="of all entries up to this one")
    lot: str = Field(description="`debt`: what no lot covers")
    operation_id: str | None
    at: datetime = Field(description="when it came about")
    booked_at: datetime


class NewRedemption(BaseModel):
    """Points that are to be spent."""

    model_config = ConfigDict(extra="forbid")

    points: int = Field(ge=1, le=MAX_POINTS, strict=True)
    seconds: int | None = Field(
        600,
        ge=1,
        le=2_592_000,
        strict=True,
        description="so long they are reserved, unless confirmed; null: they are spent at once",
    )
    reason: Reason


class Redemption(BaseModel):
    """Points that are reserved or spent, or were."""

    id: str
    state: Literal["reserved", "confirmed", "cancelled", "expired", "reversed"]
    points: int
    lots: dict[str, int] = Field(description="from which lots they were taken, when that was asked")
    reserved_at: datetime
    expires_at: datetime | None = Field(description="of a reservation")
    confirmed_at: datetime | None
    released_at: datetime | None


class NewAdjustment(BaseModel):
    """Points that are given or, below nothing, taken."""

    model_config = ConfigDict(extra="forbid")

    points: int = Field(ge=-MAX_POINTS, le=MAX_POINTS, strict=True)
    expires_at: Moment | None = Field(
        None, description="of points that are given; null: as the programme says"
    )
    reason: Reason


class Adjustment(BaseModel):
    """Points that were given or taken."""

    id: str
    points: int
    at: datetime


class Because(BaseModel):
    """Why."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason


class Membership(BaseModel):
    """Whether somebody takes part."""

    id: UUID = Field(description="of the profile")
    is_member: bool
