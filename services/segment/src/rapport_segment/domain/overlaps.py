"""How segments overlap: of every choice of some of them, how many people are in all of it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

Named = TypeVar("Named")
FEWEST, MOST = 2, 5
"""So many segments are laid over one another: of five there are 31 choices."""


class Shared(NamedTuple):
    """Of some segments (bits): who is in all of them, and who in all of them and in no other."""

    chosen: int
    members: int
    only: int


def shared(counts: Mapping[int, int], many: int) -> list[Shared]:
    """All choices of `many` segments, single ones first.

    `counts`: how many people are in just the segments of these bits.
    """
    choices = sorted(range(1, 1 << many), key=lambda bits: (bits.bit_count(), _places(bits)))
    return [
        Shared(
            chosen,
            sum(count for inside, count in counts.items() if inside & chosen == chosen),
            counts.get(chosen, 0),
        )
        for chosen in choices
    ]


def named(chosen: int, names: Sequence[Named]) -> list[Named]:
    """What stands at the places of these bits."""
    return [names[place] for place in _places(chosen)]


def _places(bits: int) -> list[int]:
    return [place for place in range(bits.bit_length()) if bits >> place & 1]
