"""What one event adds to what is known: read once, folded wherever it belongs."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from rapport_common.events.envelope import EMAIL, Event
from rapport_common.events.orders import ORDER_EVENTS
from rapport_common.events.reserved import CONSENT_EXPIRED, CONSENT_UPDATED
from rapport_profile.domain.consents import Consent, consent_key, consent_said, end_told
from rapport_profile.domain.content import properties_of
from rapport_profile.domain.orders import Statement, statement
from rapport_profile.domain.reach import Reach, reach_said
from rapport_profile.domain.stamps import Stamp, believed_time, stamp_of

CASE_OPEN = {"Case Opened": True, "Case Reopened": True, "Case Closed": False}

_ON_CONSENT = {CONSENT_UPDATED: consent_said, CONSENT_EXPIRED: end_told}
_NOTHING: dict[str, msgspec.Raw] = {}
_traits = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Trait(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A trait's value, as JSON, with where it came from."""

    value: msgspec.Raw
    stamp: Stamp


class Telling(msgspec.Struct, frozen=True, gc=False):
    """An event, read: `at` is when it happened as far as that is believed.

    `consent` is (key of the subject, what was said), `case` (id, whether it is open now).
    """

    at: datetime
    stamp: Stamp
    traits: Mapping[str, Trait] = {}
    reach: Mapping[str, Reach] = {}
    order: Statement | None = None
    consent: tuple[str, Consent] | None = None
    case: tuple[str, bool] | None = None


def telling(event: Event) -> Telling:
    """Read an event; what can't be read of it says nothing."""
    at, stamp = believed_time(event), stamp_of(event)
    if event.type == "identify":
        values = _traits_of(event)
        traits = {name: Trait(value, stamp) for name, value in values.items()}
        return Telling(at, stamp, traits, reach_said(event, values))
    reach = reach_said(event, _NOTHING) if event.value(EMAIL) else {}
    if event.type != "track":
        return Telling(at, stamp, reach=reach)
    if event.name in ORDER_EVENTS:
        return Telling(at, stamp, reach=reach, order=statement(event))
    if event.name in _ON_CONSENT:
        said = _ON_CONSENT[event.name](event)
        consent = None if said is None else (consent_key(said[0]), said[1])
        return Telling(at, stamp, reach=reach, consent=consent)
    return Telling(at, stamp, reach=reach, case=_case(event))


def _traits_of(event: Event) -> dict[str, msgspec.Raw]:
    try:
        traits = _traits.decode(event.traits)
    except msgspec.MsgspecError:
        return {}
    # Copies: Raw is a view that would keep the whole record alive.
    return {name: msgspec.Raw(bytes(value)) for name, value in traits.items()}


def _case(event: Event) -> tuple[str, bool] | None:
    """What a service says of a complaint; nobody else opens and closes those."""
    if event.name not in CASE_OPEN or event.trust != "trusted":
        return None
    case_id = properties_of(event).get("case_id")
    return (case_id, CASE_OPEN[event.name]) if isinstance(case_id, str) else None
