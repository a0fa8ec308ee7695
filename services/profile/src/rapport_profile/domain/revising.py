"""What is known of identifiers is put right: an event was taken back, or named others before."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from rapport_common.events.activity import ProfileActivity
from rapport_common.events.envelope import Event
from rapport_profile.domain.fold import Fold
from rapport_profile.domain.naming import (
    ALIAS,
    MERGE,
    RENAMED,
    Evidence,
    Id,
    LinkKey,
    Names,
    user_twin,
)
from rapport_profile.domain.people import Node, Profile
from rapport_profile.domain.working_set import WorkingSet


class Revision(msgspec.Struct, frozen=True):
    """What an identifier's events amount to, and which links they tell of.

    `fold` is None where it is as it was. `lost`: links that none of them tells of any more.
    `told`: links that they tell of, with the earliest evidence there is now; those that are as
    they were need not be among them.
    """

    hub: Id
    fold: Fold | None
    lost: Collection[LinkKey]
    told: Mapping[LinkKey, Evidence]


def links_told(names: Names, events: Iterable[Event]) -> dict[LinkKey, Evidence]:
    """The links that events tell of, with their earliest evidence."""
    found: dict[LinkKey, Evidence] = {}
    for event in events:
        named = names.of(event)
        if named is None:
            continue
        evidence = (event.timestamp, event.message_id, event.source)
        for key in names.links(event.workspace, named):
            found[key] = min(found.get(key, evidence), evidence)
    return found


class Revising(WorkingSet):
    """Who is who and what is known, where facts are not only added."""

    def revise(
        self,
        revisions: Sequence[Revision],
        at: datetime,
        *,
        around: Iterable[Id] = (),
        due: Iterable[Id] = (),
    ) -> list[ProfileActivity]:
        """Put identifiers right; what to publish, in order.

        Identifiers that no event names any more leave their profile. Everything around the hubs
        and the other ends of the links, shared or not, is loaded. `at`: when those that are named
        for the first time were named. Who is who is also found out anew `around` others, of which
        the same holds. `due`: profiles to be told anew in any case.
        """
        seeds: set[Id] = set()
        revised: set[Id] = set(due)
        for id_ in around:
            self._reconsider(id_, seeds)
        for one in revisions:
            self._take_in(one, seeds, revised)
        for one in revisions:
            node = self.nodes[one.hub]
            if node.is_user:
                seeds |= self._mark_aliases(node, known=not self._is_ghost(node.id))
        published = self.regroup(seeds, at)
        told = {one.profile_id for one in published}
        rest = [self.profiles[one] for one in sorted(revised - told)]
        return published + [self.step(profile) for profile in rest if profile.count]

    # --- what operators decide ---------------------------------------------------------------

    def keep_apart(self, one: Id, other: Id, at: datetime) -> list[ProfileActivity]:
        """Two identifiers are never one person from now on; what to publish.

        All that is known of the people they belong to is loaded.
        """
        self.apart.add((one, other))
        return self._decided(one, other, at)

    def let_together(self, one: Id, other: Id, at: datetime) -> list[ProfileActivity]:
        """Two identifiers may be one person again; what to publish. Loaded is the same."""
        self.apart -= {(one, other), (other, one)}
        return self._decided(one, other, at)

    def join(self, one: Id, other: Id, evidence: Evidence) -> list[ProfileActivity]:
        """Two identifiers are one person, because an operator says so; what to publish."""
        self.note_link((one, other, MERGE), evidence, void=False)
        return self._decided(one, other, evidence[0])

    def join_by(self, one: Id, other: Id, evidence: Evidence) -> list[ProfileActivity]:
        """Two identifiers stay one person, by another word of an operator than before."""
        self.correct_link((one, other, MERGE), evidence)
        return self._decided(one, other, evidence[0])

    def let_go(self, one: Id, other: Id, at: datetime) -> list[ProfileActivity]:
        """An operator's word that two identifiers are one person holds no more."""
        self.drop_link((one, other, MERGE))
        return self._decided(one, other, at, self._unknown([one, other]))

    def _unknown(self, users: Iterable[Id]) -> set[Id]:
        """What aliases say of user ids that nobody has said to be one any more: their ends."""
        ends: set[Id] = set()
        for node in map(self.nodes.__getitem__, users):
            if node.is_user and self._is_ghost(node.id):
                ends |= self._mark_aliases(node, known=False)
        return ends

    def _decided(
        self, one: Id, other: Id, at: datetime, seeds: set[Id] | None = None
    ) -> list[ProfileActivity]:
        seeds = seeds or set()
        self.users_meet([one, other], seeds)
        for end in (one, other):
            self._reconsider(end, seeds)
        return self.regroup(seeds, at)

    def members_of(self, profile: Profile) -> list[Node]:
        """The identifiers of a profile, all of which are loaded."""
        return [self.nodes[one] for one in sorted(profile.members)]

    def _take_in(self, revision: Revision, seeds: set[Id], revised: set[Id]) -> None:
        node = self.nodes[revision.hub]
        seeds.add(node.id)
        if revision.fold is not None:
            self.changed_nodes[node.id] = node
            if node.profile_id is None:
                node.fold = revision.fold
            else:
                revised.add(node.profile_id)
                self._refold(self.profile_of(node), node, revision.fold)
        of_users = {end for key in revision.lost if self.is_of_users(key) for end in key[:2]}
        for key in revision.lost:
            self.drop_link(key)
            for end in key[:2]:
                self._reconsider(end, seeds)
        of_users |= {end for key in revision.told if self.is_of_users(key) for end in key[:2]}
        for key, evidence in revision.told.items():
            seeds.update(key[:2])
            if key in self.links:
                self.correct_link(key, evidence)
            else:
                self.note_link(key, evidence, void=self._is_void(key))
            if self.book.of(node.workspace).windows:
                # Who is shared was it by so many within some days: now it is another time.
                for end in key[:2]:
                    self._reconsider(end, seeds)
        self.users_meet(of_users, seeds)

    def _refold(self, profile: Profile, node: Node, fold: Fold) -> None:
        """What is known of an identifier of a profile is this now."""
        if profile.sole == node.id:
            profile.replace(fold)
        else:
            self.part(profile)
            node.fold, profile.stale = fold, True
            profile.tell_all()

    def _is_void(self, key: LinkKey) -> bool:
        """Whether an alias is void, because its former id is a user id, or just is none."""
        former = self.nodes[key[1]]
        if key[2] == RENAMED:
            return former.profile_id is None
        if key[2] != ALIAS:
            return False
        user = self.nodes.get(self.ids.of(former.workspace, user_twin(former.name)))
        return user is not None and user.profile_id is not None
