"""Where workspaces have recommenders of their own."""

from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.recommenders import Account

_COLUMNS = "workspace, url, secret, deadline_ms, updated_at, updated_by"


async def find(tx: AsyncConnection, workspace: str) -> Account | None:
    """That of a workspace."""
    rows = await tx.execute(
        text(f"SELECT {_COLUMNS} FROM campaign.recommender WHERE workspace = :workspace"),
        {"workspace": workspace},
    )
    row = rows.first()
    return None if row is None else _account(row)


async def save(tx: AsyncConnection, one: Account) -> None:
    """Let it be so."""
    await tx.execute(
        text(
            f"INSERT INTO campaign.recommender ({_COLUMNS}) VALUES (:workspace, :url, :secret, "
            ":deadline_ms, :updated_at, :updated_by) ON CONFLICT (workspace) DO UPDATE SET "
            "url = excluded.url, secret = excluded.secret, deadline_ms = excluded.deadline_ms, "
            "updated_at = excluded.updated_at, updated_by = excluded.updated_by"
        ),
        {
            "workspace": one.workspace,
            "url": one.url,
            "secret": one.secret,
            "deadline_ms": one.deadline_ms,
            "updated_at": one.updated_at,
            "updated_by": one.updated_by,
        },
    )


async def end(tx: AsyncConnection, workspace: str) -> bool:
    """Let a workspace have none; False if it has none."""
    done = await tx.execute(
        text("DELETE FROM campaign.recommender WHERE workspace = :workspace"),
        {"workspace": workspace},
    )
    return done.rowcount > 0


async def sealed_otherwise(tx: AsyncConnection, prefix: str, limit: int) -> list[Account]:
    """Those whose secret was not sealed by the newest key, locked."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM campaign.recommender WHERE NOT starts_with(secret, :prefix) "
            "ORDER BY workspace LIMIT :limit FOR UPDATE SKIP LOCKED"
        ),
        {"prefix": prefix, "limit": limit},
    )
    return [_account(row) for row in rows]


def _account(row: Row[Any]) -> Account:
    return Account(
        row.workspace, row.url, row.secret, row.deadline_ms, row.updated_at, row.updated_by
    )
