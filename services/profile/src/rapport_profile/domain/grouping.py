"""Which identifiers of a batch need the links around them, because people may come apart."""

from collections import Counter
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet

from rapport_profile.domain.merge_rules import Rules
from rapport_profile.domain.naming import Evidence, Id, LinkKey, Naming
from rapport_profile.domain.working_set import WorkingSet


def may_say_it_again(working: WorkingSet, named: Naming, ids: Sequence[Id]) -> bool:
    """Whether all whom an event names are known, but can't be settled by themselves.

    If its links are known too, it says nothing of who is who that has not been said.
    """
    if named.previous is not None or named.renamed is not None:
        return False
    if any(working.nodes[one].profile_id is None for one in ids):
        return False
    return not _is_settled(working, ids, frozenset())


def says_it_again(working: WorkingSet, keys: Iterable[LinkKey], evidence: Evidence) -> bool:
    """Whether an event's links, which are loaded if they are stored, change nothing."""
    known = [working.links.get(key) for key in keys]
    return all(link is not None and link.evidence <= evidence for link in known)


def entangled(
    working: WorkingSet,
    named: Iterable[Sequence[Id]],
    doubted: AbstractSet[Id],
    again: AbstractSet[int] = frozenset(),
) -> set[Id]:
    """The identifiers, of those named together in an event, that can't be settled by themselves.

    What the events of a batch connect is settled without its links if it knows at most one user
    and no more of a kind than a person may have, and nothing in it is shared, contested, or
    `doubted` (ends of aliases that may be void). `again` are the places of events that say nothing
    new (`says_it_again`): of a till that a thousand people share, or of two colleagues who were
    mistaken for one, each event would load everybody. The identifiers and their profiles are
    loaded.
    """
    parts = _DisjointSets()
    settled: list[Sequence[Id]] = []
    for place, ids in enumerate(named):
        if _is_settled(working, ids, doubted):
            settled.append(ids)
        elif place not in again:
            _connect(parts, working, ids)
    for ids in settled:
        # Most events; they matter only where others connect their person with somebody.
        if parts.has(working.nodes[ids[0]].profile_id):
            _connect(parts, working, ids)
    users: dict[Id, set[Id]] = {}
    together = [one for one in parts.seen() if one in working.nodes]
    marked = _crowded(working, parts, together) if working.book else set[Id]()
    for one in together:
        node, part = working.nodes[one], parts.of(one)
        if node.is_user and node.profile_id is None:
            users.setdefault(part, set()).add(one)
        if node.shared or node.contested or one in doubted:
            marked.add(part)
        owner = working.profiles[node.profile_id].user if node.profile_id else None
        if owner is not None:
            users.setdefault(part, set()).add(owner)
    marked.update(part for part, known in users.items() if len(known) > 1)
    return {one for one in together if parts.of(one) in marked} if marked else set()


def _crowded(working: WorkingSet, parts: "_DisjointSets", together: Iterable[Id]) -> set[Id]:
    """The parts that have more of a kind than a person may have."""
    counts: dict[Id, Counter[str]] = {}
    rules: dict[Id, Rules] = {}
    counted: set[Id] = set()
    for one in together:
        node = working.nodes[one]
        of = working.book.of(node.workspace)
        who = node.profile_id or one
        if not of.limits or who in counted:
            continue
        counted.add(who)
        part = parts.of(one)
        rules[part] = of
        known = working.profiles[who].counts() if node.profile_id else Counter([node.kind])
        counts.setdefault(part, Counter()).update(known)
    return {part for part, found in counts.items() if rules[part].surplus(found)}


def _is_settled(working: WorkingSet, ids: Sequence[Id], doubted: AbstractSet[Id]) -> bool:
    """Whether an event by itself connects nothing and takes nobody apart."""
    first = working.nodes[ids[0]].profile_id
    if first is None:
        return False
    for one in ids:
        node = working.nodes[one]
        if node.profile_id != first or node.shared or node.contested or one in doubted:
            return False
    return True


def _connect(parts: "_DisjointSets", working: WorkingSet, ids: Sequence[Id]) -> None:
    hub = ids[0]
    for one in ids:
        if one is not hub:
            parts.connect(hub, one)
        # Two events may speak of one profile by different identifiers.
        parts.connect(one, working.nodes[one].profile_id or one)


class _DisjointSets:
    """By union and path halving."""

    def __init__(self) -> None:
        self._parent: dict[Id, Id] = {}

    def connect(self, one: Id, other: Id) -> None:
        first, second = self.of(one), self.of(other)
        if first != second:
            self._parent[second] = first

    def of(self, one: Id) -> Id:
        parent = self._parent
        parent.setdefault(one, one)
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one

    def has(self, one: Id | None) -> bool:
        return one in self._parent

    def seen(self) -> list[Id]:
        return list(self._parent)
