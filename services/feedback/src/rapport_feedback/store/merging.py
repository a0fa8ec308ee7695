"""Duplicates: which cases may be one, and which were merged into which."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.statements import text
from rapport_feedback.domain.cases import Complaint, State
from rapport_feedback.store.cases import COLUMNS, complaint_of

MOST_SHOWN = 20
"""Merged cases that are shown with the one that goes on, the newest first."""

MOST_COMPARED = 200
_CLAIMED = (
    "case_id IN (SELECT case_id FROM feedback.case_arrival "
    "WHERE workspace = :workspace AND email = :email)"
)

# All that were merged into a case, on whatever way, and are still.
_UNDER = (
    "WITH RECURSIVE under AS (SELECT CAST(:case_id AS uuid) AS case_id UNION "
    "SELECT m.case_id FROM under u JOIN feedback.case_merge m ON m.workspace = :workspace "
    "AND m.into_id = u.case_id AND m.undone_at IS NULL) "
)


@dataclass(frozen=True, slots=True)
class Merge:
    """A case was merged into another; `step` closed it, unless it was closed."""

    case_id: UUID
    step: int
    into_id: UUID
    from_state: State
    closed_at: datetime | None
    actor: str
    at: datetime


async def merged_into(tx: AsyncConnection, workspace: str, case_id: UUID) -> list[Complaint]:
    """The cases that go on as this one, the newest first."""
    rows = await tx.execute(
        text(
            f"SELECT {COLUMNS} FROM feedback.complaint WHERE workspace = :workspace "
            "AND heir_id = :case_id ORDER BY number DESC LIMIT :limit"
        ),
        {"workspace": workspace, "case_id": case_id, "limit": MOST_SHOWN},
    )
    return [complaint_of(row) for row in rows.mappings()]


async def add(tx: AsyncConnection, workspace: str, one: Merge) -> None:
    """Keep that a case was merged, and let it and all that go on as it go on as the heir."""
    await tx.execute(
        text(
            "INSERT INTO feedback.case_merge (workspace, case_id, step, into_id, from_state, "
            "closed_at, actor, at) VALUES (:workspace, :case_id, :step, :into_id, :from_state, "
            ":closed_at, :actor, :at) ON CONFLICT (workspace, case_id, step) DO UPDATE SET "
            # One that was closed before, merged and undone has made no step since.
            "into_id = excluded.into_id, actor = excluded.actor, at = excluded.at, "
            "undone_step = NULL, undone_at = NULL"
        ),
        {
            "workspace": workspace,
            "case_id": one.case_id,
            "step": one.step,
            "into_id": one.into_id,
            "from_state": one.from_state,
            "closed_at": one.closed_at,
            "actor": one.actor,
            "at": one.at,
        },
    )
    await _go_on(tx, workspace, one.case_id, one.into_id)


async def newest(tx: AsyncConnection, workspace: str, case_id: UUID) -> Merge | None:
    """The merging of a case that holds."""
    rows = await tx.execute(
        text(
            "SELECT case_id, step, into_id, from_state, closed_at, actor, at "
            "FROM feedback.case_merge WHERE workspace = :workspace AND case_id = :case_id "
            "AND undone_at IS NULL ORDER BY step DESC LIMIT 1"
        ),
        {"workspace": workspace, "case_id": case_id},
    )
    row = rows.first()
    return None if row is None else Merge(**{**row._asdict(), "from_state": State(row.from_state)})


async def undo(
    tx: AsyncConnection, workspace: str, one: Merge, step: int | None, now: datetime
) -> None:
    """A merging holds no more: what was merged into the case goes on as it again."""
    await tx.execute(
        text(
            "UPDATE feedback.case_merge SET undone_at = :now, undone_step = :undone_step "
            "WHERE workspace = :workspace AND case_id = :case_id AND step = :step"
        ),
        {
            "workspace": workspace,
            "case_id": one.case_id,
            "step": one.step,
            "undone_step": step,
            "now": now,
        },
    )
    await _go_on(tx, workspace, one.case_id, None)


async def _go_on(tx: AsyncConnection, workspace: str, case_id: UUID, heir_id: UUID | None) -> None:
    await tx.execute(
        text(
            f"{_UNDER} UPDATE feedback.complaint SET heir_id = CASE WHEN case_id = :case_id "
            "THEN CAST(:heir_id AS uuid) ELSE coalesce(CAST(:heir_id AS uuid), :case_id) END "
            "WHERE workspace = :workspace AND case_id IN (SELECT case_id FROM under)"
        ),
        {"workspace": workspace, "case_id": case_id, "heir_id": heir_id},
    )


async def claimed(tx: AsyncConnection, workspace: str, cases: Collection[UUID]) -> dict[UUID, str]:
    """The addresses that cases claim to be of, or are known to be."""
    rows = await tx.execute(
        text(
            "SELECT case_id, email FROM feedback.case_arrival WHERE workspace = :workspace "
            "AND case_id = ANY(CAST(:cases AS uuid[])) AND email IS NOT NULL"
        ),
        {"workspace": workspace, "cases": list(cases)},
    )
    return {row.case_id: row.email for row in rows}


async def compared(
    tx: AsyncConnection, one: Complaint, claim: str | None, since: datetime, until: datetime
) -> list[Complaint]:
    """Cases of the same identifiers or the same order that were opened between, newest first; and
    those that claim the same address: `claim` is what this one does.
    """
    names = {
        "user_id": one.contact.user_id,
        "email": one.contact.email or claim,
        "anonymous_id": one.contact.anonymous_id,
        "order_id": one.fields.order_id,
    }
    known = {name: value for name, value in names.items() if value}
    # A union: each part is read by its own index, of which that of orders has no empty ones.
    wheres = [f"{name} = :{name} AND {name} <> ''" for name in known]
    if "email" in known:
        wheres.append(_CLAIMED)
    if not wheres:
        return []
    union = " UNION ".join(
        f"(SELECT {COLUMNS} FROM feedback.complaint WHERE workspace = :workspace AND {where} "
        "AND opened_at BETWEEN :since AND :until ORDER BY number DESC LIMIT :limit)"
        for where in wheres
    )
    given: dict[str, Any] = {"workspace": one.workspace, "since": since, "until": until, **known}
    rows = await tx.execute(
        text(f"SELECT * FROM ({union}) AS near ORDER BY number DESC LIMIT :limit"),
        given | {"limit": MOST_COMPARED},
    )
    found = [complaint_of(row) for row in rows.mappings()]
    return [other for other in found if other.case_id != one.case_id and other.heir_id is None]
