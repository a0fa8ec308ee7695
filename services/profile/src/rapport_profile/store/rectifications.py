"""What operators have put right of people: who, why, on what evidence, and who has lifted it."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.privacy.sweeps import Found
from rapport_profile.domain.naming import Id

_ADD = text(
    "INSERT INTO profile.rectification (workspace, id, traits, profile_id, identifiers, actor, "
    "reason, evidence, at) VALUES (:workspace, CAST(:id AS uuid), CAST(:traits AS json), "
    "CAST(:profile AS uuid), CAST(:identifiers AS uuid[]), :actor, :reason, :evidence, "
    "clock_timestamp())"
)
_FIND = (
    "SELECT CAST(id AS text) AS id, CAST(traits AS text) AS traits, "
    "CAST(profile_id AS text) AS profile_id, CAST(identifiers AS text[]) AS identifiers, actor, "
    "reason, evidence, at, lifted_at, lifted_by, lifted_reason FROM profile.rectification "
    "WHERE workspace = :workspace AND "
)
_ONE = f"{_FIND} id = CAST(:id AS uuid)"
_LATEST = text(
    f"{_FIND} (CAST(:before AS uuid) IS NULL OR id < CAST(:before AS uuid)) "
    "ORDER BY id DESC LIMIT :limit"
)
_OF_TRAIT = text(
    "SELECT CAST(id AS text) AS id, CAST(traits -> CAST(:name AS text) AS text) AS value, at, "
    "lifted_at FROM profile.rectification WHERE workspace = :workspace "
    "AND id = ANY(CAST(:ids AS uuid[])) AND traits -> CAST(:name AS text) IS NOT NULL "
    "ORDER BY id DESC"
)
_LIFT = text(
    "UPDATE profile.rectification SET lifted_at = clock_timestamp(), lifted_by = :actor, "
    "lifted_reason = :reason WHERE workspace = :workspace AND id = CAST(:id AS uuid)"
)
_THEIRS = "workspace = :workspace AND identifiers && CAST(CAST(:subjects AS text[]) AS uuid[])"
FORGOTTEN = Found(
    "profile.rectification",
    # It stays that there was one, and who said so; of others whom it is of, it can be lifted.
    "UPDATE profile.rectification SET traits = '{}', evidence = NULL, "
    "identifiers = ARRAY(SELECT one FROM unnest(identifiers) AS one "
    "WHERE one <> ALL (CAST(CAST(:subjects AS text[]) AS uuid[]))) WHERE ctid IN (SELECT ctid "
    f"FROM profile.rectification WHERE {_THEIRS} LIMIT :limit)",
    f"SELECT count(*) FROM profile.rectification WHERE {_THEIRS}",
    frozenset({"workspace", "subjects"}),
)


async def add(tx: AsyncConnection, workspace: str, made: dict[str, Any]) -> None:
    """Keep one: id, traits (JSON), profile (None where nobody was known), identifiers, actor,
    reason, evidence.
    """
    await tx.execute(_ADD, {"workspace": workspace, **made})


async def find(
    tx: AsyncConnection, workspace: str, id_: Id, *, lock: bool = False
) -> Row[Any] | None:
    """One of them."""
    query = text(_ONE + (" FOR UPDATE" if lock else ""))
    return (await tx.execute(query, {"workspace": workspace, "id": id_})).first()


async def latest(
    tx: AsyncConnection, workspace: str, limit: int, before: Id | None
) -> list[Row[Any]]:
    """The newest, newest first: those older than `before`, if given."""
    asked = {"workspace": workspace, "limit": limit, "before": before}
    return list((await tx.execute(_LATEST, asked)).fetchall())


async def of_trait(
    tx: AsyncConnection, workspace: str, ids: Collection[Id], name: str
) -> list[Row[Any]]:
    """Rows of (id, value as JSON, at, lifted_at): what these say of a trait, the newest first."""
    asked = {"workspace": workspace, "ids": sorted(ids), "name": name}
    return list((await tx.execute(_OF_TRAIT, asked)).fetchall())


async def lift(tx: AsyncConnection, workspace: str, id_: Id, *, by: str, reason: str) -> None:
    """Note that one holds no more."""
    asked = {"workspace": workspace, "id": id_, "actor": by, "reason": reason}
    await tx.execute(_LIFT, asked)
