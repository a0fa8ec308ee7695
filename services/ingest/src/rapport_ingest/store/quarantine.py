"""Events that were not accepted, kept with the reason until they are repaired or expire."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class Quarantined:
    """An event that was not accepted, with the head of what was sent."""

    source: str
    message_id: str
    received_at: datetime
    code: str
    path: str
    reason: str
    body: bytes
    truncated: bool = False
    sent_at: datetime | None = None
    type: str | None = None
    dialect: str = "segment"


async def keep(tx: AsyncConnection, workspace: str, rows: Sequence[Quarantined]) -> None:
    """Keep what was not accepted, with its reason."""
    await tx.execute(
        text(
            "INSERT INTO ingest.quarantine "
            "(workspace, source, message_id, received_at, code, path, reason, body, truncated, "
            "sent_at, type, dialect) SELECT :workspace, v.* FROM unnest(CAST(:sources AS text[]), "
            "CAST(:message_ids AS text[]), CAST(:received AS timestamptz[]), "
            "CAST(:codes AS text[]), CAST(:paths AS text[]), CAST(:reasons AS text[]), "
            "CAST(:bodies AS bytea[]), CAST(:truncated AS boolean[]), "
            "CAST(:sent AS timestamptz[]), CAST(:types AS text[]), "
            "CAST(:dialects AS text[])) AS v"
        ),
        {
            "workspace": workspace,
            "sources": [one.source for one in rows],
            "message_ids": [one.message_id for one in rows],
            "received": [one.received_at for one in rows],
            "codes": [one.code for one in rows],
            "paths": [one.path for one in rows],
            "reasons": [one.reason for one in rows],
            "bodies": [one.body for one in rows],
            "truncated": [one.truncated for one in rows],
            "sent": [one.sent_at for one in rows],
            "types": [one.type for one in rows],
            "dialects": [one.dialect for one in rows],
        },
    )


async def latest(
    tx: AsyncConnection,
    workspace: str,
    *,
    source: str | None = None,
    message_id: str | None = None,
    limit: int = 100,
) -> list[Quarantined]:
    """The latest rejected events, newest first."""
    result = await tx.execute(
        text(
            "SELECT source, message_id, received_at, code, path, reason, body "
            "FROM ingest.quarantine WHERE workspace = :workspace "
            "AND (CAST(:source AS text) IS NULL OR source = :source) "
            "AND (CAST(:message_id AS text) IS NULL OR message_id = :message_id) "
            "ORDER BY id DESC LIMIT :limit"
        ),
        {"workspace": workspace, "source": source, "message_id": message_id, "limit": limit},
    )
    return [Quarantined(*row) for row in result]
