"""Profiles of living people as they stand, many at a time."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import pack, packed
from rapport_profile.domain.naming import Id
from rapport_profile.domain.published import Summary
from rapport_profile.store import computed_traits, reads

PIECE_BYTES = 4 * 1024 * 1024
"""Of what is stored, as it is stored; in memory it is several times as much."""

_summary = msgspec.json.Decoder(Summary)

_ALIVE = "p.merged_into IS NULL AND (p.summary IS NULL OR p.members > 0)"
_SIZES = text(
    "SELECT CAST(id AS text) AS id, coalesce(pg_column_size(summary), 0) AS size "
    f"FROM profile.profile p WHERE workspace = :workspace AND id = ANY({packed('ids', 'uuid')}) "
    f"AND {_ALIVE} ORDER BY p.id"
)
_STANDING = text(
    "SELECT CAST(id AS text) AS id, version, CAST(summary AS text) AS summary "
    f"FROM profile.profile p WHERE workspace = :workspace AND id = ANY({packed('ids', 'uuid')}) "
    f"AND {_ALIVE} ORDER BY p.id"
)


_OWNERS = text(
    # A profile that has several of the identifiers is read once.
    "WITH owned AS (SELECT i.id AS identifier, p.id, p.version, p.summary, "
    "coalesce(pg_column_size(p.summary), 0) AS size, "
    "row_number() OVER (PARTITION BY p.id ORDER BY i.id) = 1 AS is_first "
    "FROM profile.identifier i JOIN profile.profile p ON p.workspace = i.workspace "
    f"AND p.id = i.profile_id WHERE i.workspace = :workspace AND {_ALIVE} "
    f"AND i.id = ANY({packed('ids', 'uuid')})), "
    "counted AS (SELECT *, sum(CASE WHEN is_first THEN size ELSE 0 END) "
    "OVER (ORDER BY id, identifier) AS bytes FROM owned) "
    "SELECT CAST(identifier AS text) AS identifier, CAST(id AS text) AS id, version, is_first, "
    "CASE WHEN is_first AND bytes <= :most THEN CAST(summary AS text) END AS summary, "
    "bytes <= :most AS fits FROM counted"
)


class Standing(NamedTuple):
    """A profile that somebody has."""

    id: Id
    version: int
    summary: Summary


class Owners(NamedTuple):
    """Who has identifiers: {identifier: profile}, and these profiles.

    `too_many`: they are more than was allowed; then not all are there.
    """

    owners: dict[Id, Id]
    people: list[Standing]
    too_many: bool


async def owners(
    tx: AsyncConnection, workspace: str, identifiers: Sequence[Id], most: int
) -> Owners:
    """Who has these identifiers, in one query; no more than `most` bytes as they are stored."""
    asked = {"workspace": workspace, "ids": pack(identifiers), "most": most}
    rows = (await tx.execute(_OWNERS, asked)).fetchall()
    people = []
    for row in rows:
        if row.is_first and row.fits:
            people.append(await _whole(tx, workspace, row))
            # A thousand of them take a while, and others wait.
            await asyncio.sleep(0)
    return Owners(
        {row.identifier: row.id for row in rows}, people, not all(row.fits for row in rows)
    )


async def standing(
    tx: AsyncConnection, workspace: str, ids: Sequence[Id]
) -> AsyncIterator[Standing]:
    """Those of the profiles that somebody has, by id; a few megabytes of them at a time."""
    asked = {"workspace": workspace, "ids": pack(ids)}
    for piece in _pieces((await tx.execute(_SIZES, asked)).fetchall()):
        rows = await tx.execute(_STANDING, {"workspace": workspace, "ids": pack(piece)})
        for row in rows.fetchall():
            yield await _whole(tx, workspace, row)


def _pieces(rows: Sequence[Row[Any]]) -> list[list[Id]]:
    pieces: list[list[Id]] = []
    room = 0
    for row in rows:
        if not pieces or row.size > room:
            pieces.append([])
            room = PIECE_BYTES
        pieces[-1].append(row.id)
        room -= row.size
    return pieces


async def _whole(tx: AsyncConnection, workspace: str, row: Row[Any]) -> Standing:
    if row.summary is not None:
        summary = _summary.decode(row.summary)
        await computed_traits.settle(tx, workspace, [summary])
        return Standing(row.id, row.version, summary)
    made = await reads.made_of_members(tx, workspace, UUID(row.id))
    return Standing(row.id, row.version, made)
