"""How many identifiers of a kind a person may have, and what comes apart where there are more."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rapport_profile.domain.naming import Id
from rapport_profile.domain.rules import Rules


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
    for link in links:
        if not kinds.keys() >= set(link):
            continue
        stronger, weaker = sorted(link, key=lambda end: rules.rank(kinds[end]))
        if kinds[stronger] in rules.limits and kinds[stronger] != kinds[weaker]:
            yield stronger, weaker


def parts_within(
    group: Collection[Id],
    kinds: Mapping[Id, str],
    links: Sequence[tuple[Id, Id]],
    rules: Rules,
) -> list[set[Id]]:
    """A group that has more of a kind than a person may have, in parts that have not.

    `links` in the order of their evidence. Joined by the strongest first, as Kruskal's algorithm
    does it: the result is the same for any order of arrival, and a link that comes later, in the
    order of evidence, takes nothing from those before it.
    """
    parts = {one: _Part({one}, Counter([kinds[one]])) for one in group}
    inside = [link for link in links if link[0] in parts and link[1] in parts]
    for one, other in sorted(inside, key=lambda link: _strength(kinds, link, rules)):
        larger, smaller = parts[one], parts[other]
        if larger is smaller or rules.surplus(larger.counts + smaller.counts):
            continue
        if len(larger.members) < len(smaller.members):
            larger, smaller = smaller, larger
        larger.members |= smaller.members
        larger.counts += smaller.counts
        parts.update(dict.fromkeys(smaller.members, larger))
    return list({id(part): part.members for part in parts.values()}.values())


@dataclass(slots=True, eq=False)
class _Part:
    members: set[Id]
    counts: Counter[str]


def _strength(kinds: Mapping[Id, str], link: tuple[Id, Id], rules: Rules) -> tuple[object, ...]:
    return tuple(sorted(rules.rank(kinds[end]) for end in link))
