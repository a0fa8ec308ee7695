"""What one person may be: so many identifiers of a kind, and never two that are kept apart."""

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from math import inf

from rapport_common.events.envelope import USER_ID
from rapport_profile.domain.merge_rules import Rules, Window
from rapport_profile.domain.naming import Id

MAX_PER_PROFILE, MAX_NEW = "max_per_profile", "max_new"
Objection = tuple[str, str]
"""(MAX_PER_PROFILE or MAX_NEW, kind), or two identifiers that are kept apart."""


def oversharing(
    kinds: Mapping[Id, str], links: Sequence[tuple[Id, Id]], terms: "Terms"
) -> frozenset[Id]:
    """Identifiers linked to more of a stronger kind than a person may have, such as a kiosk.

    `links` in the order of their evidence.
    """
    least = min(terms.rules.limits.values())
    ends = Counter(chain.from_iterable(links))
    busy = {one for one, count in ends.items() if count > least and kinds.get(one) != USER_ID}
    if not busy:
        return frozenset()
    found: dict[tuple[Id, str], dict[Id, datetime | None]] = {}
    of_busy = (link for link in links if link[0] in busy or link[1] in busy)
    for stronger, weaker, told_at in _over_others(kinds, of_busy, terms):
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
    if not (shared and terms.rules.limits):
        return frozenset()
    near = (link for link in links if link[0] in shared or link[1] in shared)
    return frozenset(
        weaker for stronger, weaker, _at in _over_others(kinds, near, terms) if stronger in shared
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
    rules have windows, when each link was told of first. `refused`: gets the links that rules 6
    and 7 let not count, and why, where somebody asks for it.
    """

    def __init__(
        self,
        rules: Rules,
        apart: Iterable[tuple[Id, Id]] = (),
        told: Mapping[tuple[Id, Id], datetime] | None = None,
        refused: dict[tuple[Id, Id], Objection] | None = None,
    ) -> None:
        self.rules = rules
        self.told = told or {}
        self.refused = refused
        self._least = min(rules.limits.values(), default=inf)
        self._apart: dict[Id, set[Id]] = {}
        for one, other in apart:
            self._apart.setdefault(one, set()).add(other)
            self._apart.setdefault(other, set()).add(one)

    @property
    def bind(self) -> bool:
        """Whether there is anything that a group could break."""
        return bool(self.rules.limits or self._apart)

    def may_bind(self, kinds: Mapping[Id, str], group: Collection[Id]) -> bool:
        """Whether there is anything that this group could break, or that concerns it."""
        if len(group) > self._least and self.rules.surplus(_counts(kinds, group)):
            return True
        return not self._apart.keys().isdisjoint(group)

    def concern(self, kinds: Mapping[Id, str], group: Collection[Id]) -> bool:
        """Whether a group is not settled for good: somebody in it is kept apart from others, here
        or elsewhere, or it has so many of a kind that it matters when each of them was new.
        """
        if self.rules.windows and self.rules.surplus(_counts(kinds, group)):
            return True
        return not self._apart.keys().isdisjoint(group)

    def are_broken(
        self, kinds: Mapping[Id, str], group: Collection[Id], new: Mapping[Id, datetime]
    ) -> bool:
        """Whether a group can't be one person; `new`: when each of it was new, by `first_told`."""
        counts = _counts(kinds, group)
        for kind in self.rules.limits if self.rules.surplus(counts) else ():
            times = [new[one] for one in group & new.keys() if kinds[one] == kind]
            if is_too_many(kind, counts.get(kind, 0), times, self.rules):
                return True
        return any(not self._apart[one].isdisjoint(group) for one in self._apart.keys() & group)

    def objection(self, larger: "Part", smaller: "Part") -> Objection | None:
        """Why two parts, each of which may be one person, can't be that together, if so."""
        for kind, count in smaller.counts.items():
            if larger.counts.get(kind, 0) + count > self.rules.most[kind]:
                return (MAX_PER_PROFILE, kind)
        for kind, times in smaller.new.items():
            if not _fit(larger.new.get(kind, ()), times, self.rules.windows[kind]):
                return (MAX_NEW, kind)
        if self._apart:
            for one in sorted(self._apart.keys() & smaller.members):
                for other in sorted(self._apart[one] & larger.members):
                    return (one, other)
        return None

    def first_told(self, inside: Iterable[tuple[Id, Id]]) -> dict[Id, datetime]:
        """When each identifier was first said to be one person with others of its group.

        `inside`: the links between members of the group, in the order of their evidence. Nothing
        where the rules have no windows. What an identifier was seen with that is of other groups,
        as a kiosk is, made it nobody's.
        """
        if not self.rules.windows:
            return {}
        found: dict[Id, datetime] = {}
        for link in inside:
            at = self.told[link]
            found.setdefault(link[0], at)
            found.setdefault(link[1], at)
        return found


def _counts(kinds: Mapping[Id, str], group: Iterable[Id]) -> dict[str, int]:
    """How many of each kind a group has: most are small, and a Counter costs more to make."""
    counts: dict[str, int] = {}
    for one in group:
        kind = kinds[one]
        counts[kind] = counts.get(kind, 0) + 1
    return counts


@dataclass(slots=True, eq=False)
class Part:
    """Identifiers that are one person so far, how many of each kind, and when they were new.

    `counts`: of each kind of which a person has so many at most. `new`: of each kind that has a
    window the times, in order.
    """

    members: set[Id]
    counts: dict[str, int]
    new: dict[str, list[datetime]]

    def absorb(self, other: "Part") -> None:
        """Become one with another part."""
        self.members |= other.members
        for kind, count in other.counts.items():
            self.counts[kind] = self.counts.get(kind, 0) + count
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

    `links` between members of it, in the order of their evidence, `new` by `Terms.first_told`.
    Joined by the strongest
    first, as Kruskal's algorithm does it: the result is the same for any order of arrival, and a
    link that comes later, in the order of evidence, takes nothing from those before it.
    """
    most, windows = terms.rules.most, terms.rules.windows
    parts: dict[Id, Part] = {}
    for one in group:
        kind = kinds[one]
        counts, times = (
            {kind: 1} if kind in most else {},
            {kind: [new[one]]} if kind in windows else {},
        )
        parts[one] = Part({one}, counts, times)
    for one, other in _strongest_first(links, kinds, terms.rules):
        larger, smaller = parts[one], parts[other]
        if larger is smaller:
            continue
        if len(larger.members) < len(smaller.members):
            larger, smaller = smaller, larger
        objection = terms.objection(larger, smaller)
        if objection is None:
            larger.absorb(smaller)
            parts.update(dict.fromkeys(smaller.members, larger))
        elif terms.refused is not None:
            terms.refused[one, other] = objection
    return list({id(part): part.members for part in parts.values()}.values())


def _strongest_first(
    links: Collection[tuple[Id, Id]], kinds: Mapping[Id, str], rules: Rules
) -> list[tuple[Id, Id]]:
    """Links by the kinds that they join, those of the same kinds in the order as given."""
    pairs = {(kinds[one], kinds[other]) for one, other in links}
    ranks = {kind: rules.rank(kind) for kind in chain.from_iterable(pairs)}
    strength = {pair: tuple(sorted(ranks[kind] for kind in pair)) for pair in pairs}
    places = {one: place for place, one in enumerate(sorted(set(strength.values())))}
    place_of = {pair: places[one] for pair, one in strength.items()}
    return sorted(links, key=lambda link: place_of[kinds[link[0]], kinds[link[1]]])


def _ranks(kinds: Mapping[Id, str], rules: Rules) -> dict[str, tuple[float, float, str]]:
    """The sort keys of the kinds that there are."""
    return {kind: rules.rank(kind) for kind in set(kinds.values())}
