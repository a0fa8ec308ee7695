"""What is compared of people, and with whom, as it is stored."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_profile.domain.duplicates.blocks import LARGEST, Key, block_keys, telling_keys
from rapport_profile.domain.duplicates.known import Known, known_of
from rapport_profile.domain.duplicates.scoring import Likeness, likeness
from rapport_profile.domain.naming import Id, Ids
from rapport_profile.store import likenesses
from rapport_profile.store.duplicates import Pair
from rapport_profile.store.likenesses import Facts

FORMS = "1"
"""Raised when forms, keys or weights change: then everybody is compared anew."""


@dataclass(frozen=True, slots=True)
class Digests:
    """Names what is compared by keyed digests, which nobody else can find out by trying."""

    ids: Ids
    workspace: str

    def key(self, key: Key) -> int:
        """64 bits of a block's key."""
        made = self.ids.digest(self.workspace, f"block {key[0]}", key[1])
        return int.from_bytes(made[:8], "big", signed=True)

    def keys(self, known: Known) -> list[int]:
        """The keys of a person, in order."""
        return sorted({self.key(one) for one in block_keys(known)})

    def form(self, known: Known) -> bytes:
        """By which it is known again whether what is compared of somebody has changed."""
        text = msgspec.json.encode(known).decode()
        return self.ids.digest(self.workspace, "form of person", FORMS + text)


@dataclass(slots=True)
class Candidates:
    """Who is compared with each of some profiles; `crowded` are keys that too many have."""

    others: Mapping[Id, set[Id]]
    crowded: set[int] = field(default_factory=set)

    @property
    def everybody(self) -> set[Id]:
        """All that are compared."""
        return set(self.others).union(*self.others.values())


def compared(facts: Facts) -> Known:
    """What of a person is compared."""
    return known_of(facts.traits, facts.named)


async def known_people(tx: AsyncConnection, workspace: str, ids: Collection[Id]) -> dict[Id, Known]:
    """What is compared of these profiles, of those that are somebody's."""
    return {one: compared(facts) async for one, facts in likenesses.these(tx, workspace, ids)}


async def candidates(
    tx: AsyncConnection, workspace: str, keys: Mapping[Id, Collection[int]]
) -> Candidates:
    """Who shares a key with each of these profiles, whose keys are given."""
    wanted = {key for some in keys.values() for key in some}
    blocks = await likenesses.blocks(tx, workspace, wanted, LARGEST + 1)
    crowded = {key for key, members in blocks.items() if len(members) > LARGEST}
    others = {
        one: {other for key in some if key not in crowded for other in blocks.get(key, ())} - {one}
        for one, some in keys.items()
    }
    return Candidates(others, crowded)


def scored(
    digests: Digests, people: Mapping[Id, Known], pairs: Iterable[Pair], crowded: Collection[int]
) -> dict[Pair, Likeness]:
    """The likeness of each pair of which both are known: work for the processor alone."""
    shared = _named(digests, people.values(), crowded) if crowded else set()
    return {
        (one, other): likeness(people[one], people[other], shared)
        for one, other in pairs
        if one in people and other in people
    }


def _named(digests: Digests, people: Iterable[Known], crowded: Collection[int]) -> set[Key]:
    """Those of these people's keys that are crowded, where it matters for the score."""
    keys = {key for known in people for key in telling_keys(known)}
    return {key for key in keys if digests.key(key) in crowded}


async def likeness_now(tx: AsyncConnection, digests: Digests, two: Pair) -> Likeness | None:
    """The likeness of two people as they are; None: one of them is nobody's."""
    people = await known_people(tx, digests.workspace, two)
    keys = {one: digests.keys(known) for one, known in people.items()}
    crowded = (await candidates(tx, digests.workspace, keys)).crowded
    return scored(digests, people, [two], crowded).get(two)
