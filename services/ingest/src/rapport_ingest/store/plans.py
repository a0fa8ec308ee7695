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


async def plan_of(tx: AsyncConnection, caller: Caller) -> list[PlannedEvent] | None:
    """The planned events of a source; None when there is no such source."""
    known = await tx.execute(
        text("SELECT 1 FROM ingest.source WHERE workspace = :workspace AND id = :source"),
        {"workspace": caller.workspace, "source": caller.source},
    )
    if known.first() is None:
        return None
    return (await plans(tx, [caller])).get(caller, [])


async def lock(tx: AsyncConnection, caller: Caller) -> bool:
    """Let one change of a source's plan wait for another; False when there is no such source."""
    found = await tx.execute(
        text(
            "SELECT 1 FROM ingest.source WHERE workspace = :workspace AND id = :source FOR UPDATE"
        ),
        {"workspace": caller.workspace, "source": caller.source},
    )
    return found.first() is not None


async def replace(tx: AsyncConnection, caller: Caller, entries: Sequence[PlannedEvent]) -> None:
    """Make these the whole plan of a source, and let every key ring read it again.

    Entries that were there keep their age, on which hangs which version is the newest; new ones
    are newer in the order given.
    """
    columns = {
        "workspace": caller.workspace,
        "source": caller.source,
        "types": [one.type for one in entries],
        "names": [one.name for one in entries],
        "versions": [one.version for one in entries],
        "schemas": [msgspec.json.encode(one.schema).decode() for one in entries],
    }
    given = (
        "unnest(CAST(:types AS text[]), CAST(:names AS text[]), CAST(:versions AS text[]){more})"
    )
    await tx.execute(
        text(
            "DELETE FROM ingest.plan_event p "
            "WHERE p.workspace = :workspace AND p.source = :source AND NOT EXISTS "
            f"(SELECT 1 FROM {given.format(more='')} AS g(type, name, version) "
            "WHERE (g.type, g.name, g.version) = (p.type, p.name, p.version))"
        ),
        {key: value for key, value in columns.items() if key != "schemas"},
    )
    await tx.execute(
        text(
            "INSERT INTO ingest.plan_event AS p "
            "(workspace, source, type, name, version, schema, created_at) "
            "SELECT :workspace, :source, g.type, g.name, g.version, CAST(g.schema AS jsonb), "
            "now() + g.place * interval '1 microsecond' FROM "
            f"{given.format(more=', CAST(:schemas AS text[])')} WITH ORDINALITY "
            "AS g(type, name, version, schema, place) "
            "ON CONFLICT (workspace, source, type, name, version) "
            "DO UPDATE SET schema = excluded.schema"
        ),
        columns,
    )
    await tx.execute(
        text(
            "UPDATE ingest.source SET revision = revision + 1 "
            "WHERE workspace = :workspace AND id = :source"
        ),
        {"workspace": caller.workspace, "source": caller.source},
    )
