"""The people a batch touches, in memory: events are applied one by one, in order, and what has
changed is known at the end.

What is usual needs the named identifiers and their profiles only: new identifiers join, two
people become one. What takes people apart, or could, needs the links around them; which is which
says `grouping.py` before (see `handlers/events.py`). Here is no I/O.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from rapport_common.events.activity import ProfileActivity
from rapport_common.events.envelope import Event
from rapport_common.events.profile import AbsorbedId
from rapport_profile.domain.merge_rules import USUAL, RuleBook
from rapport_profile.domain.naming import (
    ALIAS,
    RENAMED,
    Evidence,
    Id,
    Ids,
    LinkKey,
    Naming,
    anonymous_twin,
    link_keys,
    user_twin,
)
from rapport_profile.domain.people import Node, Profile
from rapport_profile.domain.regrouping import Regrouping
from rapport_profile.domain.sharing import told_later
from rapport_profile.domain.telling import Telling, telling

LARGE = 100
"""A profile with more identifiers keeps its id in a merge, so that the smaller is re-labelled."""


class WorkingSet(Regrouping):
    """Who is who and what is known, kept up with each event that is applied to what is loaded."""

    def __init__(self, ids: Ids, new_id: Callable[[], Id], book: RuleBook = USUAL) -> None:
        """`ids` names identifiers; the rest as in `Regrouping`."""
        super().__init__(new_id, book)
        self.ids = ids

    # --- applying ----------------------------------------------------------------------------

    def apply(self, event: Event, named: Naming) -> list[ProfileActivity]:
        """Fold one event in; what to publish, in order. Its identifiers are loaded."""
        workspace = event.workspace
        told = telling(event, self.book.of(workspace).judge)
        at = told.at
        keys = link_keys(self.ids, workspace, named)
        hub = self.ids.of(workspace, named.hub)
        ids = [hub, *(key[1] for key in keys)]
        void = self._is_known_user(workspace, named)
        evidence = (event.timestamp, event.message_id, event.source)
        loosened = self._loosened(keys, evidence) if self.book.of(workspace).windows else ()
        news = [self.note_link(key, evidence, void=_is_void(key, void)) for key in keys]
        freed = self._first_word(hub)
        for one in loosened:
            self._reconsider(one, freed)
        if void and named.renamed is not None and any(news):
            self.users_meet([hub, ids[-1]], freed)
        published: list[ProfileActivity] | None = None
        if not (freed or void):
            # Who was renamed is nobody yet.
            published = self._join(ids if named.renamed is None else ids[:-1], at)
        if published is None:
            seeds = freed.union(ids)
            is_new = self.nodes[hub].profile_id is None or any(news)
            published = self.regroup(seeds, at, beside=hub) if is_new or freed else []
        published.append(self._fold_in(event, told, ids))
        return published

    def _fold_in(self, event: Event, told: Telling, ids: list[Id]) -> ProfileActivity:
        node = self.nodes[ids[0]]
        profile = self.profile_of(node)
        if profile.knows_nothing:
            profile.sole = node.id
        elif profile.sole is not None and profile.sole != node.id:
            self.part(profile)
        profile.take(told)
        if profile.sole is None:
            node.fold.take(told)
            self.changed_nodes[node.id] = node
        for one in ids:
            named = self.nodes[one]
            if named.profile_id == profile.id:
                profile.note(named, told.at)
        return self.step(profile, event)

    def _loosened(self, keys: Iterable[LinkKey], evidence: Evidence) -> list[Id]:
        """Shared identifiers, all links of which are loaded, that were linked earlier than known.

        Where there are windows they may be shared no longer: so many came, but not so soon.
        """
        pairs = [key[:2] for key in keys if told_later(self, key[:2], evidence)]
        ends = {end for pair in pairs for end in pair} & self.doubtful
        return sorted(end for end in ends if self.nodes[end].shared)

    def _is_known_user(self, workspace: str, named: Naming) -> bool:
        """Whether an alias's former id is a user id by an event before this one."""
        former = named.previous or named.renamed
        if former is None:
            return False
        twin = self.nodes.get(self.ids.of(workspace, user_twin(former)))
        # Loaded is not known: it may be there for a later event of the batch.
        return twin is not None and twin.profile_id is not None

    def _first_word(self, hub: Id) -> set[Id]:
        """A user id is named first: an alias that took its value for an anonymous id is void."""
        node = self.nodes[hub]
        first = node.is_user and node.profile_id is None
        return self._mark_aliases(node, known=True) if first else set()

    def _mark_aliases(self, user: Node, *, known: bool) -> set[Id]:
        """Set which aliases from a user id's value count; the ends of those that changed.

        If it is known as a user id, those that say that a user was renamed; else those that take
        it for an anonymous id.
        """
        former = self.ids.of(user.workspace, anonymous_twin((user.kind, user.value)))
        ends = self._set_void(former, ALIAS, void=known)
        if ends:
            self._reconsider(former, ends)
        # Who was shared before an alias of this batch came is so without it: of those the other
        # links are not loaded.
        for end in ends & self.shared_by_aliases([former]) & self.doubtful:
            self._reconsider(end, ends)
        renamed = self._set_void(user.id, RENAMED, void=not known)
        if renamed:
            self.users_meet(renamed, ends)
        return ends | renamed

    def _set_void(self, former: Id, kind: str, *, void: bool) -> set[Id]:
        """Let the links of a kind from a former id count, or not; the ends of those changed."""
        ends: set[Id] = set()
        for key in self.links_of(former):
            link = self.links[key]
            if key[1:] == (former, kind) and link.void != void:
                link.void = void
                self.changed_links[key] = link
                ends.update(key[:2])
        return ends

    def shared_by_aliases(self, formers: Iterable[Id]) -> set[Id]:
        """Shared identifiers to which aliases lead: with limits they may be it by these alone."""
        hubs = {key[0] for one in formers for key in self.links_of(one) if key[1:] == (one, ALIAS)}
        return {
            hub
            for hub in hubs & self.nodes.keys()
            if self.nodes[hub].shared and self.book.of(self.nodes[hub].workspace).limits
        }

    # --- joining: what needs no links --------------------------------------------------------

    def _join(self, ids: list[Id], at: datetime) -> list[ProfileActivity] | None:
        """Make identifiers that an event names one person; None: the links have to be looked at.

        They are one if they know at most one user between them and none of them is shared or
        contested: then each profile among them goes into the new person whole.
        """
        nodes = [self.nodes[one] for one in ids]
        if _are_one(nodes):
            return []
        found = {one.profile_id: self.profiles[one.profile_id] for one in nodes if one.profile_id}
        fresh = [one for one in nodes if one.profile_id is None]
        users = {one.user for one in found.values()} | {one.id for one in fresh if one.is_user}
        if len(users - {None}) > 1:
            return None
        if any(one.shared or one.contested for one in nodes):
            return None
        if self._would_have_too_many(found.values(), fresh):
            return None
        if not found:
            person = Profile(self._new_id(), nodes[0].workspace)
            self.profiles[person.id] = person
            label = min(ids)
        else:
            person = min(found.values(), key=_survivor)
            label = next(one.cluster_id for one in nodes if one.profile_id == person.id) or min(ids)
        others = sorted(one.id for one in found.values() if one is not person)
        published = [self._merge(self.profiles[one], person) for one in others]
        for node in nodes:
            self.rename(node, label)
            if node.profile_id is None:
                person.add(node, at)
                self._learn(person, node)
                self.changed_nodes[node.id] = node
        return published

    def _would_have_too_many(self, found: Iterable[Profile], fresh: Sequence[Node]) -> bool:
        """Whether these together have more of a kind than one person may have."""
        rules = self.book.of(fresh[0].workspace if fresh else next(iter(found)).workspace)
        if not rules.limits:
            return False
        counts = Counter(one.kind for one in fresh)
        for profile in found:
            counts.update(profile.counts())
        return rules.surplus(counts)

    def _merge(self, gone: Profile, person: Profile) -> ProfileActivity:
        """A profile becomes another, whole, the identifiers that are not loaded too."""
        if len(gone.members) != gone.count:
            self.merged[gone.id] = person.id
            self.workspaces[gone.id] = gone.workspace
        for one in gone.members:
            self.nodes[one].profile_id = person.id
            self.changed_nodes[one] = self.nodes[one]
        if not (person.knows_nothing or gone.knows_nothing):
            self.part(person)
            self.part(gone)
        person.absorb(gone)
        gone.merged_into = person.id
        step = self.step(gone)
        person.absorbed.append(AbsorbedId(gone.id, gone.version))
        return step


def _is_void(key: LinkKey, known_user: bool) -> bool:  # noqa: FBT001 - one fact, two kinds
    """Whether a link of an alias doesn't count, whose former id is known as a user id or not."""
    return (key[2] == ALIAS and known_user) or (key[2] == RENAMED and not known_user)


def _are_one(nodes: list[Node]) -> bool:
    """Whether they are one person and were looked at together, as those of most events are."""
    first = nodes[0]
    if first.profile_id is None:
        return False
    if len(nodes) == 1:
        return True
    return all(
        one.profile_id == first.profile_id
        and one.cluster_id == first.cluster_id
        and not (one.shared or one.contested)
        for one in nodes
    )


def _survivor(profile: Profile) -> tuple[bool, bool, Id]:
    """Who keeps the id in a merge: the user, else a large profile, else the oldest."""
    return (profile.user is None, profile.count <= LARGE, profile.id)
