"""Files for advertising platforms: who may be in one, and how an address and a number are written.

Hashes are SHA-256 in lower-case hexadecimal. As the platforms document it:

- Google Customer Match: e-mail without blanks around, in lower case; phone as E.164, with the `+`;
  CSV with columns `Email` and `Phone`, several of each
  (support.google.com/google-ads/answer/7476159).
- Meta Custom Audiences: e-mail the same; phone in digits only, country code first, no `+`; CSV with
  up to three columns `email` and `phone` each (facebook.com/business/help/2082575038703844).
- Tencent: `SHA256_MOBILE_PHONE`, the eleven digits of a number of mainland China; one hash a line
  (developers.e.qq.com, `custom_audience_files/add`). E-mail is not taken.

Someone is in a file only with a yes of their own, for that purpose, at the very address or number:
silence is no permission, and neither is a yes to being written to.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, Literal, NamedTuple

from rapport_common.events.consent import OWN, PROMOTION, is_purpose
from rapport_common.events.contact import BY_PHONE, EMAIL_CHANNEL
from rapport_segment.domain.permissions import EVERY, GRANTED, PHONES
from rapport_segment.domain.sections import FORBIDDING, Facts
from rapport_segment.domain.subjects import MARKETING
from rapport_segment.domain.values import moment

Platform = Literal["google", "meta", "tencent"]
Reason = Literal[
    "restrained", "objects_to_marketing", "no_contact_point", "no_consent", "not_in_form"
]
REASONS: Final[tuple[Reason, ...]] = (
    "restrained",
    "objects_to_marketing",
    "no_contact_point",
    "no_consent",
    "not_in_form",
)
THIRD_PARTY = "third_party"
MOST_EACH: Final = 3
"""Addresses, and numbers, of a person."""

_REFUSALS: Final = frozenset({"denied", "withdrawn"})
_CHINESE_MOBILE = re.compile(r"\+86(1[0-9]{10})")


class UnfitPurposeError(ValueError):
    """A purpose under which nobody has agreed to be told to a platform; its text says why."""


class Reached(NamedTuple):
    """The hashes of somebody's addresses and numbers, as a platform wants them."""

    emails: Sequence[str]
    phones: Sequence[str]


def require_fit(purpose: str) -> None:
    """Raise UnfitPurposeError unless a yes for it may be one to being told to a platform."""
    is_fit = purpose == THIRD_PARTY or (purpose.startswith(OWN) and is_purpose(purpose))
    if not is_fit:
        message = (
            f"must be '{THIRD_PARTY}' or one of your own, '{OWN}…': who agrees to be written to "
            "has not agreed to be told to a platform ('advertising' is a word for promotion)"
        )
        raise UnfitPurposeError(message)


def reached(facts: Facts, platform: Platform, purpose: str, now: datetime) -> Reached | Reason:
    """What of a person goes into a file, or why nothing does."""
    if not FORBIDDING.isdisjoint(facts.restraints):
        return "restrained"
    if MARKETING in facts.restraints:
        return "objects_to_marketing"
    emails = [] if platform == "tencent" else _verified(facts, EMAIL_CHANNEL)
    phones = _verified(facts, PHONES)
    if not emails and not phones:
        return "no_contact_point"
    permitted_emails = [
        one for one in emails if _permits(facts, (EMAIL_CHANNEL,), one, purpose, now)
    ]
    permitted_phones = [
        one for one in phones if _permits(facts, sorted(BY_PHONE), one, purpose, now)
    ]
    if not permitted_emails and not permitted_phones:
        return "no_consent"
    found = Reached(
        [_hashed(one.strip().lower()) for one in permitted_emails[:MOST_EACH]],
        [_hashed(one) for one in _written(permitted_phones, platform)][:MOST_EACH],
    )
    return found if found.emails or found.phones else "not_in_form"


def heading(platform: Platform) -> bytes:
    """The first line of a file, if it has one."""
    names = {"google": ("Email", "Phone"), "meta": ("email", "phone")}.get(platform)
    if names is None:
        return b""
    return _line([name for name in names for _ in range(MOST_EACH)])


def line(platform: Platform, one: Reached) -> bytes:
    """The lines of a person: hashes and commas need no quoting."""
    if platform == "tencent":
        return b"".join(_line([phone]) for phone in one.phones)
    return _line([*_filled(one.emails), *_filled(one.phones)])


def _verified(facts: Facts, place: str) -> list[str]:
    known: Mapping[str, list[str]] = facts.contact_points.get(place, {})
    return list(known.get("verified", ()))


def _permits(
    facts: Facts, channels: Sequence[str], place: str, purpose: str, now: datetime
) -> bool:
    """Whether there is a yes for the purpose at this place, and no no that could be about it.

    A no to everything stands among those to promotions (see `permissions`): each of these counts.
    """
    states = [
        word["state"] if (until := moment(word.get("until"))) is None or now < until else "expired"
        for word in _words(facts, channels, place, purpose)
    ]
    refused = _words(facts, (*channels, EVERY), place, PROMOTION)
    if any(word["state"] in _REFUSALS for word in refused):
        return False
    return GRANTED in states and _REFUSALS.isdisjoint(states)


def _words(
    facts: Facts, channels: Sequence[str], place: str, purpose: str
) -> Iterator[dict[str, str]]:
    for channel in (*channels, EVERY):
        for word in facts.consent.get(channel, {}).get(purpose, ()):
            if word["point"] == place:
                yield word


def _written(numbers: Sequence[str], platform: Platform) -> Iterator[str]:
    """Numbers (E.164) as a platform wants them; what it has no form for is left out."""
    for one in numbers:
        if platform == "google":
            yield one
        elif platform == "meta":
            yield one.removeprefix("+")
        elif (match := _CHINESE_MOBILE.fullmatch(one)) is not None:
            yield match[1]


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _filled(values: Sequence[str]) -> list[str]:
    return [*values, *[""] * (MOST_EACH - len(values))]


def _line(cells: Sequence[str]) -> bytes:
    return ",".join(cells).encode() + b"\r\n"
