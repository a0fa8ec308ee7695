"""The SQL of uploaded files: their pieces until a job has ended, and rows that were not taken.

A service has two tables of its own for each use, of (workspace, job, number, content, at) and of
(workspace, job, line, code, reason, at).
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common.db import pack_texts, packed_texts


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that was not taken; `line` is the one of the file in which it begins, from 1."""

    line: int
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class PartStore:
    """The tables of one use, with their schema: of pieces, and of what was not taken."""

    parts: str
    refusals: str

    async def write(
        self, tx: AsyncConnection, workspace: str, job: str, number: int, content: bytes
    ) -> None:
        """Keep a piece of a job's file."""
        await tx.execute(
            text(
                f"INSERT INTO {self.parts} (workspace, job, number, content, at) "
                "VALUES (:workspace, :job, :number, :content, clock_timestamp())"
            ),
            {"workspace": workspace, "job": job, "number": number, "content": content},
        )

    async def read(self, engine: AsyncEngine, workspace: str, job: str) -> AsyncGenerator[bytes]:
        """The pieces of a job's file, one after the other, in a transaction of its own."""
        number = 0
        async with engine.begin() as tx:
            while True:
                rows = await tx.execute(
                    text(
                        f"SELECT content FROM {self.parts} "
                        "WHERE workspace = :workspace AND job = :job AND number = :number"
                    ),
                    {"workspace": workspace, "job": job, "number": number},
                )
                content = rows.scalar_one_or_none()
                if content is None:
                    return
                yield bytes(content)
                number += 1

    async def forget(self, tx: AsyncConnection, workspace: str, job: str) -> None:
        """The job has ended: its file is needed no more."""
        await tx.execute(
            text(f"DELETE FROM {self.parts} WHERE workspace = :workspace AND job = :job"),
            {"workspace": workspace, "job": job},
        )

    async def refuse(
        self,
        tx: AsyncConnection,
        place: tuple[str, str],
        some: Sequence[Refusal],
        now: datetime,
    ) -> None:
        """Note rows of (workspace, job) that were not taken; noted again they are the same."""
        if not some:
            return
        await tx.execute(
            text(
                f"INSERT INTO {self.refusals} (workspace, job, line, code, reason, at) "
                "SELECT :workspace, :job, v.line, v.code, v.reason, :now FROM unnest("
                f"CAST(:lines AS bigint[]), {packed_texts('codes')}, {packed_texts('reasons')}) "
                "AS v(line, code, reason) ON CONFLICT DO NOTHING"
            ),
            {
                "workspace": place[0],
                "job": place[1],
                "now": now,
                "lines": [one.line for one in some],
                "codes": pack_texts([one.code for one in some]),
                "reasons": pack_texts([one.reason for one in some]),
            },
        )

    async def refused(
        self, tx: AsyncConnection, workspace: str, job: str, *, after: int, limit: int
    ) -> list[Refusal]:
        """The rows of a job's file that were not taken, by their lines, behind `after`."""
        rows = await tx.execute(
            text(
                f"SELECT line, code, reason FROM {self.refusals} WHERE workspace = :workspace "
                "AND job = :job AND line > :after ORDER BY line LIMIT :limit"
            ),
            {"workspace": workspace, "job": job, "after": after, "limit": limit},
        )
        return [Refusal(*row) for row in rows.all()]
