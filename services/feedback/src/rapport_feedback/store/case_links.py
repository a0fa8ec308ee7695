"""Links between cases."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_feedback.domain.case_links import Link, Way, way_of


class Linked(NamedTuple):
    """The other case of a link, as it is read from the one that was asked for."""

    case_id: UUID
    way: Way
    number: int
    state: str
    subject: str
    actor: str
    at: datetime


async def lock(tx: AsyncConnection, workspace: str) -> None:
    """Let nobody else link cases of a workspace until the end: two could close a circle."""
    await tx.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('case_link/' || :workspace, 0))"),
        {"workspace": workspace},
    )


async def add(
    tx: AsyncConnection,
    workspace: str,
    ends: tuple[UUID, UUID],
    kind: Link,
    by: tuple[str, datetime],
) -> bool:
    """Link two cases by (who, when); False: they are."""
    done = await tx.execute(
        text(
            "INSERT INTO feedback.case_link (workspace, case_id, other_id, kind, actor, at) "
            "VALUES (:workspace, :case_id, :other_id, :kind, :actor, :at) ON CONFLICT DO NOTHING"
        ),
        {
            "workspace": workspace,
            "case_id": ends[0],
            "other_id": ends[1],
            "kind": kind,
            "actor": by[0],
            "at": by[1],
        },
    )
    return done.rowcount == 1


async def remove(tx: AsyncConnection, workspace: str, case_id: UUID, other_id: UUID) -> list[Link]:
    """Let two cases have nothing to do with each other; what the links were."""
    rows = await tx.execute(
        text(
            "DELETE FROM feedback.case_link WHERE workspace = :workspace "
            "AND (case_id, other_id) IN ((:case_id, :other_id), (:other_id, :case_id)) "
            "RETURNING kind"
        ),
        {"workspace": workspace, "case_id": case_id, "other_id": other_id},
    )
    return sorted(Link(one) for one in rows.scalars())


async def of_case(
    tx: AsyncConnection, workspace: str, case_id: UUID, *, before: int | None, limit: int
) -> list[Linked]:
    """The links of a case, by the number of the other one, the newest first."""
    rows = await tx.execute(
        text(
            "SELECT l.other, l.kind, l.back, c.number, c.state, c.subject, l.actor, l.at FROM ("
            "SELECT workspace, other_id AS other, kind, false AS back, actor, at "
            "FROM feedback.case_link WHERE workspace = :workspace AND case_id = :case_id "
            "UNION ALL SELECT workspace, case_id, kind, true, actor, at "
            "FROM feedback.case_link WHERE workspace = :workspace AND other_id = :case_id) AS l "
            "JOIN feedback.complaint c ON c.workspace = l.workspace AND c.case_id = l.other "
            "WHERE CAST(:before AS bigint) IS NULL OR c.number < :before "
            "ORDER BY c.number DESC, l.kind LIMIT :limit"
        ),
        {"workspace": workspace, "case_id": case_id, "before": before, "limit": limit},
    )
    return [Linked(row[0], way_of(Link(row[1]), back=row[2]), *row[3:]) for row in rows]


async def count(tx: AsyncConnection, workspace: str, case_id: UUID) -> int:
    """How many links a case has."""
    found = await tx.scalar(
        text(
            "SELECT count(*) FROM feedback.case_link WHERE workspace = :workspace "
            "AND (case_id = :case_id OR other_id = :case_id)"
        ),
        {"workspace": workspace, "case_id": case_id},
    )
    return int(found or 0)


async def above(tx: AsyncConnection, workspace: str, case_id: UUID, kind: Link) -> set[UUID]:
    """All cases to which links of a kind lead from this one, on whatever way."""
    rows = await tx.execute(
        text(
            "WITH RECURSIVE up AS (SELECT CAST(:case_id AS uuid) AS case_id UNION "
            "SELECT l.other_id FROM up u JOIN feedback.case_link l ON l.workspace = :workspace "
            "AND l.case_id = u.case_id AND l.kind = :kind) SELECT case_id FROM up"
        ),
        {"workspace": workspace, "case_id": case_id, "kind": kind},
    )
    return set(rows.scalars()) - {case_id}
