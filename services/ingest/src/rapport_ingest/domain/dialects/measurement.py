"""Google Analytics 4's Measurement Protocol: `/mp/collect?measurement_id=…&api_secret=KEY`."""

from collections.abc import Sequence
from typing import Any

import msgspec

from rapport_common.events.envelope import EventType
from rapport_ingest.domain.dialects import Answer, Opened, Request
from rapport_ingest.domain.dialects.draft import Draft, Members, members, value_of
from rapport_ingest.domain.dialects.drafting import batch_of, drafted
from rapport_ingest.domain.dialects.originals import content_id
from rapport_ingest.domain.dialects.wire import epoch_iso
from rapport_ingest.domain.source import SourcePolicy
from rapport_ingest.domain.verdict import Result

VIEWS = {"page_view": "page", "screen_view": "screen"}
SALES = {"purchase": "Order Completed", "refund": "Order Refunded"}
"""What Segment's spec calls the events about money."""

MONEY = {"transaction_id": "order_id", "value": "total", "items": "products"}
PLACES: dict[str, tuple[str, ...]] = {
    "page_location": ("context", "page", "url"),
    "page_title": ("context", "page", "title"),
    "page_referrer": ("context", "page", "referrer"),
    "language": ("context", "locale"),
}
NAMES = ("page_title", "screen_name")
CONSENTS = ("ad_user_data", "ad_personalization")
"""What may be done for advertising, `GRANTED` or `DENIED`; nothing of it is about messages."""


class Measurement:
    """Answered with 204, as Google does; what is refused is in the quarantine."""

    name = "ga4"
    kind: EventType | None = None
    browser = False
    overload = 503
    too_large = 413

    def open(self, request: Request, policy: SourcePolicy | None) -> Opened:
        """The events of one person, and what else is said of that person."""
        around, items = batch_of(request.body, "events")
        whose = _Whose(around, request.body)
        found = drafted(items, "event_id", whose.event)
        traits = whose.traits()
        if traits and items:
            person = drafted([items[0]], "event_id", lambda *_: [whose.identify(traits)])
            moved = {len(found.items) + at: one for at, one in person.refusals.items()}
            found.refusals = {**found.refusals, **moved}
            found.items = [*found.items, *person.items]
        return found

    def answer(self, opened: Opened, results: Sequence[Result]) -> Answer:
        """Nothing to read."""
        return Answer(b"", status=204)


class _Whose:
    """What goes for all events of a request."""

    def __init__(self, around: Members, body: bytes) -> None:
        self._around = around
        # With its time a request that is repeated has the same ids; without, it may be meant anew.
        self._id = content_id(body) if "timestamp_micros" in around else None
        self._count = 0

    def event(self, fields: Members, raw: msgspec.Raw) -> Sequence[Draft]:
        """The draft of one event."""
        self._count += 1
        draft = self._draft(f"{self._count}", fields)
        name = value_of(fields.get("name"))
        params: dict[str, Any] = dict(members(fields.get("params")) or {})
        for field, place in PLACES.items():
            draft.put(place, params.get(field))
        kind = VIEWS.get(name, "track") if isinstance(name, str) else "track"
        draft.fields["type"] = kind
        if kind == "track":
            draft.name(SALES.get(name, name) if isinstance(name, str) else name, "name")
        else:
            draft.put(("name",), next((params[one] for one in NAMES if one in params), None))
        if isinstance(name, str) and name in SALES:
            params = {MONEY.get(field, field): value for field, value in params.items()}
        draft.put(("properties",), params or None)
        return [draft]

    def identify(self, traits: dict[str, Any]) -> Draft:
        """What is said of the person."""
        draft = self._draft("set", {})
        draft.fields |= {"type": "identify", "traits": traits}
        return draft

    def traits(self) -> dict[str, Any]:
        """`user_properties`: of each its `value`."""
        found = members(self._around.get("user_properties")) or {}
        return {name: (members(one) or {}).get("value", one) for name, one in found.items()}

    def _consents(self) -> dict[str, bool]:
        """Whether each was granted; what is not said clearly was not."""
        found = members(self._around.get("consent")) or {}
        said = {one: value_of(found[one]) == "GRANTED" for one in CONSENTS if one in found}
        if value_of(self._around.get("non_personalized_ads")):
            said["ad_personalization"] = False
        return said

    def _draft(self, suffix: str, fields: Members) -> Draft:
        draft, around = Draft(), self._around
        draft.put(("context", "consent", "categoryPreferences"), self._consents() or None)
        draft.identifier("userId", value_of(around.get("user_id")), "user_id")
        client = around.get("client_id", around.get("app_instance_id"))
        draft.identifier("anonymousId", value_of(client), "client_id")
        if self._id is not None:
            draft.message_id(f"{self._id}-{suffix}", "timestamp_micros")
        stated = fields.get("timestamp_micros", around.get("timestamp_micros"))
        value = value_of(stated)
        if value is not None:
            found = epoch_iso(value)
            if found is None:
                reason = "timestamp_micros must be microseconds since 1970."
                draft.refuse("invalid_timestamp", "timestamp_micros", reason)
            draft.put(("timestamp",), found)
        return draft
