"""Tracking plans: the schemas of a source's events."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_ingest.domain.plan import PlannedEvent
from rapport_ingest.domain.source import Caller


async def plans(tx: AsyncConnection, callers: Sequence[Caller]) -> dict[Caller, list[PlannedEvent]]:
    """The planned events of these sources; a source without any is left out."""
    result = await tx.execute(
        text(
            "SELECT p.workspace, p.source, p.type, p.name, p.version, CAST(p.schema AS text) "
            "FROM ingest.plan_event p "
            "JOIN unnest(CAST(:workspaces AS text[]), CAST(:sources AS text[])) "
            "AS asked(workspace, source) USING (workspace, source) "
            "ORDER BY p.workspace, p.source, p.type, p.name, p.created_at, p.version"
        ),
        {
            "workspaces": [one.workspace for one in callers],
            "sources": [one.source for one in callers],
        },
    )
    found: dict[Caller, list[PlannedEvent]] = {}
    for row in result:
        planned = PlannedEvent(row[2], row[3], row[4], msgspec.json.decode(row[5]))
        found.setdefault(Caller(row[0], row[1]), []).append(planned)
    return found
