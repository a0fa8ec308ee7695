"""Who asked what is known of them, what services have told, and who has read it: SQL."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_profile.domain.naming import Id
from rapport_profile.store import portions

Place = tuple[str, Id, int]
"""Where a piece stands in the file: service, portion, number."""
FIRST: Place = ("", "00000000-0000-0000-0000-000000000000", -1)


@dataclass(frozen=True, slots=True)
class Told:
    """What a service has answered: rows by section, in so many pieces, of which these are kept."""

    at: datetime
    pieces: int
    kept: int
    told: Mapping[str, int]


_ADD = text(
    "INSERT INTO profile.access_request (workspace, id, profile_id, subjects, identifiers, actor, "
    "reason, at, expires_at) VALUES (:workspace, CAST(:id AS uuid), CAST(:profile_id AS uuid), "
    ":subjects, :identifiers, :actor, :reason, :at, :expires_at)"
)
_ADD_KEY = text(
    "INSERT INTO profile.access_key (workspace, request_id, private, made_at) "
    "VALUES (:workspace, CAST(:id AS uuid), :private, :at)"
)
_COLUMNS = (
    "CAST(r.id AS text) AS id, CAST(r.profile_id AS text) AS profile_id, r.identifiers, r.actor, "
    "r.reason, r.at, r.expires_at, r.finished_at, EXISTS (SELECT FROM profile.access_key k "
    "WHERE k.workspace = r.workspace AND k.request_id = r.id) AS is_readable, "
    "(SELECT count(*) FROM profile.access_download d WHERE d.workspace = r.workspace "
    "AND d.request_id = r.id) AS downloads"
)
_FIND = f"SELECT {_COLUMNS} FROM profile.access_request r WHERE r.workspace = :workspace AND "
_ONE = f"{_FIND} r.id = CAST(:id AS uuid)"
_LATEST = text(
    f"{_FIND} (CAST(:before AS uuid) IS NULL OR r.id < CAST(:before AS uuid)) "
    "ORDER BY r.id DESC LIMIT :limit"
)
_ADD_PIECE = text(
    # Of a request that is over nothing is kept any more.
    "INSERT INTO profile.access_piece (workspace, request_id, service, number, sealed, made_at) "
    "SELECT k.workspace, CAST(:id AS uuid), :service, :number, :sealed, clock_timestamp() "
    "FROM profile.access_key k WHERE k.workspace = :workspace "
    "AND k.request_id = CAST(:request AS uuid) ON CONFLICT DO NOTHING"
)
_ADD_ANSWER = text(
    "INSERT INTO profile.access_answer (workspace, request_id, service, at, pieces, told) "
    "VALUES (:workspace, CAST(:id AS uuid), :service, :at, :pieces, CAST(:told AS jsonb)) "
    "ON CONFLICT DO NOTHING"
)
_ANSWERS = text(
    "SELECT CAST(a.request_id AS text) AS request_id, a.service, a.at, a.pieces, a.told, "
    "(SELECT count(*) FROM profile.access_piece p WHERE p.workspace = a.workspace "
    "AND p.request_id = a.request_id AND p.service = a.service) AS kept "
    "FROM profile.access_answer a WHERE a.workspace = :workspace "
    "AND a.request_id = ANY(CAST(:ids AS uuid[])) ORDER BY a.service"
)
_FINISH = text(
    "UPDATE profile.access_request SET finished_at = coalesce(finished_at, clock_timestamp()) "
    "WHERE workspace = :workspace AND id = CAST(:id AS uuid)"
)
_KEY = text(
    "SELECT private FROM profile.access_key WHERE workspace = :workspace "
    "AND request_id = CAST(:id AS uuid)"
)
_NEXT_PIECE = text(
    "SELECT service, CAST(request_id AS text) AS portion, number, sealed "
    "FROM profile.access_piece WHERE workspace = :workspace AND (request_id = CAST(:id AS uuid) "
    "OR request_id IN (SELECT p.id FROM profile.privacy_portion p "
    "WHERE p.workspace = :workspace AND p.request_id = CAST(:id AS uuid))) "
    "AND (service, request_id, number) > (:service, CAST(:portion AS uuid), :number) "
    "ORDER BY service, request_id, number LIMIT 1"
)
_DOWNLOADED = text(
    "INSERT INTO profile.access_download (workspace, request_id, id, at, actor) "
    "VALUES (:workspace, CAST(:request AS uuid), CAST(:id AS uuid), clock_timestamp(), :actor)"
)
_OF_THEM = (
    "workspace = :workspace AND request_id IN (SELECT id FROM profile.access_request "
    "WHERE workspace = :workspace AND subjects && CAST(:subjects AS text[]))"
)
_FORGET = (
    text(f"DELETE FROM profile.access_key WHERE {_OF_THEM}"),
    text(f"DELETE FROM profile.access_piece WHERE {_OF_THEM}"),
    text(
        "DELETE FROM profile.access_piece WHERE workspace = :workspace AND request_id IN "
        f"(SELECT id FROM profile.privacy_portion WHERE {_OF_THEM})"
    ),
    text(
        "UPDATE profile.access_request SET subjects = '{}', finished_at = "
        "coalesce(finished_at, clock_timestamp()) WHERE workspace = :workspace "
        "AND subjects && CAST(:subjects AS text[])"
    ),
)
_OVERDUE = text(
    "SELECT (SELECT count(*) FROM profile.access_request WHERE finished_at IS NULL "
    "AND at < :before) AS access, (SELECT count(*) FROM profile.privacy_request "
    "WHERE finished_at IS NULL AND at < :before) AS erasure"
)


async def add(
    tx: AsyncConnection, workspace: str, request: Mapping[str, Any], private: bytes
) -> None:
    """Keep who asked: id, profile_id, subjects, identifiers, actor, reason, at, expires_at."""
    await tx.execute(_ADD, {"workspace": workspace, **request})
    given = {"workspace": workspace, "id": request["id"], "at": request["at"]}
    await tx.execute(_ADD_KEY, {**given, "private": private})


async def find(
    tx: AsyncConnection, workspace: str, request: Id, *, lock: bool = False
) -> Row[Any] | None:
    """One request."""
    query = text(_ONE + (" FOR UPDATE OF r" if lock else ""))
    return (await tx.execute(query, {"workspace": workspace, "id": request})).first()


async def latest(
    tx: AsyncConnection, workspace: str, limit: int, before: Id | None
) -> list[Row[Any]]:
    """The newest requests, newest first: those older than `before`, if given."""
    asked = {"workspace": workspace, "limit": limit, "before": before}
    return list((await tx.execute(_LATEST, asked)).fetchall())


async def add_piece(
    tx: AsyncConnection, workspace: str, portion: Id, piece: tuple[str, int, bytes]
) -> None:
    """Keep a piece (service, number, sealed) of a request, or a portion, that is not over."""
    given = dict(zip(("service", "number", "sealed"), piece, strict=True))
    request = await portions.request_of(tx, workspace, portion)
    asked = {"workspace": workspace, "request": request, "id": portion}
    await tx.execute(_ADD_PIECE, {**asked, **given})


async def add_answer(
    tx: AsyncConnection, workspace: str, request: Id, answer: Mapping[str, Any]
) -> None:
    """Keep that a service has told all: service, at, pieces, told (JSON of rows by section)."""
    await tx.execute(_ADD_ANSWER, {"workspace": workspace, "id": request, **answer})


async def answers(
    tx: AsyncConnection, workspace: str, requests: Collection[Id]
) -> dict[Id, dict[str, Told]]:
    """What services have answered in full, by request and service."""
    request_of = await portions.of_requests(tx, workspace, requests)
    by: dict[Id, dict[str, list[Told]]] = {one: {} for one in requests}
    for row in await tx.execute(_ANSWERS, {"workspace": workspace, "ids": [*request_of]}):
        told = Told(row.at, row.pieces, row.kept, row.told)
        by[request_of[row.request_id]].setdefault(row.service, []).append(told)
    wanted = Counter(request_of.values())
    return {
        request: {
            service: _added(some) for service, some in found.items() if len(some) == wanted[request]
        }
        for request, found in by.items()
    }


def _added(some: Sequence[Told]) -> Told:
    told = Counter[str]()
    for one in some:
        told.update(one.told)
    pieces, kept = sum(one.pieces for one in some), sum(one.kept for one in some)
    return Told(max(one.at for one in some), pieces, kept, dict(told))


async def finish(tx: AsyncConnection, workspace: str, request: Id) -> None:
    """All have answered."""
    await tx.execute(_FINISH, {"workspace": workspace, "id": request})


async def key(tx: AsyncConnection, workspace: str, request: Id) -> bytes | None:
    """What opens the pieces of a request; None when that is destroyed."""
    found = await tx.scalar(_KEY, {"workspace": workspace, "id": request})
    return None if found is None else bytes(found)


async def next_piece(
    tx: AsyncConnection, workspace: str, request: Id, after: Place
) -> tuple[Place, bytes] | None:
    """The first piece behind a place, and where it stands."""
    named = dict(zip(("service", "portion", "number"), after, strict=True))
    row = (await tx.execute(_NEXT_PIECE, {"workspace": workspace, "id": request, **named})).first()
    return None if row is None else ((row.service, row.portion, row.number), bytes(row.sealed))


async def downloaded(
    tx: AsyncConnection, workspace: str, request: Id, *, id_: Id, actor: str
) -> None:
    """Note who reads it."""
    given = {"workspace": workspace, "request": request, "id": id_, "actor": actor}
    await tx.execute(_DOWNLOADED, given)


async def forget(tx: AsyncConnection, workspace: str, subjects: Collection[str]) -> None:
    """Let nobody read what was told of whoever has any of these HMACs, here and on Kafka."""
    for statement in _FORGET:
        await tx.execute(statement, {"workspace": workspace, "subjects": sorted(subjects)})


async def overdue(tx: AsyncConnection, before: datetime) -> dict[str, int]:
    """How many requests of each kind from before this are not done."""
    row = (await tx.execute(_OVERDUE, {"before": before})).one()
    return {"access": row.access, "erasure": row.erasure}
