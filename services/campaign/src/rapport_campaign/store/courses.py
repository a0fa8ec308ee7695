"""How far dry runs have come."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


async def begin(tx: AsyncConnection, workspace: str, job_id: str, course: str) -> bool:
    """Keep where a dry run begins (JSON), at version 0; False when it has begun already."""
    found = await tx.execute(
        text(
            "INSERT INTO campaign.dry_run (workspace, job_id, version, course) "
            "VALUES (:workspace, :job, 0, CAST(:course AS json)) ON CONFLICT DO NOTHING "
            "RETURNING version"
        ),
        {"workspace": workspace, "job": job_id, "course": course},
    )
    return found.first() is not None


async def find(tx: AsyncConnection, workspace: str, job_id: str) -> tuple[int, str] | None:
    """How far it has come (JSON), and the version of that; locked until the commit."""
    rows = await tx.execute(
        text(
            "SELECT version, CAST(course AS text) FROM campaign.dry_run "
            "WHERE workspace = :workspace AND job_id = :job FOR UPDATE"
        ),
        {"workspace": workspace, "job": job_id},
    )
    row = rows.first()
    return None if row is None else (row[0], row[1])


async def move(tx: AsyncConnection, workspace: str, job_id: str, version: int, course: str) -> bool:
    """Keep how far it has come since a version; False when another one has got on meanwhile."""
    found = await tx.execute(
        text(
            "UPDATE campaign.dry_run SET version = version + 1, course = CAST(:course AS json) "
            "WHERE workspace = :workspace AND job_id = :job AND version = :version "
            "RETURNING version"
        ),
        {"workspace": workspace, "job": job_id, "version": version, "course": course},
    )
    return found.first() is not None
