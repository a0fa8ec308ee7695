"""The fold: what a set of events amounts to, whatever order they came in.

Every part is a join (latest by stamp, minimum, maximum) or a sum over distinct events, so
`merge` is commutative and associative, and folding an event is merging the fold of that event
alone. A profile is the merge of its identifiers' folds: joining two people rewrites nothing.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

import msgspec

from rapport_common.events.envelope import Event
from rapport_common.events.profile import ComputedState, ConsentState
from rapport_profile.domain.facts import (
    CASE_OPEN,
    CONSENT_UPDATED,
    ORDER_COMPLETED,
    order_value,
    properties_of,
)

Stamp = tuple[datetime, str, str]
"""(timestamp, message id, source): of two values for one thing the greater stamp counts."""

_NULL = b"null"
_traits = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Trait(msgspec.Struct, array_like=True, frozen=True):
    """A trait's value, as JSON, with where it came from."""

    value: msgspec.Raw
    stamp: Stamp


class Consent(msgspec.Struct, array_like=True, frozen=True):
    """A person's word on one contact point, channel and purpose."""

    state: str
    wording_version: str | None
    stamp: Stamp


class Case(msgspec.Struct, array_like=True, frozen=True):
    """Whether a complaint is open."""

    is_open: bool
    stamp: Stamp


S = TypeVar("S", Trait, Consent, Case)


class Fold(msgspec.Struct, omit_defaults=True):
    """What the events folded so far amount to. Consent keys are (channel, purpose, point) JSON."""

    events: int = 0
    orders: int = 0
    revenue: dict[str, Decimal] = {}
    first_order_at: datetime | None = None
    last_order_at: datetime | None = None
    first_seen_at: datetime | None = None
    last_seen_at: datetime | None = None
    traits: dict[str, Trait] = {}
    consent: dict[str, Consent] = {}
    cases: dict[str, Case] = {}

    def take(self, event: Event) -> None:
        """Fold one more event in."""
        at = event.timestamp
        stamp = (at, event.message_id, event.source)
        self.events += 1
        self.first_seen_at = _earlier(self.first_seen_at, at)
        self.last_seen_at = _later(self.last_seen_at, at)
        if event.type == "identify":
            self._take_traits(event, stamp)
        elif event.type == "track":
            self._take_track(event, stamp)

    def _take_traits(self, event: Event, stamp: Stamp) -> None:
        try:
            traits = _traits.decode(event.traits)
        except msgspec.MsgspecError:
            return
        for name, value in traits.items():
            # A copy: Raw is a view that would keep the whole record alive.
            _put(self.traits, name, Trait(msgspec.Raw(bytes(value)), stamp))

    def _take_track(self, event: Event, stamp: Stamp) -> None:
        if event.name == ORDER_COMPLETED:
            self._take_order(event)
        elif event.name == CONSENT_UPDATED:
            self._take_consent(event, stamp)
        elif event.name in CASE_OPEN:
            case_id = properties_of(event).get("case_id")
            if isinstance(case_id, str):
                _put(self.cases, case_id, Case(CASE_OPEN[event.name], stamp))

    def _take_order(self, event: Event) -> None:
        at = event.timestamp
        self.orders += 1
        self.first_order_at = _earlier(self.first_order_at, at)
        self.last_order_at = _later(self.last_order_at, at)
        value = order_value(properties_of(event))
        if value is not None:
            currency, amount = value
            self.revenue[currency] = self.revenue.get(currency, Decimal(0)) + amount

    def _take_consent(self, event: Event, stamp: Stamp) -> None:
        said = properties_of(event)
        key = [said.get(part) for part in ("channel", "purpose", "contact_point")]
        state, wording = said.get("state"), said.get("wording_version")
        if not all(isinstance(part, str) for part in key):
            return
        if state not in {"granted", "denied", "withdrawn"}:
            return
        version = wording if isinstance(wording, str) else None
        name = msgspec.json.encode(key).decode()
        _put(self.consent, name, Consent(str(state), version, stamp))

    def join(self, other: "Fold") -> None:
        """Take everything of another fold in; the two must have no event in common."""
        self.events += other.events
        self.orders += other.orders
        for currency, amount in other.revenue.items():
            self.revenue[currency] = self.revenue.get(currency, Decimal(0)) + amount
        self.first_order_at = _earlier(self.first_order_at, other.first_order_at)
        self.last_order_at = _later(self.last_order_at, other.last_order_at)
        self.first_seen_at = _earlier(self.first_seen_at, other.first_seen_at)
        self.last_seen_at = _later(self.last_seen_at, other.last_seen_at)
        for name, trait in other.traits.items():
            _put(self.traits, name, trait)
        for name, consent in other.consent.items():
            _put(self.consent, name, consent)
        for name, case in other.cases.items():
            _put(self.cases, name, case)

    def visible_traits(self) -> msgspec.Raw:
        """The traits as one JSON object in the order of their names; a null is no trait."""
        shown = {
            name: self.traits[name].value
            for name in sorted(self.traits)
            if bytes(self.traits[name].value) != _NULL
        }
        return msgspec.Raw(msgspec.json.encode(shown))

    def computed(self) -> ComputedState:
        """The aggregates."""
        return ComputedState(
            events=self.events,
            orders=self.orders,
            revenue={name: format(amount, "f") for name, amount in sorted(self.revenue.items())},
            first_order_at=self.first_order_at,
            last_order_at=self.last_order_at,
            first_seen_at=self.first_seen_at,
            last_seen_at=self.last_seen_at,
            open_cases=sum(one.is_open for one in self.cases.values()),
        )

    def consent_states(self) -> list[ConsentState]:
        """The latest word per contact point, channel and purpose, in a fixed order."""
        states = []
        for name, one in sorted(self.consent.items()):
            channel, purpose, point = msgspec.json.decode(name, type=tuple[str, str, str])
            states.append(
                ConsentState(
                    contact_point=point,
                    channel=channel,
                    purpose=purpose,
                    state=one.state,  # type: ignore[arg-type] # checked when it was taken
                    at=one.stamp[0],
                    source=one.stamp[2],
                    wording_version=one.wording_version,
                )
            )
        return states


def merge(folds: Iterable[Fold]) -> Fold:
    """One fold of several that have no event in common."""
    result = Fold()
    for one in folds:
        result.join(one)
    return result


def fold_all(events: Iterable[Event]) -> Fold:
    """The fold of distinct events."""
    result = Fold()
    for one in events:
        result.take(one)
    return result


def _put(table: dict[str, S], name: str, value: S) -> None:
    present = table.get(name)
    if present is None or present.stamp < value.stamp:
        table[name] = value


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min(one, other) if one and other else one or other


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(one, other) if one and other else one or other
