"""May this go out now, by a channel that is no e-mail? As `permission.decide` asks of mails.

A promotion by a number or a device needs its own yes: who has agreed to mails has not agreed to be
called at night. A no to `all` holds everywhere. A webhook speaks to a program about somebody, and
the inbox of an app is looked into by who has opened it, and in a store somebody stands there: none
needs an address. Numbers are told of for texts, and take calls; a yes to texts is none to calls.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from rapport_campaign.domain.addresses import Address
from rapport_campaign.domain.devices import suits
from rapport_campaign.domain.model import PROMOTION, SURVEY, Person, Purpose, State
from rapport_campaign.domain.parcels import INBOX
from rapport_campaign.domain.permission import (
    GIVE_UP_AFTER,
    GONE,
    NO_CONSENT,
    NOTHING_LISTED,
    OBJECTED,
    OPEN_COMPLAINT,
    RESTRICTED,
    UNCONFIRMED,
    UNKNOWN,
    UNVERIFIED,
    PermissionPolicy,
    Send,
    Suppress,
    Suppressions,
    Verdict,
    Wait,
    listed,
    no_to,
    survey_refusal,
)
from rapport_campaign.domain.suppressions import Listings
from rapport_campaign.domain.tasks import PHONE, STORE, STORE_WORD
from rapport_common.events.consent import (
    ANY_PURPOSE,
    is_channel,
    is_purpose,
    normal_channel,
    normal_purpose,
)
from rapport_common.events.contact import ANY_CHANNEL, normal_contact_point
from rapport_common.events.profile import ConsentState

NO_POINT = "no contact point of this channel"
SUPPRESSED = "unsubscribed"
WEBHOOK = "webhook"
_GRANTED = "granted"
_WITHOUT_ADDRESS = frozenset({WEBHOOK, INBOX, STORE})


def points_of(state: State, channel: str) -> list[Address]:
    """A person's contact points of a channel, newest first, as they are compared."""
    found: dict[str, Address] = {}
    for point in state.contact_points:
        of = normal_channel(point.channel)
        if not _reaches(of, channel) or not suits(channel, point.value.strip()):
            continue
        one = Address(normal_contact_point(channel, point.value), point.verified)
        if one.value and (one.value not in found or one.verified):
            found[one.value] = one
    return list(found.values())


def said_of(channel: str) -> str:
    """By which word points and consents of a channel are told of: devices and browsers share one,
    and are told apart by what their addresses look like.
    """
    return normal_channel(channel) or channel


def _reaches(of: str | None, channel: str) -> bool:
    return of == said_of(channel) or (channel == PHONE and of == "sms")


def _in_person(
    channel: str, profile_id: str, purpose: Purpose, said: Sequence[ConsentState]
) -> Verdict:
    """Staff speak to somebody who stands in the store, unless they were told not to."""
    words = [one for one in said if normal_channel(one.channel) == STORE_WORD]
    newest = max(words, key=lambda one: (one.at, one.state != _GRANTED), default=None)
    if (
        channel == STORE
        and purpose == PROMOTION
        and newest is not None
        and newest.state != _GRANTED
    ):
        return Suppress(f"consent {newest.state}")
    return Send(profile_id)


def decide_by(
    channel: str,
    *,
    purpose: Purpose,
    waited: timedelta,
    person: Person | None,
    policy: PermissionPolicy,
    suppressions: Suppressions,
    now: datetime,
    listings: Listings = NOTHING_LISTED,
) -> Verdict:
    """The verdict on a campaign's message by a channel, `now`; its address is normal.

    `listings`: what stands on the suppression list for this channel.
    """
    state = person.state if person is not None else None
    if state is not None and "processing" in state.restraints:
        return Suppress(RESTRICTED)
    if person is not None and person.gone:
        return Suppress(GONE)
    if person is None or state is None:
        return Wait(UNKNOWN) if waited < GIVE_UP_AFTER else Suppress(UNKNOWN)
    if purpose == PROMOTION and "marketing" in state.restraints:
        return Suppress(OBJECTED)
    if purpose == PROMOTION and state.computed.open_cases > 0:
        return Suppress(OPEN_COMPLAINT)
    if channel in _WITHOUT_ADDRESS:
        return _in_person(channel, person.profile_id, purpose, state.consent)
    points = points_of(state, channel)
    if not points:
        return Suppress(NO_POINT)
    refusals: list[str] = []
    for one in points:
        no = (
            listed(one.value, purpose, listings)
            or (survey_refusal(state, channel, one.value) if purpose == SURVEY else None)
            or _refusal(
                *(one, channel, purpose, state.consent),
                policy=policy,
                suppressions=suppressions,
                now=now,
            )
        )
        if no is None:
            return Send(one.value)
        refusals.append(no)
    return no_to(refusals[0], points[0].value, listings)


def _refusal(
    one: Address,
    channel: str,
    purpose: Purpose,
    said: Sequence[ConsentState],
    *,
    policy: PermissionPolicy,
    suppressions: Suppressions,
    now: datetime,
) -> str | None:
    if not one.verified and not (purpose == PROMOTION and policy.takes_unconfirmed):
        return UNVERIFIED
    suppressed_at = suppressions.get((one.value, purpose))
    if purpose != PROMOTION:
        return None if suppressed_at is None else SUPPRESSED
    words = [each for each in said if _is_about(each, one.value, channel)]
    newest = max(words, key=lambda each: (each.at, each.state != _GRANTED), default=None)
    if newest is None:
        return SUPPRESSED if suppressed_at is not None else NO_CONSENT
    if newest.state != _GRANTED:
        return f"consent {newest.state}"
    if newest.expires_at is not None and newest.expires_at <= now:
        return "consent expired"
    if suppressed_at is not None and newest.at <= suppressed_at:
        return SUPPRESSED
    if newest.lacks is not None or not (newest.confirmed or policy.takes_unconfirmed):
        return UNCONFIRMED
    return None


def _is_about(word: ConsentState, point: str, channel: str) -> bool:
    """Whether a word is about promotions to a point: a yes names both, a no may be wider."""
    named, purpose = normal_channel(word.channel) or "", normal_purpose(word.purpose) or ""
    if word.state == _GRANTED:
        return (
            named == said_of(channel)
            and purpose == PROMOTION
            and normal_contact_point(channel, word.contact_point) == point
        )
    if named not in {said_of(channel), ANY_CHANNEL} and is_channel(named):
        return False
    if purpose not in {PROMOTION, ANY_PURPOSE} and is_purpose(purpose):
        return False
    # A no to everything is one wherever it was said.
    return named == ANY_CHANNEL or normal_contact_point(channel, word.contact_point) == point
