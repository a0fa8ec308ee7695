"""The cases of bulk changes, and what has become of each."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


class Item(NamedTuple):
    """A case of a bulk change: by its place, with the version that was seen, if told."""

    place: int
    case_id: UUID
    version: int | None
    verdict: str = ""
    message: str = ""


async def add(
    tx: AsyncConnection, workspace: str, job_id: str, items: Sequence[tuple[UUID, int | None]]
) -> None:
    """Keep what is to be changed by a job, in this order."""
    await tx.execute(
        text(
            "INSERT INTO feedback.case_bulk_item (workspace, job_id, place, case_id, version) "
            "SELECT :workspace, :job_id, v.place, v.case_id, v.version FROM unnest("
            "CAST(:cases AS uuid[]), CAST(:versions AS integer[])) WITH ORDINALITY "
            "AS v(case_id, version, place)"
        ),
        {
            "workspace": workspace,
            "job_id": job_id,
            "cases": [one[0] for one in items],
            "versions": [one[1] for one in items],
        },
    )


async def page(
    tx: AsyncConnection, workspace: str, job_id: str, *, after: int, limit: int
) -> list[Item]:
    """The next cases of a job behind a place."""
    rows = await tx.execute(
        text(
            "SELECT place, case_id, version, verdict, message FROM feedback.case_bulk_item "
            "WHERE workspace = :workspace AND job_id = :job_id "
            "AND place > CAST(:after AS bigint) ORDER BY place LIMIT :limit"
        ),
        {"workspace": workspace, "job_id": job_id, "after": after, "limit": limit},
    )
    return [Item(*row) for row in rows]


async def judge(tx: AsyncConnection, workspace: str, job_id: str, verdicts: Sequence[Item]) -> None:
    """Keep what has become of these."""
    rows: list[dict[str, Any]] = [
        {
            "workspace": workspace,
            "job_id": job_id,
            "place": one.place,
            "verdict": one.verdict,
            "message": one.message,
        }
        for one in verdicts
    ]
    await tx.execute(
        text(
            "UPDATE feedback.case_bulk_item SET verdict = :verdict, message = :message "
            "WHERE workspace = :workspace AND job_id = :job_id AND place = :place"
        ),
        rows,
    )


async def count(tx: AsyncConnection, workspace: str, job_id: str) -> int:
    """How many cases a job has."""
    found = await tx.scalar(
        text(
            "SELECT count(*) FROM feedback.case_bulk_item "
            "WHERE workspace = :workspace AND job_id = :job_id"
        ),
        {"workspace": workspace, "job_id": job_id},
    )
    return int(found or 0)
