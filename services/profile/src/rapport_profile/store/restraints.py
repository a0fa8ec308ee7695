"""Who has said what is not to be done with a person's data, why, and who has lifted it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.events.envelope import Identifier
from rapport_common.privacy.sweeps import Found
from rapport_profile.domain.naming import Id

_STRONGEST = text(
    "SELECT kind, value FROM profile.identifier WHERE workspace = :workspace "
    "AND profile_id = CAST(:profile AS uuid) "
    "ORDER BY array_position(ARRAY['user_id', 'email', 'phone'], kind), id LIMIT :limit"
)
_THOSE_LEFT = text(
    "SELECT kind, value FROM profile.identifier WHERE workspace = :workspace "
    "AND id = ANY(CAST(:ids AS uuid[])) AND profile_id IS NOT NULL ORDER BY id"
)
_ADD = text(
    "INSERT INTO profile.restraint (workspace, id, what, profile_id, identifiers, actor, reason, "
    "at) VALUES (:workspace, CAST(:id AS uuid), :what, CAST(:profile AS uuid), "
    "CAST(:identifiers AS uuid[]), :actor, :reason, :at)"
)
_FIND = (
    "SELECT CAST(id AS text) AS id, what, CAST(profile_id AS text) AS profile_id, "
    "CAST(identifiers AS text[]) AS identifiers, actor, reason, at, lifted_at, lifted_by, "
    "lifted_reason FROM profile.restraint WHERE workspace = :workspace AND "
)
_ONE = f"{_FIND} id = CAST(:id AS uuid)"
_LATEST = text(
    f"{_FIND} (CAST(:before AS uuid) IS NULL OR id < CAST(:before AS uuid)) "
    "ORDER BY id DESC LIMIT :limit"
)
_LIFT = text(
    "UPDATE profile.restraint SET lifted_at = :at, lifted_by = :actor, "
    "lifted_reason = :reason WHERE workspace = :workspace AND id = CAST(:id AS uuid)"
)
_LATER = text(
    "SELECT greatest(clock_timestamp(), CAST(:at AS timestamptz) + interval '1 microsecond')"
)
_THEIRS = "workspace = :workspace AND identifiers && CAST(CAST(:subjects AS text[]) AS uuid[])"
FORGOTTEN = Found(
    "profile.restraint",
    # It stays that there was one; of others whom it is of, too, it can still be lifted.
    "UPDATE profile.restraint SET identifiers = ARRAY(SELECT one FROM unnest(identifiers) AS one "
    "WHERE one <> ALL (CAST(CAST(:subjects AS text[]) AS uuid[]))) WHERE ctid IN (SELECT ctid "
    f"FROM profile.restraint WHERE {_THEIRS} LIMIT :limit)",
    f"SELECT count(*) FROM profile.restraint WHERE {_THEIRS}",
    frozenset({"workspace", "subjects"}),
)


async def strongest(
    tx: AsyncConnection, workspace: str, profile: Id, limit: int
) -> list[Identifier]:
    """So many identifiers of a profile, the strongest first."""
    asked = {"workspace": workspace, "profile": profile, "limit": limit}
    return [(row.kind, row.value) for row in await tx.execute(_STRONGEST, asked)]


async def those_left(tx: AsyncConnection, workspace: str, ids: Sequence[Id]) -> list[Identifier]:
    """Those of these identifiers that are somebody's."""
    rows = await tx.execute(_THOSE_LEFT, {"workspace": workspace, "ids": list(ids)})
    return [(row.kind, row.value) for row in rows]


async def add(tx: AsyncConnection, workspace: str, restraint: dict[str, Any]) -> None:
    """Keep one: id, what, profile (None where nobody was known), identifiers, actor, reason, at."""
    await tx.execute(_ADD, {"workspace": workspace, **restraint})


async def find(
    tx: AsyncConnection, workspace: str, restraint: Id, *, lock: bool = False
) -> Row[Any] | None:
    """One of them."""
    query = text(_ONE + (" FOR UPDATE" if lock else ""))
    return (await tx.execute(query, {"workspace": workspace, "id": restraint})).first()


async def latest(
    tx: AsyncConnection, workspace: str, limit: int, before: Id | None
) -> list[Row[Any]]:
    """The newest, newest first: those older than `before`, if given."""
    asked = {"workspace": workspace, "limit": limit, "before": before}
    return list((await tx.execute(_LATEST, asked)).fetchall())


async def later(tx: AsyncConnection, at: datetime | None = None) -> datetime:
    """The database's time, which is one for all processes: behind `at` in any case."""
    found: datetime = (await tx.execute(_LATER, {"at": at})).scalar_one()
    return found


async def lift(
    tx: AsyncConnection, workspace: str, restraint: Id, at: datetime, *, by: str, reason: str
) -> None:
    """Note that one holds no more."""
    asked = {"workspace": workspace, "id": restraint, "at": at, "actor": by, "reason": reason}
    await tx.execute(_LIFT, asked)
