"""Who is who around some identifiers is found out anew, and the people become what it says.

It needs the links around them, which are loaded. Here is no I/O.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime

from rapport_common.events.activity import ProfileActivity
from rapport_common.events.profile import AbsorbedId
from rapport_profile.domain.identity import Resolution, keep_ids, resolve
from rapport_profile.domain.limits import Objection, Terms
from rapport_profile.domain.merge_rules import NO_RULES, USUAL, RuleBook, Rules
from rapport_profile.domain.naming import KINDS, OF_USERS, RENAMED, Id, LinkKey
from rapport_profile.domain.people import Node, Profile
from rapport_profile.domain.steps import Steps


class Regrouping(Steps):
    """Finds out who is who from the links, and moves identifiers to the people they belong to."""

    def __init__(self, new_id: Callable[[], Id], book: RuleBook = USUAL) -> None:
        """`new_id` makes the ids of profiles; `book`: the merge rules of the workspaces."""
        super().__init__()
        self.book = book
        self._new_id = new_id
        self.doubtful: set[Id] = set()
        """Shared identifiers of which all links are loaded: they may be shared no longer when
        users next to them become one."""

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
        resolution = self._resolved(kinds, self._links_among(region))
        kept = keep_ids(resolution.groups, before, kinds)
        self._relabel(resolution)
        touched = self._assign(kept, at) | self._dismiss(ghosts)
        self._name_users(touched)
        return self._announce(touched, before, self.nodes[beside].profile_id if beside else None)

    def _resolved(
        self,
        kinds: Mapping[Id, str],
        keys: Collection[LinkKey],
        refused: dict[tuple[Id, Id], Objection] | None = None,
    ) -> Resolution:
        """Who is who among identifiers by links, in order; `refused`: as `Terms` has it."""
        shared = {one for one in kinds if self.nodes[one].shared}
        rules = self._rules_of(kinds)
        told = self._first_told(keys) if rules.windows else None
        terms = Terms(rules, self.apart, told, refused)
        return resolve(kinds, [key[:2] for key in keys], shared, terms)

    def _rules_of(self, some: Iterable[Id]) -> Rules:
        """The rules of the workspace that identifiers are of."""
        first = next(iter(some), None)
        return NO_RULES if first is None else self.book.of(self.nodes[first].workspace)

    def _links_inside(self, region: Collection[Id]) -> Iterator[LinkKey]:
        """The loaded links between identifiers; a till that thousands share has many others."""
        for one in region:
            links = self.links_of(one)
            if len(links) <= len(region) * len(KINDS):
                yield from (key for key in links if key[0] in region and key[1] in region)
            else:
                pairs = (pair for other in region for pair in ((one, other), (other, one)))
                keys = ((*pair, kind) for pair in pairs for kind in KINDS)
                yield from (key for key in keys if key in self.links)

    def _links_among(self, region: Collection[Id]) -> list[LinkKey]:
        """The links that count; where it matters which of them holds, the earliest first."""
        rules = self._rules_of(region)
        found = {key for key in self._links_inside(region) if self._counts(key)}
        if rules.limits or self.apart or any(key[2] in OF_USERS for key in found):
            return sorted(found, key=lambda key: (self.links[key].evidence, key))
        return list(found)

    def _first_told(self, keys: Iterable[LinkKey]) -> dict[tuple[Id, Id], datetime]:
        """When links were told of first, which are given in the order of their evidence."""
        found: dict[tuple[Id, Id], datetime] = {}
        for key in keys:
            found.setdefault(key[:2], self.links[key].evidence[0])
        return found

    def _counts(self, key: LinkKey) -> bool:
        """Whether a link says of two identifiers that they are one person."""
        if self.links[key].void:
            return False
        ends = [self.nodes.get(end) for end in key[:2]]
        return key[2] in OF_USERS or not all(one is not None and one.is_user for one in ends)

    def _region(self, seeds: Iterable[Id]) -> set[Id]:
        """What is connected to `seeds`, not looking through shared identifiers and users.

        Of a user's other components nothing can change: each goes to its owner by itself. But
        where there are limits, somebody is kept apart, or a user has several ids, a user is looked
        through: that is of all that the user has.
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
                    if shared and not node.shared:
                        self.doubtful.add(node.id)
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

    def _name_users(self, touched: Iterable[Id]) -> None:
        """Profiles that lost a user id may have another one."""
        for profile in map(self.profiles.__getitem__, touched):
            if profile.user is None:
                users = (one for one in profile.members if self.nodes[one].is_user)
                profile.user = min(users, default=None)

    def _learn(self, profile: Profile, node: Node) -> None:
        """Take in what is known of an identifier that joined a profile."""
        if node.has_events and not profile.knows_nothing:
            self.part(profile)
        profile.learn(node)

    def _is_ghost(self, one: Id) -> bool:
        """No event has it as its strongest identifier, and no link that counts mentions it.

        That it was renamed is said of a user id that is known by its own events.

        The links of shared identifiers and of users are not loaded, but who is shared has some,
        and a user without events is named by none: it is a user's event that links it.
        """
        node = self.nodes[one]
        if node.shared or self.fold_of(node).events:
            return False
        return all(self.links[key].void or key[1:] == (one, RENAMED) for key in self.links_of(one))

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
            # What a void link leads to is not loaded with all that counts for it.
            for key in self.links_of(end):
                if not self.links[key].void:
                    seeds.update(one for one in key[:2] if one in self.nodes)

    # --- several user ids of one person ------------------------------------------------------

    def users_meet(self, ends: Collection[Id], seeds: set[Id]) -> None:
        """User ids become one person, or come apart: all around them is looked at.

        All that they have is loaded; `seeds`, to be looked around, get more.
        """
        for end in ends:
            # Whoever is looked through, users too, can't be settled without it from now on.
            profile = self.profiles.get(self.nodes[end].profile_id or "")
            for member in profile.members if profile is not None else ():
                self.nodes[member].contested = True
                self.changed_nodes[member] = self.nodes[member]
            node = self.nodes[end]
            if node.is_user and not node.contested:
                node.contested = True
                self.changed_nodes[end] = node
        seeds.update(ends)
        for one in self._beside(ends) & self.doubtful:
            if not self._is_shared_still(one):
                self._reconsider(one, seeds)

    def _beside(self, ends: Iterable[Id]) -> set[Id]:
        """The identifiers next to user ids, and to others of the people these belong to."""
        people = {self.nodes[end].profile_id for end in ends} - {None}
        members = {one for who in people if who for one in self.profiles[who].members}
        users = {one for one in members.union(ends) if self.nodes[one].is_user}
        return {end for one in users for key in self.links_of(one) for end in key[:2]}

    def _is_shared_still(self, one: Id) -> bool:
        """Whether a shared identifier is certainly so by the links as they are: it is seen with
        somebody besides one user. Whom it is shared by need not be looked at then.

        Who is kept apart from whom is not weighed here: where anybody is, nothing is certain.
        """
        if self.apart or not self.nodes[one].shared:
            return False
        person: set[Id] = set()
        for key in self.links_of(one):
            other = key[key[0] == one]
            if other not in self.nodes or not self.nodes[other].is_user or not self._counts(key):
                continue
            if not person:
                person = self._user_ids(other)
            elif other not in person:
                return True
        return False

    def _user_ids(self, user: Id) -> set[Id]:
        """The user ids that are one person with this one, by the loaded links."""
        found, edge = {user}, [user]
        while edge:
            for key in self.links_of(edge.pop()):
                if self.is_of_users(key) and not self.links[key].void:
                    more = [end for end in key[:2] if end not in found]
                    found.update(more)
                    edge += more
        return found

    def between_users(self) -> set[Id]:
        """The user ids of the loaded links by which these are one person, or may be."""
        return {end for key in self.links if self.is_of_users(key) for end in key[:2]}

    def is_of_users(self, key: LinkKey) -> bool:
        """Whether a link says of two user ids that they are one person."""
        ends = [self.nodes.get(end) for end in key[:2]]
        return key[2] in OF_USERS and all(one is not None and one.is_user for one in ends)

    def shared_by(self, users: Iterable[Id]) -> set[Id]:
        """The shared identifiers next to several of some users."""
        found: Counter[Id] = Counter()
        for user in users:
            near = {end for key in self.links_of(user) for end in key[:2]}
            found.update(one for one in near & self.nodes.keys() if self.nodes[one].shared)
        return {one for one, count in found.items() if count > 1}
