"""Sources, their policies and their write keys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

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
    """A source of a workspace, as operators see it; `policy` holds what they have set."""

    id: str
    name: str
    created_at: datetime
    policy: dict[str, Any]
    revision: int


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A write key as operators see it: without the key."""

    id: str
    created_at: datetime
    revoked_at: datetime | None


_SOURCE = "SELECT id, name, created_at, CAST(policy AS text), revision FROM ingest.source "


async def add_source(
    tx: AsyncConnection, workspace: str, source: str, name: str, policy: Mapping[str, Any]
) -> bool:
    """Create a source; False when its id is taken."""
    result = await tx.execute(
        text(
            "INSERT INTO ingest.source (workspace, id, name, policy) "
            "VALUES (:workspace, :id, :name, CAST(:policy AS jsonb)) "
            "ON CONFLICT (workspace, id) DO NOTHING"
        ),
        {
            "workspace": workspace,
            "id": source,
            "name": name,
            "policy": msgspec.json.encode(policy).decode(),
        },
    )
    return result.rowcount == 1


async def change_source(
    tx: AsyncConnection, caller: Caller, name: str, policy: Mapping[str, Any]
) -> None:
    """Store name and policy; the new revision makes every process read them again."""
    await tx.execute(
        text(
            "UPDATE ingest.source SET name = :name, policy = CAST(:policy AS jsonb), "
            "revision = revision + 1 WHERE workspace = :workspace AND id = :source"
        ),
        {
            "workspace": caller.workspace,
            "source": caller.source,
            "name": name,
            "policy": msgspec.json.encode(policy).decode(),
        },
    )


async def source(tx: AsyncConnection, caller: Caller, *, lock: bool = False) -> Source | None:
    """A source; with `lock` nobody else changes it before this transaction ends."""
    result = await tx.execute(
        text(
            f"{_SOURCE}WHERE workspace = :workspace AND id = :source{' FOR UPDATE' if lock else ''}"
        ),
        {"workspace": caller.workspace, "source": caller.source},
    )
    row = result.first()
    return _source(row) if row else None


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
        text(f"{_SOURCE}WHERE workspace = :workspace ORDER BY id"), {"workspace": workspace}
    )
    return [_source(row) for row in result]


async def keys_of(tx: AsyncConnection, caller: Caller) -> list[KeyRow]:
    """All keys a source has had, oldest first."""
    result = await tx.execute(
        text(
            "SELECT id, created_at, revoked_at FROM ingest.write_key "
            "WHERE workspace = :workspace AND source = :source ORDER BY created_at, id"
        ),
        {"workspace": caller.workspace, "source": caller.source},
    )
    return [KeyRow(*row) for row in result]


async def revoke_key(tx: AsyncConnection, caller: Caller, key_id: str) -> KeyRow | None:
    """End a key; a revoked one keeps its time. None when the source has no such key."""
    result = await tx.execute(
        text(
            "UPDATE ingest.write_key SET revoked_at = coalesce(revoked_at, now()) "
            "WHERE workspace = :workspace AND source = :source AND id = :id "
            "RETURNING id, created_at, revoked_at"
        ),
        {"workspace": caller.workspace, "source": caller.source, "id": key_id},
    )
    row = result.first()
    return KeyRow(*row) if row else None


def _source(row: Sequence[Any]) -> Source:
    return Source(row[0], row[1], row[2], msgspec.json.decode(row[3]), row[4])
