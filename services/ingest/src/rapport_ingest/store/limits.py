"""What each process uses of the rates of sources."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_ingest.domain.source import Caller

FRESH_SECONDS = 3.5
"""Older numbers are of a process that does not use the source any more, or is gone."""

FORGET_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Use:
    """What other processes use of a rate, in events per second, and how many they are."""

    per_second: int = 0
    processes: int = 0


async def exchange(
    tx: AsyncConnection, process: str, used: Mapping[Caller, int]
) -> dict[Caller, Use]:
    """Write what this process uses, and read what the others do; sources without any are left out.

    Each process writes rows of its own, so none waits for another.
    """
    callers = list(used)
    asked = {
        "process": process,
        "workspaces": [one.workspace for one in callers],
        "sources": [one.source for one in callers],
    }
    await tx.execute(
        text(
            "INSERT INTO ingest.rate_use AS u (workspace, source, process, per_second, measured_at)"
            " SELECT v.workspace, v.source, :process, v.per_second, clock_timestamp() "
            "FROM unnest(CAST(:workspaces AS text[]), CAST(:sources AS text[]), "
            "CAST(:rates AS bigint[])) AS v(workspace, source, per_second) "
            "ON CONFLICT (workspace, source, process) DO UPDATE SET "
            "per_second = excluded.per_second, measured_at = excluded.measured_at"
        ),
        {**asked, "rates": [used[one] for one in callers]},
    )
    await tx.execute(
        text(
            "DELETE FROM ingest.rate_use WHERE ctid = ANY(ARRAY(SELECT ctid FROM ingest.rate_use "
            "WHERE measured_at < now() - make_interval(secs => :age) FOR UPDATE SKIP LOCKED))"
        ),
        {"age": FORGET_SECONDS},
    )
    result = await tx.execute(
        text(
            "SELECT u.workspace, u.source, sum(u.per_second), count(*) FROM ingest.rate_use u "
            "JOIN unnest(CAST(:workspaces AS text[]), CAST(:sources AS text[])) "
            "AS asked(workspace, source) USING (workspace, source) "
            "WHERE u.process <> :process "
            "AND u.measured_at > clock_timestamp() - make_interval(secs => :fresh) "
            "GROUP BY u.workspace, u.source"
        ),
        {**asked, "fresh": FRESH_SECONDS},
    )
    return {Caller(row[0], row[1]): Use(int(row[2]), int(row[3])) for row in result}
