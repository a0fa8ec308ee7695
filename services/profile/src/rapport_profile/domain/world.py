"""The people a batch touches, in memory: events are applied one by one, in order, and what has
changed is known at the end.

Everything linked to the identifiers of the batch has to be loaded before (see `handlers.py`);
here is no I/O.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import msgspec

from rapport_common.events.envelope import USER_ID, Event
from rapport_common.events.profile import AbsorbedId, IdentifierState, ProfileActivity, ProfileState
from rapport_profile.domain.facts import (
    ALIAS,
    Id,
    LinkKey,
    Naming,
    anonymous_twin,
    identifier_id,
    link_keys,
    user_twin,
)
from rapport_profile.domain.fold import Fold, Stamp, merge
from rapport_profile.domain.identity import keep_ids, resolve
from rapport_profile.domain.published import shown


@dataclass(slots=True)
class Node:
    """An identifier with the fold of the events that have it as their strongest."""

    id: Id
    workspace: str
    kind: str
    value: str
    profile_id: Id | None = None
    cluster_id: Id | None = None
    shared: bool = False
    fold: Fold = field(default_factory=Fold)


@dataclass(slots=True)
class Link:
    """A link fact with its earliest evidence. `void`: an alias whose former id is a user id."""

    key: LinkKey
    workspace: str
    evidence: Stamp
    void: bool = False


@dataclass(slots=True)
class Profile:
    """A profile's row, and while it is in memory its members and their merged fold."""

    id: Id
    workspace: str
    version: int = 0
    merged_into: Id | None = None
    members: set[Id] = field(default_factory=set)
    fold: Fold | None = None
    identifiers: list[IdentifierState] = field(default_factory=list)
    traits: msgspec.Raw | None = None
    absorbed: list[AbsorbedId] = field(default_factory=list)

    def regrouped(self) -> None:
        """The members have changed: what was derived from them is to be derived again."""
        self.fold = None

    def take(self, event: Event) -> None:
        """Keep what was derived up to date with one more event."""
        if self.fold is not None:
            self.fold.take(event)
            if event.type == "identify":
                self.traits = None


class World:
    """Identifiers, links and profiles in memory, and what was changed of them."""

    def __init__(self, new_id: Callable[[], Id]) -> None:
        self._new_id = new_id
        self.nodes: dict[Id, Node] = {}
        self.links: dict[LinkKey, Link] = {}
        self.profiles: dict[Id, Profile] = {}
        self._around: dict[Id, set[LinkKey]] = {}
        self.changed_nodes: dict[Id, Node] = {}
        self.changed_links: dict[LinkKey, Link] = {}
        self.changed_profiles: dict[Id, Profile] = {}

    # --- loading -----------------------------------------------------------------------------

    def add_node(self, node: Node) -> None:
        """Take in an identifier as stored."""
        self.nodes[node.id] = node

    def add_link(self, link: Link) -> None:
        """Take in a link as stored."""
        self.links[link.key] = link
        for end in link.key[:2]:
            self._around.setdefault(end, set()).add(link.key)

    def add_profile(self, profile: Profile) -> None:
        """Take in a profile's row; its members are the loaded identifiers that name it."""
        self.profiles[profile.id] = profile

    def settle(self) -> None:
        """After loading: note the members of each profile."""
        for node in self.nodes.values():
            if node.profile_id is not None:
                self.profiles[node.profile_id].members.add(node.id)

    # --- applying ----------------------------------------------------------------------------

    def apply(self, event: Event, named: Naming) -> list[ProfileActivity]:
        """Fold one event in; what to publish, in order. Its identifiers are loaded."""
        workspace = event.workspace
        hub = identifier_id(workspace, named.hub)
        stamp = (event.timestamp, event.message_id, event.source)
        keys = link_keys(workspace, named)
        void = self._is_known_user(workspace, named)
        news = [self._note(key, stamp, void=void and key[2] == ALIAS) for key in keys]
        published: list[ProfileActivity] = []
        if any(news) or self.nodes[hub].profile_id is None:
            seeds = {hub, *(key[1] for key in keys)} | self._void_aliases(hub)
            if not self._welcome(hub, seeds, keys):
                published = self.regroup(seeds, beside=hub)
        node = self.nodes[hub]
        node.fold.take(event)
        self.changed_nodes[hub] = node
        profile = self._profile_of(node)
        profile.take(event)
        published.append(self._step(profile, event))
        return published

    def _welcome(self, hub: Id, seeds: set[Id], keys: list[LinkKey]) -> bool:
        """The usual first event, quickly: identifiers nobody has heard of are one new person."""
        if any(self.nodes[one].profile_id is not None for one in seeds):
            return False
        if any(not self._around.get(one, set()) <= set(keys) for one in seeds):
            return False
        if any(key[2] == ALIAS for key in keys):
            return False
        profile = Profile(self._new_id(), self.nodes[hub].workspace, members=set(seeds))
        self.profiles[profile.id] = profile
        label = min(seeds)
        for one in seeds:
            node = self.nodes[one]
            node.profile_id, node.cluster_id = profile.id, label
            self.changed_nodes[one] = node
        return True

    def _is_known_user(self, workspace: str, named: Naming) -> bool:
        """Whether an alias's former id is a user id by an event before this one."""
        if named.previous is None:
            return False
        twin = self.nodes.get(identifier_id(workspace, user_twin(named.previous)))
        # Loaded is not known: it may be there for a later event of the batch.
        return twin is not None and twin.profile_id is not None

    def _note(self, key: LinkKey, stamp: Stamp, *, void: bool) -> bool:
        """Take a link fact in; True when it is new and may change who is who."""
        known = self.links.get(key)
        if known is None:
            workspace = self.nodes[key[0]].workspace
            self.add_link(Link(key, workspace, stamp, void))
            self.changed_links[key] = self.links[key]
            return True
        if stamp < known.evidence:
            known.evidence = stamp
            self.changed_links[key] = known
        return False

    def _void_aliases(self, hub: Id) -> set[Id]:
        """A first word of a user id: an alias that took its value for an anonymous id is void."""
        node = self.nodes[hub]
        first = node.kind == USER_ID and node.profile_id is None
        return self._mark_aliases(node, void=True) if first else set()

    def _mark_aliases(self, user: Node, *, void: bool) -> set[Id]:
        """Set whether aliases from a user id's value count; the ends of those that changed."""
        former = identifier_id(user.workspace, anonymous_twin((user.kind, user.value)))
        ends: set[Id] = set()
        for key in self._around.get(former, ()):
            link = self.links[key]
            if key[1] == former and key[2] == ALIAS and link.void != void:
                link.void = void
                self.changed_links[key] = link
                ends.update(key[:2])
        if ends:
            self._reconsider(former, ends)
        return ends

    # --- who is who --------------------------------------------------------------------------

    def regroup(self, seeds: Iterable[Id], beside: Id | None = None) -> list[ProfileActivity]:
        """Find out anew who is who around `seeds`; what to publish of it.

        The profile of `beside` is left out: the caller publishes it with its event.
        """
        region = self._region(seeds)
        before = {one: self.nodes[one].profile_id for one in region}
        ghosts = {one for one in region if one != beside and self._is_ghost(one)}
        kinds = {one: self.nodes[one].kind for one in region - ghosts}
        shared = {one for one in region if self.nodes[one].shared}
        links = {
            key[:2]
            for one in region
            for key in self._around.get(one, ())
            if not self.links[key].void
        }
        resolution = resolve(kinds, links, shared)
        kept = keep_ids(resolution.groups, before, kinds)
        self._relabel(resolution.clusters, resolution.shared)
        touched = self._assign(kept) | self._dismiss(ghosts)
        return self._announce(touched, before, self.nodes[beside].profile_id if beside else None)

    def _region(self, seeds: Iterable[Id]) -> set[Id]:
        """All loaded identifiers that are connected to `seeds`, not looking through shared ones."""
        region: set[Id] = set()
        edge = [one for one in seeds if one in self.nodes]
        while edge:
            one = edge.pop()
            if one in region:
                continue
            region.add(one)
            if self.nodes[one].shared:
                continue
            for key in self._around.get(one, ()):
                if not self.links[key].void:
                    edge += [end for end in key[:2] if end in self.nodes and end not in region]
        return region

    def _relabel(self, clusters: Iterable[frozenset[Id]], shared: frozenset[Id]) -> None:
        for cluster in clusters:
            label = min(cluster)
            for one in cluster:
                node = self.nodes[one]
                if node.cluster_id != label or node.shared != (one in shared):
                    node.cluster_id = label
                    node.shared = one in shared
                    self.changed_nodes[one] = node

    def _assign(self, kept: dict[frozenset[Id], Id | None]) -> set[Id]:
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
                if node.profile_id is not None:
                    self._leave(node, node.profile_id)
                    touched.add(node.profile_id)
                node.profile_id = target
                self.changed_nodes[one] = node
                self.profiles[target].members.add(one)
                self.profiles[target].regrouped()
                touched.add(target)
        return touched

    def _is_ghost(self, one: Id) -> bool:
        """No event has it as its strongest identifier, and no link that counts mentions it."""
        if self.nodes[one].fold.events or self.nodes[one].shared:
            # The links of shared identifiers are not loaded, but they have some.
            return False
        return all(self.links[key].void for key in self._around.get(one, ()))

    def _dismiss(self, ghosts: set[Id]) -> set[Id]:
        """Take identifiers that nothing speaks of out of their profiles; those profiles' ids."""
        touched: set[Id] = set()
        for one in ghosts:
            node = self.nodes[one]
            if node.profile_id is not None:
                touched.add(node.profile_id)
                self._leave(node, node.profile_id)
                node.profile_id = None
            node.cluster_id, node.shared = one, False
            self.changed_nodes[one] = node
        return touched

    def _leave(self, node: Node, profile_id: Id) -> None:
        profile = self.profiles[profile_id]
        profile.members.discard(node.id)
        profile.regrouped()

    def _announce(
        self, touched: set[Id], before: dict[Id, Id | None], beside: Id | None
    ) -> list[ProfileActivity]:
        """Records for profiles that lost or won identifiers, the merged ones first."""
        published = []
        for gone in sorted(one for one in touched if not self.profiles[one].members):
            heirs = {
                self.nodes[one].profile_id
                for one, former in before.items()
                if former == gone and one in self.nodes
            }
            profile = self.profiles[gone]
            profile.merged_into = min((one for one in heirs if one), default=None)
            published.append(self._step(profile))
            if profile.merged_into is not None:
                # Every heir is published next, here or by the caller.
                heir = self.profiles[profile.merged_into]
                heir.absorbed.append(AbsorbedId(profile.id, profile.version))
        alive = [self.profiles[one] for one in sorted(touched) if one != beside]
        return published + [self._step(one) for one in alive if one.members]

    # --- publishing --------------------------------------------------------------------------

    def _profile_of(self, node: Node) -> Profile:
        if node.profile_id is None:
            message = f"identifier {node.id} has no profile"
            raise LookupError(message)
        return self.profiles[node.profile_id]

    def _step(self, profile: Profile, event: Event | None = None) -> ProfileActivity:
        """The next version of a profile, as it is published."""
        profile.version += 1
        self.changed_profiles[profile.id] = profile
        if profile.merged_into is not None:
            return ProfileActivity(
                workspace=profile.workspace,
                profile_id=profile.id,
                version=profile.version,
                merged_into=profile.merged_into,
                into_version=self.profiles[profile.merged_into].version + 1,
            )
        absorbed, profile.absorbed = profile.absorbed, []
        return ProfileActivity(
            workspace=profile.workspace,
            profile_id=profile.id,
            version=profile.version,
            event=event,
            state=self.state_of(profile),
            absorbed=absorbed,
        )

    def state_of(self, profile: Profile) -> ProfileState:
        """Everything known of a profile now."""
        if profile.fold is None:
            members = [self.nodes[one] for one in profile.members]
            profile.fold = merge(one.fold for one in members)
            profile.identifiers = shown((one.kind, one.value) for one in members)
            profile.traits = None
        if profile.traits is None:
            profile.traits = profile.fold.visible_traits()
        return ProfileState(
            identifiers=profile.identifiers,
            traits=profile.traits,
            computed=profile.fold.computed(),
            consent=profile.fold.consent_states(),
        )

    # --- taking back -------------------------------------------------------------------------

    def retract(self, hub: Id, fold: Fold, lost: Iterable[LinkKey]) -> list[ProfileActivity]:
        """Undo an event: the hub's fold without it, and the links that only it had told of.

        Identifiers that no event names any more leave their profile. Everything around the hub
        and the other ends of `lost`, shared or not, is loaded.
        """
        node = self.nodes[hub]
        node.fold = fold
        self.changed_nodes[hub] = node
        profile = self._profile_of(node)
        profile.regrouped()
        seeds = {hub}
        for key in lost:
            link = self.links.pop(key, None)
            if link is not None:
                self.changed_links[key] = link
            for end in key[:2]:
                self._around.get(end, set()).discard(key)
                self._reconsider(end, seeds)
        if node.kind == USER_ID and self._is_ghost(hub):
            seeds |= self._mark_aliases(node, void=False)
        published = self.regroup(seeds)
        if not any(one.profile_id == profile.id for one in published):
            published.append(self._step(profile))
        return published

    def _reconsider(self, end: Id, seeds: set[Id]) -> None:
        """An identifier that lost a link may be shared no longer; all its links are loaded."""
        node = self.nodes.get(end)
        if node is None:
            return
        seeds.add(end)
        if node.shared:
            node.shared = False
            self.changed_nodes[end] = node
            for key in self._around.get(end, ()):
                seeds.update(one for one in key[:2] if one in self.nodes)
