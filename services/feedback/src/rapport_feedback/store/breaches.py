"""Limits of cases that have passed."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.statements import text
from rapport_feedback.domain.cases import Breach, Clock, Complaint


async def add(
    tx: AsyncConnection, missed: Sequence[tuple[Complaint, Breach]]
) -> set[tuple[str, UUID, Clock, datetime]]:
    """Keep these, each once for ever; those that are new, as (workspace, case, clock, limit)."""
    if not missed:
        return set()
    rows = await tx.execute(
        text(
            "INSERT INTO feedback.case_breach (workspace, case_id, clock, due_at, at) "
            "SELECT * FROM unnest(CAST(:workspaces AS text[]), CAST(:cases AS uuid[]), "
            "CAST(:clocks AS text[]), CAST(:limits AS timestamptz[]), "
            "CAST(:times AS timestamptz[])) ON CONFLICT DO NOTHING "
            "RETURNING workspace, case_id, clock, due_at"
        ),
        {
            "workspaces": [complaint.workspace for complaint, _ in missed],
            "cases": [complaint.case_id for complaint, _ in missed],
            "clocks": [breach.clock for _, breach in missed],
            "limits": [breach.due_at for _, breach in missed],
            "times": [breach.at for _, breach in missed],
        },
    )
    return {(row[0], row[1], Clock(row[2]), row[3]) for row in rows}


async def of_case(tx: AsyncConnection, workspace: str, case_id: UUID) -> list[Breach]:
    """The limits a case has missed, the earliest first."""
    rows = await tx.execute(
        text(
            "SELECT clock, due_at, at FROM feedback.case_breach "
            "WHERE workspace = :workspace AND case_id = :case_id ORDER BY due_at, clock"
        ),
        {"workspace": workspace, "case_id": case_id},
    )
    return [Breach(Clock(row.clock), row.due_at, row.at) for row in rows]
