"""The SQL of webhooks themselves: where to post, and with which secrets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_feedback.domain.announcements import Announced

COLUMNS = (
    "webhook_id, url, events, active, reason, secret, former_secret, former_until, "
    "failures, failing_since, paused_until, succeeded_at, failed_at, created_at, created_by"
)
_OF = "workspace = :workspace AND webhook_id = :id AND archived_at IS NULL"


@dataclass(frozen=True, slots=True)
class Webhook:
    """A receiver as it is kept.

    `reason`: why it is not `active`. `failures` are those since the last success, `failing_since`
    is when the first was. Its secrets are as kept: sealed.
    """

    workspace: str
    webhook_id: UUID
    url: str
    events: list[Announced]
    active: bool
    reason: str | None
    secret: str
    former_secret: str | None
    former_until: datetime | None
    failures: int
    failing_since: datetime | None
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
    """A row of `COLUMNS`."""
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
            "INSERT INTO feedback.webhook (workspace, webhook_id, url, events, secret, "
            "created_at, created_by) VALUES (:workspace, :id, :url, CAST(:events AS text[]), "
            ":secret, :at, :by)"
        ),
        {
            "workspace": one.workspace,
            "id": one.webhook_id,
            "url": one.url,
            "events": list(one.events),
            "secret": one.secret,
            "at": one.created_at,
            "by": one.created_by,
        },
    )


async def change(tx: AsyncConnection, one: Webhook) -> None:
    """Write what an operator can change. Who is made active begins anew: no failure, no pause."""
    await tx.execute(
        text(
            "UPDATE feedback.webhook SET url = :url, events = CAST(:events AS text[]), "
            "active = :active, reason = :reason, secret = :secret, former_secret = :former, "
            f"former_until = :until, failures = 0, "
            f"failing_since = NULL, paused_until = NULL WHERE {_OF}"
        ),
        {
            "workspace": one.workspace,
            "id": one.webhook_id,
            "url": one.url,
            "events": list(one.events),
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
            f"SELECT workspace, {COLUMNS} FROM feedback.webhook WHERE archived_at IS NULL "
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
            "UPDATE feedback.webhook SET secret = :secret, former_secret = :former, "
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
            "UPDATE feedback.webhook SET archived_at = :at, active = false, secret = '', "
            f"former_secret = NULL WHERE {_OF}"
        ),
        {"workspace": workspace, "id": webhook_id, "at": at},
    )


async def find(
    tx: AsyncConnection, workspace: str, webhook_id: UUID, *, lock: bool = False
) -> Webhook | None:
    """One that is not archived."""
    rows = await tx.execute(
        text(f"SELECT {COLUMNS} FROM feedback.webhook WHERE {_OF}{' FOR UPDATE' if lock else ''}"),
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
            f"SELECT {COLUMNS} FROM feedback.webhook "
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
    """How many posts wait for each, and how many were given up."""
    rows = await tx.execute(
        text(
            "SELECT v.id, (SELECT count(*) FROM feedback.webhook_post p WHERE p.workspace = "
            ":workspace AND p.webhook_id = v.id AND p.ended_at IS NULL), "
            "(SELECT count(*) FROM feedback.webhook_post p WHERE p.workspace = :workspace "
            "AND p.webhook_id = v.id AND p.dead) FROM unnest(CAST(:ids AS uuid[])) AS v(id)"
        ),
        {"workspace": workspace, "ids": list(ids)},
    )
    return {row[0]: (row[1], row[2]) for row in rows.all()}


async def disabled(tx: AsyncConnection) -> int:
    """How many webhooks of all workspaces were turned off as they failed."""
    found = await tx.scalar(
        text(
            "SELECT count(*) FROM feedback.webhook "
            "WHERE NOT active AND reason IS NOT NULL AND archived_at IS NULL"
        )
    )
    return int(found or 0)


async def rest(tx: AsyncConnection, one: Webhook, until: datetime) -> None:
    """Leave a receiver alone until then."""
    await tx.execute(
        text(f"UPDATE feedback.webhook SET paused_until = :until WHERE {_OF}"),
        {"workspace": one.workspace, "id": one.webhook_id, "until": until},
    )


async def away(tx: AsyncConnection, one: Webhook, now: datetime) -> tuple[int, datetime]:
    """A receiver has taken nothing once more; how many times nobody was there, and since when it
    has taken nothing.
    """
    return await _failing(tx, one, now, 1)


async def present(tx: AsyncConnection, one: Webhook, now: datetime) -> tuple[int, datetime]:
    """A receiver is there, though it has refused a post; the same."""
    return await _failing(tx, one, now, 0)


async def end(tx: AsyncConnection, one: Webhook, reason: str, now: datetime) -> None:
    """Post nothing more to a receiver, until an operator says so."""
    await tx.execute(
        text(
            "UPDATE feedback.webhook SET active = false, reason = :reason, failed_at = :now "
            f"WHERE {_OF}"
        ),
        {"workspace": one.workspace, "id": one.webhook_id, "reason": reason, "now": now},
    )


async def _failing(
    tx: AsyncConnection, one: Webhook, now: datetime, more: int
) -> tuple[int, datetime]:
    rows = await tx.execute(
        text(
            "UPDATE feedback.webhook SET failures = CASE WHEN :more = 0 THEN 0 "
            "ELSE failures + 1 END, failed_at = :now, "
            "failing_since = coalesce(failing_since, CAST(:now AS timestamptz)), "
            "paused_until = CASE WHEN :more = 0 THEN NULL ELSE paused_until END "
            f"WHERE {_OF} RETURNING failures, failing_since"
        ),
        {"workspace": one.workspace, "id": one.webhook_id, "now": now, "more": more},
    )
    row = rows.first()
    return (int(row.failures), row.failing_since) if row else (more, now)
