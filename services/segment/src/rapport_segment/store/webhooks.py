"""The SQL of webhooks themselves: where to post, and with which secrets."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_COLUMNS = (
    "webhook_id, url, segment_ids, active, reason, secret, former_secret, former_until, failures, "
    "paused_until, succeeded_at, failed_at, created_at, created_by"
)
_OF = "workspace = :workspace AND webhook_id = :id AND archived_at IS NULL"


@dataclass(frozen=True, slots=True)
class Webhook:
    """A receiver as it is kept.

    `segment_ids`: of which segments it is told; None: of all. `reason`: why it is not `active`.
    `failures` are those since the last success. Its secrets are as kept: sealed.
    """

    workspace: str
    webhook_id: UUID
    url: str
    segment_ids: list[UUID] | None
    active: bool
    reason: str | None
    secret: str
    former_secret: str | None
    former_until: datetime | None
    failures: int
    paused_until: datetime | None
    succeeded_at: datetime | None
    failed_at: datetime | None
    created_at: datetime
    created_by: str

    def secrets(self, now: datetime) -> list[str]:
        """What posts are signed with now, as it is kept, the newest first."""
        is_former = self.former_until is not None and self.former_until > now
        return [self.secret, *([self.former_secret] if is_former and self.former_secret else [])]


def webhook(workspace: str, row: Any) -> Webhook:
    """A row of `_COLUMNS`."""
    return Webhook(workspace, *row)


async def seize(tx: AsyncConnection, workspace: str) -> None:
    """Keep others from making webhooks of the workspace until the end of `tx`."""
    await tx.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('webhooks/' || :workspace, 0))"),
        {"workspace": workspace},
    )


async def insert(tx: AsyncConnection, one: Webhook) -> None:
    """Keep a new one."""
    await tx.execute(
        text(
            "INSERT INTO segment.webhook (workspace, webhook_id, url, segment_ids, secret, "
            "created_at, created_by) VALUES (:workspace, :id, :url, CAST(:segments AS uuid[]), "
            ":secret, :at, :by)"
        ),
        {
            "workspace": one.workspace,
            "id": one.webhook_id,
            "url": one.url,
            "segments": one.segment_ids,
            "secret": one.secret,
            "at": one.created_at,
            "by": one.created_by,
        },
    )


async def change(tx: AsyncConnection, one: Webhook) -> None:
    """Write what an operator can change. Who is made active begins anew: no failure, no pause."""
    await tx.execute(
        text(
            "UPDATE segment.webhook SET url = :url, segment_ids = CAST(:segments AS uuid[]), "
            "active = :active, reason = :reason, secret = :secret, former_secret = :former, "
            f"former_until = :until, failures = 0, paused_until = NULL WHERE {_OF}"
        ),
        {
            "workspace": one.workspace,
            "id": one.webhook_id,
            "url": one.url,
            "segments": one.segment_ids,
            "active": one.active,
            "reason": one.reason,
            "secret": one.secret,
            "former": one.former_secret,
            "until": one.former_until,
        },
    )


async def sealed_otherwise(
    tx: AsyncConnection, prefix: str, now: datetime, limit: int
) -> list[Webhook]:
    """Webhooks of all workspaces with a secret that does not begin so, or one that counts no more;
    they are locked. Whom others have locked is left to them.
    """
    rows = await tx.execute(
        text(
            f"SELECT workspace, {_COLUMNS} FROM segment.webhook WHERE archived_at IS NULL "
            "AND (NOT starts_with(secret, :prefix) OR NOT starts_with(former_secret, :prefix) "
            "OR former_until <= :now) "
            "ORDER BY workspace, webhook_id LIMIT :limit FOR UPDATE SKIP LOCKED"
        ),
        {"prefix": prefix, "now": now, "limit": limit},
    )
    return [webhook(row[0], row[1:]) for row in rows.all()]


async def keep_secrets(tx: AsyncConnection, one: Webhook) -> None:
    """Write the secrets, which are the same, in another form."""
    await tx.execute(
        text(
            "UPDATE segment.webhook SET secret = :secret, former_secret = :former, "
            f"former_until = :until WHERE {_OF}"
        ),
        {
            "workspace": one.workspace,
            "id": one.webhook_id,
            "secret": one.secret,
            "former": one.former_secret,
            "until": one.former_until,
        },
    )


async def archive(tx: AsyncConnection, workspace: str, webhook_id: UUID, at: datetime) -> None:
    """End one; what waits for it is removed later."""
    await tx.execute(
        text(
            "UPDATE segment.webhook SET archived_at = :at, active = false, secret = '', "
            f"former_secret = NULL WHERE {_OF}"
        ),
        {"workspace": workspace, "id": webhook_id, "at": at},
    )


async def find(
    tx: AsyncConnection, workspace: str, webhook_id: UUID, *, lock: bool = False
) -> Webhook | None:
    """One that is not archived."""
    rows = await tx.execute(
        text(f"SELECT {_COLUMNS} FROM segment.webhook WHERE {_OF}{' FOR UPDATE' if lock else ''}"),
        {"workspace": workspace, "id": webhook_id},
    )
    row = rows.first()
    return None if row is None else webhook(workspace, row)


async def listed(
    tx: AsyncConnection, workspace: str, *, after: UUID | None = None, limit: int
) -> list[Webhook]:
    """Those of a workspace that are not archived, by their ids."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM segment.webhook "
            "WHERE workspace = :workspace AND archived_at IS NULL "
            "AND (CAST(:after AS uuid) IS NULL OR webhook_id > CAST(:after AS uuid)) "
            "ORDER BY webhook_id LIMIT :limit"
        ),
        {"workspace": workspace, "after": after, "limit": limit},
    )
    return [webhook(workspace, row) for row in rows.all()]


async def counts(
    tx: AsyncConnection, workspace: str, ids: Sequence[UUID]
) -> Mapping[UUID, tuple[int, int]]:
    """How many posts wait for each, and how many are dead."""
    rows = await tx.execute(
        text(
            "SELECT webhook_id, count(*) FILTER (WHERE died_at IS NULL), "
            "count(*) FILTER (WHERE died_at IS NOT NULL) FROM segment.webhook_delivery "
            "WHERE workspace = :workspace AND webhook_id = ANY(CAST(:ids AS uuid[])) GROUP BY 1"
        ),
        {"workspace": workspace, "ids": list(ids)},
    )
    return {row[0]: (row[1], row[2]) for row in rows.all()}


async def with_webhooks(tx: AsyncConnection, workspaces: Collection[str]) -> set[str]:
    """Those of these workspaces that have somebody to be told."""
    rows = await tx.execute(
        text(
            "SELECT DISTINCT workspace FROM segment.webhook "
            "WHERE workspace = ANY(CAST(:workspaces AS text[])) AND active"
        ),
        {"workspaces": sorted(workspaces)},
    )
    return set(rows.scalars())
