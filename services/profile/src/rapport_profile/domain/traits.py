"""A trait: what was said of it that counts, and how two statements about it become one."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import msgspec

from rapport_profile.domain.stamps import Stamp

MAX_ITEMS: Final = 100
"""Of a list that holds all that was said: the ones said last."""
MAX_ITEM: Final = 256
"""Bytes, as JSON. A longer one is none."""

_NOTHING = msgspec.Raw(b"null")


class Rank(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """How much a statement counts, where it is not simply the latest that does.

    The greater `weight` counts, of equal ones the later; `is_first`: the earlier, after those that
    are not. `items`: all that was said (JSON: when last), but what was said before `cleared`.
    """

    weight: int | Decimal = 0
    is_first: bool = False
    items: dict[str, Stamp] | None = None
    cleared: Stamp | None = None


PLAIN: Final = Rank()


class Trait(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A trait's value, as JSON, with where it came from, and by which rule it counts."""

    value: msgspec.Raw
    stamp: Stamp
    rank: Rank | None = None

    def is_by(self, stamp: Stamp) -> bool:
        """Whether this statement made it what it is."""
        items = self.rank.items if self.rank is not None else None
        return stamp == self.stamp if items is None else stamp in items.values()

    def join(self, other: "Trait") -> "Trait":
        """What counts of two statements; of a list's, both."""
        if self.rank is None and other.rank is None:
            return self if self.stamp.after(other.stamp) else other
        mine, its = self.rank or PLAIN, other.rank or PLAIN
        if mine.items is not None and its.items is not None:
            return _both(mine, its)
        if mine.weight != its.weight:
            return self if mine.weight > its.weight else other
        if mine.is_first != its.is_first:
            return other if mine.is_first else self
        return self if self.stamp.after(other.stamp) != mine.is_first else other


def listed(items: Mapping[str, Stamp], cleared: Stamp | None) -> Trait:
    """A list of all that was said since `cleared`; of both there is one at least."""
    left = {item: stamp for item, stamp in items.items() if cleared is None or stamp.after(cleared)}
    if len(left) > MAX_ITEMS:
        newest = sorted(left, key=lambda item: (left[item].order, item))[-MAX_ITEMS:]
        left = {item: left[item] for item in newest}
    value = _NOTHING
    if left:
        value = msgspec.Raw(f"[{','.join(sorted(left))}]".encode())
    stamps = [*left.values(), *([] if cleared is None else [cleared])]
    return Trait(value, max(stamps, key=lambda one: one.order), Rank(items=left, cleared=cleared))


def _both(mine: Rank, its: Rank) -> Trait:
    items = dict(mine.items or {})
    for item, stamp in (its.items or {}).items():
        known = items.get(item)
        if known is None or stamp.after(known):
            items[item] = stamp
    cleared = mine.cleared
    if cleared is None or (its.cleared is not None and its.cleared.after(cleared)):
        cleared = its.cleared
    return listed(items, cleared)
