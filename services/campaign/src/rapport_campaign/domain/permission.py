"""May this message go out now? Asked in the transaction that marks it `sending`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from rapport_campaign.domain.addresses import addresses_of, envelope_address
from rapport_campaign.domain.model import EMAIL_CHANNEL, PROMOTION, SERVICE, Kind, Person, Purpose
from rapport_common.events.contact import normal_email
from rapport_common.events.profile import ConsentState, ProfileState

Suppressions = Mapping[tuple[str, Purpose], datetime]
"""Since when an address of this workspace is suppressed for a purpose."""

GIVE_UP_AFTER = timedelta(hours=24)

NO_ADDRESS = "no e-mail address"
NO_CONSENT = "no consent"
OPEN_COMPLAINT = "open complaint"
SUPPRESSED = "unsubscribed"
UNKNOWN = "profile unknown"


@dataclass(frozen=True, slots=True)
class Policy:
    """What a workspace allows."""

    promotion_without_consent: bool = False


@dataclass(frozen=True, slots=True)
class Send:
    """Yes, to this address."""

    address: str


@dataclass(frozen=True, slots=True)
class Suppress:
    """No, never: the message stays unsent."""

    reason: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Not yet: what it depends on has not arrived."""

    reason: str


Verdict = Send | Suppress | Wait


def decide(
    *,
    kind: Kind,
    purpose: Purpose,
    to_address: str | None,
    waited: timedelta,
    person: Person | None,
    policy: Policy,
    suppressions: Suppressions,
) -> Verdict:
    """The verdict on one message.

    `to_address` counts for requests and test sends, which name one; everybody else is asked for
    theirs anew at each attempt. `person` is None while the profile, or the version the message was
    planned for, is not known; after `GIVE_UP_AFTER` of waiting the answer is no.
    """
    if kind != "entry":
        return _to_given(kind, to_address or "", suppressions)
    if person is None or person.state is None:
        return Wait(UNKNOWN) if waited < GIVE_UP_AFTER else Suppress(UNKNOWN)
    if purpose == PROMOTION:
        return promotion(person.state, policy, suppressions)
    return _first_free(addresses_of(person.state), suppressions)


def promotion(state: ProfileState, policy: Policy, suppressions: Suppressions) -> Verdict:
    """The first of a person's addresses that may get promotional mail."""
    if state.computed.open_cases > 0:
        return Suppress(OPEN_COMPLAINT)
    consents = {
        normal_email(one.contact_point): one
        for one in state.consent
        if one.channel == EMAIL_CHANNEL and one.purpose == PROMOTION
    }
    addresses = addresses_of(state)
    refusals = [
        _refusal(consents.get(one), suppressions.get((one, PROMOTION))) for one in addresses
    ]
    for address, refusal in zip(addresses, refusals, strict=True):
        if refusal is None:
            return Send(address)
    # Without an explicit yes, one no of the person, at whichever address, is a no.
    objects = any(one is not None and one != NO_CONSENT for one in refusals) or any(
        one.state != "granted" for one in consents.values()
    )
    if not addresses:
        return Suppress(NO_ADDRESS)
    if policy.promotion_without_consent and not objects:
        return Send(addresses[0])
    return Suppress(refusals[0] or NO_CONSENT)


def _refusal(consent: ConsentState | None, suppressed_at: datetime | None) -> str | None:
    """Why an address gets no promotional mail; None when its owner has said yes."""
    granted = consent is not None and consent.state == "granted"
    if suppressed_at is not None and not (granted and consent and consent.at > suppressed_at):
        # Only a yes that is younger than the unsubscribe takes it back.
        return SUPPRESSED
    if consent is None:
        return NO_CONSENT
    return None if granted else f"consent {consent.state}"


def _to_given(kind: Kind, address: str, suppressions: Suppressions) -> Verdict:
    if kind != "test" and (normal_email(address), SERVICE) in suppressions:
        return Suppress(SUPPRESSED)
    return Send(address) if envelope_address(address) else Suppress(NO_ADDRESS)


def _first_free(addresses: list[str], suppressions: Suppressions) -> Verdict:
    for address in addresses:
        if (address, SERVICE) not in suppressions:
            return Send(address)
    return Suppress(SUPPRESSED if addresses else NO_ADDRESS)
