"""What one person may be: so many identifiers of a kind, and never two that are kept apart."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rapport_profile.domain.merge_rules import Rules
from rapport_profile.domain.naming import Id


def oversharing(
    kinds: Mapping[Id, str], links: Iterable[tuple[Id, Id]], rules: Rules
) -> frozenset[Id]:
    """Identifiers linked to more of a stronger kind than a person may have, such as a kiosk."""
    found: dict[tuple[Id, str], set[Id]] = {}
    for stronger, weaker in _over_others(kinds, links, rules):
        found.setdefault((weaker, kinds[stronger]), set()).add(stronger)
    return frozenset(one for (one, kind), some in found.items() if len(some) > rules.limits[kind])


def beside_shared(
    kinds: Mapping[Id, str],
    links: Iterable[tuple[Id, Id]],
    shared: Collection[Id],
    rules: Rules,
) -> frozenset[Id]:
    """Identifiers linked to a shared one of which a person may have so many: it is in no group
    with them, but counts for what they are linked to.
    """
    return frozenset(
        weaker for stronger, weaker in _over_others(kinds, links, rules) if stronger in shared
    )


def _over_others(
    kinds: Mapping[Id, str], links: Iterable[tuple[Id, Id]], rules: Rules
) -> Iterator[tuple[Id, Id]]:
    """(stronger, weaker) of links where a person may have so many of the stronger kind."""
    ranks = _ranks(kinds, rules)
    for one, other in links:
        kind, other_kind = kinds.get(one), kinds.get(other)
        if kind is None or other_kind is None or kind == other_kind:
            continue
        if ranks[kind] < ranks[other_kind]:
            if kind in rules.limits:
                yield one, other
        elif other_kind in rules.limits:
            yield other, one


class Terms:
    """What holds for everybody in a group: the rules' limits, and who is kept apart.

    `apart`: pairs of identifiers that an operator has said are never one person.
    """

    def __init__(self, rules: Rules, apart: Iterable[tuple[Id, Id]] = ()) -> None:
        self.rules = rules
        self._apart: dict[Id, set[Id]] = {}
        for one, other in apart:
            self._apart.setdefault(one, set()).add(other)
            self._apart.setdefault(other, set()).add(one)

    @property
    def bind(self) -> bool:
        """Whether there is anything that a group could break."""
        return bool(self.rules.limits or self._apart)

    def concern(self, group: Collection[Id]) -> bool:
        """Whether somebody in a group is kept apart from others, here or elsewhere."""
        return not self._apart.keys().isdisjoint(group)

    def are_broken(self, kinds: Mapping[Id, str], group: Collection[Id]) -> bool:
        """Whether a group can't be one person."""
        if self.rules.surplus(Counter(kinds[one] for one in group)):
            return True
        return any(not self._apart[one].isdisjoint(group) for one in self._apart.keys() & group)

    def allow(self, first: "Part", second: "Part") -> bool:
        """Whether two parts may be one."""
        for kind, most in self.rules.limits.items():
            if first.counts.get(kind, 0) + second.counts.get(kind, 0) > most:
                return False
        ends = self._apart.keys() & first.members
        return all(self._apart[one].isdisjoint(second.members) for one in ends)


@dataclass(slots=True, eq=False)
class Part:
    """Identifiers that are one person so far, and how many of each kind."""

    members: set[Id]
    counts: Counter[str]


def parts_within(
    group: Collection[Id],
    kinds: Mapping[Id, str],
    links: Sequence[tuple[Id, Id]],
    terms: Terms,
) -> list[set[Id]]:
    """A group that can't be one person, in parts that can.

    `links` in the order of their evidence. Joined by the strongest first, as Kruskal's algorithm
    does it: the result is the same for any order of arrival, and a link that comes later, in the
    order of evidence, takes nothing from those before it.
    """
    parts = {one: Part({one}, Counter([kinds[one]])) for one in group}
    inside = [link for link in links if link[0] in parts and link[1] in parts]
    ranks = _ranks(kinds, terms.rules)
    for one, other in sorted(inside, key=lambda link: sorted(ranks[kinds[end]] for end in link)):
        larger, smaller = parts[one], parts[other]
        if larger is smaller or not terms.allow(larger, smaller):
            continue
        if len(larger.members) < len(smaller.members):
            larger, smaller = smaller, larger
        larger.members |= smaller.members
        larger.counts.update(smaller.counts)
        parts.update(dict.fromkeys(smaller.members, larger))
    return list({id(part): part.members for part in parts.values()}.values())


def _ranks(kinds: Mapping[Id, str], rules: Rules) -> dict[str, tuple[float, float, str]]:
    """The sort keys of the kinds that there are."""
    return {kind: rules.rank(kind) for kind in set(kinds.values())}
