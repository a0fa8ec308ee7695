"""The SQL of lists: what they are called, and the identifiers on them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import pack_texts, packed_texts
from rapport_common.events.envelope import Identifier
from rapport_segment.domain.rolls import Roll


@dataclass(frozen=True, slots=True)
class KeptList:
    """A list; `generation` is that of the newest file that replaces what is on it."""

    workspace: str
    list_id: UUID
    name: str
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None
    generation: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A list with how many identifiers are on it."""

    kept: KeptList
    members: int


@dataclass(frozen=True, slots=True)
class Member:
    """An identifier on a list."""

    kind: str
    value: str
    added_at: datetime


_KEPT = "l.workspace, l.list_id, l.name, l.created_at, l.updated_at, l.archived_at, l.generation"
_IDENTIFIERS = f"unnest({packed_texts('kinds')}, {packed_texts('values')}) AS v(kind, value)"
_MEMBERS = (
    "(SELECT count(*) FROM segment.list_member m "
    "WHERE m.workspace = l.workspace AND m.list_id = l.list_id)"
)


def _split(identifiers: Collection[Identifier]) -> dict[str, Any]:
    return {
        "kinds": pack_texts([kind for kind, _value in identifiers]),
        "values": pack_texts([value for _kind, value in identifiers]),
    }


async def write(tx: AsyncConnection, one: KeptList) -> None:
    """Write a list, a new one or as it is now; its generation stays."""
    await tx.execute(
        text(
            "INSERT INTO segment.list AS l (workspace, list_id, name, created_at, updated_at, "
            "archived_at) VALUES (:workspace, :id, :name, :created, :updated, :archived) "
            "ON CONFLICT (workspace, list_id) DO UPDATE SET name = excluded.name, "
            "updated_at = excluded.updated_at, archived_at = excluded.archived_at"
        ),
        {
            "workspace": one.workspace,
            "id": one.list_id,
            "name": one.name,
            "created": one.created_at,
            "updated": one.updated_at,
            "archived": one.archived_at,
        },
    )


async def find(
    tx: AsyncConnection, workspace: str, list_id: UUID, *, hold: bool = False
) -> KeptList | None:
    """One list; with `hold` it stays as it is until the end of `tx`."""
    rows = await tx.execute(
        text(
            f"SELECT {_KEPT} FROM segment.list l WHERE l.workspace = :workspace "
            f"AND l.list_id = :id{' FOR SHARE' if hold else ''}"
        ),
        {"workspace": workspace, "id": list_id},
    )
    row = rows.first()
    return None if row is None else KeptList(*row)


async def next_generation(tx: AsyncConnection, workspace: str, list_id: UUID) -> int:
    """The generation of what is put on a list from now on."""
    rows = await tx.execute(
        text(
            "UPDATE segment.list SET generation = generation + 1 "
            "WHERE workspace = :workspace AND list_id = :id RETURNING generation"
        ),
        {"workspace": workspace, "id": list_id},
    )
    return int(rows.scalar_one())


async def called(tx: AsyncConnection, workspace: str, name: str) -> UUID | None:
    """The list of that name."""
    rows = await tx.execute(
        text(
            "SELECT list_id FROM segment.list "
            "WHERE workspace = :workspace AND name = :name AND archived_at IS NULL"
        ),
        {"workspace": workspace, "name": name},
    )
    return rows.scalar_one_or_none()


async def living(tx: AsyncConnection, workspace: str, ids: Collection[UUID]) -> set[UUID]:
    """Which of these lists there are that are not archived."""
    rows = await tx.execute(
        text(
            "SELECT list_id FROM segment.list WHERE workspace = :workspace "
            "AND list_id = ANY(CAST(:ids AS uuid[])) AND archived_at IS NULL"
        ),
        {"workspace": workspace, "ids": list(ids)},
    )
    return set(rows.scalars())


async def shown(tx: AsyncConnection, workspace: str, list_id: UUID) -> Listed | None:
    """One list, archived ones too."""
    rows = await tx.execute(
        text(
            f"SELECT {_KEPT}, {_MEMBERS} FROM segment.list l "
            "WHERE l.workspace = :workspace AND l.list_id = :id"
        ),
        {"workspace": workspace, "id": list_id},
    )
    row = rows.first()
    return None if row is None else _listed(row)


async def listed(
    tx: AsyncConnection,
    workspace: str,
    *,
    archived: bool,
    after: tuple[str, UUID] | None,
    limit: int,
) -> list[Listed]:
    """Lists by name and id, those behind `after`; either the living or the archived."""
    name, list_id = after or (None, None)
    rows = await tx.execute(
        text(
            f"SELECT {_KEPT}, {_MEMBERS} FROM segment.list l WHERE l.workspace = :workspace "
            "AND (l.archived_at IS NOT NULL) = :archived "
            "AND (CAST(:name AS text) IS NULL OR (l.name, l.list_id) > (:name, :id)) "
            "ORDER BY l.name, l.list_id LIMIT :limit"
        ),
        {
            "workspace": workspace,
            "archived": archived,
            "name": name,
            "id": list_id,
            "limit": limit,
        },
    )
    return [_listed(row) for row in rows.all()]


def _listed(row: Any) -> Listed:
    return Listed(KeptList(*row[:-1]), row[-1])


async def members(
    tx: AsyncConnection,
    workspace: str,
    list_id: UUID,
    *,
    after: tuple[str, str] | None,
    limit: int,
) -> list[Member]:
    """What is on a list, by kind and value, behind `after`."""
    kind, value = after or (None, None)
    rows = await tx.execute(
        text(
            "SELECT m.kind, m.value, m.added_at FROM segment.list_member m "
            "WHERE m.workspace = :workspace AND m.list_id = :id "
            "AND (CAST(:kind AS text) IS NULL OR (m.kind, m.value) > (:kind, :value)) "
            "ORDER BY m.kind, m.value LIMIT :limit"
        ),
        {"workspace": workspace, "id": list_id, "kind": kind, "value": value, "limit": limit},
    )
    return [Member(*row) for row in rows.all()]


async def put(
    tx: AsyncConnection,
    one: KeptList,
    subjects: Sequence[tuple[Identifier, UUID]],
    *,
    generation: int,
    now: datetime,
) -> list[Identifier]:
    """Put identifiers on a list, in order and each once; those that were not on it before."""
    rows = await tx.execute(
        text(
            "INSERT INTO segment.list_member AS m "
            "(workspace, list_id, kind, value, subject, added_at, generation) "
            "SELECT :workspace, :id, v.kind, v.value, v.subject, :now, :generation "
            f"FROM unnest({packed_texts('kinds')}, {packed_texts('values')}, "
            "CAST(:subjects AS uuid[])) AS v(kind, value, subject) "
            "ON CONFLICT (workspace, list_id, kind, value) DO UPDATE "
            "SET generation = excluded.generation WHERE m.generation < excluded.generation "
            "RETURNING m.kind, m.value, m.xmax = 0"
        ),
        {
            "workspace": one.workspace,
            "id": one.list_id,
            "now": now,
            "generation": generation,
            "subjects": [subject for _identifier, subject in subjects],
            **_split([identifier for identifier, _subject in subjects]),
        },
    )
    # A row that was there has been locked by this transaction: xmax tells.
    return [(kind, value) for kind, value, is_new in rows.all() if is_new]


async def take(
    tx: AsyncConnection, workspace: str, list_id: UUID, identifiers: Collection[Identifier]
) -> list[Identifier]:
    """Take identifiers off a list; those that were on it."""
    rows = await tx.execute(
        text(
            f"DELETE FROM segment.list_member m USING {_IDENTIFIERS} "
            "WHERE m.workspace = :workspace AND m.list_id = :id "
            "AND m.kind = v.kind AND m.value = v.value RETURNING m.kind, m.value"
        ),
        {"workspace": workspace, "id": list_id, **_split(identifiers)},
    )
    return [(kind, value) for kind, value in rows.all()]


async def take_former(
    tx: AsyncConnection, workspace: str, list_id: UUID, *, before: int, limit: int
) -> int:
    """Take off a list what is of a generation before this one, so many at most; how many."""
    result = await tx.execute(
        text(
            "DELETE FROM segment.list_member WHERE ctid IN (SELECT ctid FROM segment.list_member "
            "WHERE workspace = :workspace AND list_id = :id AND generation < :before LIMIT :limit)"
        ),
        {"workspace": workspace, "id": list_id, "before": before, "limit": limit},
    )
    return result.rowcount


async def clear_archived(tx: AsyncConnection, age: timedelta, limit: int) -> int:
    """Take off, so many at most, what is on lists archived longer ago than `age`; how many."""
    result = await tx.execute(
        text(
            "DELETE FROM segment.list_member WHERE (workspace, list_id, kind, value) IN ("
            "SELECT m.workspace, m.list_id, m.kind, m.value FROM segment.list l "
            "JOIN segment.list_member m USING (workspace, list_id) "
            "WHERE l.archived_at < now() - CAST(:age AS interval) LIMIT :limit)"
        ),
        {"age": age, "limit": limit},
    )
    return result.rowcount


async def roll(
    tx: AsyncConnection,
    workspace: str,
    lists: Collection[str],
    identifiers: Collection[Identifier],
) -> Roll:
    """Which of these lists have which of these identifiers, and what the lists are called."""
    names = await tx.execute(
        text(
            "SELECT CAST(list_id AS text), name FROM segment.list "
            "WHERE workspace = :workspace AND list_id = ANY(CAST(:lists AS uuid[]))"
        ),
        {"workspace": workspace, "lists": sorted(lists)},
    )
    found: dict[Identifier, set[str]] = {}
    if identifiers:
        rows = await tx.execute(
            text(
                f"SELECT m.kind, m.value, CAST(m.list_id AS text) FROM {_IDENTIFIERS} "
                "JOIN segment.list_member m ON m.workspace = :workspace "
                "AND m.kind = v.kind AND m.value = v.value "
                "WHERE m.list_id = ANY(CAST(:lists AS uuid[]))"
            ),
            {"workspace": workspace, "lists": sorted(lists), **_split(identifiers)},
        )
        for kind, value, list_id in rows.all():
            found.setdefault((kind, value), set()).add(list_id)
    return Roll(
        {row[0]: row[1] for row in names.all()},
        {identifier: frozenset(some) for identifier, some in found.items()},
    )
