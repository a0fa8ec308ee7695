"""Wishes and requests about people who are too large for one record: SQL.

The first portion has the id of the request; what stands here are the others.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_profile.domain.naming import Id

Role = Literal["whole", "first", "other"]
"""Of what is worked off: all of a wish, its first portion, another one."""

_ADD = text(
    "INSERT INTO profile.privacy_portion (workspace, id, request_id) "
    "VALUES (:workspace, CAST(:id AS uuid), CAST(:request AS uuid))"
)
_REQUEST = text(
    "SELECT CAST(request_id AS text) FROM profile.privacy_portion "
    "WHERE workspace = :workspace AND id = CAST(:id AS uuid)"
)
_OF_REQUESTS = text(
    "SELECT CAST(id AS text) AS id, CAST(request_id AS text) AS request FROM "
    "profile.privacy_portion WHERE workspace = :workspace "
    "AND request_id = ANY(CAST(:requests AS uuid[]))"
)
_ROLE = text(
    "SELECT CASE WHEN EXISTS (SELECT FROM profile.privacy_portion WHERE workspace = :workspace "
    "AND id = CAST(:id AS uuid)) THEN 'other' WHEN EXISTS (SELECT FROM profile.privacy_request "
    "WHERE workspace = :workspace AND id = CAST(:id AS uuid) AND in_portions) THEN 'first' "
    "ELSE 'whole' END"
)
_ITS_OWN = (
    "FROM profile.erasure e WHERE e.workspace = :workspace AND (e.request_id = :request "
    "OR e.request_id IN (SELECT CAST(p.id AS text) FROM profile.privacy_portion p "
    "WHERE p.workspace = :workspace AND p.request_id = CAST(:request AS uuid)))"
)
_NEXT = text(
    f"SELECT CAST(CAST(s AS uuid) AS text) FROM (SELECT unnest(e.subjects) AS s {_ITS_OWN}) AS v "
    "WHERE s > :after ORDER BY s LIMIT :limit"
)
_PROFILES = text(
    f"SELECT e.request_id, e.profiles {_ITS_OWN} AND e.request_id > :after "
    "ORDER BY e.request_id LIMIT 1"
)
_GONE = text(
    "UPDATE profile.privacy_request SET gone_at = coalesce(gone_at, clock_timestamp()) "
    "WHERE workspace = :workspace AND id = CAST(:request AS uuid)"
)
_IS_GONE = text(
    "SELECT EXISTS (SELECT FROM profile.privacy_portion p JOIN profile.privacy_request r "
    "ON r.workspace = p.workspace AND r.id = p.request_id WHERE p.workspace = :workspace "
    "AND p.id = CAST(:id AS uuid) AND r.gone_at IS NOT NULL)"
)
_STANDING = "r.in_portions AND r.gone_at IS NULL"
_UNDER_WAY = text(
    "SELECT DISTINCT r.workspace FROM profile.privacy_request r "
    f"WHERE r.workspace = ANY(CAST(:workspaces AS text[])) AND {_STANDING}"
)
_CONCERNED = text(
    # Who is named already by a portion, or by none yet, since these are made one by one.
    "SELECT EXISTS (SELECT FROM unnest(CAST(:workspaces AS text[]), CAST(:ids AS uuid[])) "
    "AS v(workspace, id) JOIN profile.privacy_request r ON r.workspace = v.workspace "
    f"AND {_STANDING} WHERE EXISTS (SELECT FROM profile.identifier i "
    "WHERE i.workspace = v.workspace AND i.id = v.id AND i.profile_id = r.profile_id) "
    "OR EXISTS (SELECT FROM profile.erased e WHERE e.workspace = v.workspace "
    "AND e.subject = replace(CAST(v.id AS text), '-', '') AND e.at >= r.at))"
)
_DROP_LINKS = text(
    # Each link is told by one end, and has the other in one page: what leads out of the person
    # stays, so that others are judged anew.
    "DELETE FROM profile.link WHERE (workspace, a, b, kind) IN (SELECT l.workspace, l.a, l.b, "
    "l.kind FROM profile.link l WHERE l.workspace = :workspace AND l.b = ANY(CAST(:ids AS uuid[])) "
    "AND EXISTS (SELECT FROM profile.erased e WHERE e.workspace = l.workspace "
    "AND e.subject = replace(CAST(l.a AS text), '-', '') AND e.at >= :at) LIMIT :limit)"
)
_RENAME_LOCKS = text(
    # Others who wait for each other by the row of one who goes do so by one of their own.
    "UPDATE profile.identifier i SET cluster_id = v.label FROM (SELECT o.cluster_id, "
    "(array_agg(o.id ORDER BY o.id))[1] AS label FROM profile.identifier o "
    "WHERE o.workspace = :workspace AND o.cluster_id = ANY(CAST(:ids AS uuid[])) "
    "AND NOT EXISTS (SELECT FROM profile.erased e WHERE e.workspace = o.workspace "
    "AND e.subject = replace(CAST(o.id AS text), '-', '') AND e.at >= :at) "
    "GROUP BY o.cluster_id) AS v WHERE i.workspace = :workspace AND i.cluster_id = v.cluster_id "
    "AND NOT EXISTS (SELECT FROM profile.erased e WHERE e.workspace = i.workspace "
    "AND e.subject = replace(CAST(i.id AS text), '-', '') AND e.at >= :at)"
)
_HOLD = text(
    "SELECT FROM profile.identifier WHERE workspace = :workspace "
    "AND id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR UPDATE"
)
_LEAVE = text(
    "UPDATE profile.identifier SET profile_id = NULL, cluster_id = NULL, shared = false, "
    "contested = false, fold = '{}' WHERE workspace = :workspace AND id = ANY(CAST(:ids AS uuid[]))"
)


async def add(tx: AsyncConnection, workspace: str, request: Id, portion: Id) -> None:
    """Keep that a portion belongs to a request."""
    await tx.execute(_ADD, {"workspace": workspace, "request": request, "id": portion})


async def request_of(tx: AsyncConnection, workspace: str, portion: Id) -> Id:
    """The request to which a portion belongs; itself where it is no other portion."""
    found = await tx.scalar(_REQUEST, {"workspace": workspace, "id": portion})
    return portion if found is None else str(found)


async def of_requests(
    tx: AsyncConnection, workspace: str, requests: Iterable[Id]
) -> Mapping[Id, Id]:
    """The requests of all their portions, the first ones included."""
    wanted = sorted(requests)
    rows = await tx.execute(_OF_REQUESTS, {"workspace": workspace, "requests": wanted})
    return {**{one: one for one in wanted}, **{row.id: row.request for row in rows}}


async def role(tx: AsyncConnection, workspace: str, portion: Id) -> Role:
    """What a portion is of its wish."""
    asked = {"workspace": workspace, "id": portion}
    found: Role = (await tx.execute(_ROLE, asked)).scalar_one()
    return found


async def next_ids(
    tx: AsyncConnection, workspace: str, request: Id, after: Id, limit: int
) -> list[Id]:
    """The next identifiers of all portions of a wish, by id; "" is before all."""
    asked = {"workspace": workspace, "request": request, "limit": limit}
    rows = await tx.execute(_NEXT, {**asked, "after": after.replace("-", "")})
    return [str(one) for one in rows.scalars()]


async def next_profiles(
    tx: AsyncConnection, workspace: str, request: Id, after: Id
) -> tuple[Id, frozenset[Id]] | None:
    """The next portion in the order of their ids, with its profile ids."""
    asked = {"workspace": workspace, "request": request, "after": after}
    row = (await tx.execute(_PROFILES, asked)).first()
    return None if row is None else (row.request_id, frozenset(row.profiles))


async def gone(tx: AsyncConnection, workspace: str, request: Id) -> None:
    """Of the person of a wish nothing is left here by which events are told from others."""
    await tx.execute(_GONE, {"workspace": workspace, "request": request})


async def is_gone(tx: AsyncConnection, workspace: str, portion: Id) -> bool:
    """Whether that is so of the wish of another portion than the first."""
    return bool(await tx.scalar(_IS_GONE, {"workspace": workspace, "id": portion}))


async def under_way(tx: AsyncConnection, workspaces: Collection[str]) -> set[str]:
    """Those of the workspaces in which somebody large is being forgotten."""
    rows = await tx.execute(_UNDER_WAY, {"workspaces": sorted(workspaces)})
    return set(rows.scalars())


async def concerned(tx: AsyncConnection, wanted: Collection[tuple[str, Id]]) -> bool:
    """Whether an identifier (workspace, id) is of somebody large who is being forgotten."""
    asked = {"workspaces": [one[0] for one in wanted], "ids": [one[1] for one in wanted]}
    return bool(wanted) and bool(await tx.scalar(_CONCERNED, asked))


async def part(
    tx: AsyncConnection, workspace: str, ids: Sequence[Id], at: datetime, limit: int
) -> bool:
    """Take identifiers of a person who is forgotten since `at` out of it; False: there is more.

    Their links with others of the person go, `limit` at a time; they are nobody's then.
    """
    asked = {"workspace": workspace, "ids": list(ids)}
    await tx.execute(_HOLD, asked)
    if (await tx.execute(_DROP_LINKS, {**asked, "at": at, "limit": limit})).rowcount == limit:
        return False
    await tx.execute(_RENAME_LOCKS, {**asked, "at": at})
    await tx.execute(_LEAVE, asked)
    return True
