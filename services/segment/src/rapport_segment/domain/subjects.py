"""What a comparison asks of a person: each subject reads one value out of the facts.

`sections` are the sections that it reads (bits by their places), `fields` the parts of these: what
changed elsewhere makes no difference to it.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, ClassVar, Literal

from rapport_common.events.envelope import Identifier as NamedBy
from rapport_segment.domain.elements import indexed
from rapport_segment.domain.event_subjects import OfEvents
from rapport_segment.domain.group_subjects import InGroup
from rapport_segment.domain.permissions import EVERY, GRANTED, place_of
from rapport_segment.domain.sections import (
    ANY_KIND,
    COMPUTED,
    CONSENT,
    CONTACT_POINTS,
    DEFINED,
    IDENTIFIERS,
    LISTS,
    RESTRAINTS,
    REVENUE,
    SCORES,
    SEGMENTS,
    TRAITS,
    Facts,
)

Field = tuple[int, str]
"""A part of a section: its place, and a name of the section's own."""

SERVICE = "service"
"""Messages of this purpose need no yes."""

MARKETING = "marketing"
PARTS = 10_000
"""Buckets are cut by hundredths of a percent."""

BUCKET_BITS = 32
CHANNELS = frozenset(
    {"email", "sms", "phone", "whatsapp", "push", "in_app", "post", "fax", "messenger"}
    | {"instagram", "telegram", "viber", "line", "wechat", "kakaotalk"}
)


@dataclass(frozen=True, slots=True)
class Trait:
    """A trait, or what is in one: `name` is a path (`rapport_common.paths`) of these `names`."""

    name: str
    names: tuple[str, ...]

    sections: ClassVar[int] = 1 << TRAITS

    @property
    def label(self) -> str:
        return f"trait {self.name}"

    @property
    def fields(self) -> frozenset[Field]:
        """A trait of the whole name, and the one that a path goes into."""
        return frozenset({(TRAITS, self.name), (TRAITS, self.names[0])})

    def read(self, facts: Facts) -> Any:
        return indexed(facts.traits, self.name, self.names)


@dataclass(frozen=True, slots=True)
class Computed:
    """An aggregate over the person's events; `currency` with revenue and only there."""

    name: str
    currency: str | None = None

    sections: ClassVar[int] = 1 << COMPUTED

    @property
    def label(self) -> str:
        return f"{self.name} {self.currency}" if self.currency else self.name

    @property
    def fields(self) -> frozenset[Field]:
        return frozenset({(COMPUTED, self.name)})

    def read(self, facts: Facts) -> Any:
        if self.currency is None:
            return facts.computed.get(self.name)
        return facts.computed[REVENUE].get(self.currency)


@dataclass(frozen=True, slots=True)
class Identifier:
    """All of the person's identifiers of one kind: a list of strings."""

    kind: str

    sections: ClassVar[int] = 1 << IDENTIFIERS

    @property
    def label(self) -> str:
        return f"identifier {self.kind}"

    @property
    def fields(self) -> frozenset[Field]:
        return frozenset({(IDENTIFIERS, self.kind)})

    def read(self, facts: Facts) -> Any:
        return facts.identifiers.get(self.kind)


@dataclass(frozen=True, slots=True)
class Defined:
    """A computed trait that the workspace has defined; `currency` with one of money."""

    name: str
    currency: str | None = None

    sections: ClassVar[int] = 1 << COMPUTED

    @property
    def label(self) -> str:
        return f"{self.name} {self.currency}" if self.currency else self.name

    @property
    def fields(self) -> frozenset[Field]:
        return frozenset({(COMPUTED, f"{DEFINED}.{self.name}")})

    def read(self, facts: Facts) -> Any:
        defined = facts.computed.get(DEFINED)
        found = None if defined is None else defined.get(self.name)
        if self.currency is None:
            return found
        return found.get(self.currency) if type(found) is dict else None


@dataclass(frozen=True, slots=True)
class ContactPoint:
    """Where the person is reached by a channel now: a list of strings, or of those `verified`."""

    channel: str
    verified: bool = False

    sections: ClassVar[int] = 1 << CONTACT_POINTS

    @property
    def label(self) -> str:
        return f"{'verified ' if self.verified else ''}contact point {self.channel}"

    @property
    def fields(self) -> frozenset[Field]:
        return frozenset({(CONTACT_POINTS, place_of(self.channel))})

    @property
    def names(self) -> tuple[str, str]:
        """Where it stands in the section."""
        return place_of(self.channel), "verified" if self.verified else "all"

    def read(self, facts: Facts) -> Any:
        channel, some = self.names
        found = facts.contact_points.get(channel)
        # No such place is as no such channel.
        return None if found is None else found[some] or None


@dataclass(frozen=True, slots=True)
class Consent:
    """The person's words about a channel and purpose, one for each place of contact."""

    channel: str
    purpose: str

    sections: ClassVar[int] = 1 << CONSENT

    @property
    def label(self) -> str:
        return f"consent {self.channel} {self.purpose}"

    @property
    def fields(self) -> frozenset[Field]:
        return frozenset({(CONSENT, self.channel), (CONSENT, EVERY)})

    def read(self, facts: Facts) -> Any:
        for channel in (self.channel, EVERY):
            found = facts.consent.get(channel, {}).get(self.purpose)
            if found is not None:
                return found
        return None


@dataclass(frozen=True, slots=True)
class Reachable:
    """Whether there is a verified place of contact of the channel that may be used for a purpose.

    It reads the words of consents about such places.
    """

    channel: str
    purpose: str

    sections: ClassVar[int] = 1 << CONTACT_POINTS | 1 << CONSENT | 1 << RESTRAINTS

    @property
    def label(self) -> str:
        return f"reachable by {self.channel} for {self.purpose}"

    @property
    def fields(self) -> frozenset[Field]:
        words = Consent(self.channel, self.purpose).fields
        places = ContactPoint(self.channel).fields
        return words | places | {(RESTRAINTS, MARKETING)}

    def read(self, facts: Facts) -> Any:
        """The yeses about places that are the person's now: a list, empty for none."""
        places = ContactPoint(self.channel, verified=True).read(facts) or ()
        if self.purpose == SERVICE:
            return [{"point": one, "state": GRANTED} for one in places]
        if MARKETING in facts.restraints:
            return []
        words = Consent(self.channel, self.purpose).read(facts) or ()
        return [one for one in words if one["state"] == GRANTED and one["point"] in places]


@dataclass(frozen=True, slots=True)
class Bucket:
    """A part of everybody, drawn once and for all by the profile's id and a word.

    From `first` on, before `behind`: hundredths of a percent.
    """

    salt: str
    first: int
    behind: int

    sections: ClassVar[int] = 0

    @property
    def label(self) -> str:
        return f"bucket {self.salt}"

    @property
    def fields(self) -> frozenset[Field]:
        """None: it never changes."""
        return frozenset()

    @property
    def bounds(self) -> tuple[int, int]:
        """What is drawn is from the first on, and before the second."""
        first, behind = (-(-one * 2**BUCKET_BITS // PARTS) for one in (self.first, self.behind))
        return first, behind

    def read(self, facts: Facts) -> int:
        return drawn(self.salt, facts.profile_id)


@dataclass(frozen=True, slots=True)
class InSegment:
    """Whether the person is in another segment, whatever its rule is now; `id` is a UUID's text."""

    id: str

    sections: ClassVar[int] = 0

    @property
    def label(self) -> str:
        return f"in segment {self.id}"

    @property
    def fields(self) -> frozenset[Field]:
        return frozenset({(SEGMENTS, self.id)})

    def read(self, _facts: Facts) -> None:
        """Nothing of the facts: in which segments somebody is depends on the other rules."""
        return


@dataclass(frozen=True, slots=True)
class Score:
    """A value that was worked out about the person among all others: a number or a text."""

    name: str

    sections: ClassVar[int] = 0

    @property
    def label(self) -> str:
        return f"score {self.name}"

    @property
    def fields(self) -> frozenset[Field]:
        return frozenset({(SCORES, self.name)})

    def read(self, facts: Facts) -> Any:
        return facts.scores.get(self.name)


@dataclass(frozen=True, slots=True)
class InList:
    """Whether one of the person's identifiers is on a list; `id` is a UUID's text."""

    id: str

    sections: ClassVar[int] = 1 << IDENTIFIERS

    @property
    def label(self) -> str:
        return f"list {self.id}"

    @property
    def fields(self) -> frozenset[Field]:
        """The list, and identifiers of whatever kind."""
        return frozenset({(LISTS, self.id), (IDENTIFIERS, ANY_KIND)})

    def read(self, facts: Facts) -> list[NamedBy]:
        """The identifiers that are on it, as (kind, value)."""
        return facts.roll.found(self.id, facts.identifiers)


def drawn(salt: str, profile_id: str) -> int:
    """A number of 32 bits that is the same for ever, and independent for each word."""
    digest = sha256(f"{salt}/{profile_id}".encode()).digest()
    return int.from_bytes(digest[: BUCKET_BITS // 8], "big")


Compared = Trait | Computed | Defined | Identifier | ContactPoint | Consent | Score
"""Subjects with an operator; the others are true or false by themselves, or ask of events."""

Plain = Reachable | Bucket | InSegment | InList | InGroup
Subject = Compared | Plain | OfEvents
Of = Literal["any", "all", "none", "size"]
"""Of a list: that one element fits, that all do (and there is one), that none does; how many."""
