"""The people of segment's bench, the segments they may be in, and what is told of them.

All of it follows from numbers: person 17 is the same in every run, but for the day before which
everything has happened.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

import msgspec

from rapport_common.events.activity import ContactPoint
from rapport_common.events.profile import ComputedState, ConsentState, IdentifierState
from rapport_segment.domain.happenings import Happening, Happenings
from rapport_segment.domain.library.parameters import ParameterError
from rapport_segment.domain.library.shipped import Shipped
from rapport_segment.domain.sections import (
    COMPUTED,
    CONSENT,
    CONTACT_POINTS,
    IDENTIFIERS,
    RESTRAINTS,
    TRAITS,
    Facts,
    Section,
)
from rapport_segment.handlers.library import library

CROWD = "bench"
SEGMENTS = 200
EVENTS = 10
"""Of a person, on average."""

DAYS = 730
SOURCE = "shop"
ORDER = "Order Completed"
NAMES = (
    *("Product Viewed",) * 9,
    *("Product Added",) * 3,
    *(ORDER,) * 4,
    *("Checkout Started", "Signed Up", "Email Link Clicked", "Survey Answered"),
)
COUNTRIES = ("DE", "AT", "CH", "FR", "US")
PLANS = ("free", "silver", "gold")
MARKER = {"computed": "open_cases", "op": "gte", "value": 1}
"""Whom the records of the bench let in and out."""

_SPACE = uuid.UUID("0190a5e0-0000-7000-8000-000000000000")
_FIRST_ID = 1_700_000_000_000
_VARIED = {"days": 7, "hours": 5, "count": 1}
"""How far values of a parameter are apart, by its kind."""


def profile_id(number: int) -> uuid.UUID:
    """Ids are made in the order of time, as profile makes them."""
    low = int.from_bytes(sha256(b"%d" % number).digest()[:8], "big") & (2**62 - 1)
    return uuid.UUID(int=(_FIRST_ID + number) << 80 | 7 << 76 | 2 << 62 | low)


def segment_id(name: str) -> uuid.UUID:
    """The id of a segment by its name."""
    return uuid.uuid5(_SPACE, name)


def segments(wanted: int = SEGMENTS) -> dict[str, dict[str, Any]]:
    """So many rules by name: those that come with Rapport with varied values, then simple ones."""
    found: dict[str, dict[str, Any]] = {"Marker": MARKER}
    for variation in range(4):
        for shipped in library().values():
            rule = _varied(shipped, variation)
            if rule is not None and rule not in found.values():
                found[f"{shipped.title} {variation}"] = rule
    for number in range(wanted):
        country = {"trait": "country", "op": "eq", "value": COUNTRIES[number % len(COUNTRIES)]}
        age = {"trait": "age", "op": "gte", "value": 18 + number}
        found[f"From {number}"] = {"and": [country, age]}
    return dict(list(found.items())[:wanted])


def _varied(shipped: Shipped, variation: int) -> dict[str, Any] | None:
    """None where a value is more than it may be, and for what asks for computed traits: there is
    no profile here that tells of any.
    """
    if any(need.kind == "computed_trait" for need in shipped.needs()):
        return None
    given: dict[str, Any] = {}
    for one in shipped.parameters:
        value = one.default if one.default is not None else one.example
        step = variation * _VARIED.get(one.kind, 0)
        given[one.name] = int(value) + step if step else value  # type: ignore[arg-type] # a number
        if one.kind == "currency":
            given[one.name] = "USD"
    try:
        return shipped.filled(given).rule
    except ParameterError:
        return None


@dataclass(frozen=True)
class Shopper:
    """Somebody, with what has happened to them, the oldest first; `sections` by their places."""

    id: uuid.UUID
    sections: tuple[Section, ...]
    events: tuple[tuple[str, Happening], ...]

    def facts(self, names: Mapping[str, tuple[()]]) -> Facts:
        """What rules ask of them; `names` are all events that they ask for, with none."""
        told: dict[str, Any] = dict(names)
        for name, one in self.events:
            told[name] = (*told.get(name, ()), one)
        anchors = len(self.sections[IDENTIFIERS].anchors)
        happened = Happenings([told, *[names] * (anchors - 1)])
        return Facts(self.sections, str(self.id), happened=happened)


def identifiers(number: int) -> list[tuple[str, str]]:
    """By what the person with a number is known, the strongest first."""
    return [("user_id", f"u-{number}"), ("email", f"u-{number}@example.com")]


def shopper(number: int, until: datetime) -> Shopper:
    """The person with a number, to whom all has happened before an instant."""
    chance = random.Random(number)
    names = [IdentifierState(*one) for one in identifiers(number)]
    events = tuple(_events(chance, number, until))
    address = f"u-{number}@example.com"
    agreed = ConsentState(
        contact_point=address,
        channel="email",
        purpose="promotion",
        state="granted",
        at=until - timedelta(days=DAYS),
        source=SOURCE,
    )
    traits = {
        "email": address,
        "plan": chance.choice(PLANS),
        "country": chance.choice(COUNTRIES),
        "age": chance.randrange(16, 90),
        "tags": chance.sample(("vip", "beta", "news", "b2b"), chance.randrange(3)),
    }
    told: dict[int, Any] = {
        IDENTIFIERS: names,
        TRAITS: msgspec.Raw(msgspec.json.encode(traits)),
        COMPUTED: computed(events),
        RESTRAINTS: [],
        CONTACT_POINTS: [ContactPoint(channel="email", value=address)],
        CONSENT: [agreed] if chance.random() < 0.6 else [],
    }
    return Shopper(
        profile_id(number), tuple(Section(place, told[place]) for place in sorted(told)), events
    )


def _events(chance: random.Random, number: int, until: datetime) -> Iterator[tuple[str, Happening]]:
    count = chance.randrange(2, 2 * EVENTS - 1)
    minutes = sorted(chance.randrange(1, DAYS * 24 * 60) for _ in range(count))
    for at, ago in enumerate(reversed(minutes)):
        name = chance.choice(NAMES)
        told = {"sku": f"s-{chance.randrange(200)}", "price": chance.randrange(5, 90)}
        if name == ORDER:
            told = {"order_id": f"{number}/{at}", "total": told["price"], "currency": "USD"}
        section = Section(TRAITS, text=msgspec.json.encode(told).decode())
        moment = until - timedelta(minutes=ago)
        yield name, Happening(moment, SOURCE, f"{number}/{at}", section)


def computed(events: tuple[tuple[str, Happening], ...], open_cases: int = 0) -> ComputedState:
    """What profile computes of events."""
    orders = [one for name, one in events if name == ORDER]
    revenue = sum((Decimal(one.told.value["total"]) for one in orders), Decimal(0))
    return ComputedState(
        events=len(events),
        orders=len(orders),
        revenue={"USD": str(revenue)} if orders else {},
        first_order_at=orders[0].at if orders else None,
        last_order_at=orders[-1].at if orders else None,
        first_seen_at=events[0][1].at,
        last_seen_at=events[-1][1].at,
        open_cases=open_cases,
    )


def today() -> datetime:
    """Midnight, before which everything has happened to who is made now."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
