"""What is stored of identifiers against what their events amount to, under the rules of today."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from rapport_common.events.codec import encode
from rapport_common.events.envelope import USER_ID, Event, Identifier
from rapport_common.events.reserved import CONSENT_UPDATED
from rapport_profile.domain.bounds import MAX_SHOWN, Spilled
from rapport_profile.domain.fold import Fold
from rapport_profile.domain.folding import copied, fold_and_spill, merge
from rapport_profile.domain.groups.facts import speaks_of_groups
from rapport_profile.domain.links import Link
from rapport_profile.domain.loaded import Loaded
from rapport_profile.domain.naming import (
    MERGE,
    RENAMED,
    Evidence,
    Id,
    LinkKey,
    Names,
    anonymous_twin,
    user_twin,
)
from rapport_profile.domain.people import Node, Profile
from rapport_profile.domain.plain import plain
from rapport_profile.domain.revising import Revising, Revision, links_told
from rapport_profile.domain.stamps import EARLIEST, believed_time


@dataclass(slots=True)
class Recount:
    """What the events of an identifier amount to.

    `leaving`: those whose strongest identifier is another one under these rules, by that one's
    id. `of_groups`: those that may say something of groups. Not `is_whole`: other events of it may
    tell of links. Not `is_read`: it is not on the page.
    """

    hub: Id
    fold: Fold = field(default_factory=Fold)
    told: dict[LinkKey, Evidence] = field(default_factory=dict)
    leaving: dict[Id, list[Event]] = field(default_factory=dict)
    spilled: list[Spilled] = field(default_factory=list)
    of_groups: list[Event] = field(default_factory=list)
    is_whole: bool = True
    is_read: bool = True

    def expire(self, gone: Fold) -> None:
        """Take in what the events amounted to that retention has removed."""
        self.fold.join(gone)
        self.spilled += self.fold.trim()
        self.is_whole = False

    def take(self, names: Names, workspace: str, events: Iterable[Event]) -> None:
        """Take in some of its events."""
        staying = []
        for event in events:
            named = names.of(event)
            # Who names nobody any more stays where it is.
            hub = self.hub if named is None else names.ids.of(workspace, named.hub)
            if hub == self.hub:
                staying.append(event)
            else:
                self.leaving.setdefault(hub, []).append(event)
        self.add(names, staying)

    def add(self, names: Names, events: Sequence[Event]) -> None:
        """Take in events of which it is the strongest identifier."""
        fold, spilled = fold_and_spill(events, names.judge(events))
        self.of_groups += filter(speaks_of_groups, events)
        self.fold.join(fold)
        self.spilled += [*spilled, *self.fold.trim()]
        for key, evidence in links_told(names, events).items():
            self.told[key] = min(self.told.get(key, evidence), evidence)


def revision(working: Revising, recount: Recount) -> Revision | None:
    """How what is stored of an identifier has to be put right; None when nothing is wrong."""
    node = working.nodes[recount.hub]
    stored = [key for key in working.links_of(node.id) if key[0] == node.id]
    gone = [key for key in stored if key not in recount.told]
    # An operator's word is known as a whole, also where events are not.
    lost = [key for key in gone if recount.is_whole or (key[2] == MERGE and recount.is_read)]
    told = {
        key: evidence
        for key, evidence in recount.told.items()
        if _is_news(working.links.get(key), evidence, recount)
    }
    same = _is_same(working.fold_of(node), recount.fold)
    if same and not (lost or told):
        return None
    return Revision(node.id, None if same else copied(recount.fold), lost, told)


def _is_news(known: Link | None, evidence: Evidence, recount: Recount) -> bool:
    """Whether a link is not stored with this evidence; that of others may be an earlier one."""
    if known is None or not recount.is_whole:
        return known is None or evidence < known.evidence
    return known.evidence != evidence


def _is_same(one: Fold, other: Fold) -> bool:
    """Whether two folds say the same, in whatever order they hold it."""
    first, second = encode(one), encode(other)
    return first == second or bool(plain(first) == plain(second))


class Page:
    """Identifiers of a workspace that are looked at together, and what their events say.

    `coming`: the events that leave one for another, by that one. `named`: whom all these events
    name; `begun`: the profiles whose first identifier is here. `renamed`: user ids that may be one
    person by what the events say, or said. `merged`: with whom operators have merged somebody here.
    `words`: on consents, each with its strongest identifier by these rules.
    """

    def __init__(self, workspace: str, ids: Sequence[Id]) -> None:
        self.workspace = workspace
        self.ids = ids
        self.recounts = {one: Recount(one) for one in ids}
        self.counted: list[Recount] = []
        self.coming: dict[Id, list[Event]] = {}
        self.named: dict[Id, Identifier] = {}
        self.begun: set[Id] = set()
        self.renamed: set[Id] = set()
        self.merged: set[Id] = set()
        self.words: list[tuple[Event, Id]] = []
        self._twins: set[Id] = set()
        self._linked: set[Id] = set()
        self._moved: set[Id] = set()

    def read(self, names: Names, hub: Id, events: Sequence[Event]) -> None:
        """Take in some events of an identifier of the page."""
        self.recounts[hub].take(names, self.workspace, events)
        for event in events:
            if event.name == CONSENT_UPDATED:
                who = names.of(event)
                kept = hub if who is None else names.ids.of(self.workspace, who.hub)
                self.words.append((event, kept))
        for named in filter(None, map(names.of, events)):
            for identifier in named.all:
                self.named[names.ids.of(self.workspace, identifier)] = identifier
                if identifier[0] == USER_ID:
                    self._twins.add(names.ids.of(self.workspace, anonymous_twin(identifier)))
            if named.previous is not None:
                self._twins.add(names.ids.of(self.workspace, user_twin(named.previous)))
            if named.renamed is not None:
                self.renamed.update(
                    names.ids.of(self.workspace, one) for one in (named.hub, named.renamed)
                )

    def merge(self, key: LinkKey, evidence: Evidence) -> None:
        """Take in that an operator has said that two identifiers are one person."""
        told = self.recounts[key[0]].told
        told[key] = min(told.get(key, evidence), evidence)

    def settle(self, names: Names, stored: Loaded) -> None:
        """After all is read: the events that leave come to others.

        `stored` has the page's identifiers and the links that their events have told of so far.
        """
        self._linked = {end for key in self._changed(stored) for end in key[:2]}
        self.renamed |= {end for key in stored.links if key[2] == RENAMED for end in key[:2]}
        for node in map(stored.nodes.__getitem__, self.ids):
            if node.is_user:
                # It may be a user id no longer: no event names it by these rules.
                self._twins.add(names.ids.of(self.workspace, anonymous_twin(node.name)))
        for one in self.recounts.values():
            for hub, events in one.leaving.items():
                self.coming.setdefault(hub, []).extend(events)
                named = (names.of(event) for event in events)
                self._moved |= {
                    names.ids.of(self.workspace, identifier)
                    for who in named
                    if who is not None
                    for identifier in who.all
                }
        for hub, events in self.coming.items():
            if hub in self.recounts:
                self.recounts[hub].add(names, events)

    def _changed(self, stored: Loaded) -> set[LinkKey]:
        """The links that are told otherwise than they are stored, or are not both."""
        known = {key: link.evidence for key, link in stored.links.items()}
        told = {key: at for one in self.recounts.values() for key, at in one.told.items()}
        return {key for key in known.keys() | told.keys() if known.get(key) != told.get(key)}

    def seeds(self) -> set[Id]:
        """Around whom people may change: those here, the ends of links that are told otherwise than
        they are stored, all whom events name that move, and who decides on aliases.
        """
        return {*self.ids, *self._linked, *self.coming, *self._moved, *self._twins, *self.merged}

    def revisions(self, working: Revising, names: Names) -> list[Revision]:
        """What has to be put right; who is not on the page and gets events has more than it had."""
        self.counted = list(self.recounts.values())
        for hub, events in self.coming.items():
            if hub not in self.recounts:
                known = copied(working.fold_of(working.nodes[hub]))
                more = Recount(hub, fold=known, is_whole=False, is_read=False)
                more.add(names, events)
                self.counted.append(more)
        found = (revision(working, one) for one in self.counted)
        return [one for one in found if one is not None]

    @property
    def leaving(self) -> dict[Id, dict[Id, list[Event]]]:
        """The events that go, by where they were and where they come to."""
        return {one.hub: one.leaving for one in self.recounts.values() if one.leaving}

    @property
    def said_of_groups(self) -> list[tuple[Event, Id]]:
        """What may have been said of groups, and by whom."""
        found = {id(one): one for one in [*self.recounts.values(), *self.counted]}
        return [(event, one.hub) for one in found.values() for event in one.of_groups]

    @property
    def left_by_events(self) -> list[Recount]:
        """Identifiers of which all that is left is known, and that some events leave."""
        return [one for one in self.recounts.values() if one.leaving and one.is_whole]

    def last_time(self) -> datetime:
        """When the last of the events happened that leave one identifier for another."""
        moved = (event for events in self.coming.values() for event in events)
        return max(map(believed_time, moved), default=EARLIEST)


def put_right(profile: Profile, members: Sequence[Node]) -> bool:
    """Make a profile what its members say, all of which are given; whether it was not that.

    What is published of it is told anew then.
    """
    names = {one.name for one in members}
    users = {one.id for one in members if one.is_user}
    known = profile.named.keys()
    right = profile.count == len(members)
    right = right and (profile.user in users if users else profile.user is None)
    right = right and (known == names if len(names) <= MAX_SHOWN else known <= names)
    if profile.sole is None and not profile.stale:
        right = right and _is_same(profile.fold, merge(one.fold for one in members))
    if right:
        return False
    profile.remember(members)
    return True
