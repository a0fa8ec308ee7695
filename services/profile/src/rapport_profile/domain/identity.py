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

from rapport_common.events.envelope import USER_ID
from rapport_profile.domain.limits import Terms, beside_shared, oversharing, parts_within
from rapport_profile.domain.merge_rules import NO_RULES
from rapport_profile.domain.naming import Id

NO_TERMS = Terms(NO_RULES)


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
    rules = terms.rules
    known, peers = _neighbours(kinds, links)
    same = _same_user(kinds, links, terms)
    users = {one: {same[user] for user in some} for one, some in known.items()} if same else known
    sharing = frozenset(one for one in kinds if one in shared or len(users.get(one, ())) > 1)
    if rules.limits:
        sharing |= oversharing(kinds, links, terms)
    plain = [one for one, kind in kinds.items() if kind != USER_ID and one not in sharing]
    owned: dict[Id, set[Id]] = {}
    for one, kind in kinds.items():
        if kind == USER_ID and one not in sharing:
            owned.setdefault(same.get(one, one), set()).add(one)
    contested_users = [first for first, some in owned.items() if len(some) > 1]
    groups: list[set[Id]] = []
    contested: set[Id] = set()
    for component in components(plain, peers):
        owners = {user for one in component for user in users.get(one, ())} & owned.keys()
        if len(owners) == 1:
            owned[owners.pop()] |= component
        elif not owners:
            groups.append(set(component))
        else:
            contested |= component
            _split(component, users, peers, owned, groups)
    contested.update(*(owned[one] for one in contested_users))
    groups += owned.values()
    if terms.bind:
        groups = _within(groups, kinds, links, terms, contested)
        contested |= beside_shared(kinds, links, sharing, terms)
    groups += [{one} for one in sharing]
    return Resolution(
        [frozenset(one) for one in groups],
        _clusters(kinds, links, known, peers, sharing),
        sharing,
        frozenset(contested),
    )


def _same_user(
    kinds: Mapping[Id, str], links: Sequence[tuple[Id, Id]], terms: Terms
) -> dict[Id, Id]:
    """Of user ids that are one person the one that stands for all of them; empty: there are none.

    Who is kept apart from whom is seen to here, so that what is linked to both sides is shared.
    """
    between = [link for link in links if all(kinds.get(end) == USER_ID for end in link)]
    if not between:
        return {}
    users = [one for one, kind in kinds.items() if kind == USER_ID]
    parts = parts_within(users, kinds, between, terms, {})
    return {one: min(part) for part in parts for one in part}


def _within(
    groups: list[set[Id]],
    kinds: Mapping[Id, str],
    links: Sequence[tuple[Id, Id]],
    terms: Terms,
    contested: set[Id],
) -> list[set[Id]]:
    """Rules 6 and 7: the groups, and the parts of those that come apart."""
    kept: list[set[Id]] = []
    new = terms.first_told(groups, links)
    for group in groups:
        if terms.are_broken(kinds, group, new):
            kept += parts_within(group, kinds, links, terms, new)
            contested |= group
        else:
            kept.append(group)
            contested |= group if terms.concern(kinds, group) else set()
    return kept


def _neighbours(
    kinds: Mapping[Id, str], links: Iterable[tuple[Id, Id]]
) -> tuple[dict[Id, set[Id]], dict[Id, set[Id]]]:
    """(user ids each identifier is linked to, other identifiers each one is linked to)."""
    users: dict[Id, set[Id]] = {}
    peers: dict[Id, set[Id]] = {}
    for one, other in links:
        if one not in kinds or other not in kinds:
            continue
        first, second = kinds[one] == USER_ID, kinds[other] == USER_ID
        if first and second:
            continue
        if first:
            users.setdefault(other, set()).add(one)
        elif second:
            users.setdefault(one, set()).add(other)
        else:
            peers.setdefault(one, set()).add(other)
            peers.setdefault(other, set()).add(one)
    return users, peers


def _split(
    component: frozenset[Id],
    users: Mapping[Id, set[Id]],
    peers: Mapping[Id, set[Id]],
    owned: dict[Id, set[Id]],
    groups: list[set[Id]],
) -> None:
    """Rule 4: several users meet in one component."""
    free = []
    for one in component:
        owner = next(iter(users.get(one, ())), None)
        if owner is None:
            free.append(one)
        else:
            owned[owner].add(one)
    groups += [set(part) for part in components(free, peers)]


def _clusters(
    kinds: Mapping[Id, str],
    links: Iterable[tuple[Id, Id]],
    users: Mapping[Id, set[Id]],
    peers: Mapping[Id, set[Id]],
    sharing: Collection[Id],
) -> list[frozenset[Id]]:
    """Connected parts when shared identifiers are taken out; each shared one is a part alone."""
    around: dict[Id, set[Id]] = {one: set(near) for one, near in peers.items()}
    for one, owners in users.items():
        if one not in sharing:
            around.setdefault(one, set()).update(owners)
            for owner in owners:
                around.setdefault(owner, set()).add(one)
    for link in links:
        if all(kinds.get(end) == USER_ID for end in link):
            around.setdefault(link[0], set()).add(link[1])
            around.setdefault(link[1], set()).add(link[0])
    open_ones = [one for one in kinds if one not in sharing]
    return [*components(open_ones, around), *(frozenset([one]) for one in sharing)]


def components(members: Collection[Id], around: Mapping[Id, Collection[Id]]) -> list[frozenset[Id]]:
    """Connected components of the graph induced by `members`."""
    left = set(members)
    found = []
    while left:
        start = left.pop()
        part, edge = {start}, [start]
        while edge:
            for near in around.get(edge.pop(), ()):
                if near in left:
                    left.discard(near)
                    part.add(near)
                    edge.append(near)
        found.append(frozenset(part))
    return found


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
