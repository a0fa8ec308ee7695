"""The traits of a group: which of what was said counts, by the rules of its kind."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from rapport_profile.domain.bounds import MAX_TRAIT_BYTES, MAX_TRAITS
from rapport_profile.domain.groups.kinds import GroupKind
from rapport_profile.domain.stamps import Stamp
from rapport_profile.domain.telling import weighed_with_once
from rapport_profile.domain.trait_rules import TraitJudge, TraitRules
from rapport_profile.domain.traits import Trait

OPERATOR = "rapport"
"""The source of what operators say of a group."""

Traits = dict[str, Trait]
_NULL = b"null"


class Statement(msgspec.Struct, frozen=True, gc=False):
    """What one event says of a group's traits."""

    stamp: Stamp
    traits: dict[str, msgspec.Raw]


def folded(known: Mapping[str, Trait], said: Iterable[Statement], kind: GroupKind) -> Traits:
    """The traits that statements amount to, with those `known` of others that are gone.

    A join: the same in whatever order, and however often. Beyond a person's bounds (ADR 15) the
    oldest give way.
    """
    judge = TraitJudge(TraitRules(kind.traits))
    again = {name: judge.anew(name, one) for name, one in known.items()}
    found = {name: one for name, one in again.items() if one is not None}
    for one in said:
        for name, trait in weighed_with_once(judge, one.traits, one.stamp).items():
            present = found.get(name)
            found[name] = trait if present is None else present.join(trait)
    return _bounded(found)


def _bounded(traits: Traits) -> Traits:
    """The newest of them; what has a rule of its own gives way last."""

    def age(name: str) -> tuple[bool, Any, str]:
        return (traits[name].rank is not None, traits[name].stamp.order, name)

    kept: Traits = {}
    size = 0
    for name in sorted(traits, key=age, reverse=True)[:MAX_TRAITS]:
        size += len(name.encode()) + len(traits[name].value)
        if size > MAX_TRAIT_BYTES:
            break
        kept[name] = traits[name]
    return kept


def visible(traits: Mapping[str, Trait]) -> dict[str, msgspec.Raw]:
    """Values by name, in the order of the names; a null is no trait."""
    return {
        name: traits[name].value for name in sorted(traits) if bytes(traits[name].value) != _NULL
    }
