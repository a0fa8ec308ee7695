"""Identifiers and profiles as they are held in memory."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from rapport_common.events.activity import ProfileActivity, SectionVersions
from rapport_common.events.envelope import USER_ID, Event, Identifier
from rapport_common.events.profile import AbsorbedId, ComputedState
from rapport_profile.domain.bounds import HEAVY_BYTES, MAX_SHOWN, Spilled
from rapport_profile.domain.computed.values import Valued, with_values
from rapport_profile.domain.fold import Fold
from rapport_profile.domain.folding import merge
from rapport_profile.domain.naming import Id
from rapport_profile.domain.published import Summary, omitted, shown, strongest, told_by_fold
from rapport_profile.domain.sections import (
    ALL,
    COMPUTED,
    IDENTIFIERS,
    LONG,
    NEVER_TOLD,
    renewed,
)
from rapport_profile.domain.stamps import EARLIEST
from rapport_profile.domain.telling import Telling

NO_FOLD = "{}"
"""A fold of no events, as it is stored."""

_IDENTIFIER_SIZE = 60
_stored_fold = msgspec.json.Decoder(Fold)


class Node(msgspec.Struct):
    """An identifier with the fold of the events that have it as their strongest.

    `cluster_id` names the lock of everything it is connected with. `contested`: it is in a
    component in which several users meet (`identity.py`, rule 4).
    """

    id: Id
    workspace: str
    kind: str
    value: str
    profile_id: Id | None = None
    cluster_id: Id | None = None
    shared: bool = False
    contested: bool = False
    stored: str | None = None
    """The fold as it is stored, until somebody asks for it: most events ask for one only."""
    _fold: Fold | None = None

    @property
    def fold(self) -> Fold:
        """What is known of it by the events that have it as their strongest."""
        if self._fold is None:
            self._fold = Fold() if self.stored is None else _stored_fold.decode(self.stored)
            self.stored = None
        return self._fold

    @fold.setter
    def fold(self, fold: Fold) -> None:
        self._fold, self.stored = fold, None

    @property
    def has_events(self) -> bool:
        """Whether it is any event's strongest identifier, apart from its profile's `sole`."""
        if self._fold is None and self.stored in {None, NO_FOLD}:
            return False
        return self.fold.events > 0

    @property
    def is_read(self) -> bool:
        """Whether somebody asked for the fold: it may have been changed."""
        return self._fold is not None

    @property
    def is_user(self) -> bool:
        """Whether it is a user id."""
        return self.kind == USER_ID

    @property
    def name(self) -> Identifier:
        """(kind, value)"""
        return (self.kind, self.value)


class Profile(msgspec.Struct):
    """A profile's row. `members` are the loaded ones of the `count` that it has.

    `sole`: the only member with events. The profile's fold is its fold too, and the member has
    none of its own: most people are like that, and each event is folded and stored once.
    `stale`: a member with events has left, so the fold is to be made anew from all members;
    then there is no `sole`, and all is due.
    `told` are the versions of the sections, `due` the sections that are not as they were told.
    `values` are those of computed traits, by name, `coming` those of versions that take their
    places at a later time; `regrouped`: they can't be told from what was
    added, since members have come or gone with what they knew.
    """

    id: Id
    workspace: str
    version: int = 0
    merged_into: Id | None = None
    count: int = 0
    user: Id | None = None
    sole: Id | None = None
    named: dict[Identifier, datetime] = {}
    fold: Fold = msgspec.field(default_factory=Fold)
    members: set[Id] = set()
    absorbed: list[AbsorbedId] = []
    stale: bool = False
    told: SectionVersions = NEVER_TOLD
    due: int = ALL
    values: dict[str, Valued] = {}
    coming: dict[str, Valued] = {}
    regrouped: bool = False
    _counts: Counter[str] | None = None
    """How many of each kind, where not all are in `named`."""
    _computed: ComputedState | None = None
    _heavy: bool | None = None
    _grown: bool = True

    @classmethod
    def of(
        cls, id_: Id, workspace: str, version: int, summary: Summary, *, short: bool = False
    ) -> "Profile":
        """A profile as it is stored; `short`: so short that it can't be heavy."""
        named = {(kind, value): at for kind, value, at in summary.named}
        made = cls(
            id_,
            workspace,
            version,
            count=summary.members,
            user=summary.user,
            sole=summary.sole,
            named=named,
            fold=summary.fold,
            told=summary.versions,
            values=summary.values,
            coming=summary.coming,
            _counts=Counter(summary.counts) if summary.counts else None,
            _heavy=False if short else None,
        )
        if made.was_told:
            made.due, made._grown = 0, False
        return made

    @classmethod
    def made_of(cls, id_: Id, workspace: str, version: int, nodes: list[Node]) -> "Profile":
        """A profile of which only its identifiers are known."""
        made = cls(id_, workspace, version)
        for node in nodes:
            made.add(node, node.fold.last_seen_at or EARLIEST)
            made.fold.join(node.fold)
            made.fold.trim()
        return made

    def summary(self) -> Summary:
        """What is stored of it."""
        named = [(kind, value, at) for (kind, value), at in self.named.items()]
        counts = dict(self._counts or {})
        values = (self.values, self.coming)
        return Summary(
            self.count, self.user, self.sole, named, self.fold, self.told, counts, *values
        )

    @property
    def is_larger_than_shown(self) -> bool:
        """Whether it has, or had, more identifiers than are shown."""
        return self._counts is not None

    def counts(self) -> Counter[str]:
        """How many identifiers of each kind it has."""
        if self._counts is not None:
            return self._counts
        return Counter(kind for kind, _value in self.named)

    @property
    def all_values(self) -> list[Valued]:
        """Those of computed traits, shown or not yet."""
        return [*self.values.values(), *self.coming.values()]

    @property
    def was_told(self) -> bool:
        """Whether its sections have been told: all of them were, then."""
        return self.told.computed > 0

    @property
    def knows_nothing(self) -> bool:
        """Whether none of its members has events."""
        return not (self.fold.events or self.stale)

    @property
    def is_heavy(self) -> bool:
        """Whether so much is known that its long sections are not told with each event of a batch.

        Who was heavy stays so for the batch; a light one is within all bounds.
        """
        if self._heavy is None:
            weight = self.fold.weight() + _IDENTIFIER_SIZE * len(self.named)
            self._heavy = weight > HEAVY_BYTES
        return self._heavy

    def _grow(self, sections: int) -> None:
        """These long sections are not as they were."""
        self.due |= sections
        self._heavy = self._heavy or None
        self._grown = True

    def tell_all(self) -> None:
        """It is not as it was: all its sections are due."""
        self._computed = None
        self._grow(ALL)

    def trim(self) -> list[Spilled]:
        """Keep the bounds; the traits and consents that gave way."""
        if not self._grown:
            return []
        if not self.is_heavy and self.fold.hides_nothing:
            self.fold.trim_short()
            return []
        return self.fold.trim()

    def take(self, told: Telling) -> None:
        """Keep what is known up to date with one more event."""
        changed = self.fold.take(told)
        self.due |= changed
        if changed & LONG:
            self._grow(changed)
        known = self._computed
        if known is not None:
            about = told.order is not None or told.case is not None
            self._computed = None if about else self.fold.seen_again(known)

    def add(self, node: Node, at: datetime) -> None:
        """An identifier joins, named last at `at`; what is known of it is taken in apart."""
        self.count += 1
        if self._counts is not None:
            self._counts[node.kind] += 1
        self.members.add(node.id)
        if node.is_user:
            self.user = node.id
        node.profile_id = self.id
        self.note(node, at)

    def remove(self, node: Node) -> datetime | None:
        """An identifier leaves with its fold; when it was named last, if that is known."""
        self.regrouped = self.regrouped or self.sole == node.id or node.fold.events > 0
        if self.sole == node.id:
            node.fold, self.fold, self.sole = self.fold, Fold(), None
        else:
            self.stale = self.stale or node.fold.events > 0
        self.count -= 1
        if self._counts is not None:
            self._counts[node.kind] -= 1
        self.members.discard(node.id)
        if self.user == node.id:
            self.user = None
        self.tell_all()
        return self.named.pop(node.name, None)

    def note(self, node: Node, at: datetime) -> None:
        """One of its identifiers was named."""
        known = self.named.get(node.name)
        if known is not None and known >= at:
            return
        self.named[node.name] = at
        if known is not None:
            return
        self._grow(IDENTIFIERS)
        self._keep_strongest()

    def _keep_strongest(self) -> None:
        """Show so many of the identifiers at most, and count the kinds before some are left out."""
        if len(self.named) > MAX_SHOWN:
            self._counts = self.counts()
            self.named = strongest(self.named, self.fold)

    def absorb(self, other: "Profile") -> None:
        """Become one with another profile; none of two that know something has a `sole`."""
        if self.is_larger_than_shown or other.is_larger_than_shown:
            self._counts = self.counts() + other.counts()
        self.count += other.count
        self.members |= other.members
        self.user = self.user or other.user
        if self.knows_nothing:
            self.fold, self.sole = other.fold, other.sole
        elif other.fold.events:
            self.fold.join(other.fold)
        self.stale = self.stale or other.stale
        self.regrouped = self.regrouped or other.regrouped
        self.named.update(other.named)
        self._keep_strongest()
        self.absorbed += other.absorbed
        other.empty()
        self.tell_all()

    def empty(self) -> None:
        """It has no identifiers any more."""
        self.count, self.user, self.members, self.named = 0, None, set(), {}
        self._counts = None
        self.fold, self.sole, self.stale, self.absorbed = Fold(), None, False, []
        self.told, self.due = NEVER_TOLD, ALL

    def learn(self, node: Node) -> None:
        """Take in what is known of an identifier that joined; who has events has no `sole`."""
        if not node.has_events:
            return
        self.regrouped = True
        if self.knows_nothing:
            self.fold, self.sole, node.fold = node.fold, node.id, Fold()
        else:
            self.fold.join(node.fold)
        self.tell_all()

    def replace(self, fold: Fold) -> None:
        """What is known of its only member with events is this now."""
        self.regrouped = True
        self.fold = fold
        self.tell_all()

    @property
    def shows_too_few(self) -> bool:
        """Whether others have left so that there is room for identifiers that were not shown."""
        return len(self.named) < min(self.count, MAX_SHOWN)

    def show_all(self, members: Sequence[Node]) -> None:
        """Show as many of its identifiers, all of which are given, as there is room for."""
        self.named = {**{node.name: EARLIEST for node in members}, **self.named}
        self._grow(IDENTIFIERS)
        self._counts = None
        self._keep_strongest()

    def remember(self, members: Sequence[Node]) -> None:
        """Have these identifiers, whatever was noted of them; the fold is to be made anew."""
        named = self.named
        self.count, self.user, self.named, self._counts = 0, None, {}, None
        for node in members:
            self.add(node, named.get(node.name, EARLIEST))
        self.stale, self.regrouped = self.sole is None, True
        self.tell_all()

    def remake(self, folds: list[Fold]) -> None:
        """Make the fold anew from those of all members."""
        self.fold, self.stale, self.regrouped = merge(folds), False, True
        self.tell_all()

    # --- telling -----------------------------------------------------------------------------

    def tell(self, sections: int, event: Event | None = None) -> ProfileActivity:
        """The record of its current version, which tells these sections; the fold is not stale."""
        versions = self.told = renewed(self.told, sections, self.version)
        self.due &= ~sections
        if sections == COMPUTED:
            return ProfileActivity(
                workspace=self.workspace,
                profile_id=self.id,
                version=self.version,
                event=event,
                versions=versions,
                computed=self._aggregates(),
            )
        absorbed: list[AbsorbedId] = []
        if sections == ALL:
            absorbed, self.absorbed = self.absorbed, absorbed
        return ProfileActivity(
            workspace=self.workspace,
            profile_id=self.id,
            version=self.version,
            event=event,
            versions=versions,
            absorbed=absorbed,
            **self.sections(sections),
        )

    def sections(self, sections: int) -> dict[str, Any]:
        """These sections, as fields of a record."""
        found = told_by_fold(self.fold, sections)
        if sections & IDENTIFIERS:
            found["identifiers"] = shown(self.named)
        if sections & COMPUTED:
            found["computed"] = self._aggregates()
        if sections & LONG:
            found["omitted"] = omitted(self.fold, self.count, len(self.named), sections)
        return found

    def _aggregates(self) -> ComputedState:
        if self._computed is None:
            self._computed = self.fold.computed()
        return with_values(self._computed, self.values) if self.values else self._computed
