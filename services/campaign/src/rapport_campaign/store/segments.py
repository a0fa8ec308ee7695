"""The segments that there are, as the segment service tells of them."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.segments import Segment

CHANNEL = "campaign_segment"
"""Told when definitions have come in."""

SegmentKey = tuple[str, str]
"""(workspace, segment id)."""

_COLUMNS = "workspace, segment_id, version, name, active, changed_at, archived_at, reads"
_SHOWN = _COLUMNS.replace("reads", "CAST(reads AS text) AS reads")
_reads = msgspec.json.Decoder(tuple[str, ...])
# Those that some name, and those that these name.
_READS = text(
    "WITH RECURSIVE named AS (SELECT segment_id, reads FROM campaign.segment "
    "WHERE workspace = :workspace AND segment_id = ANY(CAST(:ids AS text[])) "
    "UNION SELECT s.segment_id, s.reads FROM named n CROSS JOIN LATERAL "
    "jsonb_array_elements_text(n.reads) AS r(one) JOIN campaign.segment s "
    "ON s.workspace = :workspace AND s.segment_id = substr(r.one, length('segment:') + 1) "
    "WHERE r.one LIKE 'segment:%') SELECT segment_id, CAST(reads AS text) AS reads FROM named"
)


async def save(tx: AsyncConnection, segments: Mapping[SegmentKey, Segment]) -> None:
    """Write definitions that are newer than what is known."""
    rows = [segments[key] for key in sorted(segments)]
    await tx.execute(
        text(
            f"INSERT INTO campaign.segment AS s ({_COLUMNS}) SELECT v.workspace, v.id, v.version, "
            "v.name, v.active, v.changed, v.archived, CAST(v.reads AS jsonb) FROM unnest("
            "CAST(:workspaces AS text[]), CAST(:ids AS text[]), CAST(:versions AS bigint[]), "
            "CAST(:names AS text[]), CAST(:active AS boolean[]), "
            "CAST(:changed AS timestamptz[]), CAST(:archived AS timestamptz[]), "
            "CAST(:reads AS text[])) AS v(workspace, id, version, name, active, changed, archived, "
            "reads) "
            "ON CONFLICT (workspace, segment_id) DO UPDATE SET version = excluded.version, "
            "name = excluded.name, active = excluded.active, changed_at = excluded.changed_at, "
            "archived_at = excluded.archived_at, reads = excluded.reads "
            # A version that was told by a program that told less is told again by one that tells.
            "WHERE s.version < excluded.version OR (s.version = excluded.version "
            "AND s.reads IS NULL AND excluded.reads IS NOT NULL)"
        ),
        {
            "workspaces": [one.workspace for one in rows],
            "ids": [one.segment_id for one in rows],
            "versions": [one.version for one in rows],
            "names": [one.name for one in rows],
            "active": [one.active for one in rows],
            "changed": [one.changed_at for one in rows],
            "archived": [one.archived_at for one in rows],
            "reads": [
                None if one.reads is None else msgspec.json.encode(one.reads).decode()
                for one in rows
            ],
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
            f"SELECT {_SHOWN} FROM campaign.segment WHERE (workspace, segment_id) IN "
            "(SELECT * FROM unnest(CAST(:workspaces AS text[]), CAST(:ids AS text[])))"
        ),
        {"workspaces": [one[0] for one in wanted], "ids": [one[1] for one in wanted]},
    )
    return {(row[0], row[1]): _segment(row) for row in rows}


async def newest(tx: AsyncConnection, workspace: str, limit: int) -> list[Segment]:
    """The living segments of a workspace, those changed last first."""
    rows = await tx.execute(
        text(
            f"SELECT {_SHOWN} FROM campaign.segment WHERE workspace = :workspace "
            "AND archived_at IS NULL ORDER BY changed_at DESC, segment_id LIMIT :limit"
        ),
        {"workspace": workspace, "limit": limit},
    )
    return [_segment(row) for row in rows]


async def reads(
    tx: AsyncConnection, workspace: str, segments: Collection[str]
) -> dict[str, tuple[str, ...] | None]:
    """What these segments read, and those that they name, and so on; None: it is not known."""
    if not segments:
        return {}
    rows = await tx.execute(_READS, {"workspace": workspace, "ids": sorted(segments)})
    return {row.segment_id: None if row.reads is None else _reads.decode(row.reads) for row in rows}


def _segment(row: Row[Any]) -> Segment:
    told = row._asdict()
    return Segment(**{**told, "reads": _reads.decode(row.reads) if row.reads else None})
