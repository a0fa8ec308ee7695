"""Who is in which groups: a pure function of what was said, in whatever order it came."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from rapport_profile.domain.groups.facts import Verb
from rapport_profile.domain.groups.kinds import GroupKind, GroupRules
from rapport_profile.domain.naming import Id
from rapport_profile.domain.stamps import Stamp

MAX_WORDS = 1_000
"""Words of an identifier that are kept."""
ALWAYS_KEPT = 20
"""Of these on each group so many, the newest, before any others; and the first that joins it."""


class Word(NamedTuple):
    """What one event, or an operator, says of a person's part in a group.

    `identifier_id` is the one it hangs on.
    """

    group_id: Id
    kind: str
    key: str
    verb: Verb
    stamp: Stamp
    is_trusted: bool
    role: str | None
    identifier_id: Id


class Membership(NamedTuple):
    """A person's part in a group: in it since, or until `left_at`.

    `is_verified`: a trusted source, or an operator, says so. `moved`: it ended because the person
    has joined others of the kind.
    """

    group_id: Id
    kind: str
    key: str
    since: datetime
    role: str | None
    is_verified: bool
    left_at: datetime | None = None
    moved: bool = False


def memberships(words: Iterable[Word], rules: GroupRules) -> list[Membership]:
    """The groups that a person is in, and has left, by what was said of all their identifiers.

    What a public source says counts only beside what trusted ones say: it ends no membership that
    these tell of, and takes nobody's place there.
    """
    by_kind: dict[str, list[Word]] = {}
    for one in sorted(words, key=lambda word: word.stamp.order):
        by_kind.setdefault(one.kind, []).append(one)
    found: list[Membership] = []
    for kind in sorted(by_kind):
        found += _of_kind(by_kind[kind], rules.of(kind))
    return found


def _of_kind(words: Sequence[Word], rule: GroupKind) -> list[Membership]:
    if rule.public == "everything":
        words = [one._replace(is_trusted=True) for one in words]
    verified = _Course(rule.most, is_verified=True)
    for one in words:
        if one.is_trusted:
            verified.take(one)
    if rule.public != "membership":
        return verified.told()
    other = _Course(rule.most - len(verified.within), is_verified=False)
    for one in words:
        # A trusted word that somebody has left ends what public ones said before, too.
        if one.group_id not in verified.within and (not one.is_trusted or one.verb == "out"):
            other.take(one)
    known = verified.told()
    apart = {one.group_id for one in known}
    told = [one for one in other.told() if one.left_at is None or one.group_id not in apart]
    now = {one.group_id for one in told}
    return [one for one in known if one.group_id not in now] + told


class _Course:
    """What becomes of memberships of one kind, word by word; at most `room` at a time."""

    def __init__(self, room: int, *, is_verified: bool) -> None:
        self._room = room
        self._is_verified = is_verified
        self.within: dict[Id, Membership] = {}
        """Those that hold, the one that was spoken of last at the end."""
        self._left: dict[Id, Membership] = {}

    def take(self, word: Word) -> None:
        """Go on with the next word."""
        known = self.within.pop(word.group_id, None)
        if word.verb == "out":
            if known is not None:
                self._left[word.group_id] = known._replace(left_at=word.stamp.at)
            return
        if not self._room:
            return
        since, role = (word.stamp.at, None) if known is None else (known.since, known.role)
        role = role if word.role is None else word.role
        self.within[word.group_id] = Membership(
            word.group_id, word.kind, word.key, since, role, self._is_verified
        )
        self._left.pop(word.group_id, None)
        while len(self.within) > self._room:
            first = next(iter(self.within))
            moved = self.within.pop(first)
            self._left[first] = moved._replace(left_at=word.stamp.at, moved=True)

    def told(self) -> list[Membership]:
        """Those that hold and those that ended, by key."""
        return sorted([*self.within.values(), *self._left.values()], key=lambda one: one.key)


def surplus(words: Collection[Word]) -> list[Word]:
    """The words of one identifier that give way to newer ones.

    What gives way never depends on the order of arrival: no word outlives a newer one on the same
    group, but the first that joins it.
    """
    if len(words) <= MAX_WORDS:
        return []
    newest = sorted(words, key=lambda one: one.stamp.order, reverse=True)
    first: dict[Id, Word] = {}
    for one in newest:
        if one.verb == "in":
            first[one.group_id] = one
    seen: dict[Id, int] = {}
    kept: list[Word] = []
    rest: list[Word] = []
    for one in newest:
        seen[one.group_id] = seen.get(one.group_id, 0) + 1
        always = seen[one.group_id] <= ALWAYS_KEPT or first.get(one.group_id) is one
        (kept if always else rest).append(one)
    return [*kept, *rest][MAX_WORDS:]
