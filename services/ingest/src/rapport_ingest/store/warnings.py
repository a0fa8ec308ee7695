"""What the operator of a source should look at, counted by code."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_ingest.domain.source import Caller

Warned = tuple[Caller, str]
"""A source and the code of what is odd about its events."""


@dataclass(frozen=True, slots=True)
class SourceWarning:
    """How often, and from when to when."""

    code: str
    events: int
    first_at: datetime
    last_at: datetime


async def add(tx: AsyncConnection, warned: Mapping[Warned, int]) -> None:
    """Add to the stored counts, in sorted order so that processes can't block each other."""
    rows = sorted(warned.items())
    await tx.execute(
        text(
            "INSERT INTO ingest.source_warning AS w "
            "(workspace, source, code, events, first_at, last_at) "
            "SELECT v.*, now(), now() FROM unnest(CAST(:workspaces AS text[]), "
            "CAST(:sources AS text[]), CAST(:codes AS text[]), CAST(:events AS bigint[])) AS v "
            "ON CONFLICT (workspace, source, code) DO UPDATE SET "
            "events = w.events + excluded.events, last_at = excluded.last_at"
        ),
        {
            "workspaces": [caller.workspace for (caller, _), _ in rows],
            "sources": [caller.source for (caller, _), _ in rows],
            "codes": [code for (_, code), _ in rows],
            "events": [events for _, events in rows],
        },
    )


async def warnings_of(tx: AsyncConnection, workspace: str) -> dict[str, list[SourceWarning]]:
    """The warnings of each source of a workspace that has any, by code."""
    result = await tx.execute(
        text(
            "SELECT source, code, events, first_at, last_at FROM ingest.source_warning "
            "WHERE workspace = :workspace ORDER BY source, code"
        ),
        {"workspace": workspace},
    )
    found: dict[str, list[SourceWarning]] = {}
    for row in result:
        found.setdefault(row[0], []).append(SourceWarning(*row[1:]))
    return found
