"""The SQL of how many enter and leave segments, by day."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

Flow = tuple[int, int]
"""How many entered, and how many left."""
Place = tuple[str, UUID, date]
"""A workspace, a segment, and a day of UTC."""


@dataclass(frozen=True, slots=True)
class Size:
    """How many were in a segment at the end of a day of UTC, and who came and went on it."""

    day: date
    size: int
    entered: int
    exited: int


async def add(tx: AsyncConnection, flows: Mapping[Place, Flow]) -> None:
    """Count some more, in the order of places so that two writers do not deadlock."""
    if not flows:
        return
    places = sorted(flows)
    await tx.execute(
        text(
            "INSERT INTO segment.flow AS f (workspace, segment_id, day, entered, exited) "
            "SELECT * FROM unnest(CAST(:workspaces AS text[]), CAST(:segments AS uuid[]), "
            "CAST(:days AS date[]), CAST(:entered AS bigint[]), CAST(:exited AS bigint[])) "
            "ON CONFLICT (workspace, segment_id, day) DO UPDATE SET "
            "entered = f.entered + excluded.entered, exited = f.exited + excluded.exited"
        ),
        {
            "workspaces": [one[0] for one in places],
            "segments": [one[1] for one in places],
            "days": [one[2] for one in places],
            "entered": [flows[one][0] for one in places],
            "exited": [flows[one][1] for one in places],
        },
    )


async def sizes(
    tx: AsyncConnection, workspace: str, segment_id: UUID, *, first: date, last: date
) -> list[Size]:
    """Each day from `first` to `last`; it costs as many rows as there were days with changes."""
    rows = await tx.execute(
        text(
            "SELECT CAST(d.day AS date), CAST(b.size + sum(COALESCE(f.entered - f.exited, 0)) "
            "OVER (ORDER BY d.day) AS bigint), COALESCE(f.entered, 0), COALESCE(f.exited, 0) "
            "FROM generate_series(CAST(:first AS timestamp), CAST(:last AS timestamp), "
            "interval '1 day') AS d(day) CROSS JOIN (SELECT COALESCE(sum(entered - exited), 0) "
            "AS size FROM segment.flow WHERE workspace = :workspace AND segment_id = :id "
            "AND day < :first) AS b LEFT JOIN segment.flow f ON f.workspace = :workspace "
            "AND f.segment_id = :id AND f.day = CAST(d.day AS date) ORDER BY d.day"
        ),
        {"workspace": workspace, "id": segment_id, "first": first, "last": last},
    )
    return [Size(*row) for row in rows.all()]
