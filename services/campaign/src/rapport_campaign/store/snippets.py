"""Snippets and their versions."""

from collections.abc import Collection, Sequence

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.templates import Snippet

_COLUMNS = "workspace, name, version, source, created_at, created_by, reason"
_NEWEST = (
    "SELECT v.workspace, v.name, v.version, v.source, v.created_at, v.created_by, v.reason "
    "FROM campaign.snippet s JOIN campaign.snippet_version v ON v.workspace = s.workspace "
    "AND v.name = s.name AND v.version = s.version WHERE s.workspace = :workspace "
    "AND s.archived_at IS NULL"
)


async def seize(tx: AsyncConnection, workspace: str) -> None:
    """Keep others from changing snippets of the workspace until the end of `tx`: else two that
    are saved at once could go round.
    """
    await tx.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('snippets/' || :workspace, 0))"),
        {"workspace": workspace},
    )


async def number(tx: AsyncConnection, workspace: str) -> int:
    """How many snippets a workspace has."""
    found = await tx.scalar(
        text(
            "SELECT count(*) FROM campaign.snippet WHERE workspace = :workspace "
            "AND archived_at IS NULL"
        ),
        {"workspace": workspace},
    )
    return int(found or 0)


async def find(tx: AsyncConnection, workspace: str, name: str) -> Snippet | None:
    """A living snippet at its newest version."""
    return (await named(tx, workspace, [name])).get(name)


async def named(tx: AsyncConnection, workspace: str, names: Collection[str]) -> dict[str, Snippet]:
    """Those of these snippets that there are, at their newest versions."""
    if not names:
        return {}
    rows = await tx.execute(
        text(f"{_NEWEST} AND s.name = ANY(CAST(:names AS text[]))"),
        {"workspace": workspace, "names": sorted(names)},
    )
    return {row.name: Snippet(*row) for row in rows}


async def listed(
    tx: AsyncConnection, workspace: str, *, after: str | None, limit: int
) -> list[Snippet]:
    """The snippets of a workspace by their names, those behind `after`."""
    rows = await tx.execute(
        text(
            f"{_NEWEST} AND (CAST(:after AS text) IS NULL OR s.name > :after) "
            "ORDER BY s.name LIMIT :limit"
        ),
        {"workspace": workspace, "after": after, "limit": limit},
    )
    return [Snippet(*row) for row in rows]


async def versions(
    tx: AsyncConnection, workspace: str, name: str, *, before: int | None, limit: int
) -> list[Snippet]:
    """The versions of a snippet older than `before`, the newest first."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM campaign.snippet_version WHERE workspace = :workspace "
            "AND name = :name AND (CAST(:before AS bigint) IS NULL OR version < :before) "
            "ORDER BY version DESC LIMIT :limit"
        ),
        {"workspace": workspace, "name": name, "before": before, "limit": limit},
    )
    return [Snippet(*row) for row in rows]


async def last_version(tx: AsyncConnection, workspace: str, name: str) -> int:
    """The number of the newest version there ever was; 0 for none."""
    found = await tx.scalar(
        text("SELECT version FROM campaign.snippet WHERE workspace = :workspace AND name = :name"),
        {"workspace": workspace, "name": name},
    )
    return int(found or 0)


async def add(tx: AsyncConnection, one: Snippet, uses: Sequence[str]) -> None:
    """Write a version, which is the newest one from now on, and which others it has in it."""
    given = {
        "workspace": one.workspace,
        "name": one.name,
        "version": one.version,
        "source": one.source,
        "created_at": one.created_at,
        "created_by": one.created_by,
        "reason": one.reason,
        "uses": msgspec.json.encode(list(uses)).decode(),
    }
    await tx.execute(
        text(
            "INSERT INTO campaign.snippet (workspace, name, version, uses) "
            "VALUES (:workspace, :name, :version, CAST(:uses AS json)) "
            "ON CONFLICT (workspace, name) DO UPDATE SET version = excluded.version, "
            "uses = excluded.uses, archived_at = NULL"
        ),
        given,
    )
    await tx.execute(
        text(
            f"INSERT INTO campaign.snippet_version ({_COLUMNS}) VALUES (:workspace, :name, "
            ":version, :source, :created_at, :created_by, :reason)"
        ),
        given,
    )


async def archive(tx: AsyncConnection, workspace: str, name: str) -> None:
    """Take a snippet away: no template can put it in any more."""
    await tx.execute(
        text(
            "UPDATE campaign.snippet SET archived_at = now() WHERE workspace = :workspace "
            "AND name = :name"
        ),
        {"workspace": workspace, "name": name},
    )


async def users(tx: AsyncConnection, workspace: str, name: str) -> list[str]:
    """The living snippets that have this one in them, by their names."""
    rows = await tx.execute(
        text(
            "SELECT name FROM campaign.snippet WHERE workspace = :workspace "
            "AND archived_at IS NULL AND uses::jsonb ? CAST(:name AS text) ORDER BY name"
        ),
        {"workspace": workspace, "name": name},
    )
    return list(rows.scalars())
