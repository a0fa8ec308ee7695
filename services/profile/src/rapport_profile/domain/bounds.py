"""How much of a person is kept at hand, and published: the newest. The rest stays readable."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Final, TypeVar

import msgspec

MAX_TRAITS: Final = 1_000
MAX_TRAIT_BYTES: Final = 128 * 1024
"""Of names and values together, as JSON."""
MAX_CONSENTS: Final = 200
MAX_CASES: Final = 200
MAX_ORDERS: Final = 200
"""Orders by id. What becomes of an older one is only in the sums, and it can't be told from a
new one any more."""
MAX_SHOWN: Final = 200
"""Identifiers."""
HEAVY_BYTES: Final = 8 * 1024
"""A state that may be longer is told once per batch of events, not with each of them."""
MAX_COUNTED: Final = 5_000
"""How many of those left out are told apart when they are counted."""

V = TypeVar("V")


class Spilled(msgspec.Struct, frozen=True):
    """A trait or consent that gave way to newer ones, on its way to where the rest is kept."""

    kind: str
    name: str
    at: datetime
    value: msgspec.Raw


def oldest_beyond(table: Mapping[str, V], most: int, age: Callable[[str], object]) -> list[str]:
    """The names to take out so that `most` are left, the oldest first."""
    if len(table) <= most:
        return []
    return sorted(table, key=age)[: len(table) - most]  # type: ignore[arg-type] # ages compare


def hashed(name: str) -> int:
    """A short number for a name, to count it once."""
    return int.from_bytes(blake2b(name.encode(), digest_size=6).digest())


def left_out(known: Iterable[int], names: Iterable[str], present: Iterable[str]) -> list[int]:
    """Which names are not at hand: those known before and now, without the present ones."""
    counted = set(known) | {hashed(one) for one in names}
    counted.difference_update(map(hashed, present))
    return sorted(counted)[:MAX_COUNTED]
