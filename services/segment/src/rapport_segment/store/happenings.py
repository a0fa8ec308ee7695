"""The SQL of events as rules see them, and of whose they are."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import pack_texts, packed_texts
from rapport_common.follower.domain import Key
from rapport_segment.domain.happenings import (
    MOST,
    Anchor,
    Arrival,
    Copied,
    Happening,
    Kept,
    Message,
    Named,
)
from rapport_segment.domain.sections import TRAITS, Section

NEWEST = 'ORDER BY h.at DESC, h.source COLLATE "C" DESC, h.message_id COLLATE "C" DESC'

_SAVE = text(
    "INSERT INTO segment.happening AS h (workspace, source, message_id, anchor, name, at, "
    "received_at, copy, properties) SELECT workspace, source, message_id, anchor, name, at, "
    "received_at, copy, CAST(properties AS jsonb) FROM unnest("
    f"{packed_texts('workspaces')}, {packed_texts('sources')}, CAST(:ids AS text[]), "
    f"CAST(:anchors AS bytea[]), {packed_texts('names')}, CAST(:times AS timestamptz[]), "
    "CAST(:received AS timestamptz[]), CAST(:copies AS int[]), CAST(:properties AS text[])) "
    "AS v(workspace, source, message_id, anchor, name, at, received_at, copy, properties) "
    "ON CONFLICT (workspace, source, message_id) DO UPDATE SET anchor = excluded.anchor, "
    "name = excluded.name, at = excluded.at, received_at = excluded.received_at, "
    "copy = excluded.copy, properties = excluded.properties WHERE h.copy < excluded.copy "
    "RETURNING h.workspace, h.source, h.message_id"
)
_READ = text(
    "SELECT v.n, h.at, h.source, h.message_id, CAST(h.properties AS text), h.copy "
    f"FROM unnest({packed_texts('workspaces')}, CAST(:anchors AS bytea[]), "
    f"{packed_texts('names')}, CAST(:since AS timestamptz[])) "
    "WITH ORDINALITY AS v(workspace, anchor, name, since, n), "
    "LATERAL (SELECT * FROM segment.happening h WHERE h.workspace = v.workspace "
    f"AND h.name = v.name AND h.anchor = v.anchor AND h.at >= v.since {NEWEST} LIMIT {MOST}) AS h "
    "ORDER BY v.n, h.at, h.source, h.message_id"
)
_COPIES = text(
    "SELECT h.workspace, h.source, h.message_id, h.copy, h.anchor, h.name "
    f"FROM unnest({packed_texts('workspaces')}, {packed_texts('sources')}, CAST(:ids AS text[])) "
    "AS v(workspace, source, message_id) "
    "JOIN segment.happening h USING (workspace, source, message_id)"
)
_PEOPLE = (
    f"unnest({packed_texts('workspaces')}, CAST(:people AS uuid[]), CAST(:anchors AS bytea[])) "
    "AS v(workspace, profile_id, anchor)"
)
_CLAIM = text(
    f"INSERT INTO segment.anchor (workspace, profile_id, anchor) SELECT * FROM {_PEOPLE} "
    "ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING"
)
_RELEASE = text(
    f"DELETE FROM segment.anchor AS t USING {_PEOPLE} WHERE t.workspace = v.workspace "
    "AND t.profile_id = v.profile_id AND t.anchor = v.anchor"
)
_CLAIMED = text(
    "SELECT t.workspace, CAST(t.profile_id AS text), t.anchor FROM "
    f"unnest({packed_texts('workspaces')}, CAST(:people AS uuid[])) AS v(workspace, profile_id) "
    "JOIN segment.anchor t USING (workspace, profile_id)"
)
_OWNERS = text(
    "SELECT DISTINCT t.workspace, CAST(t.profile_id AS text) FROM "
    f"unnest({packed_texts('workspaces')}, CAST(:anchors AS bytea[])) AS v(workspace, anchor) "
    "JOIN segment.anchor t USING (workspace, anchor)"
)

_USED = text(
    "SELECT DISTINCT v.workspace, v.anchor "
    f"FROM unnest({packed_texts('workspaces')}, CAST(:anchors AS bytea[]), "
    f"{packed_texts('names')}) AS v(workspace, anchor, name) "
    "WHERE EXISTS (SELECT FROM segment.happening h WHERE h.workspace = v.workspace "
    "AND h.anchor = v.anchor AND h.name = v.name)"
)

_BUSY = text(
    "SELECT DISTINCT v.workspace, v.anchor "
    f"FROM unnest({packed_texts('workspaces')}, CAST(:anchors AS bytea[])) AS v(workspace, anchor) "
    "WHERE EXISTS (SELECT FROM segment.happening h WHERE h.workspace = v.workspace "
    "AND h.anchor = v.anchor)"
)

Wanted = tuple[str, Anchor, str]
"""(workspace, anchor, name)"""

Claim = tuple[Key, Anchor]
"""Whose an anchor is, or is no longer."""


async def save(tx: AsyncConnection, arrivals: Mapping[Message, Arrival]) -> list[Arrival]:
    """Keep events; those that are not kept, since the same or a later copy of them is."""
    if not arrivals:
        return []
    some = [arrivals[key] for key in sorted(arrivals)]
    rows = await tx.execute(
        _SAVE,
        {
            "workspaces": pack_texts([one.workspace for one in some]),
            "sources": pack_texts([one.one.source for one in some]),
            "ids": [one.one.message_id for one in some],
            "anchors": [one.anchor for one in some],
            "names": pack_texts([one.name for one in some]),
            "times": [one.one.at for one in some],
            "received": [one.received_at for one in some],
            "copies": [one.one.copy for one in some],
            "properties": [one.one.told.text for one in some],
        },
    )
    written = {tuple(row) for row in rows.all()}
    return [one for one in some if one.message not in written]


async def read(tx: AsyncConnection, wanted: Mapping[Wanted, datetime]) -> Kept:
    """Events by workspace, anchor and name, each from an instant on: the newest 1,000."""
    found: dict[tuple[str, Anchor], dict[str, Named]] = {}
    if not wanted:
        return dict(found)
    asked = list(wanted)
    rows = await tx.execute(
        _READ,
        {
            "workspaces": pack_texts([one[0] for one in asked]),
            "anchors": [one[1] for one in asked],
            "names": pack_texts([one[2] for one in asked]),
            "since": list(wanted.values()),
        },
    )
    lists: list[list[Happening]] = [[] for _one in asked]
    for number, at, source, message_id, told, copy in rows.all():
        section = Section(TRAITS, text=told)
        lists[number - 1].append(Happening(at, source, message_id, section, copy))
    for (workspace, anchor, name), some in zip(asked, lists, strict=True):
        found.setdefault((workspace, anchor), {})[name] = tuple(some)
    return dict(found)


async def copies(tx: AsyncConnection, messages: Collection[Message]) -> dict[Message, Copied]:
    """Of these messages the copies that are kept."""
    if not messages:
        return {}
    given = {
        "workspaces": pack_texts([one[0] for one in messages]),
        "sources": pack_texts([one[1] for one in messages]),
        "ids": [one[2] for one in messages],
    }
    rows = await tx.execute(_COPIES, given)
    return {tuple(row[:3]): Copied(*row[3:]) for row in rows.all()}


async def used(tx: AsyncConnection, wanted: Collection[Wanted]) -> set[tuple[str, Anchor]]:
    """Under which of these anchors any such event is kept, as (workspace, anchor)."""
    if not wanted:
        return set()
    given = {
        "workspaces": pack_texts([one[0] for one in wanted]),
        "anchors": [one[1] for one in wanted],
        "names": pack_texts([one[2] for one in wanted]),
    }
    rows = await tx.execute(_USED, given)
    return {(row[0], row[1]) for row in rows.all()}


async def busy(
    tx: AsyncConnection, anchors: Collection[tuple[str, Anchor]]
) -> set[tuple[str, Anchor]]:
    """Under which of these anchors any event is kept, as (workspace, anchor)."""
    if not anchors:
        return set()
    given = {
        "workspaces": pack_texts([one[0] for one in anchors]),
        "anchors": [one[1] for one in anchors],
    }
    rows = await tx.execute(_BUSY, given)
    return {(row[0], row[1]) for row in rows.all()}


async def claimed(tx: AsyncConnection, keys: Collection[Key]) -> set[Claim]:
    """Which anchors these people are noted to have."""
    if not keys:
        return set()
    given = {
        "workspaces": pack_texts([key[0] for key in keys]),
        "people": [UUID(key[1]) for key in keys],
    }
    rows = await tx.execute(_CLAIMED, given)
    return {((row[0], row[1]), row[2]) for row in rows.all()}


async def claim(
    tx: AsyncConnection, gained: Collection[Claim], lost: Collection[Claim] = ()
) -> None:
    """Note which anchors people have now, and which they have no more."""
    for statement, some in ((_RELEASE, lost), (_CLAIM, gained)):
        if some:
            await tx.execute(statement, _claims(sorted(some)))


def _claims(some: Sequence[Claim]) -> dict[str, Any]:
    return {
        "workspaces": pack_texts([key[0] for key, _anchor in some]),
        "people": [UUID(key[1]) for key, _anchor in some],
        "anchors": [anchor for _key, anchor in some],
    }


async def owners(tx: AsyncConnection, anchors: Collection[tuple[str, Anchor]]) -> set[Key]:
    """Who has one of these anchors, by (workspace, anchor)."""
    given = {
        "workspaces": pack_texts([one[0] for one in anchors]),
        "anchors": [one[1] for one in anchors],
    }
    rows = await tx.execute(_OWNERS, given)
    return {(row[0], row[1]) for row in rows.all()}
