"""What profile stores of people who come for the first time: rows made by its own domain code.

A batch of the consumer reads what is known of the people first. Of newcomers to an empty store
nothing is, so the rows follow from the events alone: no statement is needed to make them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from rapport_common.events.codec import encode
from rapport_common.ids import uuid7_text
from rapport_profile.domain.merge_rules import USUAL
from rapport_profile.domain.naming import Id, Ids, Names
from rapport_profile.domain.people import Node, Profile
from rapport_profile.domain.searchable import entries_of, keys_of
from rapport_profile.domain.working_set import WorkingSet
from rapport_profile.handlers.events import Draft, draft

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rapport_common.events.envelope import Event

COLUMNS = {
    "identifier": (
        *("workspace", "id", "kind", "value", "profile_id", "cluster_id", "shared", "contested"),
        "fold",
    ),
    "link": ("workspace", "a", "b", "kind", "timestamp", "message_id", "source", "void"),
    "profile": ("workspace", "id", "version", "members", "summary"),
    "search": ("workspace", "profile_id", "entries", "keys"),
    "inbox": (
        *("workspace", "source", "message_id", "hash", "identifier_id", "timestamp"),
        "received_at",
    ),
    "timeline": ("workspace", "identifier_id", "timestamp", "source", "message_id", "event"),
}
"""By table, in the order in which `Rows` has the values."""


@dataclass(frozen=True)
class Rows:
    """The rows of each table of `COLUMNS`."""

    tables: dict[str, list[tuple[Any, ...]]]


def rows_of(ids: Ids, events: Sequence[Event]) -> Rows:
    """The rows of people of whom these events are all that is known.

    `ids` names identifiers. Raises InvalidEvent for an event that profile would not take.
    """
    names = Names(ids, USUAL)
    drafts = [draft(names, index, event) for index, event in enumerate(events)]
    working = WorkingSet(ids, uuid7_text, names.book)
    for one in drafts:
        for node in _nodes(ids, one):
            working.add_node(node)
    working.finish([step for one in drafts for step in working.apply(one.event, one.named)])
    profiles = list(working.changed_profiles.values())
    return Rows(
        {
            "identifier": [_identifier(one) for one in working.nodes.values()],
            "link": [
                (one.workspace, *map(UUID, one.key[:2]), one.key[2], *one.evidence, one.void)
                for one in working.links.values()
            ],
            "profile": [_profile(one) for one in profiles],
            "search": list(_search(profiles)),
            "inbox": [_inbox(one) for one in drafts],
            "timeline": [_timeline(one) for one in drafts],
        }
    )


def _nodes(ids: Ids, one: Draft) -> Iterable[Node]:
    workspace = one.event.workspace
    for kind, value in one.named.all:
        yield Node(ids.of(workspace, (kind, value)), workspace, kind, value)


def _identifier(one: Node) -> tuple[Any, ...]:
    fold = one.stored or encode(one.fold).decode()
    owner, cluster = _uuid(one.profile_id), _uuid(one.cluster_id)
    key = (one.workspace, UUID(one.id), one.kind, one.value)
    return (*key, owner, cluster, one.shared, one.contested, fold)


def _profile(one: Profile) -> tuple[Any, ...]:
    summary = encode(one.summary()).decode()
    return (one.workspace, UUID(one.id), one.version, one.count, summary)


def _search(profiles: Iterable[Profile]) -> Iterable[tuple[Any, ...]]:
    for one in profiles:
        entries = entries_of(one.summary())
        if entries:
            shown = msgspec.json.encode(entries).decode()
            yield (one.workspace, UUID(one.id), shown, keys_of(one.workspace, entries))


def _inbox(one: Draft) -> tuple[Any, ...]:
    copy = one.copy
    return (*copy.key, copy.hash, UUID(copy.identifier_id), copy.timestamp, copy.received_at)


def _timeline(one: Draft) -> tuple[Any, ...]:
    event = one.event
    place = (event.timestamp, event.source, event.message_id)
    return (event.workspace, UUID(one.copy.identifier_id), *place, encode(event).decode())


def _uuid(one: Id | None) -> UUID | None:
    return None if one is None else UUID(one)
