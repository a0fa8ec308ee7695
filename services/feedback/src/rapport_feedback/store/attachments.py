"""Files of cases, in pieces."""

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_feedback.domain.attached import pieces


class Attachment(NamedTuple):
    """A file of a case; `refused` says why its content is not kept."""

    attachment_id: UUID
    case_id: UUID
    name: str
    media_type: str
    size: int
    sha256: bytes
    origin: str
    refused: str
    at: datetime


_COLUMNS = "attachment_id, case_id, name, media_type, size, sha256, origin, refused, at"


async def add(tx: AsyncConnection, workspace: str, one: Attachment, content: bytes) -> None:
    """Keep a file; of one that is refused only what it was."""
    await tx.execute(
        text(
            f"INSERT INTO feedback.attachment (workspace, {_COLUMNS}) VALUES (:workspace, "
            ":attachment_id, :case_id, :name, :media_type, :size, :sha256, :origin, :refused, :at)"
        ),
        {"workspace": workspace, **one._asdict()},
    )
    if one.refused:
        return
    for number, piece in enumerate(pieces(content)):
        await tx.execute(
            text(
                "INSERT INTO feedback.attachment_part (workspace, attachment_id, number, content) "
                "VALUES (:workspace, :attachment_id, :number, :content)"
            ),
            {
                "workspace": workspace,
                "attachment_id": one.attachment_id,
                "number": number,
                "content": piece,
            },
        )


async def of_case(
    tx: AsyncConnection, workspace: str, case_id: UUID, *, after: UUID | None = None, limit: int
) -> list[Attachment]:
    """The files of a case, by their ids."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM feedback.attachment WHERE workspace = :workspace "
            "AND case_id = :case_id AND (CAST(:after AS uuid) IS NULL OR attachment_id > :after) "
            "ORDER BY attachment_id LIMIT :limit"
        ),
        {"workspace": workspace, "case_id": case_id, "after": after, "limit": limit},
    )
    return [Attachment(*row) for row in rows]


async def one(
    tx: AsyncConnection, workspace: str, case_id: UUID, attachment_id: UUID
) -> Attachment | None:
    """A file of a case."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM feedback.attachment WHERE workspace = :workspace "
            "AND case_id = :case_id AND attachment_id = :attachment_id"
        ),
        {"workspace": workspace, "case_id": case_id, "attachment_id": attachment_id},
    )
    row = rows.first()
    return Attachment(*row) if row else None


async def same(
    tx: AsyncConnection, workspace: str, case_id: UUID, sha256: bytes
) -> Attachment | None:
    """The file of a case that has this content."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM feedback.attachment WHERE workspace = :workspace "
            "AND case_id = :case_id AND sha256 = :sha256 AND refused = '' LIMIT 1"
        ),
        {"workspace": workspace, "case_id": case_id, "sha256": sha256},
    )
    row = rows.first()
    return Attachment(*row) if row else None


async def taken(tx: AsyncConnection, workspace: str, case_id: UUID) -> tuple[int, int]:
    """How many bytes the files of a case have, and how many files there are."""
    rows = await tx.execute(
        text(
            "SELECT coalesce(sum(size) FILTER (WHERE refused = ''), 0), count(*) "
            "FROM feedback.attachment WHERE workspace = :workspace AND case_id = :case_id"
        ),
        {"workspace": workspace, "case_id": case_id},
    )
    size, count = rows.one()
    return int(size), int(count)


async def content(
    engine: AsyncEngine, workspace: str, attachment_id: UUID
) -> AsyncGenerator[bytes]:
    """The content of a file, a piece at a time; each is asked for by itself, so that a slow reader
    holds no connection.
    """
    number = 0
    while True:
        async with engine.begin() as tx:
            piece = await tx.scalar(
                text(
                    "SELECT content FROM feedback.attachment_part WHERE workspace = :workspace "
                    "AND attachment_id = :attachment_id AND number = :number"
                ),
                {"workspace": workspace, "attachment_id": attachment_id, "number": number},
            )
        if piece is None:
            return
        yield bytes(piece)
        number += 1


async def drop(tx: AsyncConnection, workspace: str, attachment_id: UUID) -> None:
    """The content goes, and what it was stays."""
    given = {"workspace": workspace, "attachment_id": attachment_id}
    await tx.execute(
        text(
            "DELETE FROM feedback.attachment_part "
            "WHERE workspace = :workspace AND attachment_id = :attachment_id"
        ),
        given,
    )
    await tx.execute(
        text(
            "UPDATE feedback.attachment SET refused = 'It was removed by staff.' "
            "WHERE workspace = :workspace AND attachment_id = :attachment_id"
        ),
        given,
    )
