"""What price rules may ask of people, and which rules are not asked, as they would read more."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.model import Person, State
from rapport_campaign.domain.offers import Offer
from rapport_campaign.domain.price_guards import (
    PriceGuards,
    barred,
    city_key,
    is_opaque,
    protected_by,
    told_of,
)
from rapport_campaign.domain.pricing import NOBODY, PriceFacts
from rapport_campaign.store import audiences, segments
from rapport_common.paths import value_at

RESTRAINED = frozenset({"processing", "profiling"})
"""Who has said so (Articles 18 and 21 GDPR) gets no price of their own: only what all get."""

MAX_WORD, MAX_CITY = 64, 200


@dataclass(frozen=True, slots=True)
class Reading:
    """What rules of offers need to know of segments: `reads` by segment, `stays` by person."""

    reads: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    stays: Mapping[str, frozenset[str]] = field(default_factory=dict)


async def read(
    tx: AsyncConnection,
    workspace: str,
    offers: list[Offer],
    persons: Mapping[str, Person],
    at: datetime,
) -> Reading:
    """Who of some people is in which segments that rules name; nothing is asked where none does."""
    named = {segment for offer in offers for segment in offer.segments}
    if not named:
        return Reading()
    free = [key for key, one in persons.items() if not _is_restrained(one.state)]
    stays = await audiences.places(tx, workspace, free, named, at)
    return Reading(await segments.reads(tx, workspace, named), stays)


def facts_of(person: Person | None, guards: PriceGuards, reading: Reading) -> PriceFacts:
    """What rules may ask of somebody; of who has objected to profiling they may ask nothing."""
    state = person.state if person is not None else None
    if person is None or state is None or _is_restrained(state):
        return NOBODY
    traits: Mapping[str, Any] = msgspec.json.decode(state.traits)
    asked = {name: value_at(traits, name) for name in guards.traits}
    return PriceFacts(
        segments=reading.stays.get(person.profile_id, frozenset()),
        tier=_word(value_at(traits, guards.tier_trait)),
        city_tier=_city_tier(traits, guards),
        traits=asked,
    )


def unasked(offer: Offer, guards: PriceGuards, reading: Reading) -> dict[str, str]:
    """The rules of an offer that are not asked, by their ids, with the reason.

    A segment's rule may have been changed since the offer was saved.
    """
    vouched = {one.segment for one in offer.vouched}
    why = {
        segment: reason
        for segment in offer.segments
        if (reason := objection(segment, reading.reads, guards, vouched)) is not None
    }
    return {
        rule.id: f"segment {segment}: {why[segment]}"
        for rule in offer.rules
        for segment in rule.when.segments
        if segment in why
    }


def objection(
    segment: str,
    reads: Mapping[str, tuple[str, ...] | None],
    guards: PriceGuards,
    vouched: set[str],
) -> str | None:
    """Why no price may be by a segment; None: it may."""
    own = reads.get(segment)
    told = None if own is None else told_of(own, reads)
    # What is known speaks, also where a part is not known.
    about = barred(own if told is None else told, protected_by(guards))
    if about is not None:
        return f"its rule reads {about}"
    if is_opaque(told) and segment not in vouched:
        return (
            "by what people are in it is not known here (a list, or a segment service that does "
            "not tell): answer for it in `vouched`, with the reason"
        )
    return None


def _is_restrained(state: State | None) -> bool:
    return state is not None and not RESTRAINED.isdisjoint(state.restraints)


def _city_tier(traits: Mapping[str, Any], guards: PriceGuards) -> str | None:
    own = _word(value_at(traits, guards.city_tier_trait))
    if own is not None or not guards.cities:
        return own
    city = value_at(traits, guards.city_trait)
    is_city = isinstance(city, str) and len(city) <= MAX_CITY
    return guards.cities.get(city_key(city)) if is_city else None


def _word(value: Any) -> str | None:
    """A tier as a word: a number is one, too."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value).strip() if isinstance(value, str) or value.bit_length() < MAX_WORD else ""
    return text if 0 < len(text) <= MAX_WORD else None
