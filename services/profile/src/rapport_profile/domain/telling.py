"""What one event adds to what is known: read once, folded wherever it belongs."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from rapport_common.events.codec import UNREADABLE
from rapport_common.events.envelope import EMAIL, Event
from rapport_common.events.orders import ORDER_EVENTS
from rapport_common.events.reserved import (
    CONSENT_EXPIRED,
    CONSENT_UPDATED,
    MAIL_EVENTS,
    UNSEEN_EVENTS,
)
from rapport_profile.domain.consent_rules import word_said
from rapport_profile.domain.consents import Consent, consent_key, end_told
from rapport_profile.domain.content import properties_of
from rapport_profile.domain.judge import AS_SAID, Judge
from rapport_profile.domain.orders import Statement, statement
from rapport_profile.domain.own_traits import sayable
from rapport_profile.domain.point_states import Standing, standing_said
from rapport_profile.domain.reach import Reach, reach_said
from rapport_profile.domain.rectifications import Rectified, rectification_said
from rapport_profile.domain.restraints import Restrained, restraint_said
from rapport_profile.domain.stamps import Stamp, believed_time, stamp_of
from rapport_profile.domain.trait_rules import TraitJudge
from rapport_profile.domain.traits import Trait

CASE_OPEN = {"Case Opened": True, "Case Reopened": True, "Case Closed": False}

ONCE = "$set_once"
"""The traits in it count only where nothing else was said, and the first of them does."""

_NOTHING: dict[str, msgspec.Raw] = {}
_traits = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Telling(msgspec.Struct, frozen=True, gc=False):
    """An event, read: `at` is when it happened as far as that is believed.

    `consent` is (key of the subject, what was said), `case` (id, whether it is open now, the
    number of the step),
    `restraint` and `rectified` (id, what was said of it), `standing` (contact point, how it is).
    `unseen`: the person did nothing.
    """

    at: datetime
    stamp: Stamp
    traits: Mapping[str, Trait] = {}
    reach: Mapping[str, Reach] = {}
    order: Statement | None = None
    consent: tuple[str, Consent] | None = None
    case: tuple[str, bool, int] | None = None
    restraint: tuple[str, Restrained] | None = None
    rectified: tuple[str, Rectified] | None = None
    standing: tuple[str, Standing] | None = None
    unseen: bool = False


def telling(event: Event, judge: Judge = AS_SAID) -> Telling:
    """Read an event by the workspace's rules; what can't be read says nothing."""
    at, stamp = believed_time(event), stamp_of(event)
    if event.type == "identify":
        values = _traits_of(event)
        traits = weighed_with_once(judge.traits, values, stamp)
        return Telling(at, stamp, traits, reach_said(event, values, stamp))
    reach = reach_said(event, _NOTHING, stamp) if event.value(EMAIL) else {}
    if event.type != "track":
        return Telling(at, stamp, reach=reach)
    if event.name in ORDER_EVENTS:
        return Telling(at, stamp, reach=reach, order=statement(event, stamp))
    if event.name in {CONSENT_UPDATED, CONSENT_EXPIRED}:
        is_word = event.name == CONSENT_UPDATED
        said = word_said(event, judge.consents) if is_word else end_told(event)
        consent = None if said is None else (consent_key(said[0]), said[1])
        standing = standing_said(event)
        return Telling(
            at, stamp, reach=reach, consent=consent, standing=standing, unseen=not is_word
        )
    restraint, rectified = restraint_said(event), rectification_said(event, judge.traits)
    if restraint is not None or rectified is not None:
        return Telling(at, stamp, restraint=restraint, rectified=rectified, unseen=True)
    unseen = event.name in UNSEEN_EVENTS or is_by_machine(event)
    standing = standing_said(event)
    return Telling(at, stamp, reach=reach, case=_case(event), standing=standing, unseen=unseen)


def is_by_machine(event: Event) -> bool:
    """Whether a mail was opened, or its link followed, by a mailbox or a scanner: campaign says."""
    if event.name not in MAIL_EVENTS:
        return False
    return properties_of(event).get("machine") is True


def weighed_with_once(
    judge: TraitJudge, values: Mapping[str, msgspec.Raw], stamp: Stamp
) -> dict[str, Trait]:
    """Traits that are told together as they count, those in `$set_once` among them."""
    traits = judge.weighed(values, stamp)
    if ONCE in values:
        said_once = judge.weighed(_object(values[ONCE]), stamp, once=True)
        traits.pop(ONCE, None)
        traits = {**said_once, **traits}
    return traits


def traits_said(event: Event) -> dict[str, tuple[msgspec.Raw, bool]]:
    """{trait: (value, whether only for the case that nothing else was said)} of an `identify`."""
    if event.type != "identify":
        return {}
    values = _traits_of(event)
    once = _object(values.pop(ONCE)) if ONCE in values else {}
    told = {name: (value, True) for name, value in once.items()}
    return told | {name: (value, False) for name, value in values.items()}


def _traits_of(event: Event) -> dict[str, msgspec.Raw]:
    traits = sayable(event, _object(event.traits))
    if ONCE in traits and event.trust != "trusted":
        once = sayable(event, _object(traits[ONCE]))
        traits[ONCE] = msgspec.Raw(msgspec.json.encode(once))
    return traits


def _object(raw: msgspec.Raw) -> dict[str, msgspec.Raw]:
    """The members of a JSON object; none of what is no object."""
    try:
        traits = _traits.decode(raw)
    except UNREADABLE:
        return {}
    # Copies: Raw is a view that would keep the whole record alive.
    return {name: msgspec.Raw(bytes(value)) for name, value in traits.items()}


def _case(event: Event) -> tuple[str, bool, int] | None:
    """What a service says of a complaint; nobody else opens and closes those."""
    if event.name not in CASE_OPEN or event.trust != "trusted":
        return None
    told = properties_of(event)
    case_id, step = told.get("case_id"), told.get("step")
    if not isinstance(case_id, str):
        return None
    return case_id, CASE_OPEN[event.name], step if type(step) is int and 0 < step < 2**31 else 0
