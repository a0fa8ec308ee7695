"""Whom the finder of duplicates has looked at, and who is compared with whom."""

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import pack, packed
from rapport_common.events.envelope import Identifier
from rapport_profile.domain.folding import merge
from rapport_profile.domain.naming import Id
from rapport_profile.domain.published import Summary
from rapport_profile.store import reads

_summary = msgspec.json.Decoder(Summary)
_PAGE = text(
    "SELECT CAST(p.id AS text) AS id, p.version, CAST(p.merged_into AS text) AS merged_into, "
    # One that nothing speaks of any more has no identifiers and no heir.
    "p.merged_into IS NULL AND (p.summary IS NULL OR p.members > 0) AS lives, "
    "l.version AS seen, l.form, l.keys, CASE WHEN :anew OR l.version IS DISTINCT FROM p.version "
    "THEN CAST(p.summary AS text) END AS summary "
    "FROM (SELECT * FROM profile.profile WHERE workspace = :workspace "
    "AND (CAST(:after AS uuid) IS NULL OR id > CAST(:after AS uuid)) ORDER BY id LIMIT :limit) p "
    "LEFT JOIN profile.likeness l ON l.workspace = p.workspace AND l.profile_id = p.id "
    "ORDER BY p.id"
)
_SAVE = text(
    "INSERT INTO profile.likeness AS l (workspace, profile_id, version, form, keys, due) "
    "VALUES (:workspace, CAST(:id AS uuid), :version, :form, CAST(:keys AS bigint[]), true) "
    "ON CONFLICT (workspace, profile_id) DO UPDATE SET version = excluded.version, "
    "form = excluded.form, keys = excluded.keys, due = true"
)
_SEEN = text(
    "UPDATE profile.likeness l SET version = v.version FROM unnest("
    f"{packed('ids', 'uuid')}, {packed('versions', 'bigint')}) AS v(id, version) "
    "WHERE l.workspace = :workspace AND l.profile_id = v.id"
)
_ADD_KEYS = text(
    "INSERT INTO profile.block_key (workspace, key, profile_id) SELECT :workspace, v.key, v.id "
    f"FROM unnest({packed('keys', 'bigint')}, {packed('ids', 'uuid')}) AS v(key, id) "
    "ON CONFLICT DO NOTHING"
)
_DROP_KEYS = text(
    "DELETE FROM profile.block_key WHERE workspace = :workspace AND (key, profile_id) IN "
    f"(SELECT * FROM unnest({packed('keys', 'bigint')}, {packed('ids', 'uuid')}))"
)
_FORGET = text(
    "WITH gone AS (DELETE FROM profile.likeness WHERE workspace = :workspace "
    "AND profile_id = ANY(CAST(:ids AS uuid[])) RETURNING profile_id, keys) "
    "DELETE FROM profile.block_key WHERE workspace = :workspace AND (key, profile_id) IN "
    "(SELECT unnest(keys), profile_id FROM gone)"
)
_DUE = text(
    "SELECT CAST(profile_id AS text) AS id, keys FROM profile.likeness "
    "WHERE workspace = :workspace AND due ORDER BY profile_id LIMIT :limit"
)
_DONE = text(
    "UPDATE profile.likeness SET due = false WHERE workspace = :workspace "
    "AND profile_id = ANY(CAST(:ids AS uuid[]))"
)
_BLOCKS = text(
    "SELECT k.key, CAST(m.profile_id AS text) AS id "
    "FROM unnest(CAST(:keys AS bigint[])) AS k(key) CROSS JOIN LATERAL ("
    "SELECT b.profile_id FROM profile.block_key b WHERE b.workspace = :workspace "
    "AND b.key = k.key LIMIT :limit) AS m"
)
_LATER = text(
    "SELECT CAST(profile_id AS text) FROM profile.likeness WHERE workspace = :workspace AND due "
    "AND profile_id = ANY(CAST(:ids AS uuid[]))"
)
_THESE = text(
    "SELECT CAST(id AS text) AS id, CAST(summary AS text) AS summary FROM profile.profile "
    "WHERE workspace = :workspace AND id = ANY(CAST(:ids AS uuid[])) "
    "AND merged_into IS NULL AND (summary IS NULL OR members > 0)"
)


class Seen(NamedTuple):
    """A profile as it is, and as it was when it was looked at; `summary` only if that differs."""

    id: Id
    version: int
    merged_into: Id | None
    lives: bool
    seen: int | None
    form: bytes | None
    keys: list[int] | None
    summary: str | None


class Looked(NamedTuple):
    """A profile that was looked at: its version, and the digests of what is compared of it."""

    id: Id
    version: int
    form: bytes
    keys: list[int]


class Facts(NamedTuple):
    """What is known of somebody: JSON values of traits, identifiers as shown."""

    traits: dict[str, Any]
    named: list[Identifier]


async def page(
    tx: AsyncConnection, workspace: str, after: Id | None, limit: int, *, anew: bool
) -> list[Seen]:
    """The next profiles in the order of their ids, also those that are history."""
    asked = {"workspace": workspace, "after": after, "limit": limit, "anew": anew}
    rows = await tx.execute(_PAGE, asked)
    return [Seen(*row) for row in rows]


async def facts(tx: AsyncConnection, workspace: str, profile_id: Id, summary: str | None) -> Facts:
    """What is known of a profile; of one without a summary it is made of its identifiers."""
    if summary is not None:
        whole = _summary.decode(summary)
        named, fold = [one[:2] for one in whole.named], whole.fold
    else:
        members = await reads.members(tx, workspace, UUID(profile_id))
        named, fold = [one[:2] for one in members], merge(one[2] for one in members)
    traits = {name: msgspec.json.decode(one.value) for name, one in fold.known_traits().items()}
    return Facts(traits, named)


async def these(
    tx: AsyncConnection, workspace: str, ids: Collection[Id]
) -> AsyncIterator[tuple[Id, Facts]]:
    """What is known of these profiles, of those that are somebody's; not all is held at once."""
    without: list[Id] = []
    rows = await tx.stream(_THESE, {"workspace": workspace, "ids": sorted(ids)})
    async for row in rows:
        if row.summary is None:
            without.append(row.id)
        else:
            yield row.id, await facts(tx, workspace, row.id, row.summary)
    for one in without:
        yield one, await facts(tx, workspace, one, None)


async def save(
    tx: AsyncConnection, workspace: str, changed: Sequence[tuple[Looked, list[int]]]
) -> None:
    """Keep (what was looked at, keys it had before); each is to be compared from now on."""
    if not changed:
        return
    rows = [{"workspace": workspace, **one._asdict()} for one, _ in changed]
    await tx.execute(_SAVE, rows)
    lost = [(key, one.id) for one, before in changed for key in {*before} - {*one.keys}]
    new = [(key, one.id) for one, before in changed for key in {*one.keys} - {*before}]
    for statement, keys in ((_DROP_KEYS, lost), (_ADD_KEYS, new)):
        if keys:
            ordered = sorted(keys)
            asked = {"keys": pack(str(one[0]) for one in ordered)}
            asked["ids"] = pack(one[1] for one in ordered)
            await tx.execute(statement, {"workspace": workspace, **asked})


async def note(tx: AsyncConnection, workspace: str, seen: Iterable[Seen]) -> None:
    """These have another version, and what is compared of them is what it was."""
    ordered = list(seen)
    if ordered:
        asked = {"ids": pack(one.id for one in ordered)}
        asked["versions"] = pack(str(one.version) for one in ordered)
        await tx.execute(_SEEN, {"workspace": workspace, **asked})


async def forget(tx: AsyncConnection, workspace: str, ids: Collection[Id]) -> None:
    """These are compared with nobody any more."""
    if ids:
        await tx.execute(_FORGET, {"workspace": workspace, "ids": sorted(ids)})


async def due(tx: AsyncConnection, workspace: str, limit: int) -> dict[Id, list[int]]:
    """The first of those that are to be compared, with their keys."""
    rows = await tx.execute(_DUE, {"workspace": workspace, "limit": limit})
    return {row.id: row.keys for row in rows}


async def done(tx: AsyncConnection, workspace: str, ids: Collection[Id]) -> None:
    """These have been compared."""
    await tx.execute(_DONE, {"workspace": workspace, "ids": sorted(ids)})


async def blocks(
    tx: AsyncConnection, workspace: str, keys: Collection[int], limit: int
) -> Mapping[int, set[Id]]:
    """Who has each of these keys: of each `limit` at most, and which of them is chance."""
    found: dict[int, set[Id]] = defaultdict(set)
    asked = {"workspace": workspace, "keys": sorted(keys), "limit": limit}
    for row in await tx.execute(_BLOCKS, asked):
        found[row.key].add(row.id)
    return found


async def later(tx: AsyncConnection, workspace: str, ids: Collection[Id]) -> set[Id]:
    """Those of these that are still to be compared."""
    rows = await tx.execute(_LATER, {"workspace": workspace, "ids": sorted(ids)})
    return set(rows.scalars())
