"""What has happened to cases beside their steps, and what was told of their limits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.statements import text
from rapport_feedback.domain.cases import Clock, Complaint


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that somebody did about a case: `version` of the case is what it made."""

    version: int
    kind: str
    actor: str
    at: datetime
    note: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Notice:
    """What was told of a limit: level 0 before it, the others after it, `to` whom."""

    clock: Clock
    due_at: datetime
    level: int
    to: str
    at: datetime


async def add(tx: AsyncConnection, complaint: Complaint, entry: Entry) -> None:
    """Append to what has happened to a case."""
    await tx.execute(
        text(
            "INSERT INTO feedback.case_entry (workspace, case_id, version, kind, actor, at, note, "
            "data) VALUES (:workspace, :case_id, :version, :kind, :actor, :at, :note, "
            "CAST(:data AS json))"
        ),
        {
            "workspace": complaint.workspace,
            "case_id": complaint.case_id,
            "version": entry.version,
            "kind": entry.kind,
            "actor": entry.actor,
            "at": entry.at,
            "note": entry.note,
            "data": msgspec.json.encode(entry.data).decode(),
        },
    )


async def of_case(tx: AsyncConnection, workspace: str, case_id: UUID) -> list[Entry]:
    """All that has happened to a case beside its steps, oldest first."""
    rows = await tx.execute(
        text(
            "SELECT version, kind, actor, at, note, CAST(data AS text) AS data "
            "FROM feedback.case_entry WHERE workspace = :workspace AND case_id = :case_id "
            "ORDER BY version"
        ),
        {"workspace": workspace, "case_id": case_id},
    )
    return [
        Entry(row.version, row.kind, row.actor, row.at, row.note, msgspec.json.decode(row.data))
        for row in rows
    ]


async def since(
    tx: AsyncConnection, workspace: str, case_id: UUID, version: int
) -> list[tuple[int, str, str, datetime]]:
    """Who has changed a case after a version of it: (version, what, who, when), oldest first."""
    rows = await tx.execute(
        text(
            "SELECT version, kind, actor, at FROM feedback.case_entry WHERE workspace = :workspace "
            "AND case_id = :case_id AND version > :version UNION ALL "
            "SELECT version, to_state, actor, at FROM feedback.case_event "
            "WHERE workspace = :workspace AND case_id = :case_id AND version > :version "
            "ORDER BY 1 LIMIT 20"
        ),
        {"workspace": workspace, "case_id": case_id, "version": version},
    )
    return [(row[0], row[1], row[2], row[3]) for row in rows]


async def add_notices(
    tx: AsyncConnection, told: Sequence[tuple[Complaint, Notice]]
) -> set[tuple[str, UUID, Clock, datetime, int]]:
    """Keep these, each once for ever; those that are new, by (workspace, case, clock, limit,
    level).
    """
    if not told:
        return set()
    rows = await tx.execute(
        text(
            'INSERT INTO feedback.case_notice (workspace, case_id, clock, due_at, level, "to", at) '
            "SELECT * FROM unnest(CAST(:workspaces AS text[]), CAST(:cases AS uuid[]), "
            "CAST(:clocks AS text[]), CAST(:limits AS timestamptz[]), CAST(:levels AS integer[]), "
            "CAST(:whom AS text[]), CAST(:times AS timestamptz[])) ON CONFLICT DO NOTHING "
            "RETURNING workspace, case_id, clock, due_at, level"
        ),
        {
            "workspaces": [complaint.workspace for complaint, _ in told],
            "cases": [complaint.case_id for complaint, _ in told],
            "clocks": [one.clock for _, one in told],
            "limits": [one.due_at for _, one in told],
            "levels": [one.level for _, one in told],
            "whom": [one.to for _, one in told],
            "times": [one.at for _, one in told],
        },
    )
    return {(row[0], row[1], Clock(row[2]), row[3], row[4]) for row in rows}


async def notices(tx: AsyncConnection, workspace: str, case_id: UUID) -> list[Notice]:
    """What was told of the limits of a case, oldest first."""
    rows = await tx.execute(
        text(
            'SELECT clock, due_at, level, "to", at FROM feedback.case_notice '
            "WHERE workspace = :workspace AND case_id = :case_id ORDER BY at, level, clock"
        ),
        {"workspace": workspace, "case_id": case_id},
    )
    return [Notice(Clock(row[0]), row[1], row[2], row[3], row[4]) for row in rows]
