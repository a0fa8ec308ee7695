"""Teams, queues and views of a workspace, each by its name, as they are now."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.statements import text
from rapport_feedback.domain.case_views import ViewDocument
from rapport_feedback.domain.desk import Desk, QueueDocument, TeamDocument

Kind = Literal["team", "queue", "view"]
Document = TeamDocument | QueueDocument | ViewDocument
TYPES: Mapping[str, type[Any]] = {
    "team": TeamDocument,
    "queue": QueueDocument,
    "view": ViewDocument,
}
_decoders = {kind: msgspec.json.Decoder(type_) for kind, type_ in TYPES.items()}
_COLUMNS = "kind, name, version, CAST(document AS text) AS document, actor, reason, changed_at"


@dataclass(frozen=True, slots=True)
class Rule:
    """A team, queue or view: who has declared it so, and why. No document: it was taken away.

    Without a time it comes with Rapport.
    """

    kind: str
    name: str
    version: int
    document: Document | None
    actor: str
    reason: str
    changed_at: datetime | None


async def lock(tx: AsyncConnection, workspace: str) -> None:
    """Let nobody else change these of a workspace until the end: they name each other."""
    await tx.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('desk_rule/' || :workspace, 0))"),
        {"workspace": workspace},
    )


async def find(tx: AsyncConnection, workspace: str, kind: Kind, name: str) -> Rule | None:
    """One by its name, those that are gone among them."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM feedback.desk_rule "
            "WHERE workspace = :workspace AND kind = :kind AND name = :name"
        ),
        {"workspace": workspace, "kind": kind, "name": name},
    )
    row = rows.first()
    return None if row is None else _rule(row)


async def listed(
    tx: AsyncConnection, workspace: str, kind: Kind, *, after: str = "", limit: int
) -> list[Rule]:
    """Those of a kind, by name: what comes after one."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM feedback.desk_rule WHERE workspace = :workspace "
            "AND kind = :kind AND name > :after AND document IS NOT NULL ORDER BY name LIMIT :limit"
        ),
        {"workspace": workspace, "kind": kind, "after": after, "limit": limit},
    )
    return [_rule(row) for row in rows]


async def save(tx: AsyncConnection, workspace: str, rule: Rule) -> None:
    """Let it be so from now on."""
    document = None if rule.document is None else msgspec.json.encode(rule.document).decode()
    await tx.execute(
        text(
            "INSERT INTO feedback.desk_rule (workspace, kind, name, version, document, actor, "
            "reason, changed_at) VALUES (:workspace, :kind, :name, :version, "
            "CAST(:document AS json), :actor, :reason, :changed_at) "
            "ON CONFLICT (workspace, kind, name) DO UPDATE SET version = excluded.version, "
            "document = excluded.document, actor = excluded.actor, reason = excluded.reason, "
            "changed_at = excluded.changed_at"
        ),
        {
            "workspace": workspace,
            "kind": rule.kind,
            "name": rule.name,
            "version": rule.version,
            "document": document,
            "actor": rule.actor,
            "reason": rule.reason,
            "changed_at": rule.changed_at,
        },
    )


async def desk(tx: AsyncConnection, workspace: str) -> Desk:
    """All queues and teams of a workspace."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM feedback.desk_rule WHERE workspace = :workspace "
            "AND kind IN ('queue', 'team') AND document IS NOT NULL"
        ),
        {"workspace": workspace},
    )
    found = [_rule(row) for row in rows]
    return Desk(
        {one.name: one.document for one in found if isinstance(one.document, QueueDocument)},
        {one.name: one.document for one in found if isinstance(one.document, TeamDocument)},
    )


def _rule(row: Row[Any]) -> Rule:
    told = row._asdict()
    document = told.pop("document")
    decoded = None if document is None else _decoders[told["kind"]].decode(document)
    return Rule(**told, document=decoded)
