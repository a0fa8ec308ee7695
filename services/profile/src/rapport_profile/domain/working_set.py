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
from rapport_profile.domain.identity import Resolution, keep_ids, resolve
from rapport_profile.domain.limits import Terms
from rapport_profile.domain.merge_rules import NO_RULES, USUAL, RuleBook, Rules
from rapport_profile.domain.naming import (
    ALIAS,
    Id,
    Ids,
    Naming,
    anonymous_twin,
    link_keys,
    user_twin,
)
from rapport_profile.domain.people import Node, Profile
from rapport_profile.domain.steps import Steps
from rapport_profile.domain.telling import Telling, telling

LARGE = 100
"""A profile with more identifiers keeps its id in a merge, so that the smaller is re-labelled."""


class WorkingSet(Steps):
    """Who is who and what is known, kept up with each event that is applied to what is loaded."""

    def __init__(self, ids: Ids, new_id: Callable[[], Id], book: RuleBook = USUAL) -> None:
        """`book`: the merge rules of the workspaces."""
        super().__init__()
        self.ids = ids
        self.book = book
        self._new_id = new_id

    # --- applying ----------------------------------------------------------------------------

    def apply(self, event: Event, named: Naming) -> list[ProfileActivity]:
        """Fold one event in; what to publish, in order. Its identifiers are loaded."""
        workspace, told = event.workspace, telling(event)
        at = told.at
        keys = link_keys(self.ids, workspace, named)
        hub = self.ids.of(workspace, named.hub)
        ids = [hub, *(key[1] for key in keys)]
        void = self._is_known_user(workspace, named)
        evidence = (event.timestamp, event.message_id, event.source)
        news = [self.note_link(key, evidence, void=void and key[2] == ALIAS) for key in keys]
        freed = self._void_aliases(hub)
        published: list[ProfileActivity] | None = None
        if not (freed or void):
            published = self._join(ids, at)
        if published is None:
            known = self.nodes[hub].profile_id is not None
            seeds = freed.union(ids)
            published = [] if known and not any(news) else self.regroup(seeds, at, beside=hub)
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

    def _is_known_user(self, workspace: str, named: Naming) -> bool:
        """Whether an alias's former id is a user id by an event before this one."""
        if named.previous is None:
            return False
        twin = self.nodes.get(self.ids.of(workspace, user_twin(named.previous)))
        # Loaded is not known: it may be there for a later event of the batch.
        return twin is not None and twin.profile_id is not None

    def _void_aliases(self, hub: Id) -> set[Id]:
        """A first word of a user id: an alias that took its value for an anonymous id is void."""
        node = self.nodes[hub]
        first = node.is_user and node.profile_id is None
        return self._mark_aliases(node, void=True) if first else set()

    def _mark_aliases(self, user: Node, *, void: bool) -> set[Id]:
        """Set whether aliases from a user id's value count; the ends of those that changed."""
        former = self.ids.of(user.workspace, anonymous_twin((user.kind, user.value)))
        ends: set[Id] = set()
        for key in self.links_of(former):
            link = self.links[key]
            if key[1] == former and key[2] == ALIAS and link.void != void:
                link.void = void
                self.changed_links[key] = link
                ends.update(key[:2])
        if ends:
            self._reconsider(former, ends)
        for end in ends & self.shared_by_aliases([former]):
            self._reconsider(end, ends)
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

    def _learn(self, profile: Profile, node: Node) -> None:
        """Take in what is known of an identifier that joined a profile."""
        if node.has_events and not profile.knows_nothing:
            self.part(profile)
        profile.learn(node)

    # --- who is who: what needs the links ----------------------------------------------------

    def regroup(
        self, seeds: Iterable[Id], at: datetime, beside: Id | None = None
    ) -> list[ProfileActivity]:
        """Find out anew who is who around `seeds`; what to publish of it.

        The profile of `beside` is left out: the caller publishes it with its event.
        """
        region = self._region(seeds)
        before = {one: self.nodes[one].profile_id for one in region}
        ghosts = {one for one in region if one != beside and self._is_ghost(one)}
        kinds = {one: self.nodes[one].kind for one in region - ghosts}
        shared = {one for one in region if self.nodes[one].shared}
        terms = Terms(self._rules_of(region), self.apart)
        resolution = resolve(kinds, self._links_among(region, terms), shared, terms)
        kept = keep_ids(resolution.groups, before, kinds)
        self._relabel(resolution)
        touched = self._assign(kept, at) | self._dismiss(ghosts)
        return self._announce(touched, before, self.nodes[beside].profile_id if beside else None)

    def _rules_of(self, some: Iterable[Id]) -> Rules:
        """The rules of the workspace that identifiers are of."""
        first = next(iter(some), None)
        return NO_RULES if first is None else self.book.of(self.nodes[first].workspace)

    def _links_among(self, region: Iterable[Id], terms: Terms) -> list[tuple[Id, Id]]:
        """The links that count; where it matters which of them holds, the earliest first."""
        found = {key for one in region for key in self.links_of(one) if not self.links[key].void}
        if not terms.bind:
            return [key[:2] for key in found]
        return [key[:2] for key in sorted(found, key=lambda key: (self.links[key].evidence, key))]

    def _region(self, seeds: Iterable[Id]) -> set[Id]:
        """What is connected to `seeds`, not looking through shared identifiers and users.

        Of a user's other components nothing can change: each goes to its owner by itself. But
        where there are limits, or somebody is kept apart, a user is looked through: that is of
        all that the user has.
        """
        region: set[Id] = set()
        edge = [one for one in seeds if one in self.nodes]
        while edge:
            one = edge.pop()
            if one in region:
                continue
            region.add(one)
            node = self.nodes[one]
            if node.shared or (node.is_user and not self._is_bound(node)):
                continue
            for key in self.links_of(one):
                if not self.links[key].void:
                    edge += [end for end in key[:2] if end in self.nodes and end not in region]
        return region

    def _is_bound(self, user: Node) -> bool:
        return user.contested or bool(self.book.of(user.workspace).limits)

    def _relabel(self, resolution: Resolution) -> None:
        """What is connected is under one lock; what no longer is may stay under it."""
        for cluster in resolution.clusters:
            nodes = [self.nodes[one] for one in sorted(cluster)]
            label = self._largest_label(nodes) or nodes[0].id
            for node in nodes:
                shared, contested = node.id in resolution.shared, node.id in resolution.contested
                if (node.shared, node.contested) != (shared, contested):
                    node.shared, node.contested = shared, contested
                    self.changed_nodes[node.id] = node
                self.rename(node, label)

    def _largest_label(self, nodes: list[Node]) -> Id | None:
        """The lock of the largest profile, so that the fewest identifiers get another."""
        sizes = [
            (self.profiles[one.profile_id].count if one.profile_id else 0, one.cluster_id)
            for one in nodes
            if one.cluster_id is not None
        ]
        return max(sizes)[1] if sizes else None

    def _assign(self, kept: dict[frozenset[Id], Id | None], at: datetime) -> set[Id]:
        """Give each group its profile; the ids of profiles whose members changed."""
        touched: set[Id] = set()
        for group, former in kept.items():
            target = former or self._new_id()
            if target not in self.profiles:
                workspace = self.nodes[next(iter(group))].workspace
                self.profiles[target] = Profile(target, workspace)
                touched.add(target)
            for one in group:
                node = self.nodes[one]
                if node.profile_id == target:
                    continue
                last = at
                if node.profile_id is not None:
                    touched.add(node.profile_id)
                    last = self.profiles[node.profile_id].remove(node) or at
                self.profiles[target].add(node, last)
                self._learn(self.profiles[target], node)
                self.changed_nodes[one] = node
                touched.add(target)
        return touched

    def _is_ghost(self, one: Id) -> bool:
        """No event has it as its strongest identifier, and no link that counts mentions it.

        The links of shared identifiers and of users are not loaded, but who is shared has some,
        and a user without events is named by none: it is a user's event that links it.
        """
        node = self.nodes[one]
        if node.shared or self.fold_of(node).events:
            return False
        return all(self.links[key].void for key in self.links_of(one))

    def _dismiss(self, ghosts: set[Id]) -> set[Id]:
        """Take identifiers that nothing speaks of out of their profiles; those profiles' ids."""
        touched: set[Id] = set()
        for one in ghosts:
            node = self.nodes[one]
            if node.profile_id is not None:
                touched.add(node.profile_id)
                self.profiles[node.profile_id].remove(node)
                node.profile_id = None
            node.shared = False
            # Who is kept apart from somebody stays so, should an event name it again.
            node.contested = any(one in pair for pair in self.apart)
            self.set_free(node)
            self.changed_nodes[one] = node
        return touched

    def _announce(
        self, touched: set[Id], before: dict[Id, Id | None], beside: Id | None
    ) -> list[ProfileActivity]:
        """Records for profiles that lost or won identifiers, the merged ones first."""
        published = []
        for gone in sorted(one for one in touched if not self.profiles[one].count):
            heirs = {self.nodes[one].profile_id for one, former in before.items() if former == gone}
            profile = self.profiles[gone]
            profile.merged_into = min((one for one in heirs if one), default=None)
            pending = profile.absorbed
            profile.empty()
            published.append(self.step(profile))
            if profile.merged_into is not None:
                # Every heir is published next, here or by the caller.
                heir = self.profiles[profile.merged_into]
                heir.absorbed += [*pending, AbsorbedId(profile.id, profile.version)]
        for one in touched:
            self.profiles[one].tell_all()
        alive = [self.profiles[one] for one in sorted(touched) if one != beside]
        return published + [self.step(one) for one in alive if one.count]

    # --- what links that come or go may change ---------------------------------------------

    def _reconsider(self, end: Id, seeds: set[Id]) -> None:
        """An identifier that lost a link may be shared no longer; all its links are loaded."""
        node = self.nodes.get(end)
        if node is None:
            return
        seeds.add(end)
        if node.shared:
            node.shared = False
            self.changed_nodes[end] = node
            for key in self.links_of(end):
                seeds.update(one for one in key[:2] if one in self.nodes)


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
