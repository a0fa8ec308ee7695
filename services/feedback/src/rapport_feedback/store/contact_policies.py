"""A workspace's contact policy, in versions."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_feedback.domain.contact_policy import ContactPolicy

_COLUMNS = "version, CAST(document AS text) AS document, actor, reason, created_at"
_decode = msgspec.json.Decoder(ContactPolicy).decode


@dataclass(frozen=True, slots=True)
class Version:
    """One version, by whom and why; 0: what holds where nothing was decided."""

    version: int
    policy: ContactPolicy
    actor: str = ""
    reason: str = ""
    created_at: datetime | None = None


async def current(tx: AsyncConnection, workspace: str) -> Version:
    """What holds."""
    found = await history(tx, workspace, before=None, limit=1)
    return found[0] if found else Version(0, ContactPolicy())


async def history(
    tx: AsyncConnection, workspace: str, *, before: int | None, limit: int
) -> list[Version]:
    """All versions, the newest first: those before one, if given."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM feedback.contact_policy WHERE workspace = :workspace "
            "AND (CAST(:before AS bigint) IS NULL OR version < :before) "
            "ORDER BY version DESC LIMIT :limit"
        ),
        {"workspace": workspace, "before": before, "limit": limit},
    )
    return [_version(row) for row in rows]


async def add(tx: AsyncConnection, workspace: str, new: Version) -> bool:
    """Let it hold from now on; False when somebody has declared this version before."""
    result = await tx.execute(
        text(
            "INSERT INTO feedback.contact_policy (workspace, version, document, actor, reason) "
            "VALUES (:workspace, :version, CAST(:document AS json), :actor, :reason) "
            "ON CONFLICT DO NOTHING"
        ),
        {
            "workspace": workspace,
            "version": new.version,
            "document": msgspec.json.encode(new.policy).decode(),
            "actor": new.actor,
            "reason": new.reason,
        },
    )
    return result.rowcount == 1


def _version(row: Row[Any]) -> Version:
    return Version(row.version, _decode(row.document), row.actor, row.reason, row.created_at)
