"""What is held in memory of a batch's people, and what was changed of it."""

from collections.abc import Collection, Mapping

from rapport_profile.domain.bounds import Spilled
from rapport_profile.domain.fold import Fold
from rapport_profile.domain.folding import copied
from rapport_profile.domain.links import Link
from rapport_profile.domain.naming import Evidence, Id, LinkKey
from rapport_profile.domain.people import Node, Profile


class Loaded:
    """Identifiers, links and profiles in memory, and what was changed of them."""

    def __init__(self) -> None:
        self.nodes: dict[Id, Node] = {}
        self.links: dict[LinkKey, Link] = {}
        self.profiles: dict[Id, Profile] = {}
        self.apart: set[tuple[Id, Id]] = set()
        """Pairs of identifiers that are never one person; all that the loaded ones are in."""
        self._around: dict[Id, set[LinkKey]] = {}
        self._clusters: dict[Id, set[Id]] = {}
        self.changed_nodes: dict[Id, Node] = {}
        self.changed_links: dict[LinkKey, Link] = {}
        self.changed_profiles: dict[Id, Profile] = {}
        self.spilled: list[tuple[str, Id, Spilled]] = []
        """(workspace, identifier, what gave way in its fold)"""
        self.merged: dict[Id, Id] = {}
        """Profiles that became others, with identifiers that are not loaded: to be re-labelled."""
        self.renamed: dict[Id, Id] = {}
        """The same for clusters, of which is not known whether all is loaded."""
        self.workspaces: dict[Id, str] = {}
        """Of both, and of `parted`: whose they are."""
        self.parted: dict[Id, Fold] = {}
        """The folds of identifiers that are not loaded and are not their profiles' any more."""
        self.soles: dict[Id, Id | None] = {}
        """Of profiles as they were loaded: the only identifier with events."""

    def add_node(self, node: Node) -> None:
        """Take in an identifier as stored; one that is there already stays as it is."""
        if node.id in self.nodes:
            return
        self.nodes[node.id] = node
        if node.cluster_id is not None:
            self._clusters.setdefault(node.cluster_id, set()).add(node.id)

    def add_link(self, link: Link) -> None:
        """Take in a link as stored."""
        self.links[link.key] = link
        for end in link.key[:2]:
            self._around.setdefault(end, set()).add(link.key)

    def add_profile(self, profile: Profile) -> None:
        """Take in a profile's row; its members are the loaded identifiers that name it."""
        self.profiles[profile.id] = profile
        self.soles[profile.id] = profile.sole

    def settle(self) -> None:
        """After loading: note the members of each profile."""
        for node in self.nodes.values():
            if node.profile_id is not None:
                self.profiles[node.profile_id].members.add(node.id)

    def links_of(self, one: Id) -> Collection[LinkKey]:
        """The loaded links of an identifier."""
        return self._around.get(one, ())

    def note_link(self, key: LinkKey, evidence: Evidence, *, void: bool) -> bool:
        """Take a link fact in; True when it may change who is who: a new or an earlier one."""
        known = self.links.get(key)
        if known is None:
            workspace = self.nodes[key[0]].workspace
            self.add_link(Link(key, workspace, evidence, void))
            self.changed_links[key] = self.links[key]
            return True
        if evidence < known.evidence:
            known.evidence = evidence
            self.changed_links[key] = known
            return True
        return False

    def correct_link(self, key: LinkKey, evidence: Evidence) -> None:
        """The earliest evidence of a loaded link is this one, though a former one was earlier."""
        link = self.links[key]
        if link.evidence != evidence:
            link.evidence, link.corrected = evidence, True
            self.changed_links[key] = link

    def drop_link(self, key: LinkKey) -> None:
        """Nothing tells of a link any more."""
        link = self.links.pop(key, None)
        if link is not None:
            self.changed_links[key] = link
        for end in key[:2]:
            self._around.get(end, set()).discard(key)

    def rename(self, node: Node, label: Id) -> None:
        """Put an identifier, and all that is under its lock, under the lock `label`."""
        former = node.cluster_id
        if former == label:
            return
        if former is None:
            moved = {node.id}
        else:
            moved = self._clusters.pop(former)
            self.renamed[former] = label
            # What was moved away from it before comes back.
            self.renamed.pop(label, None)
            self.workspaces[former] = node.workspace
        self._clusters.setdefault(label, set()).update(moved)
        for one in moved:
            self.nodes[one].cluster_id = label
            self.changed_nodes[one] = self.nodes[one]

    def set_free(self, node: Node) -> None:
        """Put an identifier that is connected with nothing under its own lock."""
        if node.cluster_id is not None:
            self._clusters[node.cluster_id].discard(node.id)
            node.cluster_id = None

    def fold_of(self, node: Node) -> Fold:
        """What is known of an identifier by the events that have it as their strongest."""
        profile = self.profiles.get(node.profile_id or "")
        return profile.fold if profile is not None and profile.sole == node.id else node.fold

    def part(self, profile: Profile) -> None:
        """Give the only identifier with events a fold of its own: another one gets events."""
        sole, profile.sole = profile.sole, None
        if sole is None:
            return
        node = self.nodes.get(sole)
        if node is None:
            self.parted[sole] = copied(profile.fold)
            self.workspaces[sole] = profile.workspace
        else:
            node.fold = copied(profile.fold)
            self.changed_nodes[sole] = node

    def trim(self) -> None:
        """Keep the bounds of all that was changed."""
        for profile in self.changed_profiles.values():
            self.trim_profile(profile)
        for node in self.changed_nodes.values():
            if node.is_read:
                self._spill(node.workspace, node.id, node.fold.trim())
        for one, fold in self.parted.items():
            self._spill(self.workspaces[one], one, fold.trim())

    def trim_profile(self, profile: Profile) -> None:
        """Keep its bounds."""
        spilled = profile.trim()
        if profile.sole is not None:
            self._spill(profile.workspace, profile.sole, spilled)

    def _spill(self, workspace: str, one: Id, spilled: list[Spilled]) -> None:
        self.spilled += [(workspace, one, gone) for gone in spilled]

    def profile_of(self, node: Node) -> Profile:
        """The profile of an identifier that has one."""
        if node.profile_id is None:
            message = f"identifier {node.id} has no profile"
            raise LookupError(message)
        return self.profiles[node.profile_id]


def end_of(moved: Mapping[Id, Id], one: Id) -> Id:
    """Where a chain of moves ends."""
    while one in moved:
        one = moved[one]
    return one
