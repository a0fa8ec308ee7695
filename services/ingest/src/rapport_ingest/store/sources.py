"""Sources, their policies and their write keys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.events.identifiers import plain_identifiers
from rapport_ingest.domain.source import Caller, Kind, SourcePolicy

_policy = msgspec.json.Decoder(SourcePolicy)
_texts = msgspec.json.Decoder(list[str])


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
    kind: Kind


@dataclass(frozen=True, slots=True)
class Declared:
    """What operators have set for a source; `blocked` are its workspace's own placeholders."""

    policy: SourcePolicy
    kind: Kind
    blocked: frozenset[str]


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A write key as operators see it: without the key."""

    id: str
    created_at: datetime
    revoked_at: datetime | None


_SOURCE = "SELECT id, name, created_at, CAST(policy AS text), revision, kind FROM ingest.source "


async def add_source(
    tx: AsyncConnection, caller: Caller, name: str, kind: Kind, policy: Mapping[str, Any]
) -> bool:
    """Create a source; False when its id is taken."""
    result = await tx.execute(
        text(
            "INSERT INTO ingest.source (workspace, id, name, kind, policy) "
            "VALUES (:workspace, :id, :name, :kind, CAST(:policy AS jsonb)) "
            "ON CONFLICT (workspace, id) DO NOTHING"
        ),
        {
            "workspace": caller.workspace,
            "id": caller.source,
            "name": name,
            "kind": kind,
            "policy": msgspec.json.encode(policy).decode(),
        },
    )
    return result.rowcount == 1


async def change_source(
    tx: AsyncConnection, caller: Caller, name: str, kind: Kind, policy: Mapping[str, Any]
) -> None:
    """Store name, kind and policy; the new revision makes every process read them again."""
    await tx.execute(
        text(
            "UPDATE ingest.source SET name = :name, kind = :kind, "
            "policy = CAST(:policy AS jsonb), revision = revision + 1 "
            "WHERE workspace = :workspace AND id = :source"
        ),
        {
            "workspace": caller.workspace,
            "source": caller.source,
            "name": name,
            "kind": kind,
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


async def declared(tx: AsyncConnection, callers: Sequence[Caller]) -> dict[Caller, Declared]:
    """What is set for these sources; those that do not exist are left out."""
    result = await tx.execute(
        text(
            "SELECT s.workspace, s.id, CAST(s.policy AS text), s.kind, "
            "CAST(w.policy -> 'blocked_identifiers' AS text) FROM ingest.source s "
            "JOIN unnest(CAST(:workspaces AS text[]), CAST(:sources AS text[])) "
            "AS asked(workspace, id) USING (workspace, id) "
            "LEFT JOIN ingest.workspace_policy w USING (workspace)"
        ),
        {
            "workspaces": [one.workspace for one in callers],
            "sources": [one.source for one in callers],
        },
    )
    return {
        Caller(row[0], row[1]): Declared(
            _policy.decode(row[2]), row[3], plain_identifiers(_texts.decode(row[4] or "[]"))
        )
        for row in result
    }


async def sources(
    tx: AsyncConnection, workspace: str, *, after: str = "", limit: int | None = None
) -> list[Source]:
    """Sources of a workspace with ids behind `after`, by id, at most `limit`."""
    result = await tx.execute(
        text(
            f"{_SOURCE}WHERE workspace = :workspace AND id > :after ORDER BY id "
            "LIMIT CAST(:limit AS bigint)"
        ),
        {"workspace": workspace, "after": after, "limit": limit},
    )
    return [_source(row) for row in result]


async def workspace_policy(
    tx: AsyncConnection, workspace: str, *, lock: bool = False
) -> dict[str, Any]:
    """What is set for all sources of a workspace; with `lock` nobody else changes it meanwhile."""
    if lock:
        await tx.execute(
            text(
                "INSERT INTO ingest.workspace_policy (workspace) VALUES (:workspace) "
                "ON CONFLICT (workspace) DO NOTHING"
            ),
            {"workspace": workspace},
        )
    result = await tx.execute(
        text(
            "SELECT CAST(policy AS text) FROM ingest.workspace_policy "
            f"WHERE workspace = :workspace{' FOR UPDATE' if lock else ''}"
        ),
        {"workspace": workspace},
    )
    found = result.scalar()
    return {} if found is None else dict(msgspec.json.decode(found))


async def change_workspace_policy(
    tx: AsyncConnection, workspace: str, policy: Mapping[str, Any]
) -> None:
    """Store it; the new revision of each source makes every process read it again."""
    await tx.execute(
        text(
            "UPDATE ingest.workspace_policy SET policy = CAST(:policy AS jsonb) "
            "WHERE workspace = :workspace"
        ),
        {"workspace": workspace, "policy": msgspec.json.encode(policy).decode()},
    )
    await tx.execute(
        text(
            "UPDATE ingest.source s SET revision = s.revision + 1 FROM (SELECT id FROM "
            "ingest.source WHERE workspace = :workspace ORDER BY id FOR UPDATE) AS locked "
            "WHERE s.workspace = :workspace AND s.id = locked.id"
        ),
        {"workspace": workspace},
    )


async def keys_of(
    tx: AsyncConnection,
    caller: Caller,
    *,
    after: tuple[datetime, str] | None = None,
    limit: int | None = None,
) -> list[KeyRow]:
    """Keys a source has had, oldest first: those behind `after` (time and id), at most `limit`."""
    result = await tx.execute(
        text(
            "SELECT id, created_at, revoked_at FROM ingest.write_key "
            "WHERE workspace = :workspace AND source = :source "
            "AND (CAST(:at AS timestamptz) IS NULL OR (created_at, id) > (:at, :id)) "
            "ORDER BY created_at, id LIMIT CAST(:limit AS bigint)"
        ),
        {
            "workspace": caller.workspace,
            "source": caller.source,
            "at": after[0] if after else None,
            "id": after[1] if after else "",
            "limit": limit,
        },
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
    return Source(row[0], row[1], row[2], msgspec.json.decode(row[3]), row[4], row[5])
