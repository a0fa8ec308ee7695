"""What others are told of a member: traits, a tier that was reached or lost, points that expire.

Events are told once. What they are told by is kept: `Told`.
"""

from datetime import datetime
from typing import Any

import msgspec

from rapport_common.events.envelope import EMPTY_OBJECT, Event, Identifier
from rapport_profile.domain.loyalty.calendar import days_later
from rapport_profile.domain.loyalty.standing import Standing
from rapport_profile.domain.stamps import OWN_SOURCE

SOURCE = OWN_SOURCE
TIER_REACHED = "Tier Reached"
TIER_LOST = "Tier Lost"
POINTS_EXPIRING = "Points Expiring"


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """What others have been told; `noticed`: of points that expire up to then."""

    traits: dict[str, Any] = {}
    tier: str | None = None
    noticed: datetime | None = None


class Member(msgspec.Struct, frozen=True):
    """Whom it is about, and the identifier that names them."""

    workspace: str
    profile_id: str
    name: Identifier


def traits_of(standing: Standing) -> dict[str, Any]:
    """A member's standing as traits; what there is not is null, as a trait that is removed."""
    first = standing.expiring[0] if standing.expiring else None
    gap = standing.gap
    return {
        "loyalty_balance": standing.points.balance,
        "loyalty_pending": standing.points.pending,
        "loyalty_tier": None if standing.tier is None else standing.tier.id,
        "loyalty_tier_until": standing.tier_until,
        "loyalty_next_tier": None if standing.next_tier is None else standing.next_tier.id,
        "loyalty_next_tier_gap": None if gap is None else _number(gap),
        "loyalty_next_expiry_at": None if first is None else first.at,
        "loyalty_next_expiry_points": None if first is None else first.points,
    }


def _number(value: Any) -> Any:
    return int(value) if value == value.to_integral_value() else float(value)


def news(member: Member, standing: Standing, told: Told, now: datetime) -> tuple[list[Event], Told]:
    """The events that are to be told now, and what has been told then."""
    events = []
    traits = msgspec.json.decode(msgspec.json.encode(traits_of(standing)))
    changed = {name: value for name, value in traits.items() if told.traits.get(name) != value}
    if changed:
        encoded = msgspec.Raw(msgspec.json.encode(changed))
        events.append(_event(member, now, "traits", type="identify", traits=encoded))
    tier = traits["loyalty_tier"]
    if tier != told.tier:
        events.append(_tier_event(member, standing, told.tier, now))
    noticed = told.noticed
    programme = standing.programme
    if programme is not None:
        until = days_later(now, programme.notice_days, programme.zone)
        fresh = [
            one
            for one in standing.expiring
            if one.at <= until and (noticed is None or one.at > noticed)
        ]
        if fresh:
            noticed = fresh[-1].at
            said = {"points": sum(one.points for one in fresh), "expires_at": fresh[0].at}
            events.append(_track(member, now, POINTS_EXPIRING, said))
    return events, Told(traits, tier, noticed)


def _tier_event(member: Member, standing: Standing, before: str | None, now: datetime) -> Event:
    """By the levels of today: one that there is no more was below all."""
    tiers = None if standing.programme is None else standing.programme.tiers
    ids = [] if tiers is None else [one.id for one in tiers.levels]
    after = None if standing.tier is None else standing.tier.id
    place = {None: -1} | {one: number for number, one in enumerate(ids)}
    name = TIER_REACHED if place.get(after, -1) > place.get(before, -1) else TIER_LOST
    reason = standing.tier_changes[-1].reason if standing.tier_changes else "rules"
    said = {"tier": after, "former_tier": before, "reason": reason}
    # When it came about: what is found out of the past must not begin a campaign of today.
    at = standing.tier_changes[-1].at if standing.tier_changes else now
    told = _track(member, now, name, said)
    return msgspec.structs.replace(told, timestamp=min(at, now))


def _track(member: Member, now: datetime, name: str, said: dict[str, Any]) -> Event:
    word = name.lower().replace(" ", "-")
    return _event(member, now, word, name=name, properties=msgspec.Raw(msgspec.json.encode(said)))


def _event(
    member: Member,
    now: datetime,
    what: str,
    *,
    type: Any = "track",  # noqa: A002 - as the event has it
    name: str | None = None,
    properties: msgspec.Raw = EMPTY_OBJECT,
    traits: msgspec.Raw = EMPTY_OBJECT,
) -> Event:
    return Event(
        workspace=member.workspace,
        source=SOURCE,
        message_id=f"loyalty-{member.profile_id}-{what}-{now.timestamp():.6f}",
        type=type,
        name=name,
        timestamp=now,
        received_at=now,
        identifiers=[member.name],
        properties=properties,
        traits=traits,
    )
