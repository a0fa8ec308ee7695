"""What is stored of people, in memory: a working set gets of it what Postgres gives to one.

Rows are kept as JSON, so nothing of a working set outlives it that was not said to be changed.
"""

import random
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

import msgspec
from services.profile.tests.follower import Known, followed, state
from services.profile.tests.people import IDS, event

from rapport_common.events.activity import ProfileActivity
from rapport_common.events.codec import encode
from rapport_common.events.envelope import Event, Identifier
from rapport_profile.domain.bounds import Spilled
from rapport_profile.domain.content import content_hash
from rapport_profile.domain.fold import TRAIT, Fold
from rapport_profile.domain.folding import fold_all, fold_and_spill, names_told
from rapport_profile.domain.grouping import entangled, may_say_it_again, says_it_again
from rapport_profile.domain.links import Link
from rapport_profile.domain.loaded import Loaded, end_of
from rapport_profile.domain.merge_rules import NO_RULES, RuleBook, Rules
from rapport_profile.domain.naming import (
    MERGE,
    RENAMED,
    Evidence,
    Id,
    LinkKey,
    Names,
    Naming,
    anonymous_twin,
    user_twin,
)
from rapport_profile.domain.people import Node, Profile
from rapport_profile.domain.published import Summary
from rapport_profile.domain.recounting import Page, put_right
from rapport_profile.domain.revising import Revising, Revision, links_told
from rapport_profile.domain.sharing import (
    Near,
    Told,
    in_question,
    is_shared_still,
    pairs_with,
)
from rapport_profile.domain.stamps import believed_time
from rapport_profile.domain.steps import IncompleteError
from rapport_profile.domain.working_set import WorkingSet

W = "w"


class Row(NamedTuple):
    """An identifier as it is stored."""

    kind: str
    value: str
    profile: Id | None = None
    cluster: Id | None = None
    shared: bool = False
    contested: bool = False
    fold: str = "{}"


class People:
    """Identifiers, links, profiles, timelines and what was published, between the batches."""

    def __init__(self, seed: int | None = None, rules: Rules = NO_RULES) -> None:
        """Ids of profiles come one after the other, as in production, or at random."""
        self.rules = rules
        self.names = Names(IDS, RuleBook({W: rules}))
        self._chance = None if seed is None else random.Random(seed)
        self._made = 0
        self.rows: dict[Id, Row] = {}
        self.links: dict[LinkKey, tuple[Evidence, bool]] = {}
        self.profiles: dict[Id, tuple[int, Id | None, bytes]] = {}
        self.counting: dict[str, Event] = {}
        self.overflow: dict[tuple[Id, str, str], Spilled] = {}
        self.apart: set[tuple[Id, Id]] = set()
        self.hubs: dict[str, Id] = {}
        self.merges: set[LinkKey] = set()
        self.published: list[ProfileActivity] = []

    # --- a batch -----------------------------------------------------------------------------

    def feed(self, batch: Sequence[Event]) -> None:
        """Apply a batch: of copies of a message the one with the smallest hash counts."""
        best: dict[str, Event] = {}
        for one in batch:
            known = best.get(one.message_id)
            if known is None or content_hash(one) < content_hash(known):
                best[one.message_id] = one
        piece: list[Event] = []
        for one in best.values():
            known = self.counting.get(one.message_id)
            if known is None:
                piece.append(one)
            elif content_hash(one) < content_hash(known):
                self._apply(piece)
                piece = []
                self._take_back(known)
                self._apply([one])
        self._apply(piece)

    def _apply(self, batch: Sequence[Event]) -> None:
        whole: set[Id] = set()
        while batch:
            working = self._load(batch, whole)
            try:
                steps = [step for one in batch for step in working.apply(one, self.names_of(one))]
                steps = working.finish(steps)
            except IncompleteError as error:
                whole |= self._more(error, whole)
                continue
            self._tell(working, steps, batch)
            self._save(working)
            self.counting.update({one.message_id: one for one in batch})
            self.hubs.update({one.message_id: IDS.of(W, self.names_of(one).hub) for one in batch})
            return

    def _take_back(self, event: Event) -> None:
        named = self.names_of(event)
        hub, told = self.hubs[event.message_id], self.names.links(W, named)
        del self.counting[event.message_id]
        if hub != IDS.of(W, named.hub):
            for kind, name in names_told(event):
                self.overflow.pop((hub, kind, name), None)
            self._rebuild(Page(W, [hub]))
            return
        left = self.timeline(hub)
        still = links_told(self.names, left)
        stored = self.links.keys() & set(told)
        lost = sorted(stored - still.keys())
        again = {key: still[key] for key in stored & still.keys()}
        seeds = {hub, IDS.of(W, anonymous_twin(named.hub)), *(key[1] for key in told)}
        seeds |= self._merged_with([hub])
        whole: set[Id] = set()
        while True:
            fold, spilled = fold_and_spill(left, self.names.judge(left))
            working = Revising(IDS, self._new_id, self.names.book)
            self._load_around(working, seeds, seeds)
            for key in told:
                if key[2] == RENAMED and key in self.links:
                    working.add_link(Link(key, W, *self.links[key]))
            self._load_users(working, working.between_users())
            self._load_members(working, whole)
            try:
                revision = Revision(hub, fold, lost, again)
                steps = working.revise([revision], believed_time(event))
            except IncompleteError as error:
                whole |= self._more(error, whole)
                continue
            break
        working.trim()
        for kind, name in names_told(event):
            self.overflow.pop((hub, kind, name), None)
        working.spilled += [(W, hub, one) for one in spilled]
        self._tell(working, steps, recounted=[hub])
        self._save(working)

    @staticmethod
    def _more(error: IncompleteError, whole: set[Id]) -> set[Id]:
        wanted = {one for _workspace, one in error.wanted}
        assert not wanted <= whole, error
        return wanted

    def _new_id(self) -> Id:
        self._made += 1
        number = self._made if self._chance is None else self._chance.getrandbits(128)
        return str(UUID(int=number))

    # --- working everybody out anew ------------------------------------------------------------

    def hold(self, rules: Rules) -> None:
        """Other rules hold from now on."""
        self.rules = rules
        self.names = Names(IDS, RuleBook({W: rules}), self.names.cuts)

    def cut(self, message_id: str, *, back: bool = False) -> None:
        """An event names others by mistake; or `back` again, it does not."""
        cuts = {one for one in self.names.cuts if one[2] != message_id}
        self.names = self.names.knowing(cuts if back else cuts | {(W, "shop", message_id)})
        self._rebuild(Page(W, [self.hubs[message_id]]))

    def rebuild(self, page: int) -> int:
        """Work everybody out anew; how much was wrong."""
        wrong, after = 0, ""
        while ids := sorted(one for one in self.rows if one > after)[:page]:
            wrong += self._rebuild(Page(W, ids))
            after = ids[-1]
        return wrong

    def _rebuild(self, page: Page) -> int:
        for id_ in page.ids:
            page.read(self.names, id_, self.timeline(id_))
        told = {key for key in self.links if key[0] in page.ids}
        for key in self.merges & told:
            page.merge(key, self.links[key][0])
        page.merged |= self._merged_with(page.ids)
        stored = Loaded()
        for id_ in page.ids:
            stored.add_node(self.node(id_))
        for key in told:
            stored.add_link(Link(key, W, *self.links[key]))
        page.settle(self.names, stored)
        for id_, (kind, value) in page.named.items():
            self.rows.setdefault(id_, Row(kind, value))
        whole: set[Id] = set()
        while True:
            working = Revising(IDS, self._new_id, self.names.book)
            seeds = page.seeds()
            self._load_around(working, seeds, seeds)
            for key in told:
                working.add_link(Link(key, W, *self.links[key]))
            users = {end for key in self._renamed(seeds) for end in key[:2]}
            self._load_users(working, working.between_users() | page.renamed | users)
            page.begun = {
                row.profile
                for id_, row in self.rows.items()
                if row.profile is not None and id_ == min(self._members(row.profile))
                if id_ in page.ids
            }
            self._load_members(working, page.begun | whole)
            revisions = page.revisions(working, self.names)
            complete = [working.profiles[one] for one in sorted(page.begun | whole)]
            broken = {one.id for one in complete if put_right(one, working.members_of(one))}
            try:
                steps = working.revise(revisions, page.last_time(), around=page.ids, due=broken)
                steps = working.finish(steps)
            except IncompleteError as error:
                whole |= self._more(error, whole)
                continue
            break
        for events in (some for by_hub in page.leaving.values() for some in by_hub.items()):
            self.hubs.update({one.message_id: events[0] for one in events[1]})
        gone = {one.hub for one in page.left_by_events}
        self.overflow = {key: one for key, one in self.overflow.items() if key[0] not in gone}
        working.spilled += [(W, one.hub, left) for one in page.counted for left in one.spilled]
        self._tell(working, steps, recounted=[one.hub for one in page.counted])
        self._save(working)
        return len(revisions) + len(steps) + len(broken)

    def _members(self, profile: Id) -> list[Id]:
        return [id_ for id_, row in self.rows.items() if row.profile == profile]

    # --- loading -----------------------------------------------------------------------------

    def _load(self, batch: Sequence[Event], whole: Collection[Id]) -> WorkingSet:
        working, named = (
            WorkingSet(IDS, self._new_id, self.names.book),
            [self.names_of(one) for one in batch],
        )
        wanted = {IDS.of(W, one): one for names in named for one in names.all}
        for id_, (kind, value) in wanted.items():
            self.rows.setdefault(id_, Row(kind, value))
        aliased = [one.previous for one in named if one.previous is not None]
        twins = {IDS.of(W, user_twin(one)) for one in aliased}
        self._load_nodes(working, {*wanted, *twins})
        fresh = [one for one in working.nodes.values() if one.is_user and one.profile_id is None]
        former = {IDS.of(W, anonymous_twin(one.name)) for one in fresh} & self.rows.keys()
        hubs = {IDS.of(W, names.hub) for names in named}
        known = hubs | {one.id for one in working.nodes.values() if one.profile_id is not None}
        doubted = former | (twins & known)
        doubted |= {one.id for one in fresh if IDS.of(W, anonymous_twin(one.name)) in former}
        doubted |= {IDS.of(W, one) for one in aliased if IDS.of(W, user_twin(one)) in known}
        renamed = {
            IDS.of(W, end)
            for one in named
            if one.renamed is not None and IDS.of(W, one.renamed) in known
            for end in (one.hub, one.renamed)
        }
        renamed |= {end for key in self._renamed({one.id for one in fresh}) for end in key[:2]}
        together = [[IDS.of(W, one) for one in names.all] for names in named]
        again = set()
        for place, one in enumerate(batch):
            if may_say_it_again(working, named[place], together[place]):
                keys = self.names.links(W, named[place])
                for key in self.links.keys() & set(keys):
                    working.add_link(Link(key, W, *self.links[key]))
                if says_it_again(working, keys, (one.timestamp, one.message_id, one.source)):
                    again.add(place)
        seeds = entangled(working, together, doubted | renamed, again)
        loose = self._maybe_shared_no_more(working, batch, named)
        working.doubtful |= loose
        if seeds or former or loose:
            self._load_around(working, seeds | former | loose, former | loose)
        self._load_users(working, renamed)
        self._load_members(working, whole)
        return working

    def _maybe_shared_no_more(
        self, working: WorkingSet, batch: Sequence[Event], named: Sequence[Naming]
    ) -> set[Id]:
        """As `handlers.sharing` has it."""
        if not self.rules.windows:
            return set()
        shared = {one.id for one in working.nodes.values() if one.shared}
        told = [
            Told(self.names.links(W, who), (one.timestamp, one.message_id, one.source))
            for one, who in zip(batch, named, strict=True)
        ]
        for key in pairs_with(shared, told) & self.links.keys():
            working.add_link(Link(key, W, *self.links[key]))
        return {
            one
            for one in in_question(working, shared, told)
            if not is_shared_still(one, working.nodes[one].kind, self._near(one), told, self.rules)
        }

    def _near(self, one: Id) -> dict[Id, Near]:
        found: dict[Id, Near] = {}
        for key, (evidence, void) in self.links.items():
            if one in key[:2] and not void:
                other = key[key[0] == one]
                first = min(found[other].first if other in found else evidence[0], evidence[0])
                found[other] = Near(self.rows[other].kind, self.rows[other].contested, first)
        return found

    def decide(self, name: str, one: Identifier, other: Identifier) -> None:
        """What an operator says of two identifiers that are known: a method of `Revising`."""
        first, second = sorted((IDS.of(W, one), IDS.of(W, other)))
        ends = (first, second)
        whole: set[Id] = set()
        while True:
            working = Revising(IDS, self._new_id, self.names.book)
            twins = {IDS.of(W, anonymous_twin(one)), IDS.of(W, anonymous_twin(other))}
            self._load_users(working, {*ends, *(twins & self.rows.keys())})
            self._load_members(working, whole)
            at = believed_time(event("decided", user_id="U", at=9))
            try:
                if name in {"join", "join_by"}:
                    self.merges.add((*ends, MERGE))
                    steps = getattr(working, name)(*ends, (at, name, "operator"))
                else:
                    if name == "let_go":
                        self.merges.discard((*ends, MERGE))
                    steps = getattr(working, name)(*ends, at)
                steps = working.finish(steps)
            except IncompleteError as error:
                whole |= self._more(error, whole)
                continue
            break
        self._tell(working, steps)
        self._save(working)
        self.apart = (self.apart - {ends, ends[::-1]}) | (working.apart & {ends})

    def _merged_with(self, ids: Collection[Id]) -> set[Id]:
        return {key[key[0] == one] for one in ids for key in self.merges if one in key[:2]}

    def _renamed(self, users: Collection[Id]) -> list[LinkKey]:
        return [key for key in self.links if key[2] == RENAMED and key[1] in users]

    def _load_users(self, working: WorkingSet, users: Collection[Id]) -> None:
        """All that user ids have, and the links of what several of them share and nobody else."""
        self._load_around(working, users, users, wide=True)
        known = working.between_users().union(users)
        for one in working.shared_by(known):
            near = {
                key[key[0] == one]
                for key, (_evidence, void) in self.links.items()
                if one in key[:2] and not void
            }
            if all(self.rows[end].kind != "user_id" or end in known for end in near):
                working.doubtful.add(one)
        doubtful = frozenset(working.doubtful)
        self._load_around(working, doubtful, doubtful, wide=True)

    def _load_around(
        self,
        working: WorkingSet,
        seeds: Collection[Id],
        beyond: Collection[Id],
        *,
        wide: bool = False,
    ) -> None:
        """The components of identifiers, their links, and the users next to them."""
        through: dict[Id, bool] = {}
        edge = []
        for one in seeds:
            if one in self.rows:
                row = self.rows[one]
                open_ = wide or self._is_open(row)
                edge.append((one, open_ and (one in beyond or not row.shared)))
        while edge:
            one, open_ = edge.pop()
            if one in through and (through[one] or not open_):
                continue
            through[one] = open_
            follow = one in seeds and one in beyond
            for key, (_evidence, void) in self.links.items():
                if open_ and one in key[:2] and (follow or not void):
                    other = self.rows[near := key[key[0] == one]]
                    edge.append((near, (wide or self._is_open(other)) and not other.shared))
        self._load_nodes(working, through)
        working.apart |= {pair for pair in self.apart if not through.keys().isdisjoint(pair)}
        for key, (evidence, void) in self.links.items():
            if any(through.get(end) for end in key[:2]):
                working.add_link(Link(key, W, evidence, void))
        more = working.shared_by_aliases(beyond)
        working.doubtful |= more
        if not more <= set(beyond):
            self._load_around(working, {*seeds, *more}, {*beyond, *more}, wide=wide)

    def _is_open(self, row: Row) -> bool:
        return row.kind != "user_id" or row.contested or bool(self.rules.limits)

    def _load_members(self, working: WorkingSet, profiles: Collection[Id]) -> None:
        self._load_nodes(
            working, [id_ for id_, row in self.rows.items() if row.profile in profiles]
        )

    def _load_nodes(self, working: WorkingSet, wanted: Iterable[Id]) -> None:
        for id_ in sorted(set(wanted) & self.rows.keys()):
            working.add_node(self.node(id_))
        for node in working.nodes.values():
            if node.profile_id is not None and node.profile_id not in working.profiles:
                working.add_profile(self.profile(node.profile_id))
        working.settle()

    def node(self, id_: Id) -> Node:
        """An identifier as it is loaded."""
        row = self.rows[id_]
        marks = (row.profile, row.cluster, row.shared, row.contested)
        return Node(id_, W, row.kind, row.value, *marks, stored=row.fold)

    def profile(self, id_: Id) -> Profile:
        """A profile as it is loaded."""
        version, merged_into, summary = self.profiles[id_]
        made = Profile.of(id_, W, version, msgspec.json.decode(summary, type=Summary))
        made.merged_into = merged_into
        return made

    # --- writing back ------------------------------------------------------------------------

    def _tell(
        self,
        working: WorkingSet,
        steps: Sequence[ProfileActivity],
        batch: Sequence[Event] = (),
        *,
        recounted: Collection[Id] = (),
    ) -> None:
        """Publish steps; `batch`: the events that were applied, `recounted`: who was anew."""
        del working, batch, recounted
        self.published += steps

    def _save(self, working: WorkingSet) -> None:
        for one in working.changed_nodes.values():
            fold = one.stored or encode(one.fold).decode()
            marks = (one.profile_id, one.cluster_id, one.shared, one.contested)
            self.rows[one.id] = Row(one.kind, one.value, *marks, fold)
        for id_, parted in working.parted.items():
            self.rows[id_] = self.rows[id_]._replace(fold=encode(parted).decode())
        self._relabel(working)
        for key, link in working.changed_links.items():
            known = self.links.pop(key, None)
            if key in working.links:
                # A row that is there keeps the earlier evidence, unless that was taken back.
                kept = known[0] if known is not None and not link.corrected else link.evidence
                self.links[key] = (min(kept, link.evidence), link.void)
        for person in working.changed_profiles.values():
            summary = encode(person.summary())
            self.profiles[person.id] = (person.version, person.merged_into, summary)
        for _workspace, who, gone in working.spilled:
            before = self.overflow.get((who, gone.kind, gone.name))
            if before is None or gone.at >= before.at:
                self.overflow[who, gone.kind, gone.name] = gone

    def _relabel(self, working: WorkingSet) -> None:
        for id_, row in self.rows.items():
            profile, cluster = row.profile, row.cluster
            if profile in working.merged:
                profile = end_of(working.merged, profile)
            if cluster in working.renamed:
                cluster = end_of(working.renamed, cluster)
            self.rows[id_] = row._replace(profile=profile, cluster=cluster)

    # --- asking ------------------------------------------------------------------------------

    def timeline(self, hub: Id) -> list[Event]:
        """The events that have an identifier as their strongest."""
        return [one for name, one in self.counting.items() if self.hubs[name] == hub]

    def names_of(self, event: Event) -> Naming:
        """Whom an event names; the tests' events name somebody."""
        named = self.names.of(event)
        assert named is not None
        return named

    def states(self) -> list[Known]:
        """What is stored of everybody, as it would be published."""
        alive = [id_ for id_, (_version, heir, _summary) in self.profiles.items() if heir is None]
        people = [one for one in map(self.profile, alive) if one.count]
        return [state(one.named, one.fold, one.count) for one in people]

    def told(self) -> list[Known]:
        """What a reader of all that was published knows."""
        return followed(self.published).states()

    def check(self) -> None:
        """What is kept twice, or in parts, agrees."""
        self.check_counts()
        for id_ in self.profiles:
            named = {(row.kind, row.value) for row in self.rows.values() if row.profile == id_}
            assert self.profile(id_).named.keys() == named
        for id_ in self.rows:
            self._check_traits(id_)
        for key, (_evidence, void) in self.links.items():
            ends = [self.rows[end] for end in key[:2]]
            if not void and not any(one.shared for one in ends):
                locks = {one.cluster or end for one, end in zip(ends, key[:2], strict=True)}
                assert len(locks) == 1, "what is connected is under one lock"

    def check_counts(self) -> None:
        """A profile's numbers are those of its identifiers."""
        for id_ in self.profiles:
            self._check_profile(self.profile(id_))

    def _check_profile(self, person: Profile) -> None:
        members = {id_: row for id_, row in self.rows.items() if row.profile == person.id}
        assert person.count == len(members)
        users = {i for i, row in members.items() if row.kind == "user_id"}
        assert person.user in users if users else person.user is None
        own = {id_: self.fold_of(id_) for id_ in members}
        having = {id_ for id_, fold in own.items() if fold.events}
        assert person.sole is None or having <= {person.sole}
        assert sum(fold.events for fold in own.values()) == person.fold.events

    def _check_traits(self, id_: Id) -> None:
        """A trait is in the fold, or beside it when it gave way: by its latest word."""
        history = self.timeline(id_)
        judge = self.names.judge(history)
        assert self.fold_of(id_).traits == fold_all(history, judge).traits
        beside = {
            name: one
            for (who, kind, name), one in self.overflow.items()
            if (who, kind) == (id_, TRAIT)
        }
        told = [fold_all([one], judge).traits for one in history]
        for name in {name for one in told for name in one}:
            words = [one[name] for one in told if name in one]
            if any(one.rank is not None for one in words):
                # What has a rule of its own does not give way.
                continue
            latest = max(one.stamp.at for one in words)
            last = {bytes(one.value) for one in words if one.stamp.at == latest}
            held = self.fold_of(id_).traits.get(name) or beside[name]
            assert bytes(held.value) in last

    def fold_of(self, id_: Id) -> Fold:
        """What is known of an identifier by the events that have it as their strongest."""
        row = self.rows[id_]
        person = None if row.profile is None else self.profile(row.profile)
        if person is not None and person.sole == id_:
            return person.fold
        return msgspec.json.decode(row.fold, type=Fold)
