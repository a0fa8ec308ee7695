"""Which copies of which messages have been applied, and the events themselves."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import pack, packed
from rapport_common.events.codec import encode
from rapport_common.events.envelope import Event
from rapport_common.events.envelope_v1 import EventV1, from_v1
from rapport_profile.domain.fold import Fold
from rapport_profile.domain.naming import Id

MessageKey = tuple[str, str, str]
"""(workspace, source, message id)"""

_event = msgspec.json.Decoder(Event)
_event_v1 = msgspec.json.Decoder(EventV1)
_fold = msgspec.json.Decoder(Fold)


def stored_event(text: str) -> Event:
    """An event of the timeline; the oldest are of the first version, without a list of names."""
    try:
        return _event.decode(text)
    except msgspec.ValidationError:
        return from_v1(_event_v1.decode(text))


class Copy(msgspec.Struct, frozen=True, gc=False):
    """The copy of a message that counts.

    `told`: it is the so-many-eth form of the message that is told, from 0: so many copies counted
    before, and so often it was put under another identifier.
    """

    key: MessageKey
    hash: bytes
    identifier_id: Id
    timestamp: datetime
    received_at: datetime
    replaced: int = 0
    told: int = 0


class Entry(msgspec.Struct, frozen=True, gc=False):
    """An event on its way to the timeline of its strongest identifier."""

    event: Event
    identifier_id: Id


_CLAIM = text(
    "INSERT INTO profile.inbox "
    "(workspace, source, message_id, hash, identifier_id, timestamp, received_at) "
    f"SELECT * FROM unnest({packed('workspaces', 'text')}, {packed('sources', 'text')}, "
    f"CAST(:ids AS text[]), CAST(:hashes AS bytea[]), {packed('identifiers', 'uuid')}, "
    "CAST(:timestamps AS timestamptz[]), CAST(:received AS timestamptz[])) "
    "ON CONFLICT DO NOTHING RETURNING workspace, source, message_id"
)
_KNOWN = text(
    "SELECT i.workspace, i.source, i.message_id, i.hash, CAST(i.identifier_id AS text), "
    "i.timestamp, i.received_at, i.replaced, i.replaced + i.moved AS told FROM profile.inbox i "
    "JOIN unnest(CAST(:workspaces AS text[]), "
    "CAST(:sources AS text[]), CAST(:ids AS text[])) AS v(workspace, source, message_id) "
    "USING (workspace, source, message_id) "
    "ORDER BY i.workspace, i.source, i.message_id FOR UPDATE OF i"
)
_APPLIED = text(
    "SELECT i.workspace, i.source, i.message_id FROM profile.inbox i "
    "JOIN unnest(CAST(:workspaces AS text[]), "
    "CAST(:sources AS text[]), CAST(:ids AS text[])) AS v(workspace, source, message_id) "
    "USING (workspace, source, message_id)"
)
_REPLACE = text(
    "UPDATE profile.inbox SET hash = :hash, identifier_id = :identifier_id, "
    "timestamp = :timestamp, received_at = :received_at, replaced = replaced + 1 "
    "WHERE (workspace, source, message_id) = (:workspace, :source, :message_id)"
)
_REMEMBER = text(
    "INSERT INTO profile.timeline "
    "(workspace, identifier_id, timestamp, source, message_id, event) "
    "SELECT w, i, t, s, m, CAST(e AS json) "
    f"FROM unnest({packed('workspaces', 'text')}, {packed('identifiers', 'uuid')}, "
    f"CAST(:timestamps AS timestamptz[]), {packed('sources', 'text')}, CAST(:ids AS text[]), "
    "CAST(:events AS text[])) AS v(w, i, t, s, m, e)"
)
_FORGET = text(
    "DELETE FROM profile.timeline WHERE workspace = :workspace "
    "AND identifier_id = :identifier_id AND timestamp = :timestamp AND source = :source "
    "AND message_id = :message_id RETURNING CAST(event AS text) AS event"
)
_ONE = text(
    "SELECT CAST(t.event AS text) AS event FROM profile.timeline t "
    "JOIN profile.inbox i USING (workspace, identifier_id, timestamp, source, message_id) "
    "WHERE t.workspace = :workspace AND t.identifier_id = :identifier_id "
    "AND t.source = :source AND t.message_id = :message_id"
)
_REMAINING = text(
    "SELECT CAST(event AS text) AS event FROM profile.timeline "
    "WHERE workspace = :workspace AND identifier_id = :identifier_id"
)
_EXPIRED = text(
    "SELECT CAST(expired AS text) FROM profile.identifier "
    "WHERE workspace = :workspace AND id = :id FOR UPDATE"
)


async def claim(tx: AsyncConnection, copies: Sequence[Copy]) -> dict[MessageKey, Copy]:
    """Enter messages that are new, one copy of each; the copies known of those that are not.

    Rows are entered in the order of their keys, so that two batches with the same messages
    wait for each other instead of locking each other out.
    """
    ordered = sorted(copies, key=lambda one: one.key)
    entered = await tx.execute(
        _CLAIM,
        {
            "workspaces": pack(one.key[0] for one in ordered),
            "sources": pack(one.key[1] for one in ordered),
            "ids": [one.key[2] for one in ordered],
            "hashes": [one.hash for one in ordered],
            "identifiers": pack(one.identifier_id for one in ordered),
            "timestamps": [one.timestamp for one in ordered],
            "received": [one.received_at for one in ordered],
        },
    )
    ours = {(row[0], row[1], row[2]) for row in entered}
    rest = [one.key for one in ordered if one.key not in ours]
    if not rest:
        return {}
    rows = await tx.execute(_KNOWN, _columns(rest))
    return {one.key: one for one in map(_copy, rows)}


def _copy(row: Row[Any]) -> Copy:
    return Copy(
        (row.workspace, row.source, row.message_id),
        row.hash,
        row.identifier_id,
        row.timestamp,
        row.received_at,
        row.replaced,
        row.told,
    )


async def find(tx: AsyncConnection, key: MessageKey) -> Copy | None:
    """The copy of a message that counts, locked."""
    row = (await tx.execute(_KNOWN, _columns([key]))).first()
    return None if row is None else _copy(row)


async def applied(tx: AsyncConnection, keys: Sequence[MessageKey]) -> list[MessageKey]:
    """Those of the messages that have been applied."""
    rows = await tx.execute(_APPLIED, _columns(keys))
    return [(row.workspace, row.source, row.message_id) for row in rows]


def _columns(keys: Sequence[MessageKey]) -> dict[str, list[str]]:
    return {
        "workspaces": [key[0] for key in keys],
        "sources": [key[1] for key in keys],
        "ids": [key[2] for key in keys],
    }


async def replace(tx: AsyncConnection, copy: Copy) -> None:
    """From now on this copy of the message counts."""
    workspace, source, message_id = copy.key
    await tx.execute(
        _REPLACE,
        {
            "hash": copy.hash,
            "identifier_id": copy.identifier_id,
            "timestamp": copy.timestamp,
            "received_at": copy.received_at,
            "workspace": workspace,
            "source": source,
            "message_id": message_id,
        },
    )


async def remember(tx: AsyncConnection, entries: Sequence[Entry]) -> None:
    """Write events to the timeline."""
    await tx.execute(
        _REMEMBER,
        {
            "workspaces": pack(one.event.workspace for one in entries),
            "identifiers": pack(one.identifier_id for one in entries),
            "timestamps": [one.event.timestamp for one in entries],
            "sources": pack(one.event.source for one in entries),
            "ids": [one.event.message_id for one in entries],
            "events": [encode(one.event).decode() for one in entries],
        },
    )


async def forget(tx: AsyncConnection, copy: Copy) -> Event | None:
    """Take an event off the timeline and return it, or None if it is not there any more."""
    workspace, source, message_id = copy.key
    result = await tx.execute(
        _FORGET,
        {
            "workspace": workspace,
            "identifier_id": copy.identifier_id,
            "timestamp": copy.timestamp,
            "source": source,
            "message_id": message_id,
        },
    )
    row = result.first()
    return None if row is None else stored_event(row.event)


async def on_timeline(tx: AsyncConnection, key: MessageKey, identifier_id: Id) -> Event | None:
    """An event, or None when retention has removed it."""
    workspace, source, message_id = key
    asked = {"workspace": workspace, "source": source, "message_id": message_id}
    row = (await tx.execute(_ONE, {**asked, "identifier_id": identifier_id})).first()
    return None if row is None else stored_event(row.event)


async def remaining(tx: AsyncConnection, workspace: str, identifier_id: Id) -> list[Event]:
    """The events on the timeline of an identifier."""
    key = {"workspace": workspace, "identifier_id": identifier_id}
    return [stored_event(row.event) for row in await tx.execute(_REMAINING, key)]


async def expired(tx: AsyncConnection, workspace: str, identifier_id: Id) -> Fold | None:
    """The fold of an identifier's events that retention has removed; its row is locked."""
    result = await tx.execute(_EXPIRED, {"workspace": workspace, "id": identifier_id})
    stored = result.scalar()
    return None if stored is None else _fold.decode(stored)
