"""Small documents by kind and name: templates, macros, connectors, reasons, causes, limits."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

Kind = Literal["template", "macro", "connector", "reason", "cause", "goodwill_limit"]


class Listing(NamedTuple):
    """A document as it holds now."""

    name: str
    document: dict[str, Any]
    version: int
    actor: str
    changed_at: datetime


_COLUMNS = "name, CAST(document AS text) AS document, version, actor, changed_at"


async def put(
    tx: AsyncConnection,
    workspace: str,
    kind: Kind,
    name: str,
    document: Mapping[str, Any],
    *,
    actor: str,
    at: datetime,
) -> Listing:
    """Let a document hold from now on, also one that was archived."""
    rows = await tx.execute(
        text(
            "INSERT INTO feedback.case_catalogue AS c (workspace, kind, name, document, version, "
            "actor, changed_at) VALUES (:workspace, :kind, :name, CAST(:document AS jsonb), 1, "
            ":actor, :at) ON CONFLICT (workspace, kind, name) DO UPDATE SET "
            "document = excluded.document, version = c.version + 1, actor = excluded.actor, "
            f"changed_at = excluded.changed_at, archived_at = NULL RETURNING {_COLUMNS}"
        ),
        {
            "workspace": workspace,
            "kind": kind,
            "name": name,
            "document": msgspec.json.encode(document).decode(),
            "actor": actor,
            "at": at,
        },
    )
    return _listing(rows.one())


async def find(tx: AsyncConnection, workspace: str, kind: Kind, name: str) -> Listing | None:
    """The document of a name that holds."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM feedback.case_catalogue WHERE workspace = :workspace "
            "AND kind = :kind AND name = :name AND archived_at IS NULL"
        ),
        {"workspace": workspace, "kind": kind, "name": name},
    )
    row = rows.first()
    return _listing(row) if row else None


async def listed(
    tx: AsyncConnection, workspace: str, kind: Kind, *, after: str = "", limit: int = 1000
) -> list[Listing]:
    """Those of a kind that hold, by name."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM feedback.case_catalogue WHERE workspace = :workspace "
            "AND kind = :kind AND name > :after AND archived_at IS NULL ORDER BY name LIMIT :limit"
        ),
        {"workspace": workspace, "kind": kind, "after": after, "limit": limit},
    )
    return [_listing(row) for row in rows]


async def archive(
    tx: AsyncConnection, workspace: str, kind: Kind, name: str, *, actor: str, at: datetime
) -> bool:
    """A document holds no more; whether there was one."""
    gone = await tx.execute(
        text(
            "UPDATE feedback.case_catalogue SET archived_at = :at, actor = :actor "
            "WHERE workspace = :workspace AND kind = :kind AND name = :name "
            "AND archived_at IS NULL"
        ),
        {"workspace": workspace, "kind": kind, "name": name, "actor": actor, "at": at},
    )
    return bool(gone.rowcount)


def _listing(row: Any) -> Listing:
    document = msgspec.json.decode(row.document)
    return Listing(row.name, document, row.version, row.actor, row.changed_at)
