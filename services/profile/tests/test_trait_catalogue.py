"""Which traits there are: what is counted of people's values, and up to how many names."""

from datetime import datetime, timedelta

import msgspec
from services.profile.tests.people import START

from rapport_profile.domain.stamps import Stamp
from rapport_profile.domain.trait_catalogue import (
    EXAMPLES,
    MAX_SOURCES,
    MAX_TRAITS,
    OTHER,
    SeenFrom,
    TraitSeen,
    take,
)
from rapport_profile.domain.traits import Trait


def at(hour: int) -> datetime:
    return START + timedelta(hours=hour)


def said(value: str, hour: int = 0, source: str = "shop") -> Trait:
    return Trait(msgspec.Raw(value.encode()), Stamp(at(hour), f"m{hour}", source))


def test_a_trait_is_counted_by_type_and_source_and_its_newest_values_are_the_examples() -> None:
    seen: dict[str, TraitSeen] = {}
    told = [said("1", 3), said('"a"', 1, "web"), said("2", 2), said("null", 9), said("3", 0)]
    assert [take(seen, f"p{n}", {"t": one}) for n, one in enumerate(told)] == [0] * len(told)
    found = seen["t"]
    assert (found.people, found.types) == (4, {"integer": 3, "string": 1})
    assert found.sources == {"shop": SeenFrom(3, at(3)), "web": SeenFrom(1, at(1))}
    assert found.examples == [(at(3), "p0"), (at(2), "p2"), (at(1), "p1")]
    assert len(found.examples) == EXAMPLES
    assert found.last_seen() == at(3)


def test_of_no_value_it_is_not_known_when_it_was_said() -> None:
    assert TraitSeen().last_seen() is None


def test_sources_beyond_the_bound_are_counted_as_one() -> None:
    seen: dict[str, TraitSeen] = {}
    for number in range(MAX_SOURCES + 2):
        take(seen, f"p{number}", {"t": said("1", number, f"s{number}")})
    take(seen, "q", {"t": said("1", 0, "s0")})
    sources = seen["t"].sources
    assert len(sources) == MAX_SOURCES + 1
    assert sources[OTHER] == SeenFrom(2, at(MAX_SOURCES + 1))
    assert sources["s0"].people == 2, "one that is known is counted as itself"


def test_of_names_beyond_the_bound_it_is_told_how_many() -> None:
    seen: dict[str, TraitSeen] = {}
    many = {f"t{number}": said("1") for number in range(MAX_TRAITS)}
    assert take(seen, "p", many) == 0
    assert take(seen, "q", {"new": said("1"), "t0": said("1"), "other": said("1")}) == 2
    assert len(seen) == MAX_TRAITS
    assert seen["t0"].people == 2, "one that is known is counted as before"
