"""What is known of people, in the order of their profiles' ids, with the source of each trait."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.jobs.store import Job
from rapport_profile.domain.naming import Id
from rapport_profile.domain.published import Summary
from rapport_profile.domain.traits import Trait
from rapport_profile.store.jobs import JOBS, MEASURE_QUALITY

_summary = msgspec.json.Decoder(Summary)
_PAGE = text(
    "SELECT CAST(id AS text) AS id, CASE WHEN merged_into IS NULL AND members > 0 "
    "THEN CAST(summary AS text) END AS summary FROM profile.profile WHERE workspace = :workspace "
    "AND (CAST(:after AS uuid) IS NULL OR id > CAST(:after AS uuid)) ORDER BY id LIMIT :limit"
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


async def latest(tx: AsyncConnection, workspace: str) -> Job | None:
    """The newest measurement that is done."""
    after: str | None = None
    while found := await JOBS.latest(tx, workspace, kind=MEASURE_QUALITY, after=after, limit=20):
        for one in found:
            if one.state == "done":
                return one
        after = found[-1].id
    return None
