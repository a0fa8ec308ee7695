"""What people are found by: written from their profiles, and read by keys."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import pack, packed
from rapport_profile.domain.naming import Id
from rapport_profile.domain.searchable import Entry

_entries = msgspec.json.Decoder(list[Entry])

_OWE = text(
    "INSERT INTO profile.search_due (workspace, profiles) SELECT workspace, array_agg(id) FROM "
    f"unnest({packed('workspaces', 'text')}, {packed('ids', 'uuid')}) AS v(workspace, id) "
    "GROUP BY workspace"
)
_PAGE = text(
    # Those too of which there is only a row here.
    "SELECT CAST(id AS text) FROM ((SELECT id FROM profile.profile WHERE workspace = :workspace "
    "AND id > CAST(:after AS uuid) ORDER BY id LIMIT :limit) UNION (SELECT profile_id "
    "FROM profile.search WHERE workspace = :workspace AND profile_id > CAST(:after AS uuid) "
    "ORDER BY profile_id LIMIT :limit)) AS both_of_them ORDER BY id LIMIT :limit"
)
_NEXT_WORKSPACE = text(
    "SELECT workspace FROM profile.search_due WHERE workspace > :after ORDER BY workspace LIMIT 1"
)
_HOLD = text("SELECT pg_try_advisory_xact_lock(hashtextextended('search/' || :workspace, 0))")
_TAKE = text(
    # The newest first: what has just changed does not wait behind an import, or a migration.
    "DELETE FROM profile.search_due d USING (SELECT id FROM (SELECT id, "
    "sum(cardinality(profiles)) OVER (ORDER BY id DESC) - cardinality(profiles) AS before FROM ("
    "SELECT id, profiles FROM profile.search_due WHERE workspace = :workspace "
    "ORDER BY id DESC LIMIT :limit) AS last) AS counted WHERE before < :limit) AS taken "
    "WHERE d.workspace = :workspace AND d.id = taken.id RETURNING d.profiles"
)
_WRITE = text(
    # A row that says what it said before costs nothing in the index.
    "INSERT INTO profile.search AS s (workspace, profile_id, entries, keys) "
    "SELECT :workspace, v.id, CAST(v.entries AS json), CAST(v.keys AS integer[]) FROM unnest("
    f"{packed('ids', 'uuid')}, CAST(:entries AS text[]), CAST(:keys AS text[])) "
    "AS v(id, entries, keys) ON CONFLICT (workspace, profile_id) DO UPDATE SET "
    "entries = excluded.entries, keys = excluded.keys "
    "WHERE CAST(s.entries AS text) <> CAST(excluded.entries AS text)"
)
_FORGET = text(
    "DELETE FROM profile.search WHERE workspace = :workspace "
    f"AND profile_id = ANY({packed('ids', 'uuid')})"
)
_OLDEST = text(
    "SELECT coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0) FROM ("
    "SELECT (SELECT created_at FROM profile.search_due d WHERE d.workspace = w.workspace "
    "ORDER BY id LIMIT 1) AS created_at FROM (SELECT DISTINCT workspace FROM profile.search_due) "
    "AS w) AS oldest"
)
_BY_KEYS = text(
    # By the index on keys, which are the workspace's own; never by reading all of a workspace.
    "SELECT set_config('enable_seqscan', 'off', true)"
)
_BESIDES = packed("besides", "uuid")
_FOUND = (
    "SELECT CAST(s.profile_id AS text) AS id, CAST(s.entries AS text) AS entries "
    "FROM profile.search s WHERE s.workspace || '' = :workspace AND ({where}) "
    "AND s.profile_id NOT IN (SELECT unnest({besides})) "
    # Until the row of somebody who is no more has been taken out.
    "AND EXISTS (SELECT FROM profile.profile p WHERE p.workspace = s.workspace "
    "AND p.id = s.profile_id AND p.merged_into IS NULL AND (p.summary IS NULL OR p.members > 0)) "
    "LIMIT :limit"
)


async def owe(tx: AsyncConnection, profiles: Sequence[tuple[str, Id]]) -> None:
    """Have these (workspace, profile) written anew, when the transaction has committed."""
    if profiles:
        workspaces, ids = zip(*profiles, strict=True)
        await tx.execute(_OWE, {"workspaces": pack(workspaces), "ids": pack(ids)})


async def page(tx: AsyncConnection, workspace: str, after: Id, limit: int) -> list[Id]:
    """The ids behind `after` of profiles and of rows in search, so many at most."""
    asked = {"workspace": workspace, "after": after, "limit": limit}
    return list((await tx.execute(_PAGE, asked)).scalars())


async def next_workspace(tx: AsyncConnection, after: str) -> str | None:
    """The next workspace of which something is to be written, by name."""
    found = await tx.execute(_NEXT_WORKSPACE, {"after": after})
    return found.scalar()


async def hold(tx: AsyncConnection, workspace: str) -> bool:
    """Be the only one who writes for a workspace, to the end of the transaction."""
    return bool((await tx.execute(_HOLD, {"workspace": workspace})).scalar())


async def take(tx: AsyncConnection, workspace: str, limit: int) -> list[Id]:
    """The profiles that changed last, about so many: now they are the caller's to write."""
    rows = await tx.execute(_TAKE, {"workspace": workspace, "limit": limit})
    return sorted({str(one) for row in rows for one in row.profiles})


async def write(
    tx: AsyncConnection, workspace: str, found: Mapping[Id, tuple[Sequence[Entry], Sequence[int]]]
) -> None:
    """Write what these profiles are found by; those that are found by nothing have no row."""
    kept = {id_: one for id_, one in found.items() if one[0]}
    if kept:
        await tx.execute(
            _WRITE,
            {
                "workspace": workspace,
                "ids": pack(kept),
                "entries": [msgspec.json.encode(one[0]).decode() for one in kept.values()],
                "keys": [f"{{{','.join(map(str, one[1]))}}}" for one in kept.values()],
            },
        )
    await forget(tx, workspace, [id_ for id_ in found if id_ not in kept])


async def forget(tx: AsyncConnection, workspace: str, profiles: Sequence[Id]) -> None:
    """These are found no more."""
    if profiles:
        await tx.execute(_FORGET, {"workspace": workspace, "ids": pack(profiles)})


async def oldest_age(tx: AsyncConnection) -> float:
    """For how many seconds the oldest change has waited to be written."""
    return float((await tx.execute(_OLDEST)).scalar_one())


async def with_keys(
    tx: AsyncConnection,
    workspace: str,
    ways: Sequence[Sequence[Sequence[int]]],
    limit: int,
    besides: Sequence[Id] = (),
) -> dict[Id, list[Entry]]:
    """People with the keys of any of the ways: with one at least of each of its parts.

    Other ones than `besides`, no more than `limit`, and any of them if there are more. Some may
    have other keys with the same numbers.
    """
    await tx.execute(_BY_KEYS)
    asked: dict[str, Any] = {"workspace": workspace, "limit": limit, "besides": pack(besides)}
    where = " OR ".join(f"({_condition(parts, asked)})" for parts in ways)
    rows = await tx.execute(text(_FOUND.format(where=where, besides=_BESIDES)), asked)
    return {row.id: _entries.decode(row.entries) for row in rows}


def _condition(parts: Sequence[Sequence[int]], asked: dict[str, Any]) -> str:
    single = sorted({part[0] for part in parts if len(part) == 1})
    several = [part for part in parts if len(part) > 1]
    terms = []
    for operator, keys in [("@>", single), *(("&&", part) for part in several)]:
        if keys:
            name = f"keys{len(asked)}"
            asked[name] = list(keys)
            terms.append(f"s.keys {operator} CAST(:{name} AS integer[])")
    return " AND ".join(terms)
