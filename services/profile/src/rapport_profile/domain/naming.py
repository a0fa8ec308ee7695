"""What one event says of who it is about: whom it names, which identifiers belong together."""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from functools import lru_cache

import msgspec

from rapport_common.events.contact import normal_email
from rapport_common.events.envelope import (
    ANONYMOUS_ID,
    EMAIL,
    USER_ID,
    Event,
    Identifier,
    identifier_digest,
)
from rapport_common.events.identifiers import is_placeholder, is_placeholder_email
from rapport_common.events.kinds import PHONE, is_nobodys, normal_value
from rapport_profile.domain.judge import AS_SAID, Judge
from rapport_profile.domain.merge_rules import NO_RULES, USUAL, RuleBook, Rules

Id = str
"""A UUID as text: strings hash, compare and sort several times faster than UUID objects."""


LinkKey = tuple[Id, Id, str]
"""(strongest identifier, the other one, SEEN, ALIAS, RENAMED or MERGE)"""

Evidence = tuple[datetime, str, str]
"""(timestamp, message id, source) of an event that tells of a link."""

SEEN = "seen"
ALIAS = "alias"
RENAMED = "renamed"
"""Two user ids, by an alias of a trusted source: the former one is known as a user id."""
MERGE = "merge"
"""Told by an operator, not by an event."""
KINDS = (SEEN, ALIAS, RENAMED, MERGE)
OF_USERS = frozenset({RENAMED, MERGE})
"""The links by which two user ids may be one person."""


class Ids:
    """Names identifiers, by 128 bits of an HMAC under the installation's identity key.

    An id is the same in every process, without asking the database. It stays where the identifier
    itself is forgotten (the inbox, Kafka's keys), so nobody without the key can find out by trying
    what it stands for.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.of: Callable[[str, Identifier], Id] = lru_cache(maxsize=100_000)(self._of)
        """The id of an identifier of a workspace."""

    def _of(self, workspace: str, identifier: Identifier) -> Id:
        name = identifier_digest(self._key, workspace, identifier).hex()
        return f"{name[:8]}-{name[8:12]}-{name[12:16]}-{name[16:20]}-{name[20:]}"

    def digest(self, workspace: str, what: str, text: str) -> bytes:
        """16 bytes for what is no identifier; `what` says of which sort, and has a blank in it."""
        return identifier_digest(self._key, workspace, (what, text))

    def fingerprint(self) -> bytes:
        """16 bytes by which the key is known again."""
        return identifier_digest(self._key, "", ("", "fingerprint"))


class Naming(msgspec.Struct, frozen=True, gc=False):
    """The identifiers of one event.

    `hub` is the strongest; the event is folded there, and each other identifier is linked to
    it. `previous` is the alias's former id: anonymous, unless it is known as a user id. `renamed`
    is the same as a user id, where the alias of a trusted source gives a user another id.
    """

    hub: Identifier
    others: tuple[Identifier, ...]
    previous: Identifier | None
    renamed: Identifier | None = None

    @property
    def all(self) -> list[Identifier]:
        """Every identifier, the hub first."""
        found = [self.hub, *self.others]
        if self.previous is not None:
            found.append(self.previous)
        if self.renamed is not None:
            found.append(self.renamed)
        return found


def naming(event: Event, rules: Rules = NO_RULES) -> Naming | None:
    """Who an event names, or None when it names nobody: placeholders are no names."""
    found = [one for one in map(_normal, event.identifiers) if one is not None]
    if not found:
        return None
    if len(found) > 1:
        found = list(dict.fromkeys(found))
    if rules.chooses:
        found = rules.chosen(found)
    if not event.previous_id:
        return Naming(found[0], tuple(found[1:]), None)
    former = (_former(kind, event.previous_id, found, rules) for kind in (ANONYMOUS_ID, USER_ID))
    previous, renamed = former
    if event.trust != "trusted" or found[0][0] != USER_ID:
        renamed = None
    return Naming(found[0], tuple(found[1:]), previous, renamed)


def _former(kind: str, value: str, found: list[Identifier], rules: Rules) -> Identifier | None:
    """An alias's former id as one of a kind; None when it says nothing."""
    former = _normal((kind, value))
    if former is None or former in found:
        return None
    return former if rules.joins(former) and rules.joins(found[0]) else None


@lru_cache(maxsize=100_000)
def _normal(identifier: Identifier) -> Identifier | None:
    """The identifier as it is compared, whatever the door it came through made of it."""
    kind, value = identifier
    if kind == EMAIL:
        value = normal_email(value)
        if is_placeholder_email(value):
            return None
    elif kind == PHONE:
        number = normal_value(kind, value)
        return None if number is None or is_nobodys(kind, number) else (kind, number)
    return None if is_placeholder(value) else (kind, value)


def normal_or_given(identifier: Identifier) -> Identifier:
    """An identifier that is asked for as it is compared; what is none of its kind as it is."""
    kind, value = identifier
    if kind == EMAIL:
        return kind, normal_email(value)
    return kind, normal_value(kind, value) or value


def link_keys(ids: Ids, workspace: str, named: Naming) -> list[LinkKey]:
    """The links an event tells of, each from its strongest identifier."""
    hub = ids.of(workspace, named.hub)
    keys = [(hub, ids.of(workspace, one), SEEN) for one in named.others]
    if named.previous is not None:
        keys.append((hub, ids.of(workspace, named.previous), ALIAS))
    if named.renamed is not None:
        keys.append((hub, ids.of(workspace, named.renamed), RENAMED))
    return keys


class Names:
    """Whom events name: under the merge rules of their workspaces, with the ids of identifiers.

    `cuts`: events, by (workspace, source, message id), of which an operator has said that they
    name others by mistake: only their strongest identifier counts.
    """

    def __init__(
        self,
        ids: Ids,
        book: RuleBook = USUAL,
        cuts: AbstractSet[tuple[str, str, str]] = frozenset(),
    ) -> None:
        self.ids = ids
        self.book = book
        self.cuts = cuts

    def of(self, event: Event) -> Naming | None:
        """Who an event names, or None when it names nobody."""
        named = naming(event, self.book.of(event.workspace))
        if named is None or (event.workspace, event.source, event.message_id) not in self.cuts:
            return named
        return Naming(named.hub, (), None)

    def judge(self, events: Sequence[Event]) -> Judge:
        """By which rules these events are read, which are of one workspace."""
        return self.book.of(events[0].workspace).judge if events else AS_SAID

    def knowing(self, cuts: AbstractSet[tuple[str, str, str]]) -> "Names":
        """The same, where these events are cut."""
        return Names(self.ids, self.book, cuts)

    def links(self, workspace: str, named: Naming) -> list[LinkKey]:
        """The links an event tells of."""
        return link_keys(self.ids, workspace, named)


def user_twin(identifier: Identifier) -> Identifier:
    """The same value as a user id."""
    return (USER_ID, identifier[1])


def anonymous_twin(identifier: Identifier) -> Identifier:
    """The same value as an anonymous id."""
    return (ANONYMOUS_ID, identifier[1])
