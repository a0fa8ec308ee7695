"""What operators have said of two identifiers, and who has undone it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_profile.domain.naming import MERGE, Evidence, Id, LinkKey

OPERATOR = "operator"
"""In the place of a source, where an operator tells of a link."""
APART = "apart"
CUT = "cut"
_COLUMNS = (
    "CAST(d.id AS text) AS id, d.kind, CAST(d.a AS text) AS a, CAST(d.b AS text) AS b, "
    "d.source, d.message_id, "
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
    "INSERT INTO profile.decision "
    "(workspace, id, kind, a, b, source, message_id, actor, reason, created_at) VALUES "
    "(:workspace, CAST(:id AS uuid), :kind, CAST(:a AS uuid), CAST(:b AS uuid), :source, "
    ":message_id, :actor, :reason, :at)"
)
_FIND = text(f"SELECT {_COLUMNS} {_FROM} AND d.id = CAST(:id AS uuid) FOR UPDATE OF d")
_HOLDING = text(
    f"SELECT {_COLUMNS} {_FROM} AND d.undone_at IS NULL AND d.kind = :kind "
    "AND d.a = CAST(:a AS uuid) AND d.b = CAST(:b AS uuid) ORDER BY d.id LIMIT 1"
)
_CUTS = text(
    "SELECT source, message_id FROM profile.decision "
    "WHERE workspace = :workspace AND kind = 'cut' AND undone_at IS NULL"
)
_LIST = text(
    f"SELECT {_COLUMNS} {_FROM} "
    "AND (CAST(:before AS uuid) IS NULL OR d.id < CAST(:before AS uuid)) "
    "ORDER BY d.id DESC LIMIT :limit"
)
_MERGES = text(
    "SELECT CAST(d.a AS text) AS a, CAST(d.b AS text) AS b, d.created_at, CAST(d.id AS text) AS id "
    "FROM profile.decision d WHERE d.workspace = :workspace AND d.kind = 'merge' "
    "AND d.undone_at IS NULL AND d.a = ANY(CAST(:ids AS uuid[]))"
)
_MERGED_WITH = text(
    "SELECT CAST(CASE WHEN d.a = v.id THEN d.b ELSE d.a END AS text) "
    "FROM unnest(CAST(:ids AS uuid[])) AS v(id) JOIN profile.decision d "
    "ON d.workspace = :workspace AND (d.a = v.id OR d.b = v.id) "
    "WHERE d.kind = 'merge' AND d.undone_at IS NULL"
)
_UNDO = text(
    "UPDATE profile.decision SET undone_at = :at, undone_by = :actor, undone_reason = :reason "
    "WHERE workspace = :workspace AND id = CAST(:id AS uuid)"
)


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody says of two identifiers, and why: `merge`, they are one person, or `apart`.

    Or of an event, (source, message id), that it names others by mistake: `cut`. Then `a` and `b`
    are its strongest identifier.
    """

    id: Id
    kind: str
    a: Id
    b: Id
    actor: str
    reason: str
    at: datetime
    event: tuple[str, str] | None = None


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
            "source": decision.event and decision.event[0],
            "message_id": decision.event and decision.event[1],
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
    """The first decision of a kind that holds for two identifiers, in the order of their ids."""
    asked = {"workspace": workspace, "kind": kind, "a": pair[0], "b": pair[1]}
    return (await tx.execute(_HOLDING, asked)).first()


async def cuts(tx: AsyncConnection, workspace: str) -> frozenset[tuple[str, str, str]]:
    """The events that are cut, by (workspace, source, message id). There are few."""
    rows = await tx.execute(_CUTS, {"workspace": workspace})
    return frozenset((workspace, row.source, row.message_id) for row in rows)


async def merges(
    tx: AsyncConnection, workspace: str, ids: Sequence[Id]
) -> list[tuple[LinkKey, Evidence]]:
    """The links that operators' merges amount to, of those whose first identifier is given."""
    rows = await tx.execute(_MERGES, {"workspace": workspace, "ids": list(ids)})
    return [((row.a, row.b, MERGE), (row.created_at, row.id, OPERATOR)) for row in rows]


async def merged_with(tx: AsyncConnection, workspace: str, ids: Sequence[Id]) -> set[Id]:
    """With whom operators have merged identifiers, and still do."""
    rows = await tx.execute(_MERGED_WITH, {"workspace": workspace, "ids": list(ids)})
    return set(rows.scalars())


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
