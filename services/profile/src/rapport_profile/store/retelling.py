"""Profiles in the order of their ids, to be told again: locked while they are read."""

from dataclasses import dataclass

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_profile.domain.loaded import Loaded
from rapport_profile.domain.people import Profile
from rapport_profile.domain.published import Summary
from rapport_profile.store import computed_traits, people

PAGE_BYTES = 4 * 1024 * 1024
"""Of what is stored of the profiles of a page, about."""

_summary = msgspec.json.Decoder(Summary)

_COUNT = text(
    "SELECT count(*) FROM profile.profile "
    "WHERE (CAST(:workspace AS text) IS NULL OR workspace = :workspace) "
    "AND (merged_into IS NULL OR NOT CAST(:living AS boolean))"
)
_LAST = text(
    "SELECT CAST(id AS text) FROM profile.profile WHERE workspace = :workspace "
    "ORDER BY id DESC LIMIT 1"
)
_WORKSPACE_AFTER = text(
    "SELECT workspace FROM profile.profile WHERE workspace > :workspace ORDER BY workspace LIMIT 1"
)
_IDS = text(
    "SELECT id FROM (SELECT id, sum(size) OVER (ORDER BY id) - size AS before FROM ("
    "SELECT id, coalesce(octet_length(CAST(summary AS text)), 0) AS size FROM profile.profile "
    "WHERE workspace = :workspace AND (CAST(:after AS uuid) IS NULL OR id > CAST(:after AS uuid)) "
    "AND id <= CAST(:until AS uuid) ORDER BY id LIMIT :limit) AS first) AS page "
    "WHERE before < :bytes ORDER BY id"
)
_PAGE = text(
    # A batch updates these rows before it writes to the outbox, in the same order.
    "SELECT CAST(id AS text) AS id, version, CAST(merged_into AS text) AS merged_into, "
    "CAST(summary AS text) AS summary FROM profile.profile "
    "WHERE workspace = :workspace AND id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR SHARE"
)
_LIVING = text(
    "SELECT CAST(id AS text) AS id, version FROM profile.profile WHERE workspace = :workspace "
    "AND (CAST(:after AS uuid) IS NULL OR id > CAST(:after AS uuid)) "
    "AND id <= CAST(:until AS uuid) AND merged_into IS NULL ORDER BY id LIMIT :limit FOR SHARE"
)


@dataclass(frozen=True, slots=True)
class Stretch:
    """At most `limit` profiles of a workspace, after one id and up to another."""

    workspace: str
    after: str | None
    until: str
    limit: int


async def count(tx: AsyncConnection, workspace: str | None, *, living: bool = False) -> int:
    """How many profiles a workspace has, those that are history too unless the `living` ones are
    wanted; None: all workspaces.
    """
    found = await tx.execute(_COUNT, {"workspace": workspace, "living": living})
    return int(found.scalar_one())


async def last(tx: AsyncConnection, workspace: str) -> str | None:
    """The largest id of a workspace's profiles, the newest one's."""
    found = await tx.execute(_LAST, {"workspace": workspace})
    return found.scalar()


async def workspace_after(tx: AsyncConnection, workspace: str) -> str | None:
    """The next workspace that has profiles, by name."""
    found = await tx.execute(_WORKSPACE_AFTER, {"workspace": workspace})
    return found.scalar()


async def page(tx: AsyncConnection, stretch: Stretch) -> list[Profile]:
    """The first profiles of a stretch, locked so that nothing is told of them meanwhile."""
    asked = {
        "workspace": stretch.workspace,
        "after": stretch.after,
        "until": stretch.until,
        "limit": stretch.limit,
        "bytes": PAGE_BYTES,
    }
    ids = [str(one) for one in (await tx.execute(_IDS, asked)).scalars()]
    if not ids:
        return []
    rows = await tx.execute(_PAGE, {"workspace": stretch.workspace, "ids": ids})
    profiles: list[Profile] = []
    for row in rows.fetchall():
        if row.summary is not None:
            summary = _summary.decode(row.summary)
            profile = Profile.of(row.id, stretch.workspace, row.version, summary)
        elif row.merged_into is not None:
            profile = Profile(row.id, stretch.workspace, row.version)
        else:
            profile = await _made(tx, stretch.workspace, row.id, row.version)
        profile.merged_into = row.merged_into
        profiles.append(profile)
    await computed_traits.settle(tx, stretch.workspace, profiles)
    return profiles


async def living(tx: AsyncConnection, stretch: Stretch) -> list[tuple[str, int]]:
    """(id, version) of the first profiles of a stretch that are no history, locked as in `page`."""
    asked = {
        "workspace": stretch.workspace,
        "after": stretch.after,
        "until": stretch.until,
        "limit": stretch.limit,
    }
    return [(row.id, row.version) for row in await tx.execute(_LIVING, asked)]


async def _made(tx: AsyncConnection, workspace: str, profile_id: str, version: int) -> Profile:
    """A profile stored before there were summaries: what its identifiers amount to.

    They are not locked; but whoever changes one of them changes the profile's row with it.
    """
    working = Loaded()
    await people.load_members(tx, working, {(workspace, profile_id)})
    return working.profiles.get(profile_id) or Profile(profile_id, workspace, version)
