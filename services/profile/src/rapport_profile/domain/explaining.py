"""Why two identifiers are one person: the events that lead from one to the other. Or why not."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from rapport_common.events.envelope import USER_ID
from rapport_profile.domain.limits import MAX_NEW, MAX_PER_PROFILE, Objection, is_too_many
from rapport_profile.domain.merge_rules import Rules
from rapport_profile.domain.naming import Evidence, Id
from rapport_profile.domain.sharing import Near
from rapport_profile.domain.working_set import WorkingSet

SEVERAL_USERS, KEEP_APART, UNLINKED = "several_users", "keep_apart", "unlinked"
MAX_USERS = 10
"""So many users are named of those that share somebody, or meet."""


class Step(msgspec.Struct, frozen=True):
    """A link fact that counts: what two identifiers it is about, and who told of it first."""

    a: Id
    b: Id
    kind: str
    evidence: Evidence


class Obstacle(msgspec.Struct, frozen=True):
    """Why what leads from one identifier to another does not make them one person.

    `at`: whom it is about: an identifier that is shared, or the ends of a link that does not count.
    `kind`, `most`, `days`: the limit. `users`: who share it, or who meet over the link; some of
    them. `apart`: whom an operator keeps apart.
    """

    rule: str
    at: tuple[Id, ...] = ()
    kind: str | None = None
    most: int | None = None
    days: int | None = None
    users: tuple[Id, ...] = ()
    apart: tuple[Id, Id] | None = None


def chain(links: Iterable[Step], start: Id, end: Id) -> list[Step] | None:
    """The fewest links that lead from one identifier to another; None where none do.

    Of several ways with as many links the one that was told of first.
    """
    around: dict[Id, list[tuple[Id, Step]]] = {}
    for link in sorted(links, key=lambda link: (link.evidence, link.a, link.b)):
        around.setdefault(link.a, []).append((link.b, link))
        around.setdefault(link.b, []).append((link.a, link))
    came: dict[Id, tuple[Id, Step] | None] = {start: None}
    edge = deque([start])
    while edge and end not in came:
        here = edge.popleft()
        for near, link in around.get(here, ()):
            if near not in came:
                came[near] = (here, link)
                edge.append(near)
    if end not in came:
        return None
    found: list[Step] = []
    at = came[end]
    while at is not None:
        found.append(at[1])
        at = came[at[0]]
    return found[::-1]


class Explaining(WorkingSet):
    """What is loaded around two identifiers that are not one person."""

    def way(self, start: Id, end: Id) -> list[Step]:
        """The links that lead from one to the other, whether or not rules let them count."""
        keys = self._links_among(self.nodes.keys())
        steps = (Step(*key, self.links[key].evidence) for key in keys)
        return chain(steps, start, end) or []

    def shared_on(self, way: Sequence[Step], ends: Iterable[Id]) -> list[Id]:
        """The shared identifiers that a way leads over, or begins or ends at."""
        passed = dict.fromkeys([*ends, *(end for step in way for end in (step.a, step.b))])
        return [one for one in passed if self.nodes[one].shared]

    def obstacles(
        self, way: Sequence[Step], near: Mapping[Id, Mapping[Id, Near]]
    ) -> list[Obstacle]:
        """What lets a way not count. `near`: what is linked to those that are shared on it."""
        rules = self._rules_of(self.nodes)
        found = [shared_by(one, self.nodes[one].kind, near[one], rules) for one in near]
        refused: dict[tuple[Id, Id], Objection] = {}
        keys = self._links_among(self.nodes.keys())
        self._resolved({one: node.kind for one, node in self.nodes.items()}, keys, refused)
        for step in way:
            ends = [self.nodes[step.a], self.nodes[step.b]]
            parted = len({one.profile_id for one in ends}) > 1
            if parted and not any(one.shared for one in ends):
                found.append(self._refusal(step, refused.get((step.a, step.b)), rules))
        return found if way or found else [Obstacle(UNLINKED)]

    def _refusal(self, step: Step, objection: Objection | None, rules: Rules) -> Obstacle:
        """Why a link does not count whose ends are both somebody's."""
        at = (step.a, step.b)
        if objection is None:
            people = (self.profiles[self.nodes[one].profile_id or ""] for one in at)
            users = tuple(one.user for one in people if one.user is not None)
            return Obstacle(SEVERAL_USERS, at, users=users)
        if objection[0] not in {MAX_PER_PROFILE, MAX_NEW}:
            return Obstacle(KEEP_APART, at, apart=objection)
        return limit(objection, at, rules)


def limit(objection: Objection, at: tuple[Id, ...], rules: Rules) -> Obstacle:
    """So many of a kind, or so many new ones, that a person would have too many."""
    rule, kind = objection
    if rule == MAX_PER_PROFILE:
        return Obstacle(rule, at, kind, rules.most[kind])
    window = rules.windows[kind]
    return Obstacle(rule, at, kind, window.most, window.length.days)


def shared_by(one: Id, kind: str, near: Mapping[Id, Near], rules: Rules) -> Obstacle:
    """Why an identifier is nobody's: several users, or too many of a stronger kind, have it."""
    for stronger in sorted(rules.limits, key=rules.rank):
        times = [each.first for each in near.values() if each.kind == stronger]
        if rules.rank(stronger) < rules.rank(kind) and is_too_many(
            stronger, len(times), times, rules
        ):
            most = rules.most.get(stronger)
            over = most is not None and len(times) > most
            return limit((MAX_PER_PROFILE if over else MAX_NEW, stronger), (one,), rules)
    users = sorted(other for other, each in near.items() if each.kind == USER_ID)
    return Obstacle(SEVERAL_USERS, (one,), users=tuple(users[:MAX_USERS]))
