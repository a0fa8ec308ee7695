"""Complaint cases and their history."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.statements import text
from rapport_feedback.domain.case_fields import Fields, Severity
from rapport_feedback.domain.cases import Case, Complaint, State, Step
from rapport_feedback.domain.naming import Contact
from rapport_feedback.store import case_changes, texts

COLUMNS = (
    "workspace, case_id, number, state, step, subject, body, user_id, email, anonymous_id, "
    "opened_at, acknowledge_due_at, due_at, deadline_at, closed_at, version, severity, category, "
    "product, order_id, tier, team, owner, channel, language, queue, heir_id"
)


async def next_number(tx: AsyncConnection, workspace: str) -> int:
    """The number of a workspace's next case; who asks meanwhile waits, so there are no holes."""
    rows = await tx.execute(
        text(
            "INSERT INTO feedback.case_number AS n (workspace, last) VALUES (:workspace, 1) "
            "ON CONFLICT (workspace) DO UPDATE SET last = n.last + 1 RETURNING last"
        ),
        {"workspace": workspace},
    )
    number: int = rows.scalar_one()
    return number


async def add_case(tx: AsyncConnection, complaint: Complaint, invitation_id: UUID | None) -> None:
    """Keep a new case; `invitation_id` is the link whose form it came by."""
    contact = complaint.contact
    await tx.execute(
        text(
            f"INSERT INTO feedback.complaint ({COLUMNS}, invitation_id) VALUES "
            "(:workspace, :case_id, :number, :state, :step, :subject, :body, :user_id, :email, "
            ":anonymous_id, :opened_at, :acknowledge_due_at, :due_at, :deadline_at, :closed_at, "
            ":version, :severity, :category, :product, :order_id, :tier, :team, :owner, :channel, "
            ":language, :queue, :heir_id, :invitation_id)"
        ),
        {
            **_moving(complaint),
            "number": complaint.number,
            "subject": complaint.subject,
            "body": complaint.body,
            "user_id": contact.user_id,
            "email": contact.email,
            "anonymous_id": contact.anonymous_id,
            "opened_at": complaint.case.opened_at,
            "invitation_id": invitation_id,
        },
    )
    await case_changes.note(tx, complaint.workspace, complaint.case_id)
    await texts.note(tx, complaint.workspace, "case", complaint.case_id)


async def save_case(tx: AsyncConnection, complaint: Complaint) -> None:
    """Write where a case stands now."""
    await tx.execute(
        text(
            "UPDATE feedback.complaint SET state = :state, step = :step, "
            "acknowledge_due_at = :acknowledge_due_at, due_at = :due_at, "
            "closed_at = :closed_at, deadline_at = :deadline_at, version = :version, "
            "severity = :severity, category = :category, product = :product, "
            "order_id = :order_id, tier = :tier, team = :team, owner = :owner, "
            "channel = :channel, language = :language, queue = :queue, heir_id = :heir_id "
            "WHERE workspace = :workspace AND case_id = :case_id"
        ),
        _moving(complaint),
    )
    await case_changes.note(tx, complaint.workspace, complaint.case_id)


def _moving(complaint: Complaint) -> dict[str, Any]:
    case = complaint.case
    return {
        "workspace": complaint.workspace,
        "case_id": complaint.case_id,
        "state": case.state,
        "step": case.step,
        "acknowledge_due_at": case.acknowledge_due_at,
        "due_at": case.due_at,
        "closed_at": case.closed_at,
        "deadline_at": case.deadline_at,
        "version": case.version,
        "heir_id": complaint.heir_id,
        **asdict(complaint.fields),
    }


async def case(
    tx: AsyncConnection, workspace: str, case_id: UUID, *, lock: bool = False
) -> Complaint | None:
    """One case of a workspace."""
    rows = await tx.execute(
        text(
            f"SELECT {COLUMNS} FROM feedback.complaint "
            f"WHERE workspace = :workspace AND case_id = :case_id {'FOR UPDATE' if lock else ''}"
        ),
        {"workspace": workspace, "case_id": case_id},
    )
    row = rows.mappings().first()
    return complaint_of(row) if row else None


async def unmoved(tx: AsyncConnection, places: Sequence[tuple[str, UUID]]) -> list[Complaint]:
    """Those of these cases (workspace, id) that nobody is moving on just now, locked."""
    rows = await tx.execute(
        text(
            f"SELECT {COLUMNS} FROM feedback.complaint WHERE (workspace, case_id) IN "
            "(SELECT * FROM unnest(CAST(:workspaces AS text[]), CAST(:cases AS uuid[]))) "
            "FOR UPDATE SKIP LOCKED"
        ),
        {"workspaces": [one[0] for one in places], "cases": [one[1] for one in places]},
    )
    return [complaint_of(row) for row in rows.mappings()]


async def known(tx: AsyncConnection, places: Sequence[tuple[str, UUID]]) -> set[tuple[str, UUID]]:
    """Those of these cases (workspace, id) that there are."""
    rows = await tx.execute(
        text(
            "SELECT workspace, case_id FROM feedback.complaint WHERE (workspace, case_id) IN "
            "(SELECT * FROM unnest(CAST(:workspaces AS text[]), CAST(:cases AS uuid[])))"
        ),
        {"workspaces": [one[0] for one in places], "cases": [one[1] for one in places]},
    )
    return {(row.workspace, row.case_id) for row in rows}


async def cases(
    tx: AsyncConnection,
    workspace: str,
    *,
    states: list[State],
    overdue_at: datetime | None,
    before: int | None,
    limit: int,
) -> list[Complaint]:
    """Cases in some states, newest first; with `overdue_at` only those late by then.

    `before` is the number of the last case of the page before.
    """
    rows = await tx.execute(
        text(
            f"SELECT {COLUMNS} FROM feedback.complaint WHERE workspace = :workspace "
            "AND state = ANY(CAST(:states AS text[])) "
            "AND (CAST(:overdue_at AS timestamptz) IS NULL OR deadline_at < :overdue_at) "
            "AND (CAST(:before AS bigint) IS NULL OR number < :before) "
            "ORDER BY number DESC LIMIT :limit"
        ),
        {
            "workspace": workspace,
            "states": states,
            "overdue_at": overdue_at,
            "before": before,
            "limit": limit,
        },
    )
    return [complaint_of(row) for row in rows.mappings()]


async def count_by_link(tx: AsyncConnection, workspace: str, invitation_id: UUID) -> int:
    """How many cases came by one link."""
    rows = await tx.execute(
        text(
            "SELECT count(*) FROM feedback.complaint "
            "WHERE workspace = :workspace AND invitation_id = :invitation_id"
        ),
        {"workspace": workspace, "invitation_id": invitation_id},
    )
    total: int = rows.scalar_one()
    return total


async def same_words(
    tx: AsyncConnection, workspace: str, invitation_id: UUID, subject: str, body: str
) -> tuple[Complaint, datetime] | None:
    """The newest case of a link with these words, locked, and when the customer last sent them."""
    rows = await tx.execute(
        text(
            f"SELECT {COLUMNS}, (SELECT max(e.at) FROM feedback.case_event e "
            "WHERE e.workspace = c.workspace AND e.case_id = c.case_id "
            "AND e.to_state IN ('received', 'reopened') AND e.actor = 'customer') AS told_at "
            "FROM feedback.complaint c WHERE workspace = :workspace "
            "AND invitation_id = :invitation_id AND subject = :subject AND body = :body "
            "ORDER BY number DESC LIMIT 1 FOR UPDATE OF c"
        ),
        {
            "workspace": workspace,
            "invitation_id": invitation_id,
            "subject": subject,
            "body": body,
        },
    )
    row = rows.mappings().first()
    return (complaint_of(row), row["told_at"]) if row else None


async def add_step(tx: AsyncConnection, complaint: Complaint, step: Step) -> None:
    """Append to a case's history, which is never rewritten."""
    await tx.execute(
        text(
            "INSERT INTO feedback.case_event (workspace, case_id, step, actor, at, from_state, "
            "to_state, note, acknowledge_due_at, due_at, version) VALUES (:workspace, :case_id, "
            ":step, :actor, :at, :from_state, :to_state, :note, :acknowledge_due_at, :due_at, "
            ":version)"
        ),
        {
            "workspace": complaint.workspace,
            "case_id": complaint.case_id,
            "step": step.step,
            "actor": step.actor,
            "at": step.at,
            "from_state": step.from_state,
            "to_state": step.to_state,
            "note": step.note,
            "acknowledge_due_at": step.acknowledge_due_at,
            "due_at": step.due_at,
            "version": step.version,
        },
    )


async def history(tx: AsyncConnection, workspace: str, case_id: UUID) -> list[Step]:
    """All steps of a case, oldest first."""
    rows = await tx.execute(
        text(
            "SELECT step, actor, at, from_state, to_state, note, acknowledge_due_at, due_at, "
            "version "
            "FROM feedback.case_event WHERE workspace = :workspace AND case_id = :case_id "
            "ORDER BY step"
        ),
        {"workspace": workspace, "case_id": case_id},
    )
    return [
        Step(
            step=row.step,
            actor=row.actor,
            at=row.at,
            from_state=State(row.from_state) if row.from_state else None,
            to_state=State(row.to_state),
            note=row.note,
            acknowledge_due_at=row.acknowledge_due_at,
            due_at=row.due_at,
            version=row.version,
        )
        for row in rows
    ]


def complaint_of(row: RowMapping) -> Complaint:
    """A case by the row with `COLUMNS`."""
    return Complaint(
        workspace=row["workspace"],
        case_id=row["case_id"],
        number=row["number"],
        contact=Contact(row["user_id"], row["email"], row["anonymous_id"]),
        subject=row["subject"],
        body=row["body"],
        case=Case(
            state=State(row["state"]),
            step=row["step"],
            opened_at=row["opened_at"],
            acknowledge_due_at=row["acknowledge_due_at"],
            due_at=row["due_at"],
            deadline_at=row["deadline_at"],
            closed_at=row["closed_at"],
            version=row["version"],
        ),
        fields=Fields(
            severity=Severity(row["severity"]),
            category=row["category"],
            product=row["product"],
            order_id=row["order_id"],
            tier=row["tier"],
            team=row["team"],
            owner=row["owner"],
            channel=row["channel"],
            language=row["language"],
            queue=row["queue"],
        ),
        heir_id=row["heir_id"],
    )
