"""The SQL of files for advertising platforms: what is made, and how often, and the files."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_segment.domain.audiences import Platform

KEPT = 2
"""Files of an audience that are kept: the newest, and the one before."""

_COLUMNS = (
    "audience_id, name, segment_id, platform, purpose, every_hours, job, created_at, created_by"
)
_OF = "workspace = :workspace AND audience_id = :id"
_FILE = "file_id, made_at, rows, CAST(left_out AS text), bytes, sha256"


@dataclass(frozen=True, slots=True)
class Audience:
    """What a file is made of; `every_hours` None: only when it is asked for."""

    workspace: str
    audience_id: UUID
    name: str
    segment_id: UUID
    platform: Platform
    purpose: str
    every_hours: int | None
    job: str | None
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True)
class File:
    """A file that is whole: people in it, and how many members were left out, by reason."""

    file_id: UUID
    made_at: datetime
    rows: int
    left_out: Mapping[str, int]
    bytes: int
    sha256: str


async def insert(tx: AsyncConnection, one: Audience) -> bool:
    """Keep a new one; False if its name is taken."""
    result = await tx.execute(
        text(
            f"INSERT INTO segment.audience (workspace, {_COLUMNS}) VALUES (:workspace, :id, :name, "
            ":segment, :platform, :purpose, :every, NULL, :at, :by) ON CONFLICT DO NOTHING"
        ),
        {
            "workspace": one.workspace,
            "id": one.audience_id,
            "name": one.name,
            "segment": one.segment_id,
            "platform": one.platform,
            "purpose": one.purpose,
            "every": one.every_hours,
            "at": one.created_at,
            "by": one.created_by,
        },
    )
    return result.rowcount == 1


async def find(
    tx: AsyncConnection, workspace: str, audience_id: UUID, *, lock: bool = False
) -> Audience | None:
    """One of them."""
    rows = await tx.execute(
        text(
            f"SELECT workspace, {_COLUMNS} FROM segment.audience "
            f"WHERE {_OF}{' FOR UPDATE' if lock else ''}"
        ),
        {"workspace": workspace, "id": audience_id},
    )
    row = rows.first()
    return None if row is None else Audience(*row)


async def named(tx: AsyncConnection, workspace: str, name: str) -> UUID | None:
    """The id of the one that is called so."""
    rows = await tx.execute(
        text(
            "SELECT audience_id FROM segment.audience WHERE workspace = :workspace AND name = :name"
        ),
        {"workspace": workspace, "name": name},
    )
    found: UUID | None = rows.scalar()
    return found


async def listed(
    tx: AsyncConnection, workspace: str, *, after: str | None, limit: int
) -> list[Audience]:
    """Those of a workspace, by name."""
    rows = await tx.execute(
        text(
            f"SELECT workspace, {_COLUMNS} FROM segment.audience WHERE workspace = :workspace "
            "AND (CAST(:after AS text) IS NULL OR name > CAST(:after AS text)) "
            "ORDER BY name LIMIT :limit"
        ),
        {"workspace": workspace, "after": after, "limit": limit},
    )
    return [Audience(*row) for row in rows.all()]


async def set_job(tx: AsyncConnection, workspace: str, audience_id: UUID, job: str) -> None:
    """Note the newest job."""
    await tx.execute(
        text(f"UPDATE segment.audience SET job = :job WHERE {_OF}"),
        {"workspace": workspace, "id": audience_id, "job": job},
    )


async def remove(tx: AsyncConnection, workspace: str, audience_id: UUID) -> None:
    """Remove one with its files."""
    given = {"workspace": workspace, "id": audience_id}
    await tx.execute(text(f"DELETE FROM segment.audience_file WHERE {_OF}"), given)
    await tx.execute(text(f"DELETE FROM segment.audience WHERE {_OF}"), given)


async def begin_file(
    tx: AsyncConnection, workspace: str, audience_id: UUID, file_id: UUID, at: datetime
) -> None:
    """Begin a file; others of the audience that were begun and are not whole go."""
    given = {"workspace": workspace, "id": audience_id, "file": file_id, "at": at}
    await drop_begun(tx, workspace, audience_id)
    await tx.execute(
        text(
            "INSERT INTO segment.audience_file (workspace, file_id, audience_id, made_at) "
            "VALUES (:workspace, :file, :id, :at)"
        ),
        given,
    )


async def drop_begun(tx: AsyncConnection, workspace: str, audience_id: UUID) -> None:
    """Remove files of an audience that were begun and are not whole."""
    await tx.execute(
        text(f"DELETE FROM segment.audience_file WHERE {_OF} AND NOT whole"),
        {"workspace": workspace, "id": audience_id},
    )


async def add_part(
    tx: AsyncConnection,
    workspace: str,
    file_id: UUID,
    number: int,
    *,
    content: bytes,
    people: Sequence[UUID],
) -> bool:
    """Write the next part, and who is in it; False if the file is not there any more."""
    written = await tx.execute(
        text(
            "INSERT INTO segment.audience_part (workspace, file_id, number, content, people) "
            "SELECT f.workspace, f.file_id, :number, :content, CAST(:people AS uuid[]) "
            "FROM segment.audience_file f "
            "WHERE f.workspace = :workspace AND f.file_id = :file FOR KEY SHARE"
        ),
        {
            "workspace": workspace,
            "file": file_id,
            "number": number,
            "content": content,
            "people": list(people),
        },
    )
    return written.rowcount == 1


async def forgotten(tx: AsyncConnection, workspace: str, file_id: UUID) -> bool:
    """Whether somebody in the file is nobody any more, since it was begun."""
    rows = await tx.execute(
        text(
            "SELECT EXISTS (SELECT FROM segment.audience_part a "
            "CROSS JOIN LATERAL unnest(a.people) AS u(profile_id) "
            "WHERE a.workspace = :workspace AND a.file_id = :file AND NOT EXISTS ("
            "SELECT FROM segment.person p WHERE p.workspace = a.workspace "
            "AND p.profile_id = u.profile_id AND p.known))"
        ),
        {"workspace": workspace, "file": file_id},
    )
    return bool(rows.scalar())


async def end_file(tx: AsyncConnection, workspace: str, audience_id: UUID, one: File) -> bool:
    """Let a file be whole, and older ones go; False if it is not there any more."""
    done = await tx.execute(
        text(
            "UPDATE segment.audience_file SET whole = true, rows = :rows, bytes = :bytes, "
            "sha256 = :sha256, left_out = CAST(:left AS jsonb) "
            "WHERE workspace = :workspace AND file_id = :file"
        ),
        {
            "workspace": workspace,
            "file": one.file_id,
            "rows": one.rows,
            "bytes": one.bytes,
            "sha256": one.sha256,
            "left": msgspec.json.encode(one.left_out).decode(),
        },
    )
    await tx.execute(
        text(
            f"DELETE FROM segment.audience_file WHERE {_OF} AND file_id NOT IN ("
            f"SELECT file_id FROM segment.audience_file WHERE {_OF} "
            "ORDER BY made_at DESC, file_id DESC LIMIT :kept)"
        ),
        {"workspace": workspace, "id": audience_id, "kept": KEPT},
    )
    return done.rowcount == 1


async def files(tx: AsyncConnection, workspace: str, audience_id: UUID) -> list[File]:
    """The files that are whole, the newest first."""
    rows: Any = await tx.execute(
        text(
            f"SELECT {_FILE} FROM segment.audience_file WHERE {_OF} AND whole "
            "ORDER BY made_at DESC, file_id DESC"
        ),
        {"workspace": workspace, "id": audience_id},
    )
    return [
        File(row[0], row[1], row[2], msgspec.json.decode(row[3]), row[4], row[5])
        for row in rows.all()
    ]


async def parts(tx: AsyncConnection, workspace: str, file_id: UUID) -> AsyncIterator[bytes]:
    """The parts of a file, one statement each: so they are of one snapshot if `tx` has one."""
    number = 0
    while True:
        rows = await tx.execute(
            text(
                "SELECT content FROM segment.audience_part WHERE workspace = :workspace "
                "AND file_id = :file AND number = :number"
            ),
            {"workspace": workspace, "file": file_id, "number": number},
        )
        content = rows.scalar()
        if content is None:
            return
        yield bytes(content)
        number += 1
