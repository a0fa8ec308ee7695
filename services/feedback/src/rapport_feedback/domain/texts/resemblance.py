"""Whether two texts are nearly the same: by the groups of characters that they have in common.

MinHash by one permutation (Li, Owen and Zhang 2012), empty places filled from the next one
(Shrivastava and Li 2014). Places are put together to bands: who has a band in common is compared.
"""

import zlib
from collections.abc import Sequence

from rapport_feedback.domain.texts.looking import Token

PLACES = 32
ROWS = 4
ALIKE = 0.7
"""From this share of common places on two texts are nearly the same."""

SHORTEST = 12
"""Characters without which every "very good" would be one of the same."""

_SPREAD = 0x9E3779B97F4A7C15
_LARGE = 2**64


def signature(words: Sequence[Token]) -> tuple[int, ...]:
    """The least hash in each place, of 32 bits; () for what is too short."""
    shown = " ".join(one.small for one in words)
    if len(shown) < SHORTEST:
        return ()
    least: list[int | None] = [None] * PLACES
    size = 2 if not shown.isascii() and _is_dense(words) else 4
    for start in range(len(shown) - size + 1):
        place, value = divmod(_hashed(shown[start : start + size]), 2**32)
        held = least[place % PLACES]
        least[place % PLACES] = value if held is None else min(held, value)
    return tuple(_filled(least))


def _is_dense(words: Sequence[Token]) -> bool:
    """Whether words are of a character or two, as in Chinese."""
    return sum(len(one.small) for one in words) < 3 * len(words)


def _hashed(group: str) -> int:
    """64 bits, the same in every process."""
    return (zlib.crc32(group.encode()) * _SPREAD + 1) % _LARGE


def _filled(least: Sequence[int | None]) -> list[int]:
    """Empty places get what the next one that is not empty has, and how far that is."""
    filled = []
    for index in range(PLACES):
        far = 0
        while (value := least[(index + far) % PLACES]) is None:
            far += 1
        filled.append((value + far * 0x61C88647) % 2**32)
    return filled


def bands(signed: Sequence[int]) -> list[int]:
    """What two texts that are nearly the same have at least one of in common; 63 bits each."""
    found = []
    for start in range(0, len(signed), ROWS):
        value = start + 1
        for one in signed[start : start + ROWS]:
            value = (value * _SPREAD + one) % _LARGE
        found.append(value >> 1)
    return found


def likeness(one: Sequence[int], other: Sequence[int]) -> float:
    """The share of places in common: about that of groups of characters."""
    return sum(a == b for a, b in zip(one, other, strict=True)) / PLACES
