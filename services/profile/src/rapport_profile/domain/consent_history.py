"""Why somebody is permitted, or not, to be written to; and what held at an instant.

Two questions look alike. *What held at T, by what was known then* leaves out words that came
later, also those that tell of before: by it one shows that a mail was right when it was sent. *By
what is known now* takes them in: by it one sees what the person had wanted.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from rapport_common.events.consent import ANY_PURPOSE, Lacks
from rapport_common.events.contact import ANY_CHANNEL
from rapport_common.events.profile import ConsentState
from rapport_profile.domain.consent_facts import Fact, joined
from rapport_profile.domain.consents import Consent, Subject, Word, state_of

Known = Literal["then", "now"]
"""By what was known at the instant that is asked about, or by what is known today."""

Standing = (
    Literal[
        "decides",
        "overtaken",
        "taken_back",
        "no_contact_point",
        "expired",
        "not_known",
        "not_said",
    ]
    | Lacks
)
"""What became of a word, see `MEANINGS`."""

MEANINGS: Mapping[Standing, str] = {
    "decides": "It holds.",
    "overtaken": "A later word counts instead.",
    "taken_back": "A no holds, which is not older.",
    "no_contact_point": "A page says so, of an address that is not the person's now.",
    "expired": "It was a yes for a time, which is over.",
    "not_known": "It was not known here at that time.",
    "not_said": "It had not been said at that time.",
    "double_opt_in": "The owner of the address has yet to confirm it by the mail that asks.",
    "proof": "Nothing shows that the owner of the address has said so: ask them by mail.",
    "wording_version": "It does not say to which wording, which the rules ask for.",
}


class Explained(msgspec.Struct, frozen=True):
    """A word with what became of it."""

    fact: Fact
    standing: Standing


class Answer(msgspec.Struct, frozen=True):
    """Whether something is permitted, by which state, and what became of every word on it."""

    permitted: bool
    state: ConsentState | None
    words: list[Explained]


def covering(channel: str, purpose: str, point: str) -> list[Subject]:
    """What words on a channel and purpose may be about: a no may be to all."""
    channels = dict.fromkeys((channel, ANY_CHANNEL))
    purposes = dict.fromkeys((purpose, ANY_PURPOSE))
    return [(one, other, point) for one in channels for other in purposes]


def standing_at(facts: Iterable[Fact], at: datetime, known: Known) -> list[Fact]:
    """The words that had been said at an instant, and, if asked for, were known here."""
    return [one for one in facts if _is_there(one, at, known)]


def _is_there(fact: Fact, at: datetime, known: Known) -> bool:
    return fact.at <= at and (known == "now" or fact.received_at <= at)


def states_at(
    facts: Iterable[Fact], at: datetime, known: Known, reachable: Collection[tuple[str, str]]
) -> list[ConsentState]:
    """What held at an instant, by subject in a fixed order.

    `reachable`: (channel, value) of the person's contact points of today; those of then are not
    kept.
    """
    by_subject: dict[Subject, list[Fact]] = {}
    for one in standing_at(facts, at, known):
        by_subject.setdefault(one.subject, []).append(one)
    found = []
    for subject, some in sorted(by_subject.items()):
        word = joined(some).word(reachable=(subject[0], subject[2]) in reachable, at=at)
        if word is not None:
            found.append(state_of(subject, word))
    return found


def decided(
    consents: Mapping[Subject, Consent], reachable: Collection[tuple[str, str]], at: datetime
) -> tuple[Subject, Word] | None:
    """The word that holds of those about several subjects: the latest, of two the stricter."""
    found: list[tuple[tuple[datetime, bool, bool], Subject, Word]] = []
    for subject, consent in sorted(consents.items()):
        word = consent.word(reachable=(subject[0], subject[2]) in reachable, at=at)
        if word is not None:
            is_no = word.expired or word.said.state != "granted"
            found.append(((word.said.stamp.at, is_no, not word.confirmed), subject, word))
    if not found:
        return None
    _weight, subject, word = max(found, key=lambda one: one[0])
    return subject, word


def explained(
    consents: Mapping[Subject, Consent],
    facts: Sequence[Fact],
    reachable: Collection[tuple[str, str]],
    at: datetime,
    known: Known,
) -> Answer:
    """Why something is permitted or not at an instant, by `consents`; `facts` are all words on it.

    Newest first.
    """
    held = decided(consents, reachable, at)
    ordered = sorted(
        facts,
        key=lambda one: (one.at, one.sequence, one.message_id, one.source),
        reverse=True,
    )
    words = [
        Explained(one, _standing(one, consents, held, reachable, (at, known))) for one in ordered
    ]
    if held is None:
        return Answer(permitted=False, state=None, words=words)
    subject, word = held
    permitted = word.said.state == "granted" and not (word.expired or word.said.lacks)
    return Answer(permitted=permitted, state=state_of(subject, word), words=words)


def _standing(
    fact: Fact,
    consents: Mapping[Subject, Consent],
    held: tuple[Subject, Word] | None,
    reachable: Collection[tuple[str, str]],
    asked: tuple[datetime, Known],
) -> Standing:
    at, known = asked
    if not _is_there(fact, at, known):
        return "not_said" if fact.at > at else "not_known"
    is_over = fact.expires_at is not None and fact.expires_at <= at
    if held is not None and held[0] == fact.subject and held[1].said.stamp == fact.stamp:
        return "expired" if is_over else fact.lacks or "decides"
    if fact.lacks is not None:
        return fact.lacks
    latest = getattr(consents.get(fact.subject, Consent()), fact.kind)
    if latest is not None and latest.stamp != fact.stamp and latest.stamp.after(fact.stamp):
        return "overtaken"
    if is_over:
        return "expired"
    if fact.kind == "asked" and (fact.channel, fact.contact_point) not in reachable:
        return "no_contact_point"
    if fact.is_yes and held is not None and held[1].said.state != "granted":
        return "taken_back"
    return "overtaken"
