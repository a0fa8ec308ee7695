"""The SQL of samples: people of one workspace, each with the same chance, at a bounded price.

Ids of profiles are made in the order of time, so what stands beside one another in their index is
alike, and gaps are of every size: no place in it can be drawn fairly. What stands for identifiers,
`anchor`, is a hash, and spread evenly. A person is drawn by the least of theirs.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_segment.store.definitions import EVERYBODY

BITS = 128
"""Of an anchor."""
LOOKED_AT = 1000
"""So many anchors say how close they are to one another."""

Cell = tuple[bytes, bytes]
"""The first and the last anchor of a stretch."""


async def some(tx: AsyncConnection, workspace: str, limit: int) -> list[UUID]:
    """Those who are known, up to so many: the oldest."""
    rows = await tx.execute(
        text(
            f"SELECT p.profile_id FROM segment.person p WHERE {EVERYBODY} "
            "ORDER BY p.profile_id LIMIT :limit"
        ),
        {"workspace": workspace, "limit": limit},
    )
    return list(rows.scalars())


async def everybody(tx: AsyncConnection, workspace: str) -> int:
    """How many are known."""
    rows = await tx.execute(
        text(f"SELECT count(*) FROM segment.person p WHERE {EVERYBODY}"), {"workspace": workspace}
    )
    return int(rows.scalar_one())


async def anchors(tx: AsyncConnection, workspace: str) -> float:
    """About how many identifiers people of a workspace have."""
    rows = await tx.execute(
        text(
            "SELECT a.anchor FROM segment.anchor a WHERE a.workspace = :workspace "
            "ORDER BY a.anchor LIMIT :limit"
        ),
        {"workspace": workspace, "limit": LOOKED_AT},
    )
    found = list(rows.scalars())
    if len(found) < LOOKED_AT:
        return float(len(found))
    return len(found) * 2.0**BITS / (int.from_bytes(found[-1], "big") + 1)


def cell(number: int, of: int) -> Cell:
    """One of so many stretches of the same size, which together are all anchors; from 0 on."""
    first, behind = (number << BITS) // of, ((number + 1) << BITS) // of
    size = BITS // 8
    return first.to_bytes(size, "big"), (behind - 1).to_bytes(size, "big")


async def in_cells(tx: AsyncConnection, workspace: str, cells: Sequence[Cell]) -> list[UUID]:
    """Those who are known, and of whose anchors the least lies in one of these: who has many is
    not drawn more often than others.
    """
    rows = await tx.execute(
        text(
            "SELECT a.profile_id FROM unnest(CAST(:firsts AS bytea[]), CAST(:lasts AS bytea[])) "
            "AS v(first, last), LATERAL (SELECT t.profile_id, t.anchor FROM segment.anchor t "
            "WHERE t.workspace = :workspace AND t.anchor >= v.first AND t.anchor <= v.last "
            "OFFSET 0) AS a WHERE EXISTS (SELECT FROM segment.person p "
            f"WHERE {EVERYBODY} AND p.profile_id = a.profile_id OFFSET 0) "
            "AND NOT EXISTS (SELECT FROM segment.anchor o WHERE o.workspace = :workspace "
            "AND o.profile_id = a.profile_id AND o.anchor < a.anchor OFFSET 0)"
        ),
        {
            "workspace": workspace,
            "firsts": [one[0] for one in cells],
            "lasts": [one[1] for one in cells],
        },
    )
    return list(rows.scalars())
