"""What is known of people, in the order of their profiles' ids, with the source of each trait."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.jobs.store import Job
from rapport_profile.domain.naming import Id
from rapport_profile.domain.published import Summary
from rapport_profile.domain.restraints import is_only_kept
from rapport_profile.domain.traits import Trait
from rapport_profile.store.jobs import JOBS, MEASURE_QUALITY

_summary = msgspec.json.Decoder(Summary)
_PAGE = text(
    "SELECT CAST(id AS text) AS id, CASE WHEN merged_into IS NULL AND members > 0 "
    "THEN CAST(summary AS text) END AS summary FROM profile.profile WHERE workspace = :workspace "
    "AND (CAST(:after AS uuid) IS NULL OR id > CAST(:after AS uuid)) ORDER BY id LIMIT :limit"
)
_THESE = text(
    "SELECT CAST(id AS text) AS id, CAST(summary AS text) AS summary FROM profile.profile "
    "WHERE workspace = :workspace AND id = ANY(CAST(:profiles AS uuid[])) "
    "AND merged_into IS NULL AND members > 0 AND summary IS NOT NULL"
)


class Told(NamedTuple):
    """A profile, and its traits; None: it is history, or older than summaries are."""

    id: Id
    traits: Mapping[str, Trait] | None


async def page(tx: AsyncConnection, workspace: str, after: Id | None, limit: int) -> list[Told]:
    """The next profiles in the order of their ids."""
    rows = await tx.execute(_PAGE, {"workspace": workspace, "after": after, "limit": limit})
    return [
        Told(row.id, None if row.summary is None else _summary.decode(row.summary).fold.traits)
        for row in rows
    ]


async def traits_of(
    tx: AsyncConnection, workspace: str, profiles: Collection[Id]
) -> dict[Id, Mapping[str, Trait]]:
    """What is known now of those of the profiles that are somebody, and may be shown."""
    asked = {"workspace": workspace, "profiles": sorted(profiles)}
    found = {}
    for row in await tx.execute(_THESE, asked):
        fold = _summary.decode(row.summary).fold
        if not is_only_kept(fold.restraints):
            found[row.id] = fold.known_traits()
    return found


async def latest(tx: AsyncConnection, workspace: str) -> Job | None:
    """The newest measurement that is done."""
    after: str | None = None
    while found := await JOBS.latest(tx, workspace, kind=MEASURE_QUALITY, after=after, limit=20):
        for one in found:
            if one.state == "done":
                return one
        after = found[-1].id
    return None
