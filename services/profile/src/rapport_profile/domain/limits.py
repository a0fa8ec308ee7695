"""What one person may be: so many identifiers of a kind, and never two that are kept apart."""

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from rapport_profile.domain.merge_rules import Rules, Window
from rapport_profile.domain.naming import Id


def oversharing(
    kinds: Mapping[Id, str], links: Iterable[tuple[Id, Id]], terms: "Terms"
) -> frozenset[Id]:
    """Identifiers linked to more of a stronger kind than a person may have, such as a kiosk.

    `links` in the order of their evidence.
    """
    found: dict[tuple[Id, str], dict[Id, datetime | None]] = {}
    for stronger, weaker, told_at in _over_others(kinds, links, terms):
        found.setdefault((weaker, kinds[stronger]), {}).setdefault(stronger, told_at)
    return frozenset(
        one
        for (one, kind), some in found.items()
        if len(some) > terms.rules.limits[kind]
        and is_too_many(kind, len(some), (at for at in some.values() if at), terms.rules)
    )


def is_too_many(kind: str, count: int, times: Iterable[datetime], rules: Rules) -> bool:
    """Whether a person can't have so many of a kind, which were new at these times."""
    most, window = rules.most.get(kind), rules.windows.get(kind)
    if most is not None and count > most:
        return True
    if window is None or count <= window.most:
        return False
    return _crowd(sorted(times), window)


def _crowd(ordered: Sequence[datetime], window: Window) -> bool:
    """Whether more times than may be lie within the length of a window somewhere."""
    pairs = zip(ordered, ordered[window.most :], strict=False)
    return any(last - first < window.length for first, last in pairs)


def _fit(times: Sequence[datetime], more: Sequence[datetime], window: Window) -> bool:
    """Whether times, both in order and each by themselves not too many, are that together.

    Of one more only what is near it is looked at: a part with thousands grows one by one.
    """
    if len(times) < len(more):
        times, more = more, times
    if len(times) + len(more) <= window.most:
        return True
    for at in more:
        first = bisect_right(times, at - window.length)
        near = times[first : bisect_left(times, at + window.length)]
        if len(near) >= window.most and _crowd(sorted([*near, at]), window):
            return False
    return len(more) == 1 or not _crowd(sorted(chain(times, more)), window)


def beside_shared(
    kinds: Mapping[Id, str],
    links: Iterable[tuple[Id, Id]],
    shared: Collection[Id],
    terms: "Terms",
) -> frozenset[Id]:
    """Identifiers linked to a shared one of which a person may have so many: it is in no group
    with them, but counts for what they are linked to.
    """
    return frozenset(
        weaker for stronger, weaker, _at in _over_others(kinds, links, terms) if stronger in shared
    )


def _over_others(
    kinds: Mapping[Id, str], links: Iterable[tuple[Id, Id]], terms: "Terms"
) -> Iterator[tuple[Id, Id, datetime | None]]:
    """(stronger, weaker, when) of links where a person may have so many of the stronger kind."""
    limits, ranks = terms.rules.limits, _ranks(kinds, terms.rules)
    for link in links:
        one, other = link
        kind, other_kind = kinds.get(one), kinds.get(other)
        if kind is None or other_kind is None or kind == other_kind:
            continue
        if ranks[kind] < ranks[other_kind]:
            if kind in limits:
                yield one, other, terms.told.get(link)
        elif other_kind in limits:
            yield other, one, terms.told.get(link)


class Terms:
    """What holds for everybody in a group: the rules' limits, and who is kept apart.

    `apart`: pairs of identifiers that an operator has said are never one person. `told`: where the
    rules have windows, when each link was told of first.
    """

    def __init__(
        self,
        rules: Rules,
        apart: Iterable[tuple[Id, Id]] = (),
        told: Mapping[tuple[Id, Id], datetime] | None = None,
    ) -> None:
        self.rules = rules
        self.told = told or {}
        self._apart: dict[Id, set[Id]] = {}
        for one, other in apart:
            self._apart.setdefault(one, set()).add(other)
            self._apart.setdefault(other, set()).add(one)

    @property
    def bind(self) -> bool:
        """Whether there is anything that a group could break."""
        return bool(self.rules.limits or self._apart)

    def concern(self, kinds: Mapping[Id, str], group: Collection[Id]) -> bool:
        """Whether a group is not settled for good: somebody in it is kept apart from others, here
        or elsewhere, or it has so many of a kind that it matters when each of them was new.
        """
        if self.rules.windows and self.rules.surplus(Counter(kinds[one] for one in group)):
            return True
        return not self._apart.keys().isdisjoint(group)

    def are_broken(
        self, kinds: Mapping[Id, str], group: Collection[Id], new: Mapping[Id, datetime]
    ) -> bool:
        """Whether a group can't be one person; `new`: when each of it was new, by `first_told`."""
        counts = Counter(kinds[one] for one in group)
        for kind in self.rules.limits if self.rules.surplus(counts) else ():
            times = [new[one] for one in group & new.keys() if kinds[one] == kind]
            if is_too_many(kind, counts[kind], times, self.rules):
                return True
        return any(not self._apart[one].isdisjoint(group) for one in self._apart.keys() & group)

    def allow(self, first: "Part", second: "Part") -> bool:
        """Whether two parts may be one."""
        for kind, most in self.rules.most.items():
            if first.counts.get(kind, 0) + second.counts.get(kind, 0) > most:
                return False
        for kind, window in self.rules.windows.items():
            if not _fit(first.new.get(kind, []), second.new.get(kind, []), window):
                return False
        ends = self._apart.keys() & first.members
        return all(self._apart[one].isdisjoint(second.members) for one in ends)

    def first_told(
        self, groups: Iterable[Collection[Id]], links: Iterable[tuple[Id, Id]]
    ) -> dict[Id, datetime]:
        """When each identifier was first said to be one person with others of its group.

        `links` in the order of their evidence. Nothing where the rules have no windows. What an
        identifier was seen with that is of other groups, as a kiosk is, made it nobody's.
        """
        if not self.rules.windows:
            return {}
        found: dict[Id, datetime] = {}
        place = {one: number for number, group in enumerate(groups) for one in group}
        for link in links:
            here, there = (place.get(end) for end in link)
            if here is not None and here == there:
                for end in link:
                    found.setdefault(end, self.told[link])
        return found


@dataclass(slots=True, eq=False)
class Part:
    """Identifiers that are one person so far, how many of each kind, and when they were new.

    `new`: of each kind that has a window the times, in order.
    """

    members: set[Id]
    counts: Counter[str]
    new: dict[str, list[datetime]]

    def absorb(self, other: "Part") -> None:
        """Become one with another part."""
        self.members |= other.members
        self.counts.update(other.counts)
        for kind, times in other.new.items():
            mine = self.new.setdefault(kind, [])
            if len(times) == 1:
                insort(mine, times[0])
            else:
                self.new[kind] = sorted(chain(mine, times))


def parts_within(
    group: Collection[Id],
    kinds: Mapping[Id, str],
    links: Sequence[tuple[Id, Id]],
    terms: Terms,
    new: Mapping[Id, datetime],
) -> list[set[Id]]:
    """A group that can't be one person, in parts that can.

    `links` in the order of their evidence, `new` by `Terms.first_told`. Joined by the strongest
    first, as Kruskal's algorithm does it: the result is the same for any order of arrival, and a
    link that comes later, in the order of evidence, takes nothing from those before it.
    """
    windows = terms.rules.windows
    parts = {
        one: Part({one}, Counter([kind]), {kind: [new[one]]} if kind in windows else {})
        for one, kind in ((one, kinds[one]) for one in group)
    }
    inside = [link for link in links if link[0] in parts and link[1] in parts]
    ranks = _ranks(kinds, terms.rules)
    for one, other in sorted(inside, key=lambda link: sorted(ranks[kinds[end]] for end in link)):
        larger, smaller = parts[one], parts[other]
        if larger is smaller or not terms.allow(larger, smaller):
            continue
        if len(larger.members) < len(smaller.members):
            larger, smaller = smaller, larger
        larger.absorb(smaller)
        parts.update(dict.fromkeys(smaller.members, larger))
    return list({id(part): part.members for part in parts.values()}.values())


def _ranks(kinds: Mapping[Id, str], rules: Rules) -> dict[str, tuple[float, float, str]]:
    """The sort keys of the kinds that there are."""
    return {kind: rules.rank(kind) for kind in set(kinds.values())}
