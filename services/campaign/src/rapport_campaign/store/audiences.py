"""Who is in segments at an instant, page by page, and who of them has a message already."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import pack_texts, packed_texts

_THERE = "at <= :at AND (ended_at IS NULL OR ended_at > :at)"
STAYS = (
    "SELECT entry_id, profile_id, profile_version FROM campaign.entry "
    "WHERE workspace = :workspace AND segment_id = :segment AND entry_id > :after "
    "AND at <= :until AND (ended_at IS NULL OR ended_at > :at) ORDER BY entry_id LIMIT :limit"
)
"""SQL: a page of the stays in a segment at an instant."""
_PAGE = text(STAYS)
_COUNT = text(
    "SELECT count(*) FROM campaign.entry WHERE workspace = :workspace "
    f"AND segment_id = ANY(CAST(:segments AS text[])) AND {_THERE}"
)
# Everybody who is one of these people by now.
_THEM = (
    f"WITH RECURSIVE them AS (SELECT p AS now_id, p AS profile_id FROM unnest("
    f"{packed_texts('profiles')}) AS p UNION SELECT them.now_id, p.profile_id "
    "FROM campaign.person p JOIN them ON p.workspace = :workspace AND p.heir = them.profile_id) "
)
_PLACES = text(
    f"{_THEM} SELECT DISTINCT them.now_id, e.segment_id FROM them JOIN campaign.entry e "
    "ON e.workspace = :workspace AND e.profile_id = them.profile_id "
    f"WHERE e.segment_id = ANY(CAST(:segments AS text[])) AND {_THERE}"
)
_FORMER = text(
    f"{_THEM} SELECT now_id, profile_id FROM them WHERE profile_id <> now_id ORDER BY 1, 2"
)
_TAKEN = text(
    "SELECT send_key FROM campaign.send WHERE workspace = :workspace "
    f"AND send_key = ANY({packed_texts('keys')})"
)
_FAILED = text(
    "SELECT planned_at, send_key, profile_id FROM campaign.message WHERE workspace = :workspace "
    "AND campaign_id = CAST(:run AS uuid) AND kind = 'entry' AND state = 'failed' "
    "AND (planned_at, send_key) > (CAST(:at AS timestamptz), :after) "
    "ORDER BY planned_at, send_key LIMIT :limit"
)


class Stay(NamedTuple):
    """Somebody's stay in a segment, under the id that they had when it began."""

    entry_id: str
    profile_id: str
    profile_version: int


class Failed(NamedTuple):
    """A message that was not delivered."""

    planned_at: datetime
    send_key: str
    profile_id: str


async def stays(
    tx: AsyncConnection,
    workspace: str,
    segment: str,
    *,
    at: datetime,
    until: datetime,
    after: str,
    limit: int,
) -> list[Stay]:
    """A page of the stays in a segment at an instant, or begun behind it `until` another one:
    those behind an entry id.
    """
    asked = {"workspace": workspace, "segment": segment, "at": at, "until": until}
    rows = await tx.execute(_PAGE, {**asked, "after": after, "limit": limit})
    return [Stay(*row) for row in rows]


async def count(tx: AsyncConnection, workspace: str, segments: Sequence[str], at: datetime) -> int:
    """How many stays segments have at an instant, all together."""
    asked = {"workspace": workspace, "segments": list(segments), "at": at}
    return int(await tx.scalar(_COUNT, asked) or 0)


async def places(
    tx: AsyncConnection,
    workspace: str,
    profiles: Collection[str],
    segments: Collection[str],
    at: datetime,
) -> dict[str, frozenset[str]]:
    """In which of some segments each of these people (as they are now) is at an instant."""
    found: dict[str, set[str]] = {one: set() for one in profiles}
    if profiles and segments:
        rows = await tx.execute(
            _PLACES,
            {
                "workspace": workspace,
                "profiles": pack_texts(sorted(profiles)),
                "segments": sorted(segments),
                "at": at,
            },
        )
        for row in rows:
            found[row.now_id].add(row.segment_id)
    return {profile: frozenset(segments) for profile, segments in found.items()}


async def former_ids(
    tx: AsyncConnection, workspace: str, profiles: Iterable[str]
) -> dict[str, list[str]]:
    """The ids of profiles that were merged into each of these, where there are any."""
    found: dict[str, list[str]] = {}
    wanted = sorted(profiles)
    if wanted:
        asked = {"workspace": workspace, "profiles": pack_texts(wanted)}
        for row in await tx.execute(_FORMER, asked):
            found.setdefault(row.now_id, []).append(row.profile_id)
    return found


async def taken(tx: AsyncConnection, workspace: str, keys: Collection[str]) -> set[str]:
    """Which of these send keys there are."""
    if not keys:
        return set()
    rows = await tx.execute(_TAKEN, {"workspace": workspace, "keys": pack_texts(sorted(keys))})
    return set(rows.scalars())


async def failed(
    tx: AsyncConnection, workspace: str, run_id: str, *, after: tuple[datetime, str], limit: int
) -> list[Failed]:
    """A page of the messages of a run that have failed: those behind (planned at, send key)."""
    rows = await tx.execute(
        _FAILED,
        {
            "workspace": workspace,
            "run": run_id,
            "at": after[0],
            "after": after[1],
            "limit": limit,
        },
    )
    return [Failed(*row) for row in rows]
