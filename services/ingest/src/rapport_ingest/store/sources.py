"""Sources, their policies and their write keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_ingest.domain.source import Caller, Policy

_policy = msgspec.json.Decoder(Policy)


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A write key as it is kept."""

    caller: Caller
    hash: bytes
    revision: int


@dataclass(frozen=True, slots=True)
class Source:
    """A source of a workspace, as operators see it."""

    id: str
    name: str
    created_at: datetime


async def add_source(tx: AsyncConnection, workspace: str, source: str, name: str) -> bool:
    """Create a source; False when its id is taken."""
    result = await tx.execute(
        text(
            "INSERT INTO ingest.source (workspace, id, name) VALUES (:workspace, :id, :name) "
            "ON CONFLICT (workspace, id) DO NOTHING"
        ),
        {"workspace": workspace, "id": source, "name": name},
    )
    return result.rowcount == 1


async def add_key(tx: AsyncConnection, caller: Caller, key_id: str, key_hash: bytes) -> None:
    """Give a source a write key."""
    await tx.execute(
        text(
            "INSERT INTO ingest.write_key (workspace, id, source, hash) "
            "VALUES (:workspace, :id, :source, :hash)"
        ),
        {
            "workspace": caller.workspace,
            "id": key_id,
            "source": caller.source,
            "hash": key_hash,
        },
    )


async def find_keys(tx: AsyncConnection, key_ids: Sequence[str]) -> dict[str, StoredKey]:
    """The keys with these ids, by id, without the revoked ones."""
    result = await tx.execute(
        text(
            "SELECT k.id, k.workspace, k.source, k.hash, s.revision FROM ingest.write_key k "
            "JOIN ingest.source s ON s.workspace = k.workspace AND s.id = k.source "
            "WHERE k.id = ANY(CAST(:ids AS text[])) AND k.revoked_at IS NULL"
        ),
        {"ids": list(key_ids)},
    )
    return {row[0]: StoredKey(Caller(row[1], row[2]), row[3], row[4]) for row in result}


async def policies(tx: AsyncConnection, callers: Sequence[Caller]) -> dict[Caller, Policy]:
    """The policies of these sources."""
    result = await tx.execute(
        text(
            "SELECT s.workspace, s.id, CAST(s.policy AS text) FROM ingest.source s "
            "JOIN unnest(CAST(:workspaces AS text[]), CAST(:sources AS text[])) "
            "AS asked(workspace, id) USING (workspace, id)"
        ),
        {
            "workspaces": [one.workspace for one in callers],
            "sources": [one.source for one in callers],
        },
    )
    return {Caller(row[0], row[1]): _policy.decode(row[2]) for row in result}


async def sources(tx: AsyncConnection, workspace: str) -> list[Source]:
    """All sources of a workspace, by id."""
    result = await tx.execute(
        text(
            "SELECT id, name, created_at FROM ingest.source "
            "WHERE workspace = :workspace ORDER BY id"
        ),
        {"workspace": workspace},
    )
    return [Source(*row) for row in result]
