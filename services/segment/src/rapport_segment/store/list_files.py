"""The SQL of files that lists are made of: their pieces, and the rows that were not taken."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import pack_texts, packed_texts


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that was not taken; `line` is the one of the file in which it begins, from 1."""

    line: int
    code: str
    reason: str


async def write_part(
    tx: AsyncConnection, workspace: str, job: str, number: int, content: bytes
) -> None:
    """Keep a piece of a job's file."""
    await tx.execute(
        text(
            "INSERT INTO segment.list_part (workspace, job, number, content, at) "
            "VALUES (:workspace, :job, :number, :content, clock_timestamp())"
        ),
        {"workspace": workspace, "job": job, "number": number, "content": content},
    )


async def parts(tx: AsyncConnection, workspace: str, job: str) -> AsyncIterator[bytes]:
    """The pieces of a job's file, one after the other."""
    number = 0
    while True:
        rows = await tx.execute(
            text(
                "SELECT content FROM segment.list_part "
                "WHERE workspace = :workspace AND job = :job AND number = :number"
            ),
            {"workspace": workspace, "job": job, "number": number},
        )
        content = rows.scalar_one_or_none()
        if content is None:
            return
        yield bytes(content)
        number += 1


async def forget_parts(tx: AsyncConnection, workspace: str, job: str) -> None:
    """The job has ended: its file is needed no more."""
    await tx.execute(
        text("DELETE FROM segment.list_part WHERE workspace = :workspace AND job = :job"),
        {"workspace": workspace, "job": job},
    )


async def write_refusals(
    tx: AsyncConnection, workspace: str, job: str, some: Sequence[Refusal], now: datetime
) -> None:
    """Note rows that were not taken; noted again they are the same."""
    if not some:
        return
    await tx.execute(
        text(
            "INSERT INTO segment.list_refusal (workspace, job, line, code, reason, at) "
            "SELECT :workspace, :job, v.line, v.code, v.reason, :now FROM unnest("
            f"CAST(:lines AS bigint[]), {packed_texts('codes')}, {packed_texts('reasons')}) "
            "AS v(line, code, reason) ON CONFLICT DO NOTHING"
        ),
        {
            "workspace": workspace,
            "job": job,
            "now": now,
            "lines": [one.line for one in some],
            "codes": pack_texts([one.code for one in some]),
            "reasons": pack_texts([one.reason for one in some]),
        },
    )


async def refusals(
    tx: AsyncConnection, workspace: str, job: str, *, after: int, limit: int
) -> list[Refusal]:
    """The rows of a job's file that were not taken, by their lines, behind `after`."""
    rows = await tx.execute(
        text(
            "SELECT line, code, reason FROM segment.list_refusal WHERE workspace = :workspace "
            "AND job = :job AND line > :after ORDER BY line LIMIT :limit"
        ),
        {"workspace": workspace, "job": job, "after": after, "limit": limit},
    )
    return [Refusal(*row) for row in rows.all()]
