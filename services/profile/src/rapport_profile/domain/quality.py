"""How good what each source says of people is: how much, how much of it can be read, how fresh."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from rapport_profile.domain import trait_catalogue
from rapport_profile.domain.duplicates.birthdays import birthday_of
from rapport_profile.domain.duplicates.contacts import email_of, gender_of, phone_of
from rapport_profile.domain.duplicates.known import FIELD_OF, bare_name, known_of
from rapport_profile.domain.duplicates.words import plain
from rapport_profile.domain.naming import Id
from rapport_profile.domain.stamps import later
from rapport_profile.domain.trait_catalogue import TraitSeen
from rapport_profile.domain.trait_rules import value_of
from rapport_profile.domain.traits import Trait

FRESH, RECENT = timedelta(days=30), timedelta(days=365)
_NOTHING: tuple[Any, ...] = (None, "", [], {})


class FieldQuality(msgspec.Struct, omit_defaults=True):
    """Of how many people a field is filled, can be read, was told in the last 30, 365 days."""

    filled: int = 0
    valid: int = 0
    fresh: int = 0
    recent: int = 0
    newest_at: datetime | None = None


class SourceQuality(msgspec.Struct, omit_defaults=True):
    """What a source says: of how many people, how many of these are in a pair of duplicates."""

    people: int = 0
    in_pairs: int = 0
    fields: dict[str, FieldQuality] = {}


class Quality(msgspec.Struct, omit_defaults=True):
    """The same of all sources; ages are at `looked_at`.

    `traits`: which there are, by name; `beyond`: values of traits for which there was no room.
    """

    looked_at: datetime
    people: int = 0
    sources: dict[str, SourceQuality] = {}
    traits: dict[str, TraitSeen] = {}
    beyond: int = 0

    def take(self, whose: Id, traits: Mapping[str, Trait], *, in_pair: bool) -> None:
        """Count one more person. Of a trait the latest word counts, for the source it is from."""
        self.people += 1
        self.beyond += trait_catalogue.take(self.traits, whose, traits)
        said: dict[str, dict[str, _Said]] = {}
        for name, trait in traits.items():
            value = value_of(trait.value)
            if value in _NOTHING:
                continue
            fields = said.setdefault(trait.stamp.source, {})
            if (field := FIELD_OF.get(bare_name(name))) is not None:
                one = fields.setdefault(field, _Said())
                one.valid = one.valid or is_valid(name, value)
                one.at = later(one.at, trait.stamp.at)
        for source, fields in said.items():
            self._count(source, fields, in_pair=in_pair)

    def _count(self, source: str, fields: Mapping[str, "_Said"], *, in_pair: bool) -> None:
        found = self.sources.setdefault(source, SourceQuality())
        found.people += 1
        found.in_pairs += in_pair
        for name, one in fields.items():
            field = found.fields.setdefault(name, FieldQuality())
            age = self.looked_at - (one.at or self.looked_at)
            field.filled += 1
            field.valid += one.valid
            field.fresh += age <= FRESH
            field.recent += age <= RECENT
            field.newest_at = later(field.newest_at, one.at)


class _Said(msgspec.Struct):
    """What one source says of a field of one person."""

    valid: bool = False
    at: datetime | None = None


def is_valid(name: str, value: Any) -> bool:
    """Whether a trait's value can be read as what its name says; words for nothing can't."""
    bare = bare_name(name)
    field = FIELD_OF[bare]
    if field == "address":
        return bool(known_of({name: value}, ()).addresses)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return False
    text = str(value)
    match field:
        case "birthday":
            return birthday_of(text) is not None
        case "gender":
            return bool(gender_of(text))
        case "e-mail":
            return bool(email_of(text))
        case "phone":
            # Without its country's code nobody can be reached at it.
            return phone_of(text).startswith("+")
        case _:
            return any(map(str.isalpha, plain(text))) or (field == "number" and bool(plain(text)))
