"""Who asked for somebody to be forgotten, what services have answered, and what goes here."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.events.envelope import Event, Identifier
from rapport_common.privacy.store import PrivacyStore
from rapport_profile.domain.naming import Id
from rapport_profile.domain.receipts import Answer, added
from rapport_profile.store import portions
from rapport_profile.store.inbox import stored_event
from rapport_profile.tables import SCHEMA

PRIVACY = PrivacyStore(SCHEMA)
REFUSED = bytes(16)
"""In the place of a message's content hash: none is smaller, so no copy of it counts ever."""

_PATIENT = text("SET LOCAL lock_timeout = '8s'")
_HOLD = text("LOCK TABLE profile.erased IN ACCESS EXCLUSIVE MODE")
_MEMBERS = text(
    "SELECT CAST(id AS text) AS id, kind FROM profile.identifier "
    "WHERE workspace = :workspace AND profile_id = CAST(:profile AS uuid) "
    "AND (:after = '' OR id > CAST(nullif(:after, '') AS uuid)) ORDER BY id LIMIT :limit"
)
_COUNT_MEMBERS = text(
    "SELECT count(*) FROM profile.identifier "
    "WHERE workspace = :workspace AND profile_id = CAST(:profile AS uuid)"
)
_JOINED = text(
    "SELECT CAST(id AS text) FROM profile.identifier "
    "WHERE workspace = :workspace AND profile_id = ANY(CAST(:profiles AS uuid[]))"
)
_KIND_AND_VALUE = text(
    "SELECT kind, value FROM profile.identifier "
    "WHERE workspace = :workspace AND id = ANY(CAST(:ids AS uuid[]))"
)
_FORMER = text(
    # The ids of a person of now and before, with the versions at which these are.
    "WITH RECURSIVE former AS (SELECT id, version FROM profile.profile "
    "WHERE workspace = :workspace AND id = CAST(:id AS uuid) "
    "UNION SELECT p.id, p.version FROM profile.profile p JOIN former f ON p.merged_into = f.id "
    "WHERE p.workspace = :workspace) SELECT CAST(id AS text) AS id, version FROM former"
)
_IDS = "identifier_id = ANY(CAST(:ids AS uuid[]))"
_RECEIVED = "CAST(event ->> 'received_at' AS timestamptz) < :at"
_NO_COPY = (
    "copies AS (UPDATE profile.inbox i SET hash = :refused FROM gone "
    "WHERE i.workspace = gone.workspace AND i.source = gone.source "
    "AND i.message_id = gone.message_id)"
)
_KEY = "workspace, identifier_id, timestamp, source, message_id"
_DROP_EVENTS = text(
    f"WITH gone AS (DELETE FROM profile.timeline WHERE ({_KEY}) IN (SELECT {_KEY} "
    f"FROM profile.timeline WHERE workspace = :workspace AND {_IDS} AND {_RECEIVED} LIMIT :limit) "
    f"RETURNING workspace, source, message_id), {_NO_COPY} SELECT count(*) FROM gone"
)
_COUNT_EVENTS = text(
    "SELECT count(*) FROM (SELECT FROM profile.timeline "
    f"WHERE workspace = :workspace AND {_IDS} AND {_RECEIVED} LIMIT :limit) AS found"
)
_LINKING = text(
    "SELECT DISTINCT CAST(a AS text) FROM profile.link WHERE workspace = :workspace "
    "AND b = ANY(CAST(:ids AS uuid[])) AND NOT a = ANY(CAST(:ids AS uuid[]))"
)
_OF_OTHERS = text(
    "SELECT timestamp, source, message_id, CAST(event AS text) AS event FROM profile.timeline "
    f"WHERE workspace = :workspace AND {_IDS} AND {_RECEIVED}"
)
_DROP_THESE = text(
    "WITH gone AS (DELETE FROM profile.timeline t USING unnest(CAST(:sources AS text[]), "
    "CAST(:messages AS text[])) AS v(source, message_id) WHERE t.workspace = :workspace "
    f"AND t.{_IDS} AND t.source = v.source AND t.message_id = v.message_id "
    f"RETURNING t.workspace, t.source, t.message_id), {_NO_COPY} SELECT count(*) FROM gone"
)
_TAKE_PLACE = text(
    "SELECT CAST(id AS text) AS id, version FROM profile.profile WHERE workspace = :workspace "
    "AND id = ANY(CAST(:profiles AS uuid[])) ORDER BY id FOR UPDATE"
)
_LEAVE = text(
    "UPDATE profile.identifier SET profile_id = NULL, fold = '{}' WHERE workspace = :workspace "
    "AND profile_id = ANY(CAST(:profiles AS uuid[]))"
)
_FORGET_SUMS = text(
    "UPDATE profile.identifier SET expired = NULL WHERE workspace = :workspace "
    "AND id = ANY(CAST(:ids AS uuid[])) AND expired IS NOT NULL"
)
_END = text(
    "UPDATE profile.profile SET version = version + 1, members = 0, summary = '{}', "
    "merged_into = NULL WHERE workspace = :workspace AND id = ANY(CAST(:profiles AS uuid[]))"
)
_DROP_OVERFLOW = text(f"DELETE FROM profile.overflow WHERE workspace = :workspace AND {_IDS}")
_DROP_DECISIONS = text(
    "DELETE FROM profile.decision WHERE workspace = :workspace "
    "AND (a = ANY(CAST(:ids AS uuid[])) OR b = ANY(CAST(:ids AS uuid[])))"
)
_NAMED = (
    "FROM profile.identifier i WHERE i.workspace = :workspace AND i.id = ANY(CAST(:ids AS uuid[])) "
    # Each end by itself: asked at once, all links may be read for each identifier.
    "AND i.profile_id IS NULL "
    "AND NOT EXISTS (SELECT FROM profile.link l WHERE l.workspace = i.workspace AND l.a = i.id) "
    "AND NOT EXISTS (SELECT FROM profile.link l WHERE l.workspace = i.workspace AND l.b = i.id)"
)
_DROP_IDENTIFIERS = text(
    f"DELETE FROM profile.identifier WHERE (workspace, id) IN (SELECT workspace, id {_NAMED})"
)
_SEARCH_DUE = text(
    "SELECT EXISTS (SELECT FROM profile.search_due WHERE workspace = :workspace "
    "AND profiles && CAST(:profiles AS uuid[]))"
)
_ADD_REQUEST = text(
    "INSERT INTO profile.privacy_request (workspace, id, profile_id, identifiers, actor, reason, "
    "at, in_portions) VALUES (:workspace, CAST(:id AS uuid), CAST(:profile_id AS uuid), "
    ":identifiers, :actor, :reason, :at, :in_portions)"
)
_COLUMNS = (
    "CAST(id AS text) AS id, CAST(profile_id AS text) AS profile_id, identifiers, actor, reason, "
    "at, receipt, finished_at"
)
_FIND = f"SELECT {_COLUMNS} FROM profile.privacy_request WHERE workspace = :workspace AND "
_LATEST = text(
    f"{_FIND} (CAST(:before AS uuid) IS NULL OR id < CAST(:before AS uuid)) "
    "ORDER BY id DESC LIMIT :limit"
)
_ONE = f"{_FIND} id = CAST(:id AS uuid)"
_ANSWER = text(
    "INSERT INTO profile.privacy_receipt (workspace, request_id, service, at, rows, tables) "
    "VALUES (:workspace, CAST(:request AS uuid), :service, :at, :rows, CAST(:tables AS jsonb)) "
    "ON CONFLICT DO NOTHING"
)
_ANSWERS = text(
    "SELECT CAST(request_id AS text) AS request_id, service, at, rows, tables "
    "FROM profile.privacy_receipt WHERE workspace = :workspace "
    "AND request_id = ANY(CAST(:requests AS uuid[])) ORDER BY service"
)
_FINISH = text(
    "UPDATE profile.privacy_request SET receipt = :receipt, finished_at = :at "
    "WHERE workspace = :workspace AND id = CAST(:id AS uuid)"
)
_UNANSWERED = text(
    "SELECT s.service, coalesce(extract(epoch FROM clock_timestamp() - min(r.at)), 0) AS seconds "
    "FROM unnest(CAST(:services AS text[])) AS s(service) LEFT JOIN profile.privacy_request r "
    "ON r.finished_at IS NULL AND EXISTS (SELECT FROM (SELECT r.id UNION ALL SELECT p.id "
    "FROM profile.privacy_portion p WHERE p.workspace = r.workspace AND p.request_id = r.id) "
    "AS p(id) WHERE NOT EXISTS (SELECT FROM profile.privacy_receipt a "
    "WHERE a.workspace = r.workspace AND a.request_id = p.id AND a.service = s.service)) "
    "GROUP BY s.service"
)


async def hold(tx: AsyncConnection) -> None:
    """Wait for all batches under way, and let none begin before this transaction ends.

    Each looks first who is to be refused: so none writes what this transaction refuses.
    """
    await tx.execute(_PATIENT)
    await tx.execute(_HOLD)


async def members(
    tx: AsyncConnection, workspace: str, profile: Id, after: Id, limit: int
) -> list[Row[Any]]:
    """Rows of (id, kind): the next identifiers of a profile, by id; "" is before all."""
    asked = {"workspace": workspace, "profile": profile, "after": after, "limit": limit}
    return list((await tx.execute(_MEMBERS, asked)).fetchall())


async def count_members(tx: AsyncConnection, workspace: str, profile: Id) -> int:
    """How many identifiers a profile has."""
    asked = {"workspace": workspace, "profile": profile}
    return int((await tx.execute(_COUNT_MEMBERS, asked)).scalar_one())


async def joined(tx: AsyncConnection, workspace: str, profiles: Collection[Id]) -> set[Id]:
    """The identifiers of profiles."""
    asked = {"workspace": workspace, "profiles": sorted(profiles)}
    return set((await tx.execute(_JOINED, asked)).scalars())


async def named(tx: AsyncConnection, workspace: str, ids: Sequence[Id]) -> list[Identifier]:
    """Those of the identifiers that are there, by kind and value."""
    rows = await tx.execute(_KIND_AND_VALUE, {"workspace": workspace, "ids": list(ids)})
    return [(row.kind, row.value) for row in rows]


async def former(tx: AsyncConnection, workspace: str, profile_id: Id) -> dict[Id, int]:
    """The ids that a person has and had, each with its version."""
    rows = await tx.execute(_FORMER, {"workspace": workspace, "id": profile_id})
    return {row.id: row.version for row in rows}


# --- what goes -------------------------------------------------------------------------------


async def count_events(
    tx: AsyncConnection, workspace: str, ids: Sequence[Id], at: datetime, limit: int
) -> int:
    """How many events of these identifiers were received before `at`, up to `limit`."""
    asked = {"workspace": workspace, "ids": list(ids), "at": at, "limit": limit}
    return int((await tx.execute(_COUNT_EVENTS, asked)).scalar_one())


async def drop_events(
    tx: AsyncConnection, workspace: str, ids: Sequence[Id], at: datetime, limit: int
) -> int:
    """Remove events of identifiers that were received before `at`; no copy counts any more."""
    asked = {"workspace": workspace, "ids": list(ids), "at": at, "limit": limit}
    return int((await tx.execute(_DROP_EVENTS, {**asked, "refused": REFUSED})).scalar_one())


async def linking(tx: AsyncConnection, workspace: str, ids: Sequence[Id]) -> list[Id]:
    """Others whose events name any of these identifiers."""
    rows = await tx.execute(_LINKING, {"workspace": workspace, "ids": list(ids)})
    return sorted(rows.scalars())


async def events_of(
    tx: AsyncConnection, workspace: str, ids: Sequence[Id], at: datetime
) -> list[Event]:
    """The events of identifiers that were received before `at`."""
    rows = await tx.execute(_OF_OTHERS, {"workspace": workspace, "ids": list(ids), "at": at})
    return [stored_event(row.event) for row in rows]


async def drop_these(
    tx: AsyncConnection, workspace: str, ids: Sequence[Id], events: Sequence[Event]
) -> int:
    """Remove these events of identifiers; no copy of them counts any more."""
    if not events:
        return 0
    asked = {
        "workspace": workspace,
        "ids": list(ids),
        "sources": [one.source for one in events],
        "messages": [one.message_id for one in events],
        "refused": REFUSED,
    }
    return int((await tx.execute(_DROP_THESE, asked)).scalar_one())


async def end_profiles(
    tx: AsyncConnection, workspace: str, profiles: Collection[Id]
) -> dict[Id, int]:
    """Nobody has these ids any more, nor what was known under them; the versions that say so."""
    asked = {"workspace": workspace, "profiles": sorted(profiles)}
    known = (await tx.execute(_TAKE_PLACE, asked)).fetchall()
    await tx.execute(_END, asked)
    return {row.id: row.version + 1 for row in known}


async def leave_profiles(tx: AsyncConnection, workspace: str, profiles: Collection[Id]) -> None:
    """Nobody is in these profiles any more."""
    await tx.execute(_LEAVE, {"workspace": workspace, "profiles": sorted(profiles)})


async def drop_beside(tx: AsyncConnection, workspace: str, ids: Sequence[Id]) -> dict[str, int]:
    """Remove what is kept beside the events of identifiers; how many rows, by table."""
    asked = {"workspace": workspace, "ids": list(ids)}
    await tx.execute(_FORGET_SUMS, asked)
    return {
        "profile.overflow": (await tx.execute(_DROP_OVERFLOW, asked)).rowcount,
        "profile.decision": (await tx.execute(_DROP_DECISIONS, asked)).rowcount,
    }


async def drop_identifiers(tx: AsyncConnection, workspace: str, ids: Sequence[Id]) -> int:
    """Remove those of the identifiers that nothing speaks of any more."""
    asked = {"workspace": workspace, "ids": list(ids)}
    return (await tx.execute(_DROP_IDENTIFIERS, asked)).rowcount


async def is_search_due(tx: AsyncConnection, workspace: str, profiles: Collection[Id]) -> bool:
    """Whether search is still to hear of any of these profiles."""
    asked = {"workspace": workspace, "profiles": sorted(profiles)}
    return bool(await tx.scalar(_SEARCH_DUE, asked))


# --- requests and receipts -------------------------------------------------------------------


async def add_request(tx: AsyncConnection, workspace: str, request: Mapping[str, Any]) -> None:
    """Keep who asked, and why: id, profile_id, identifiers, actor, reason, at, in_portions."""
    await tx.execute(_ADD_REQUEST, {"workspace": workspace, **request})


async def request(
    tx: AsyncConnection, workspace: str, request_id: str, *, lock: bool = False
) -> Row[Any] | None:
    """One request."""
    found = text(_ONE + (" FOR UPDATE" if lock else ""))
    return (await tx.execute(found, {"workspace": workspace, "id": request_id})).first()


async def requests(
    tx: AsyncConnection, workspace: str, limit: int, before: Id | None
) -> list[Row[Any]]:
    """The newest requests, newest first: those older than `before`, if given."""
    asked = {"workspace": workspace, "limit": limit, "before": before}
    return list((await tx.execute(_LATEST, asked)).fetchall())


async def add_answer(tx: AsyncConnection, workspace: str, request_id: str, answer: Answer) -> None:
    """Keep a service's receipt, the first one."""
    await tx.execute(
        _ANSWER,
        {
            "workspace": workspace,
            "request": request_id,
            "service": answer.service,
            "at": answer.at,
            "rows": answer.rows,
            "tables": msgspec.json.encode(answer.tables).decode(),
        },
    )


async def answers(
    tx: AsyncConnection, workspace: str, requests: Collection[str]
) -> dict[str, dict[str, Answer]]:
    """The receipts of requests, by request and service: of those that have answered in full."""
    request_of = await portions.of_requests(tx, workspace, requests)
    told: dict[str, dict[str, list[Answer]]] = {one: {} for one in requests}
    for row in await tx.execute(_ANSWERS, {"workspace": workspace, "requests": [*request_of]}):
        answer = Answer(row.service, row.at, row.rows, row.tables)
        told[request_of[row.request_id]].setdefault(row.service, []).append(answer)
    wanted = Counter(request_of.values())
    return {
        request: {
            service: added(some) for service, some in by.items() if len(some) == wanted[request]
        }
        for request, by in told.items()
    }


async def finish(
    tx: AsyncConnection, workspace: str, request_id: str, receipt: str, at: datetime
) -> None:
    """All have answered."""
    asked = {"workspace": workspace, "id": request_id, "receipt": receipt, "at": at}
    await tx.execute(_FINISH, asked)


async def unanswered(tx: AsyncConnection, services: Sequence[str]) -> dict[str, float]:
    """By service: since how many seconds the oldest request waits for its answer."""
    rows = await tx.execute(_UNANSWERED, {"services": list(services)})
    return {row.service: float(row.seconds) for row in rows}
