"""The segments that there are, as the segment service tells of them."""

from collections.abc import Iterable, Mapping

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.segments import Segment

CHANNEL = "campaign_segment"
"""Told when definitions have come in."""

SegmentKey = tuple[str, str]
"""(workspace, segment id)."""

_COLUMNS = "workspace, segment_id, version, name, active, changed_at, archived_at"


async def save(tx: AsyncConnection, segments: Mapping[SegmentKey, Segment]) -> None:
    """Write definitions that are newer than what is known."""
    rows = [segments[key] for key in sorted(segments)]
    await tx.execute(
        text(
            f"INSERT INTO campaign.segment AS s ({_COLUMNS}) SELECT * FROM unnest("
            "CAST(:workspaces AS text[]), CAST(:ids AS text[]), CAST(:versions AS bigint[]), "
            "CAST(:names AS text[]), CAST(:active AS boolean[]), "
            "CAST(:changed AS timestamptz[]), CAST(:archived AS timestamptz[])) "
            "ON CONFLICT (workspace, segment_id) DO UPDATE SET version = excluded.version, "
            "name = excluded.name, active = excluded.active, changed_at = excluded.changed_at, "
            "archived_at = excluded.archived_at WHERE s.version < excluded.version"
        ),
        {
            "workspaces": [one.workspace for one in rows],
            "ids": [one.segment_id for one in rows],
            "versions": [one.version for one in rows],
            "names": [one.name for one in rows],
            "active": [one.active for one in rows],
            "changed": [one.changed_at for one in rows],
            "archived": [one.archived_at for one in rows],
        },
    )
    await tx.execute(text(f"NOTIFY {CHANNEL}"))


async def find(tx: AsyncConnection, keys: Iterable[SegmentKey]) -> dict[SegmentKey, Segment]:
    """Those of these segments that are known."""
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM campaign.segment WHERE (workspace, segment_id) IN "
            "(SELECT * FROM unnest(CAST(:workspaces AS text[]), CAST(:ids AS text[])))"
        ),
        {"workspaces": [one[0] for one in wanted], "ids": [one[1] for one in wanted]},
    )
    return {(row[0], row[1]): Segment(*row) for row in rows}


async def newest(tx: AsyncConnection, workspace: str, limit: int) -> list[Segment]:
    """The living segments of a workspace, those changed last first."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM campaign.segment WHERE workspace = :workspace "
            "AND archived_at IS NULL ORDER BY changed_at DESC, segment_id LIMIT :limit"
        ),
        {"workspace": workspace, "limit": limit},
    )
    return [Segment(*row) for row in rows]
