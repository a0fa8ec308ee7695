"""What is stored of identifiers against what their events amount to, under the rules of today."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from rapport_common.events.codec import encode
from rapport_common.events.envelope import Event
from rapport_profile.domain.bounds import MAX_SHOWN, Spilled
from rapport_profile.domain.fold import Fold, copied, fold_and_spill, merge
from rapport_profile.domain.naming import Evidence, Id, LinkKey, Names
from rapport_profile.domain.people import Link, Node, Profile
from rapport_profile.domain.revising import Revising, Revision, links_told
from rapport_profile.domain.stamps import EARLIEST, believed_time


@dataclass(slots=True)
class Recount:
    """What the events of an identifier amount to.

    `leaving`: those whose strongest identifier is another one under these rules, by that one's
    id. Not `is_whole`: other events of it are stored, too, and may tell of links.
    """

    hub: Id
    fold: Fold = field(default_factory=Fold)
    told: dict[LinkKey, Evidence] = field(default_factory=dict)
    leaving: dict[Id, list[Event]] = field(default_factory=dict)
    spilled: list[Spilled] = field(default_factory=list)
    is_whole: bool = True

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
        self.add(names, workspace, staying)

    def add(self, names: Names, workspace: str, events: Sequence[Event]) -> None:
        """Take in events of which it is the strongest identifier."""
        fold, spilled = fold_and_spill(events)
        self.fold.join(fold)
        self.spilled += [*spilled, *self.fold.trim()]
        for key, evidence in links_told(names, workspace, events).items():
            self.told[key] = min(self.told.get(key, evidence), evidence)


def revision(working: Revising, recount: Recount) -> Revision | None:
    """How what is stored of an identifier has to be put right; None when nothing is wrong."""
    node = working.nodes[recount.hub]
    stored = [working.links[key] for key in working.links_of(node.id) if key[0] == node.id]
    gone = [one.key for one in stored if one.key not in recount.told]
    lost = gone if recount.is_whole else []
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
    decode = msgspec.json.decode
    return bool(decode(encode(one)) == decode(encode(other)))


def arrivals(recounts: Mapping[Id, Recount]) -> dict[Id, list[Event]]:
    """The events that leave an identifier for another one, by the one they come to."""
    found: dict[Id, list[Event]] = {}
    for one in recounts.values():
        for hub, events in one.leaving.items():
            found.setdefault(hub, []).extend(events)
    return found


def last_time(events: Iterable[Event]) -> datetime:
    """When the latest of some events happened."""
    return max(map(believed_time, events), default=EARLIEST)


def put_right(profile: Profile, members: Sequence[Node]) -> bool:
    """Make a profile what its members say, all of which are given; whether it was not that.

    What is published of it is told anew then.
    """
    names = {one.name for one in members}
    user = next((one.id for one in members if one.is_user), None)
    known = profile.named.keys()
    right = profile.count == len(members) and profile.user == user
    right = right and (known == names if len(names) <= MAX_SHOWN else known <= names)
    if profile.sole is None and not profile.stale:
        right = right and _is_same(profile.fold, merge(one.fold for one in members))
    if right:
        return False
    profile.remember(members)
    return True
