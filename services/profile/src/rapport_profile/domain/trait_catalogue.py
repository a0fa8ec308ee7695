"""Which traits there are: by name what their values are, from which sources, of how many people.

No value is kept here. Examples are those of some people, who are asked when they are shown: of who
is forgotten there is none.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from rapport_profile.domain.naming import Id
from rapport_profile.domain.stamps import later
from rapport_profile.domain.trait_rules import value_of
from rapport_profile.domain.traits import Trait

MAX_TRAITS = 300
MAX_SOURCES = 20
EXAMPLES = 3
OTHER = "(other)"
"""Stands for names of sources beyond the bound."""

_TYPES = {str: "string", bool: "boolean", int: "integer", Decimal: "number", dict: "object"}


class SeenFrom(msgspec.Struct, omit_defaults=True):
    """Of how many people a source has said the value that counts, and when last."""

    people: int = 0
    last_at: datetime | None = None


class TraitSeen(msgspec.Struct, omit_defaults=True):
    """A trait as people have it; `examples`: when, and of whom, the newest ones are."""

    people: int = 0
    types: dict[str, int] = {}
    sources: dict[str, SeenFrom] = {}
    examples: list[tuple[datetime, Id]] = []

    def take(self, whose: Id, trait: Trait, value: Any) -> None:
        """Count one more person."""
        self.people += 1
        kind = type_of(value)
        self.types[kind] = self.types.get(kind, 0) + 1
        source = trait.stamp.source
        if source not in self.sources and len(self.sources) >= MAX_SOURCES:
            source = OTHER
        seen = self.sources.setdefault(source, SeenFrom())
        seen.people += 1
        seen.last_at = later(seen.last_at, trait.stamp.at)
        self.examples = sorted([*self.examples, (trait.stamp.at, whose)], reverse=True)[:EXAMPLES]

    def last_seen(self) -> datetime | None:
        """When a value that counts was said last."""
        return max((one.last_at for one in self.sources.values() if one.last_at), default=None)


def take(seen: dict[str, TraitSeen], whose: Id, traits: Mapping[str, Trait]) -> int:
    """Count what one more person has; how many traits were beyond the bound."""
    beyond = 0
    for name, trait in traits.items():
        value = value_of(trait.value)
        if value is None:
            continue
        if name not in seen and len(seen) >= MAX_TRAITS:
            beyond += 1
            continue
        seen.setdefault(name, TraitSeen()).take(whose, trait, value)
    return beyond


def type_of(value: Any) -> str:
    """What a value is, as JSON Schema names it."""
    return _TYPES.get(type(value), "array")
