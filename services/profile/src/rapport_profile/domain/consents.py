"""Consent: the latest word counts, a tie goes to the more restrictive one.

What a public source says can take a permission away, and give one that is *unconfirmed*: it
counts only for a contact point that the person has now, which is looked at when it is published.

A yes may end at an instant. The fold has no clock: that an instant has passed is a fact too
(`Consent Expired`), of which the greatest counts, so the order in which they come makes no
difference.
"""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from rapport_common.events.consent import (
    ANY_PURPOSE,
    EXPIRES_AT,
    Lacks,
    instant_of,
    normal_channel,
    normal_purpose,
    normal_state,
)
from rapport_common.events.contact import (
    ANY_CHANNEL,
    BY_PHONE,
    MAX_POINT,
    contact_point,
    normal_contact_point,
    phone_number,
)
from rapport_common.events.envelope import Event
from rapport_common.events.profile import ConsentState
from rapport_profile.domain.content import properties_of
from rapport_profile.domain.stamps import Stamp, later, stamp_of, stamp_of_refusal

Subject = tuple[str, str, str]
"""(channel, purpose, contact point), each in normal form."""
MAX_WORDING = 200
"""Characters of the name of a wording."""
State = Literal["granted", "denied", "withdrawn"]


class Said(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One statement about a permission; a yes counts before the instant `until`, if it has one.

    One that `lacks` what the workspace's rules ask for is kept and permits nothing. `proven`: it
    came by a link in a mail to the address.
    """

    state: State
    wording_version: str | None
    stamp: Stamp
    until: datetime | None = None
    lacks: Lacks | None = None
    proven: bool = False


class Word(msgspec.Struct, frozen=True, gc=False):
    """The statement that holds; `expired`: it is a yes whose time is over.

    `asked`: a yes beside it, or it itself, that is none before a mail has asked for it.
    """

    said: Said
    confirmed: bool = True
    expired: bool = False
    asked: Said | None = None


class Consent(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What counts of all statements about one subject: the latest of each kind.

    `asked` is a public source's yes, `undated` one of an import that does not say when: it takes
    no refusal back. `passed` is the last instant that is known to have passed.
    """

    refused: Said | None = None
    granted: Said | None = None
    asked: Said | None = None
    undated: Said | None = None
    passed: datetime | None = None

    @property
    def at(self) -> datetime:
        """When something was said last; of nothing but an end, that."""
        said = (self.refused, self.granted, self.asked, self.undated)
        times = [one.stamp.at for one in said if one is not None]
        return max(times) if times else self.passed or datetime.min.replace(tzinfo=UTC)

    def join(self, other: "Consent") -> "Consent":
        """What counts of both."""
        return Consent(
            _latest(self.refused, other.refused),
            _latest(self.granted, other.granted),
            _latest(self.asked, other.asked),
            _latest(self.undated, other.undated),
            later(self.passed, other.passed),
        )

    def word(self, *, reachable: bool, at: datetime | None = None) -> Word | None:
        """The statement that holds; None: nothing that counts.

        `reachable`: the subject is a contact point of the person now. `at`: the instant that is
        asked about; without one it is what is known to have passed.
        """
        now = self.passed if at is None else at
        since = self.refused.stamp.at if self.refused is not None else None
        asked = self.asked if reachable and _counts(self.asked, since) else None
        lacking = asked if asked is not None and asked.lacks and not _is_over(asked, now) else None
        held = self._held(asked, lacking, now)
        if held is None or lacking is None or lacking.lacks != "double_opt_in":
            return held
        is_permitted = held.said is not lacking and held.said.state == "granted"
        if is_permitted and not held.expired:
            return held
        return msgspec.structs.replace(held, asked=lacking)

    def _held(self, asked: Said | None, lacking: Said | None, now: datetime | None) -> Word | None:
        """The statement that holds. One that is lacking gives way to all others."""
        since = self.refused.stamp.at if self.refused is not None else None
        ended: Word | None = None
        page = None if asked is not None and asked.lacks else asked
        for said, confirmed in ((self.granted, True), (page, False)):
            if said is None or not _counts(said, since):
                continue
            if not _is_over(said, now):
                return Word(said, confirmed)
            # Nor does what was said before it, and less surely, come back when it ends.
            ended, since = ended or Word(said, confirmed, expired=True), said.stamp.at
        if self.refused is not None:
            return Word(self.refused)
        if ended is None and self.undated is not None:
            return Word(self.undated, expired=_is_over(self.undated, now))
        if lacking is not None and _counts(lacking, since):
            return Word(lacking, confirmed=False)
        return ended


def _counts(said: Said | None, since: datetime | None) -> bool:
    """Whether it is later than what has taken such back."""
    return said is not None and (since is None or said.stamp.at > since)


def _is_over(said: Said, now: datetime | None) -> bool:
    return said.until is not None and now is not None and said.until <= now


def _latest(one: Said | None, other: Said | None) -> Said | None:
    if one is None or other is None:
        return one or other
    return other if other.stamp.after(one.stamp) else one


def consent_said(event: Event) -> tuple[Subject, Consent] | None:
    """What a `Consent Updated` says; None when it does not say about whom or what.

    The more restrictive reading: a state that can't be read is a withdrawal, one of a channel or
    purpose that can't be read is one of all, and a number without a `+` is one with the country's
    code. A permission is for what it names: never for all, and never for no contact point, and is
    none when its end can't be read.
    """
    said = properties_of(event)
    texts = [said.get(part) for part in ("channel", "purpose", "contact_point", "state")]
    channel, purpose, point, told = (one if isinstance(one, str) else "" for one in texts)
    channel = normal_channel(channel) or ANY_CHANNEL
    purpose = normal_purpose(purpose) or ANY_PURPOSE
    state = normal_state(told) or "withdrawn"
    found = contact_point(channel, point)
    if state == "granted":
        if found is None or channel == ANY_CHANNEL or purpose == ANY_PURPOSE:
            return None
    elif found is None:
        by_phone = channel in BY_PHONE or channel == ANY_CHANNEL
        number = phone_number(f"+{point.strip()}") if by_phone else None
        found = number or normal_contact_point(channel, point)
    if not 0 < len(found) <= MAX_POINT:
        return None
    wording = said.get("wording_version")
    version = wording[:MAX_WORDING] if isinstance(wording, str) else None
    subject = (channel, purpose, found)
    if state != "granted":
        return subject, Consent(refused=Said(state, version, stamp_of_refusal(event)))
    until = instant_of(said.get(EXPIRES_AT))
    if until is None and said.get(EXPIRES_AT) is not None:
        return None
    grant = Said(state, version, stamp_of(event), until)
    if event.historic and event.timestamp >= event.received_at:
        return subject, Consent(undated=grant)
    if event.trust == "trusted":
        return subject, Consent(granted=grant)
    return subject, Consent(asked=grant)


def end_told(event: Event) -> tuple[Subject, Consent] | None:
    """What a `Consent Expired` of profile itself says: that an instant has passed."""
    said: dict[str, Any] = properties_of(event)
    at = instant_of(said.get(EXPIRES_AT))
    subject = tuple(said.get(part) for part in ("channel", "purpose", "contact_point"))
    if at is None or event.source != "profile" or not all(isinstance(one, str) for one in subject):
        return None
    channel, purpose, point = map(str, subject)
    return (channel, purpose, point), Consent(passed=at)


def consent_key(subject: Subject) -> str:
    """A subject as the key of a JSON object."""
    return msgspec.json.encode(subject).decode()


def consent_worth(
    key: str, consent: Consent, reachable: Collection[tuple[str, str]]
) -> tuple[int, datetime]:
    """By what a consent outlives others where there is room for some: then the newer one.

    A no before a yes; last a public source's yes for what is no contact point of the person.
    """
    if consent.refused is not None:
        return 2, consent.at
    channel, _purpose, point = msgspec.json.decode(key, type=Subject)
    counts = (consent.granted or consent.undated) is not None or (channel, point) in reachable
    return int(counts), consent.at


def consent_state(
    key: str,
    consent: Consent,
    reachable: Collection[tuple[str, str]],
    *,
    at: datetime | None = None,
) -> ConsentState | None:
    """The published form, or None when nothing was said that counts.

    `reachable`: (channel, value) of the person's contact points; `at` as for `Consent.word`.
    """
    subject = msgspec.json.decode(key, type=Subject)
    channel, _purpose, point = subject
    found = consent.word(reachable=(channel, point) in reachable, at=at)
    return None if found is None else state_of(subject, found)


def state_of(subject: Subject, word: Word) -> ConsentState:
    """The published form of a word: whose time is over is told as a no from that instant on."""
    channel, purpose, point = subject
    said = word.said
    return ConsentState(
        contact_point=point,
        channel=channel,
        purpose=purpose,
        state="withdrawn" if word.expired else said.state,
        at=said.until if word.expired and said.until is not None else said.stamp.at,
        source=said.stamp.source,
        wording_version=said.wording_version,
        confirmed=word.confirmed,
        expires_at=said.until,
        expired=word.expired,
        lacks=None if word.expired else said.lacks,
        asked_at=None if word.asked is None else word.asked.stamp.at,
        asked_wording=None if word.asked is None else word.asked.wording_version,
    )
