"""May this message go out now? Asked in the transaction that marks it `sending`.

Every comparison is between normal forms: of addresses, channels and purposes. Of two words about
the same thing the more restrictive one holds, whichever profile of the workspace it came from.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from rapport_campaign.domain.addresses import Address, addresses_of, envelope_address
from rapport_campaign.domain.facts import Facts
from rapport_campaign.domain.model import PROMOTION, SERVICE, SURVEY, Kind, Person, Purpose, State
from rapport_campaign.domain.suppressions import Entry, Listings, stops
from rapport_common.events.consent import (
    ANY_PURPOSE,
    ConsentWord,
    is_channel,
    is_purpose,
    normal_channel,
    normal_purpose,
)
from rapport_common.events.contact import (
    ANY_CHANNEL,
    EMAIL_CHANNEL,
    normal_contact_point,
    normal_email,
)
from rapport_common.events.profile import ConsentState

Suppressions = Mapping[tuple[str, Purpose], datetime]
"""Since when an address of this workspace is suppressed for a purpose."""

Objections = Collection[tuple[str, Purpose, ConsentWord]]
"""The words "denied" and "withdrawn" of other profiles of this workspace about an address."""

NOTHING_LISTED: Listings = {}

GIVE_UP_AFTER = timedelta(hours=24)

NO_ADDRESS = "no e-mail address"
NO_CONSENT = "no consent"
EXPIRED = "consent expired"
OPEN_COMPLAINT = "open complaint"
SUPPRESSED = "unsubscribed"
UNCONFIRMED = "consent not confirmed"
NO_WORDING = "consent without its wording"
GONE = "profile gone"
UNKNOWN = "profile unknown"
UNVERIFIED = "address not verified"
RESTRICTED = "processing restricted"
OBJECTED = "objection to marketing"
LISTED = "on the suppression list"
CAPPED = "frequency cap"
QUIET = "quiet hours"
SAME_ADDRESS = "same address"
UNWANTED = "topic not wanted"
DETRACTOR = "recent detractor"
GIVES_WAY = "gives way to another campaign"

_GRANTED = "granted"


@dataclass(frozen=True, slots=True)
class PermissionPolicy:
    """What a workspace allows.

    `unconfirmed_consent`: whether promotions go by a consent, or to an address, that only a public
    source (a web page, an app) tells of. `needs_a_yes`: its consent rules ask for more of a yes to
    promotions than that it was said, so who has said nothing has not given it either.
    """

    promotion_without_consent: bool = False
    unconfirmed_consent: Literal["allow", "refuse"] = "refuse"
    needs_a_yes: bool = False

    @property
    def writes_unasked(self) -> bool:
        """Whether promotions go to who has said nothing."""
        return self.promotion_without_consent and not self.needs_a_yes

    @property
    def takes_unconfirmed(self) -> bool:
        """Whether a public source's word is enough for a promotion."""
        return self.unconfirmed_consent == "allow"


@dataclass(frozen=True, slots=True)
class Send:
    """Yes, to this address."""

    address: str


@dataclass(frozen=True, slots=True)
class Suppress:
    """No, never: the message stays unsent. `facts` for who asks why."""

    reason: str
    facts: Facts | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Not yet: what it depends on has not arrived, or it is not the time (`until` it is)."""

    reason: str
    facts: Facts | None = None
    until: datetime | None = None


Verdict = Send | Suppress | Wait


def decide(
    *,
    kind: Kind,
    purpose: Purpose,
    to_address: str | None,
    waited: timedelta,
    person: Person | None,
    policy: PermissionPolicy,
    suppressions: Suppressions,
    now: datetime,
    objections: Objections = (),
    listings: Listings = NOTHING_LISTED,
) -> Verdict:
    """The verdict on one message, `now`.

    `to_address` counts for requests and test sends, which name one; everybody else is asked for
    theirs anew at each attempt. `person` is None while the profile, or the version the message was
    planned for, is not known; after `GIVE_UP_AFTER` of waiting the answer is no.
    """
    state = person.state if person is not None else None
    if state is not None and "processing" in state.restraints:
        return Suppress(RESTRICTED)
    if purpose == SURVEY:
        if state is None:
            return Wait(UNKNOWN) if waited < GIVE_UP_AFTER else Suppress(UNKNOWN)
        no = survey_refusal(state, EMAIL_CHANNEL, normal_email(to_address or ""), objections)
        if no is not None:
            return Suppress(no)
    if kind != "entry":
        return _to_given(kind, to_address or "", state, suppressions, listings, purpose=purpose)
    if person is not None and person.gone:
        return Suppress(GONE)
    if state is None:
        return Wait(UNKNOWN) if waited < GIVE_UP_AFTER else Suppress(UNKNOWN)
    if purpose == PROMOTION:
        return promotion(state, policy, suppressions, objections, listings, now=now)
    return _service(addresses_of(state), suppressions, listings)


def survey_refusal(
    state: State, channel: str, address: str, objections: Objections = ()
) -> str | None:
    """Why somebody is not asked anything at an address (normal); None when nothing is against it.

    To ask how somebody has liked something is advertising for courts, so who objects to marketing
    is not asked. No yes is needed; the newest word about surveys, or about everything, is heeded.
    """
    if "marketing" in state.restraints:
        return OBJECTED
    words = [one for one in state.consent if _is_about_surveys(one, channel, address)]
    newest = max(words, key=lambda one: (one.at, one.state != _GRANTED), default=None)
    if newest is not None and newest.state != _GRANTED and not newest.expired:
        return f"consent {newest.state}"
    if newest is None:
        others = (word for at, what, word in objections if (at, what) == (address, SURVEY))
        return next((f"consent {word}" for word in others), None)
    return None


def _is_about_surveys(one: ConsentState, channel: str, address: str) -> bool:
    """Whether a word is about surveys there: a yes names them, a no may be wider."""
    named, purpose = normal_channel(one.channel) or "", normal_purpose(one.purpose) or ""
    point = normal_contact_point(channel, one.contact_point)
    if one.state == _GRANTED:
        return (named, purpose, point) == (channel, SURVEY, address)
    if named == ANY_CHANNEL:
        return purpose in {SURVEY, ANY_PURPOSE}
    return named == channel and purpose in {SURVEY, ANY_PURPOSE} and point == address


def promotion(
    state: State,
    policy: PermissionPolicy,
    suppressions: Suppressions,
    objections: Objections = (),
    listings: Listings = NOTHING_LISTED,
    *,
    now: datetime,
) -> Verdict:
    """The first of a person's addresses that may get promotional mail."""
    if "marketing" in state.restraints:
        # Whatever consents say: they may come from who has not heard of it.
        return Suppress(OBJECTED)
    if state.computed.open_cases > 0:
        return Suppress(OPEN_COMPLAINT)
    consents = {place: _now(one, now) for place, one in consents_of(state.consent).items()}
    addresses = addresses_of(state)
    if not addresses:
        return Suppress(NO_ADDRESS)
    others = {address: word for address, purpose, word in objections if purpose == PROMOTION}
    refusals: list[str] = []
    for one in addresses:
        refusal = (
            listed(one.value, PROMOTION, listings)
            or _refusal(
                consents.get((one.value, PROMOTION)),
                suppressions.get((one.value, PROMOTION)),
                others.get(one.value),
                policy,
            )
            or _unverified(one, policy)
        )
        if refusal is None:
            return Send(one.value)
        refusals.append(refusal)
    # Without an explicit yes, one no of the person, at whichever address, is a no; so is a yes that
    # does not count yet.
    objects = any(one not in {NO_CONSENT, UNCONFIRMED, UNVERIFIED} for one in refusals) or any(
        one.state != _GRANTED or one.lacks is not None
        for (_, purpose), one in consents.items()
        if purpose == PROMOTION
    )
    # What is known of very many consents is not told: a no may be among them.
    if policy.writes_unasked and not objects and not state.omitted_consent:
        usable = [one for one in addresses if _unverified(one, policy) is None]
        return Send(usable[0].value) if usable else Suppress(UNVERIFIED)
    return no_to(refusals[0], addresses[0].value, listings)


def consents_of(said: Iterable[ConsentState]) -> dict[tuple[str, str], ConsentState]:
    """A person's word per (address, purpose) of e-mail, both in normal form.

    Two spellings of one thing: the later word counts, at the same time the more restrictive one.
    """
    found: dict[tuple[str, str], ConsentState] = {}
    for one in said:
        purpose = _purpose_by_mail(one)
        if purpose is None:
            continue
        place = (normal_email(one.contact_point), purpose)
        known = found.get(place)
        if known is None or _weight(one) > _weight(known):
            found[place] = one
    return found


def _purpose_by_mail(one: ConsentState) -> str | None:
    """What a word about mails is about; None when it is about no mails.

    A no to all is one to promotions, which alone need a permission, and so is a no in words that
    nobody knows: they are from before the door refused them. A yes holds for what it names.
    """
    channel, purpose = normal_channel(one.channel) or "", normal_purpose(one.purpose) or ""
    to_all = channel == ANY_CHANNEL or not is_channel(channel)
    is_wide = purpose == ANY_PURPOSE or not is_purpose(purpose)
    if one.state == _GRANTED:
        return None if channel != EMAIL_CHANNEL or is_wide else purpose
    if channel != EMAIL_CHANNEL and not to_all:
        return None
    return PROMOTION if is_wide else purpose


def objections_of(said: Iterable[ConsentState]) -> dict[tuple[str, str], ConsentWord]:
    """The addresses and purposes about which a person says no: it holds for everybody there.

    A yes whose time is over is no word about others.
    """
    words = consents_of(said).items()
    return {place: one.state for place, one in words if one.state != _GRANTED and not one.expired}


def granted_at(state: State | None, address: str, purpose: Purpose = PROMOTION) -> datetime | None:
    """When a person last agreed to a purpose at an address, if that is their word of now."""
    one = consents_of(state.consent).get((address, purpose)) if state is not None else None
    return one.at if one is not None and one.state == _GRANTED else None


def _now(one: ConsentState, now: datetime) -> ConsentState:
    """A word at an instant: profile tells of ends, a moment after they have come."""
    end = one.expires_at
    if one.state != _GRANTED or end is None or end > now:
        return one
    return msgspec.structs.replace(one, state="withdrawn", at=end, expired=True)


def _weight(one: ConsentState) -> tuple[datetime, bool, bool]:
    return one.at, one.state != _GRANTED, not one.confirmed


def _refusal(
    consent: ConsentState | None,
    suppressed_at: datetime | None,
    objection: ConsentWord | None,
    policy: PermissionPolicy,
) -> str | None:
    """Why an address gets no promotional mail; None when its owner has said yes."""
    granted = consent is not None and consent.state == _GRANTED
    if suppressed_at is not None and not (granted and consent and consent.at > suppressed_at):
        # Only a yes that is younger than the unsubscribe takes it back.
        return SUPPRESSED
    if consent is not None and not granted:
        return EXPIRED if consent.expired else f"consent {consent.state}"
    if objection is not None:
        return f"consent {objection}"
    if consent is None:
        return NO_CONSENT
    if consent.lacks is not None:
        return NO_WORDING if consent.lacks == "wording_version" else UNCONFIRMED
    return None if consent.confirmed or policy.takes_unconfirmed else UNCONFIRMED


def _unverified(address: Address, policy: PermissionPolicy) -> str | None:
    return None if address.verified or policy.takes_unconfirmed else UNVERIFIED


def listed(address: str, purpose: Purpose, listings: Listings) -> str | None:
    """Why an address gets nothing for a purpose, if it stands on the suppression list."""
    return LISTED if stops(listings.get(address), purpose) else None


def no_to(refusal: str, address: str, listings: Listings) -> Suppress:
    """The no of a refusal, with what stands on the suppression list if it comes from there."""
    entry: Entry | None = listings.get(address)
    if refusal != LISTED or entry is None:
        return Suppress(refusal)
    # Why it was listed somebody wrote: that stands in the list only.
    said = {"purpose": entry.place.purpose, "listed_at": entry.at.isoformat()}
    return Suppress(LISTED, Facts(more=said))


def _to_given(
    kind: Kind,
    address: str,
    state: State | None,
    suppressions: Suppressions,
    listings: Listings,
    *,
    purpose: Purpose = SERVICE,
) -> Verdict:
    address = normal_email(address)
    if not envelope_address(address):
        return Suppress(NO_ADDRESS)
    if kind == "test":
        return Send(address)
    if listed(address, purpose, listings):
        return no_to(LISTED, address, listings)
    since = suppressions.get((address, purpose))
    agreed = granted_at(state, address, purpose)
    if since is not None and (agreed is None or agreed <= since):
        return Suppress(SUPPRESSED)
    known = addresses_of(state) if state is not None else []
    # Who is asked to confirm is told nothing but what they are asked.
    if kind != "opt_in" and any(one.value == address and not one.verified for one in known):
        return Suppress(UNVERIFIED)
    return Send(address)


def _service(addresses: list[Address], suppressions: Suppressions, listings: Listings) -> Verdict:
    """Service mail tells of the person: it goes where a trusted source says that they are."""
    if not addresses:
        return Suppress(NO_ADDRESS)
    open_to = [one for one in addresses if not listed(one.value, SERVICE, listings)]
    if not open_to:
        return no_to(LISTED, addresses[0].value, listings)
    free = [one for one in open_to if (one.value, SERVICE) not in suppressions]
    for one in free:
        if one.verified:
            return Send(one.value)
    return Suppress(UNVERIFIED if free else SUPPRESSED)
