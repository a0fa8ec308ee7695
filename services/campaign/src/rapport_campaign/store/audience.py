"""How many people of a segment lack what a template prints of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.store import jobs

MOST_LOOKED_AT = 20_000
"""People; of a larger segment every so-many-th stay is looked at, always the same ones."""

_MEMBERS = (
    "WITH member AS (SELECT DISTINCT e.workspace, coalesce(p.heir, p.profile_id) AS profile_id "
    "FROM campaign.entry e JOIN campaign.person p ON p.workspace = e.workspace "
    "AND p.profile_id = e.profile_id WHERE e.workspace = :workspace "
    "AND e.segment_id = :segment AND e.ended_at IS NULL "
    "AND (hashtext(e.entry_id) & 2147483647) % :step = 0 LIMIT :most) "
)


@dataclass(frozen=True, slots=True)
class Lacking:
    """Of so many people that were looked at, of `members`, so many lack each variable."""

    members: int
    looked_at: int
    lacking: list[int]


async def lacking(
    tx: AsyncConnection, workspace: str, segment: str, paths: Sequence[tuple[str, ...]]
) -> Lacking:
    """Look through a segment; a path begins with a section of people: `traits` or `computed`."""
    members = await jobs.count(tx, workspace, segment)
    counts = "".join(
        f", count(*) FILTER (WHERE coalesce(p.{_section(path)} #>> CAST(:path{number} AS text[]), "
        "'') IN ('', '[]', '{}'))"
        for number, path in enumerate(paths)
    )
    rows = await tx.execute(
        text(
            f"{_MEMBERS}SELECT count(*){counts} FROM member m JOIN campaign.person p "
            "ON p.workspace = m.workspace AND p.profile_id = m.profile_id WHERE p.known"
        ),
        {
            "workspace": workspace,
            "segment": segment,
            "step": max(-(-members // MOST_LOOKED_AT), 1),
            "most": 2 * MOST_LOOKED_AT,
            **{f"path{number}": list(path[1:]) for number, path in enumerate(paths)},
        },
    )
    looked_at, *found = rows.one()
    return Lacking(members, looked_at, list(found))


def _section(path: tuple[str, ...]) -> str:
    # No word of a request comes into the statement.
    return "traits" if path[0] == "traits" else "computed"
