"""What operators have said of two identifiers, and who has undone it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_profile.domain.naming import Id

MERGE = "merge"
APART = "apart"
_COLUMNS = (
    "CAST(d.id AS text) AS id, d.kind, CAST(d.a AS text) AS a, CAST(d.b AS text) AS b, "
    "x.kind AS a_kind, x.value AS a_value, y.kind AS b_kind, y.value AS b_value, "
    "d.actor, d.reason, d.created_at, d.undone_at, d.undone_by, d.undone_reason"
)
_FROM = (
    "FROM profile.decision d "
    "JOIN profile.identifier x ON x.workspace = d.workspace AND x.id = d.a "
    "JOIN profile.identifier y ON y.workspace = d.workspace AND y.id = d.b "
    "WHERE d.workspace = :workspace"
)
_ADD = text(
    "INSERT INTO profile.decision (workspace, id, kind, a, b, actor, reason, created_at) VALUES "
    "(:workspace, CAST(:id AS uuid), :kind, CAST(:a AS uuid), CAST(:b AS uuid), :actor, :reason, "
    ":at)"
)
_FIND = text(f"SELECT {_COLUMNS} {_FROM} AND d.id = CAST(:id AS uuid) FOR UPDATE OF d")
_HOLDING = text(
    f"SELECT {_COLUMNS} {_FROM} AND d.undone_at IS NULL AND d.kind = :kind "
    "AND (d.a, d.b) IN ((CAST(:a AS uuid), CAST(:b AS uuid)), (CAST(:b AS uuid), CAST(:a AS uuid)))"
)
_LIST = text(
    f"SELECT {_COLUMNS} {_FROM} "
    "AND (CAST(:before AS uuid) IS NULL OR d.id < CAST(:before AS uuid)) "
    "ORDER BY d.id DESC LIMIT :limit"
)
_UNDO = text(
    "UPDATE profile.decision SET undone_at = :at, undone_by = :actor, undone_reason = :reason "
    "WHERE workspace = :workspace AND id = CAST(:id AS uuid)"
)


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody says of two identifiers, and why: `merge`, they are one person, or `apart`."""

    id: Id
    kind: str
    a: Id
    b: Id
    actor: str
    reason: str
    at: datetime


async def add(tx: AsyncConnection, workspace: str, decision: Decision) -> None:
    """Keep a decision."""
    await tx.execute(
        _ADD,
        {
            "workspace": workspace,
            "id": decision.id,
            "kind": decision.kind,
            "a": decision.a,
            "b": decision.b,
            "actor": decision.actor,
            "reason": decision.reason,
            "at": decision.at,
        },
    )


async def find(tx: AsyncConnection, workspace: str, decision: Id) -> Row[Any] | None:
    """One decision, locked."""
    return (await tx.execute(_FIND, {"workspace": workspace, "id": decision})).first()


async def holding(
    tx: AsyncConnection, workspace: str, kind: str, pair: tuple[Id, Id]
) -> Row[Any] | None:
    """The decision of a kind that holds for two identifiers, in either order."""
    asked = {"workspace": workspace, "kind": kind, "a": pair[0], "b": pair[1]}
    return (await tx.execute(_HOLDING, asked)).first()


async def latest(
    tx: AsyncConnection, workspace: str, limit: int, before: Id | None = None
) -> list[Row[Any]]:
    """The newest decisions, newest first: those older than `before`, if given."""
    asked = {"workspace": workspace, "limit": limit, "before": before}
    return list((await tx.execute(_LIST, asked)).fetchall())


async def undo(
    tx: AsyncConnection, workspace: str, decision: Id, *, by: tuple[str, str], at: datetime
) -> None:
    """A decision holds no more; `by`: (who, why)."""
    asked = {"workspace": workspace, "id": decision, "actor": by[0], "reason": by[1], "at": at}
    await tx.execute(_UNDO, asked)
