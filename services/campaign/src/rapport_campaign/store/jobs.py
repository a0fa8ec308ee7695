"""The jobs of campaign, and the pages of rows that they work through."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.model import Campaign, Entry
from rapport_common import ids
from rapport_common.jobs.store import JobStore, NewJob

JOBS = JobStore("campaign")
INCLUDE = "include_existing"
WITHDRAW = "withdraw"
BROADCAST = "broadcast"
DRY_RUN = "dry_run"

_MOVED = text(
    "SELECT e.entry_id, e.profile_id FROM campaign.entry e JOIN campaign.person p "
    "ON p.workspace = e.workspace AND p.profile_id = e.profile_id "
    "AND p.heir IS NOT NULL WHERE e.workspace = :workspace "
    "AND e.segment_id = :segment AND e.ended_at IS NULL"
)
_OWN = text(
    "SELECT entry_id, profile_id FROM campaign.entry WHERE workspace = :workspace "
    "AND segment_id = :segment AND ended_at IS NULL "
    "AND profile_id = ANY(CAST(:profiles AS text[]))"
)
_COUNT = text(
    "SELECT count(*) FROM campaign.entry WHERE workspace = :workspace "
    "AND segment_id = :segment AND ended_at IS NULL"
)
_ENTRIES = text(
    "SELECT workspace, segment_id, profile_id, entry_id, profile_version, cause, at, "
    "event_timestamp, historic FROM campaign.entry "
    "WHERE workspace = :workspace AND segment_id = :segment "
    "AND ended_at IS NULL AND entry_id > :after ORDER BY entry_id LIMIT :limit"
)
_SOME = text(
    "SELECT workspace, segment_id, profile_id, entry_id, profile_version, cause, at, "
    "event_timestamp, historic FROM campaign.entry "
    "WHERE workspace = :workspace AND segment_id = :segment "
    "AND ended_at IS NULL AND entry_id = ANY(CAST(:entries AS text[])) ORDER BY entry_id"
)


def job_for(campaign: Campaign, kind: str) -> NewJob:
    """The job of a kind about a campaign."""
    return NewJob(
        str(ids.uuid7()), kind, {"campaign_id": campaign.campaign_id}, campaign.campaign_id
    )


async def moved(tx: AsyncConnection, workspace: str, segment: str) -> dict[str, str]:
    """The open stays of profile ids that were merged away: profile id by entry id."""
    rows = await tx.execute(_MOVED, {"workspace": workspace, "segment": segment})
    return {row.entry_id: row.profile_id for row in rows}


async def own(
    tx: AsyncConnection, workspace: str, segment: str, profiles: set[str]
) -> dict[str, str]:
    """The open stays of these profile ids: profile id by entry id."""
    rows = await tx.execute(
        _OWN, {"workspace": workspace, "segment": segment, "profiles": sorted(profiles)}
    )
    return {row.entry_id: row.profile_id for row in rows}


async def count(tx: AsyncConnection, workspace: str, segment: str) -> int:
    """How many open stays a segment has."""
    return int(await tx.scalar(_COUNT, {"workspace": workspace, "segment": segment}) or 0)


async def entries(
    tx: AsyncConnection, workspace: str, segment: str, *, after: str, limit: int
) -> list[Entry]:
    """A page of the open stays in a segment, after an entry id."""
    rows = await tx.execute(
        _ENTRIES,
        {"workspace": workspace, "segment": segment, "after": after, "limit": limit},
    )
    return [Entry(**row) for row in rows.mappings()]


async def some(
    tx: AsyncConnection, workspace: str, segment: str, ids: Sequence[str]
) -> list[Entry]:
    """These of the open stays in a segment."""
    if not ids:
        return []
    asked = {"workspace": workspace, "segment": segment, "entries": list(ids)}
    rows = await tx.execute(_SOME, asked)
    return [Entry(**row) for row in rows.mappings()]
