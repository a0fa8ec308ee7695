"""Long lists in traits: looked through once for a person, not once for each comparison.

A workspace may have thousands of comparisons, and a trait thousands of elements; the product of
both must not be the price of an event.
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from rapport_common.events.contact import MAX_STATED_PHONE, without_separators
from rapport_common.lazy import lazy
from rapport_segment.domain import values
from rapport_segment.domain.values import Alike, Scalar

LONG = 16
"""More elements than that are worth an index."""

Number = int | Decimal
Compare = Callable[[Any, Any], bool]


class Elements(list[Any]):
    """A list of a trait, with what is asked of its elements: whether one of them fits."""

    @lazy
    def _scalars(self) -> dict[type, set[Scalar]]:
        found: dict[type, set[Scalar]] = {str: set(), bool: set(), int: set()}
        for one in self:
            kind = int if type(one) is Decimal else type(one)
            if kind in found:
                found[kind].add(one)
        return found

    @lazy
    def _written(self) -> dict[str, Number]:
        """Its texts that are plain numbers."""
        read = ((one, values.number(one)) for one in self._scalars[str])
        return {str(text): number for text, number in read if number is not None}

    @lazy
    def _numbers(self) -> frozenset[Number]:
        return frozenset((*self._scalars[int], *self._written.values()))  # type: ignore[arg-type] # no texts

    @lazy
    def _texts(self) -> list[str]:
        return sorted(str(one) for one in self._scalars[str])

    @lazy
    def _words(self) -> list[str]:
        """Its texts that are no numbers."""
        return [one for one in self._texts if one not in self._written]

    @lazy
    def _ends(self) -> tuple[Number, ...]:
        return (min(self._numbers), max(self._numbers)) if self._numbers else ()

    @lazy
    def _dialled(self) -> frozenset[str]:
        """Its texts without what separates the digits of a phone number."""
        short = (one for one in self._texts if len(one) <= MAX_STATED_PHONE)
        return frozenset(map(without_separators, short))

    def is_among(self, kinds: Mapping[type, Collection[Scalar]], alike: Alike) -> bool:
        """Whether an element is one of these; `kinds` is what `alike` lists, by type."""
        if any(not mine.isdisjoint(kinds[kind]) for kind, mine in self._scalars.items()):
            return True
        if alike.numbers and not self._numbers.isdisjoint(alike.numbers):
            return True
        return bool(alike.phones) and not self._dialled.isdisjoint(alike.phones)

    def is_beyond(self, compare: Compare, limit: Number | None, text: str | None) -> bool:
        """Whether an element is less or more than `limit`, or than `text` if it is no number."""
        if limit is not None and any(compare(one, limit) for one in self._ends):
            return True
        if text is None:
            return False
        texts = self._texts if limit is None else self._words
        return bool(texts) and any(compare(one, text) for one in (texts[0], texts[-1]))

    def has_prefix(self, prefix: str) -> bool:
        """Whether a text among the elements begins so."""
        at = bisect_left(self._texts, prefix)
        return at < len(self._texts) and self._texts[at].startswith(prefix)


def indexed(traits: dict[str, Any], path: str, names: Sequence[str]) -> Any:
    """A trait's value, or what is in one at a path, which has these names.

    A long list comes with its index, which stays for the next who asks.
    """
    place, name = traits, path
    if path not in traits:
        *outer, name = names
        for one in outer:
            inner = place.get(one)
            if type(inner) is not dict:
                return None
            place = inner
    value = place.get(name)
    if type(value) is list and len(value) > LONG:
        value = place[name] = Elements(value)
    return value


def kinds_of(alike: Iterable[Scalar]) -> dict[type, set[Scalar]]:
    """Scalars by type; an int and a Decimal of the same value are equal and have one hash."""
    kinds: dict[type, set[Scalar]] = {str: set(), bool: set(), int: set()}
    for one in alike:
        kinds[int if type(one) is Decimal else type(one)].add(one)
    return kinds
