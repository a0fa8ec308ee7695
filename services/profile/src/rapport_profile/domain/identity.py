"""Which identifiers are one person: a pure function of link facts, so no order of arrival matters.

The rules, for identifiers joined by links (an event's strongest identifier to each other one):

1. A user id is a person. Two user ids are one person only where an alias of a trusted source, or
   an operator, says so; any other link between them is void. What follows speaks of users: of
   user ids that are one person by that.
2. An identifier linked to two or more users is *shared* (a family's tablet, a till): it
   belongs to none of them, and connects nobody.
3. What remains falls into components of e-mails, anonymous ids and so on. A component whose
   members know at most one user belongs, whole, to that user (or is a person without one).
4. A component that knows several is split: a member with a user of its own goes there, the
   others stay together as far as they are linked among themselves.

Where a workspace's rules say how many of a kind a person has at most (`limits.py`):

5. An identifier linked to more of a stronger kind than a person may have is shared, too.
6. Who would have more of a kind comes apart: the strongest links hold, of equally strong ones the
   earliest, and one that would join too many does not count.

Where the rules say how many may be new within some days, an identifier was new when a link first
joined it to others of the same component; for rule 5 each link counts by its own first time.

And where an operator has said that two identifiers are never one person:

7. Who would have both comes apart in the same way.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

from rapport_common.events.envelope import USER_ID
from rapport_profile.domain.limits import Terms, beside_shared, oversharing, parts_within
from rapport_profile.domain.merge_rules import NO_RULES
from rapport_profile.domain.naming import Id

NO_TERMS = Terms(NO_RULES)
_Named = TypeVar("_Named", Id, int)


@dataclass(frozen=True, slots=True)
class Resolution:
    """Groups of identifiers that are one person each; clusters: what must be looked at together.

    `contested`: who can't be settled without a look at links: the members of what rules 4, 6 and 7
    split, those of whom somebody is kept apart from others, people with several user ids, and who
    by rule 5 is shared with one link more, though nobody sees it in the group.
    """

    groups: list[frozenset[Id]]
    clusters: list[frozenset[Id]]
    shared: frozenset[Id]
    contested: frozenset[Id]


def resolve(
    kinds: Mapping[Id, str],
    links: Sequence[tuple[Id, Id]],
    shared: Collection[Id],
    terms: Terms = NO_TERMS,
) -> Resolution:
    """Group the identifiers of `kinds`; links to others are ignored, `shared` is what is known.

    Two user ids are linked only where they are to be one person. Of a user only those components
    need be given that may have changed: each one goes to its owner by itself. Where the terms bind,
    and of a user with several ids, all of them are given, and the links in the order of their
    evidence.
    """
    told = _Told(kinds, links)
    same = _same_user(kinds, told.between_users, terms)
    owner, sharing = told.owners(same)
    sharing |= kinds.keys() & shared
    if terms.rules.limits:
        sharing |= oversharing(kinds, links, terms)
    owned: dict[Id, set[Id]] = {}
    for one, kind in kinds.items():
        if kind == USER_ID and one not in sharing:
            owned.setdefault(same.get(one, one), set()).add(one)
    contested_users = [user for user in set(same.values()) & owned.keys() if len(owned[user]) > 1]
    contested: set[Id] = set()
    groups = _owned_or_free(told, owner, sharing, owned, contested)
    contested.update(*(owned[one] for one in contested_users))
    groups += owned.values()
    clusters = _clusters(groups, links)
    if terms.bind:
        groups = _within(groups, kinds, links, terms, contested)
        contested |= beside_shared(kinds, links, sharing, terms)
    alone = [frozenset([one]) for one in sharing]
    return Resolution(
        [*map(frozenset, groups), *alone],
        [*map(frozenset, clusters), *alone],
        frozenset(sharing),
        frozenset(contested),
    )


class _Told:
    """Links by what they join: two user ids, a user id and another identifier, or two others."""

    def __init__(self, kinds: Mapping[Id, str], links: Iterable[tuple[Id, Id]]) -> None:
        self.between_users: list[tuple[Id, Id]] = []
        self.of_users: list[tuple[Id, Id]] = []
        self.between_others: list[tuple[Id, Id]] = []
        self.others = [one for one, kind in kinds.items() if kind != USER_ID]
        kind_of = kinds.get
        for link in links:
            one, other = link
            first, second = kind_of(one), kind_of(other)
            if first is None or second is None:
                continue
            if first == USER_ID:
                (self.between_users if second == USER_ID else self.of_users).append(link)
            elif second == USER_ID:
                self.of_users.append((other, one))
            else:
                self.between_others.append(link)

    def owners(self, same: Mapping[Id, Id]) -> tuple[dict[Id, Id], set[Id]]:
        """(a user that each identifier is linked to, those that are linked to several)"""
        owner: dict[Id, Id] = {}
        several = set()
        for user, one in self.of_users:
            stands_for_all = same.get(user, user) if same else user
            if owner.setdefault(one, stands_for_all) != stands_for_all:
                several.add(one)
        return owner, several


def _same_user(
    kinds: Mapping[Id, str], between: Sequence[tuple[Id, Id]], terms: Terms
) -> dict[Id, Id]:
    """Of user ids that are one person the one that stands for all of them; empty: there are none.

    Who is kept apart from whom is seen to here, so that what is linked to both sides is shared.
    """
    if not between:
        return {}
    users = dict.fromkeys(chain.from_iterable(between))
    parts = parts_within(users, kinds, between, terms, {})
    return {one: min(part) for part in parts for one in part}


def _owned_or_free(
    told: _Told,
    owner: Mapping[Id, Id],
    sharing: Collection[Id],
    owned: dict[Id, set[Id]],
    contested: set[Id],
) -> list[set[Id]]:
    """Rules 3 and 4: who belongs to a user is put with it; the groups of those who do not."""
    plain = [one for one in told.others if one not in sharing]
    groups: list[set[Id]] = []
    split: list[Id] = []
    for component in components(plain, told.between_others):
        owners = {owner[one] for one in component if one in owner} & owned.keys()
        if len(owners) == 1:
            owned[owners.pop()] |= component
        elif not owners:
            groups.append(component)
        else:
            contested |= component
            split += component
    free = []
    for one in split:
        if owner.get(one) in owned:
            owned[owner[one]].add(one)
        else:
            free.append(one)
    return groups + components(free, told.between_others) if free else groups


def _within(
    groups: list[set[Id]],
    kinds: Mapping[Id, str],
    links: Sequence[tuple[Id, Id]],
    terms: Terms,
    contested: set[Id],
) -> list[set[Id]]:
    """Rules 6 and 7: the groups, and the parts of those that come apart."""
    kept: list[set[Id]] = []
    doubted: list[set[Id]] = []
    for group in groups:
        (doubted if terms.may_bind(kinds, group) else kept).append(group)
    for group, inside in zip(doubted, _inside(doubted, links), strict=True):
        new = terms.first_told(inside)
        if terms.are_broken(kinds, group, new):
            kept += parts_within(group, kinds, inside, terms, new)
            contested |= group
        else:
            kept.append(group)
            contested |= group if terms.concern(kinds, group) else set()
    return kept


def _inside(
    groups: Sequence[Collection[Id]], links: Iterable[tuple[Id, Id]]
) -> list[list[tuple[Id, Id]]]:
    """Of each group the links between its members, in the order in which they are given."""
    place = {one: number for number, group in enumerate(groups) for one in group}
    inside: list[list[tuple[Id, Id]]] = [[] for _group in groups]
    if not place:
        return inside
    place_of = place.get
    for link in links:
        here = place_of(link[0])
        if here is not None and here == place_of(link[1]):
            inside[here].append(link)
    return inside


def _clusters(
    groups: Sequence[set[Id]], links: Iterable[tuple[Id, Id]]
) -> Sequence[Collection[Id]]:
    """What is connected when shared identifiers are taken out: groups, before some come apart.

    Several groups are, where rule 4 has split a component or two user ids are kept apart.
    """
    place = {one: number for number, group in enumerate(groups) for one in group}
    place_of = place.get
    across = set()
    for one, other in links:
        here, there = place_of(one), place_of(other)
        if here != there and here is not None and there is not None:
            across.add((here, there))
    if not across:
        return groups
    return [
        {one for number in numbers for one in groups[number]}
        for numbers in components(range(len(groups)), across)
    ]


def components(
    members: Iterable[_Named], links: Iterable[tuple[_Named, _Named]]
) -> list[set[_Named]]:
    """Connected components of `members`, by union and path halving; links to others are ignored."""
    above = {one: one for one in members}
    joined = set()
    for one, other in links:
        if one not in above or other not in above:
            continue
        joined.add(one)
        joined.add(other)
        first, second = one, other
        while (near := above[first]) != first:
            above[first] = first = above[near]
        while (near := above[second]) != second:
            above[second] = second = above[near]
        above[second] = first
    found: list[set[_Named]] = []
    parts: dict[_Named, set[_Named]] = {}
    for one in above:
        if one not in joined:
            found.append({one})
            continue
        top = one
        while (near := above[top]) != top:
            above[top] = top = above[near]
        if top in parts:
            parts[top].add(one)
        else:
            parts[top] = {one}
    return found + list(parts.values())


def keep_ids(
    groups: Collection[frozenset[Id]],
    before: Mapping[Id, Id | None],
    kinds: Mapping[Id, str],
) -> dict[frozenset[Id], Id | None]:
    """Which former profile id each group goes on with; None: it needs a new one.

    An id stays with its user id; else with the group of its smallest identifier. A group that
    could go on with several takes its user's, else the smallest, which for ids made in order
    of time is the oldest. Of a user whose ids come apart the smallest one's group goes on with it.
    """
    kept: dict[frozenset[Id], Id | None] = {}
    taken: set[Id] = set()
    ordered = sorted(groups, key=min)
    for group in ordered:
        users = [one for one in group if kinds[one] == USER_ID]
        former_ids = {before.get(one) for one in users} - taken - {None}
        if former_ids:
            kept[group] = min(one for one in former_ids if one)
            taken |= {kept[group]} - {None}  # type: ignore[arg-type] # None is taken out
    for group in ordered:
        if group not in kept:
            former_ids = {before.get(one) for one in group} - taken - {None}
            kept[group] = min(one for one in former_ids if one) if former_ids else None
            taken |= {kept[group]} - {None}  # type: ignore[arg-type] # None is taken out
    return kept
