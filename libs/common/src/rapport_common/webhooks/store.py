"""The SQL of webhooks themselves: where to post, what is wanted there, and with which secrets."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.statements import text
from rapport_common.webhooks.posts import PostStore
from rapport_common.webhooks.records import Hearing, Webhook
from rapport_common.webhooks.rows import COLUMNS, webhook

_OF = "workspace = :workspace AND webhook_id = :id AND archived_at IS NULL"


class WebhookStore:
    """The webhooks of one service; `posts` are what is on its way to them."""

    def __init__(self, schema: str, hearing: Hearing, *, keeps_delivered: bool) -> None:
        """`keeps_delivered`: as the tables were declared."""
        self._schema = schema
        self._table = f"{schema}.webhook"
        self.posts = PostStore(schema, hearing, keeps_delivered=keeps_delivered)

    async def seize(self, tx: AsyncConnection, workspace: str) -> None:
        """Keep others from making webhooks of the workspace until the end of `tx`."""
        await tx.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended('webhooks/' || :workspace, 0))"),
            {"workspace": workspace},
        )

    async def insert(self, tx: AsyncConnection, one: Webhook) -> None:
        """Keep a new one."""
        await tx.execute(
            text(
                f"INSERT INTO {self._table} (workspace, webhook_id, url, wants, secret, "
                "created_at, created_by) VALUES (:workspace, :id, :url, CAST(:wants AS jsonb), "
                ":secret, :at, :by)"
            ),
            {
                **_place(one),
                "url": one.url,
                "wants": _json(one.wants),
                "secret": one.secret,
                "at": one.created_at,
                "by": one.created_by,
            },
        )

    async def change(self, tx: AsyncConnection, one: Webhook) -> Webhook:
        """Write what an operator can change. It begins anew: no failure, no pause."""
        await tx.execute(
            text(
                f"UPDATE {self._table} SET url = :url, wants = CAST(:wants AS jsonb), "
                "active = :active, reason = :reason, secret = :secret, former_secret = :former, "
                "former_until = :until, failures = 0, failing_since = NULL, paused_until = NULL "
                f"WHERE {_OF}"
            ),
            {
                **_place(one),
                "url": one.url,
                "wants": _json(one.wants),
                "active": one.active,
                "reason": one.reason,
                **_secrets(one),
            },
        )
        return replace(one, failures=0, failing_since=None, paused_until=None)

    async def sealed_otherwise(
        self, tx: AsyncConnection, prefix: str, now: datetime, limit: int
    ) -> list[Webhook]:
        """Webhooks of all workspaces with a secret that does not begin so, or one that counts no
        more; they are locked. Whom others have locked is left to them.
        """
        rows = await tx.execute(
            text(
                f"SELECT {COLUMNS} FROM {self._table} WHERE archived_at IS NULL "
                "AND (NOT starts_with(secret, :prefix) OR NOT starts_with(former_secret, :prefix) "
                "OR former_until <= :now) "
                "ORDER BY workspace, webhook_id LIMIT :limit FOR UPDATE SKIP LOCKED"
            ),
            {"prefix": prefix, "now": now, "limit": limit},
        )
        return [webhook(row) for row in rows.all()]

    async def keep_secrets(self, tx: AsyncConnection, one: Webhook) -> None:
        """Write the secrets, which are the same, in another form."""
        await tx.execute(
            text(
                f"UPDATE {self._table} SET secret = :secret, former_secret = :former, "
                f"former_until = :until WHERE {_OF}"
            ),
            {**_place(one), **_secrets(one)},
        )

    async def archive(
        self, tx: AsyncConnection, workspace: str, webhook_id: UUID, at: datetime
    ) -> None:
        """End one; what waits for it is removed later."""
        await tx.execute(
            text(
                f"UPDATE {self._table} SET archived_at = :at, active = false, secret = '', "
                f"former_secret = NULL WHERE {_OF}"
            ),
            {"workspace": workspace, "id": webhook_id, "at": at},
        )

    async def find(
        self, tx: AsyncConnection, workspace: str, webhook_id: UUID, *, lock: bool = False
    ) -> Webhook | None:
        """One that is not archived."""
        rows = await tx.execute(
            text(f"SELECT {COLUMNS} FROM {self._table} WHERE {_OF}{' FOR UPDATE' if lock else ''}"),
            {"workspace": workspace, "id": webhook_id},
        )
        row = rows.first()
        return None if row is None else webhook(row)

    async def listed(
        self, tx: AsyncConnection, workspace: str, *, after: UUID | None = None, limit: int
    ) -> list[Webhook]:
        """Those of a workspace that are not archived, by their ids."""
        rows = await tx.execute(
            text(
                f"SELECT {COLUMNS} FROM {self._table} "
                "WHERE workspace = :workspace AND archived_at IS NULL "
                "AND (CAST(:after AS uuid) IS NULL OR webhook_id > CAST(:after AS uuid)) "
                "ORDER BY webhook_id LIMIT :limit"
            ),
            {"workspace": workspace, "after": after, "limit": limit},
        )
        return [webhook(row) for row in rows.all()]

    async def listening(self, tx: AsyncConnection, workspaces: Collection[str]) -> set[str]:
        """Those of these workspaces that have somebody to be told."""
        rows = await tx.execute(
            text(self.listening_in("workspaces")), {"workspaces": sorted(workspaces)}
        )
        return set(rows.scalars())

    def listening_in(self, name: str) -> str:
        """SQL: the workspaces, among those in the parameter of this name, that have somebody to be
        told: for who asks in passing.
        """
        return (
            f"SELECT DISTINCT workspace FROM {self._table} "
            f"WHERE active AND workspace = ANY(CAST(:{name} AS text[]))"
        )

    async def disabled(self, tx: AsyncConnection) -> int:
        """How many webhooks of all workspaces were turned off as they failed."""
        found = await tx.scalar(
            text(
                f"SELECT count(*) FROM {self._table} "
                "WHERE NOT active AND reason IS NOT NULL AND archived_at IS NULL"
            )
        )
        return int(found or 0)

    async def rest(self, tx: AsyncConnection, one: Webhook, until: datetime) -> None:
        """Leave a receiver alone until then."""
        await tx.execute(
            text(f"UPDATE {self._table} SET paused_until = :until WHERE {_OF}"),
            {**_place(one), "until": until},
        )

    async def succeeded(self, tx: AsyncConnection, one: Webhook, now: datetime) -> None:
        """A receiver has taken a post. What it is known for is written once in 10 s at most."""
        await tx.execute(
            text(
                f"UPDATE {self._table} SET failures = 0, failing_since = NULL, "
                "paused_until = NULL, succeeded_at = CAST(:now AS timestamptz) "
                f"WHERE {_OF} AND (failures > 0 OR failing_since IS NOT NULL "
                "OR paused_until IS NOT NULL OR succeeded_at IS NULL "
                "OR succeeded_at < CAST(:now AS timestamptz) - interval '10 seconds')"
            ),
            {**_place(one), "now": now},
        )

    async def away(self, tx: AsyncConnection, one: Webhook, now: datetime) -> tuple[int, datetime]:
        """A receiver has taken nothing once more; how many times nobody was there, and since when
        it has taken nothing.
        """
        return await self._failing(tx, one, now, 1)

    async def present(
        self, tx: AsyncConnection, one: Webhook, now: datetime
    ) -> tuple[int, datetime]:
        """A receiver is there, though it has refused a post; the same."""
        return await self._failing(tx, one, now, 0)

    async def _failing(
        self, tx: AsyncConnection, one: Webhook, now: datetime, more: int
    ) -> tuple[int, datetime]:
        rows = await tx.execute(
            text(
                f"UPDATE {self._table} SET failures = CASE WHEN :more = 0 THEN 0 "
                "ELSE failures + 1 END, failed_at = :now, "
                "failing_since = coalesce(failing_since, CAST(:now AS timestamptz)), "
                "paused_until = CASE WHEN :more = 0 THEN NULL ELSE paused_until END "
                f"WHERE {_OF} RETURNING failures, failing_since"
            ),
            {**_place(one), "now": now, "more": more},
        )
        row = rows.first()
        return (int(row.failures), row.failing_since) if row else (more, now)

    async def end(self, tx: AsyncConnection, one: Webhook, reason: str, now: datetime) -> None:
        """Post nothing more to a receiver, until an operator says so."""
        await tx.execute(
            text(
                f"UPDATE {self._table} SET active = false, reason = :reason, failed_at = :now "
                f"WHERE {_OF}"
            ),
            {**_place(one), "reason": reason, "now": now},
        )


def _json(wants: Any) -> str:
    return msgspec.json.encode(wants).decode()


def _secrets(one: Webhook) -> dict[str, Any]:
    return {"secret": one.secret, "former": one.former_secret, "until": one.former_until}


def _place(one: Webhook) -> dict[str, Any]:
    return {"workspace": one.workspace, "id": one.webhook_id}
