"""What a burst has left in the stores and topics of profile and segment."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
from tests.bench.kafka_ceiling import read

Keyed = tuple[bytes, bytes]
"""A record of Kafka: its key and its value."""

_EVENTS = """
SELECT i.source, i.message_id, i.hash, i.identifier_id::text AS identifier_id, i.timestamp,
  i.received_at, t.event::text AS event, n.profile_id
FROM profile.inbox i
JOIN profile.timeline t USING (workspace, identifier_id, timestamp, source, message_id)
JOIN profile.identifier n ON n.workspace = i.workspace AND n.id = i.identifier_id
ORDER BY i.received_at, i.message_id LIMIT $1
"""
_PROFILES = "SELECT id AS profile_id, members, summary::text FROM profile.profile"
_IDENTIFIERS = """
SELECT profile_id, id::text, kind, value, cluster_id::text, fold::text FROM profile.identifier
"""
_LINKS = """
SELECT n.profile_id, l.a::text, l.b::text, l.kind, l.timestamp, l.message_id, l.source
FROM profile.link l JOIN profile.identifier n ON n.workspace = l.workspace AND n.id = l.a
"""
_HELD = """
SELECT profile_id, identifiers::text, traits::text, computed::text FROM segment.person WHERE known
"""
_ENTRIES = """
SELECT profile_id, segment_id::text, entry_id::text, entered_at, segment_version, profile_version,
  reason FROM segment.membership ORDER BY profile_version
"""


class Event(NamedTuple):
    """A row of the inbox and one of the timeline; `event` is its JSON."""

    source: str
    message_id: str
    hash: bytes
    identifier_id: str
    timestamp: Any
    received_at: Any
    event: str
    profile_id: UUID


@dataclass
class Person:
    """What was written of one person; rows are without the workspace and the profile's id.

    `told` and `entered` are the records of `profile.activity` and `segment.membership`, in order.
    """

    profile: Any = None
    identifiers: list[Any] = field(default_factory=list)
    links: list[Any] = field(default_factory=list)
    held: Any = None
    entries: list[Any] = field(default_factory=list)
    told: list[Keyed] = field(default_factory=list)
    entered: list[Keyed] = field(default_factory=list)


async def written(database: str, bootstrap: str, most: int) -> tuple[list[Event], dict[UUID, Any]]:
    """The first `most` events in the order of their receipt, and their people (`Person`)."""
    people: defaultdict[UUID, Person] = defaultdict(Person)
    connection = await asyncpg.connect(database)
    try:
        events = [Event(*row) for row in await connection.fetch(_EVENTS, most)]
        for name, query in (
            ("identifiers", _IDENTIFIERS),
            ("links", _LINKS),
            ("entries", _ENTRIES),
        ):
            for profile_id, *row in await connection.fetch(query):
                getattr(people[profile_id], name).append(row)
        for name, query in (("profile", _PROFILES), ("held", _HELD)):
            for profile_id, *row in await connection.fetch(query):
                setattr(people[profile_id], name, row)
    finally:
        await connection.close()
    for key, value in await read(bootstrap, "profile.activity"):
        people[UUID(bytes=key)].told.append((key, value))
    for key, value in await read(bootstrap, "segment.membership"):
        people[UUID(bytes=key)].entered.append((key, value))
    return [one for one in events if _is_whole(people[one.profile_id])], dict(people)


def _is_whole(person: Person) -> bool:
    """Whether segment has caught up with profile, and nobody was merged in between."""
    return person.profile is not None and person.held is not None and bool(person.told)
