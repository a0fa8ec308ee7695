"""People who are made up for a purpose: what they did, how long ago, and what is known of it."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Self
from uuid import UUID

import msgspec
from services.segment.tests.generating_events import Life, record_of, told_of
from services.segment.tests.judging import told

from rapport_common.events.envelope import Event
from rapport_common.events.profile import (
    ComputedState,
    ConsentState,
    ContactPointState,
    DefinedValue,
    IdentifierState,
    ProfileState,
)
from rapport_segment.domain.rfm import scores_of
from rapport_segment.domain.sections import Facts

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
POINTS = {"email": "ada@x.org", "sms": "+491701234567", "push": "token"}


class Somebody:
    """A person as seen from `now`; each call adds something, and gives the person."""

    def __init__(self, now: datetime = NOW) -> None:
        self._now = now
        self._happened: list[tuple[str, datetime, dict[str, Any]]] = []
        self._traits: dict[str, Any] = {}
        self._computed: dict[str, Any] = {}
        self._defined: dict[str, DefinedValue] = {}
        self._consent: list[ConsentState] = []
        self._points: list[ContactPointState] = []
        self.scores: dict[str, Any] = {}

    def did(self, name: str, ago: timedelta, **properties: Any) -> Self:
        self._happened.append((name, self._now - ago, properties))
        return self

    def bought(self, ago: timedelta, total: str = "10", **properties: Any) -> Self:
        paid = {"total": Decimal(total), "currency": "EUR"}
        return self.did("Order Completed", ago, **paid, **properties)

    def has(self, **traits: Any) -> Self:
        self._traits |= traits
        return self

    def counts(self, **computed: Any) -> Self:
        self._computed |= computed
        return self

    def comes_to(self, name: str, **value: Any) -> Self:
        self._defined[name] = DefinedValue(**value)
        return self

    def reached(self, channel: str = "email", *, verified: bool = True) -> Self:
        point = ContactPointState(
            channel=channel, value=POINTS[channel], at=self._now, verified=verified
        )
        self._points.append(point)
        return self

    def said(self, state: Any, channel: str = "email", **more: Any) -> Self:
        about: dict[str, Any] = {
            "contact_point": POINTS[channel],
            "channel": channel,
            "purpose": "promotion",
        }
        at = self._now - 100 * DAY
        self._consent.append(ConsentState(**about, state=state, at=at, source="shop", **more))
        return self

    def says_yes(self, channel: str = "email", until: timedelta | None = None) -> Self:
        end = {} if until is None else {"expires_at": self._now + until}
        return self.reached(channel).said("granted", channel, **end)

    def scored(self, recency: int, frequency: int, monetary: int) -> Self:
        self.scores = dict(scores_of(recency, frequency, monetary))
        return self

    def life(self, number: int) -> Life:
        """What happened, as it was told, to the person of this number."""
        one = Life(number, [("user_id", f"somebody-{number}")])
        for place, (name, at, properties) in enumerate(self._happened):
            event = Event(
                workspace="acme",
                source="shop",
                message_id=f"{number}/{place}",
                type="track",
                timestamp=at,
                received_at=at,
                name=name,
                identifiers=one.identifiers,
                properties=msgspec.Raw(_encoder.encode(properties)),
            )
            one.events.append(event)
            one.told.append(record_of(event))
        return one

    def facts(self, life: Life, names: Sequence[str]) -> Facts:
        """What is known of whom this is the life of; `names` are all that may have happened."""
        state = ProfileState(
            identifiers=[IdentifierState(*life.identifiers[0])],
            traits=msgspec.Raw(msgspec.json.encode(self._traits)),
            computed=ComputedState(**{**self._totals(), **self._computed}),
            consent=self._consent,
            contact_points=self._points,
        )
        known = told(state)
        known.profile_id = str(UUID(int=life.number + 1))
        return told_of(life, known, names).scored(self.scores)

    def _totals(self) -> dict[str, Any]:
        """What profile computes of these events."""
        seen = [at for _name, at, _properties in self._happened]
        orders = [one for one in self._happened if one[0] == "Order Completed"]
        bought = [at for _name, at, _properties in orders]
        revenue: dict[str, Decimal] = defaultdict(Decimal)
        for _name, _at, properties in orders:
            revenue[properties["currency"]] += properties["total"]
        return {
            "events": len(seen),
            "orders": len(orders),
            "revenue": {currency: str(amount) for currency, amount in revenue.items()},
            "first_order_at": min(bought, default=None),
            "last_order_at": max(bought, default=None),
            "first_seen_at": min(seen, default=None),
            "last_seen_at": max(seen, default=None),
            **({"defined": self._defined} if self._defined else {}),
        }


_encoder = msgspec.json.Encoder(decimal_format="number")
