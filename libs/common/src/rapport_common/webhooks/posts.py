"""The SQL of posts to webhooks: written with what they tell, claimed, delivered, given up.

Of a subject and a webhook only the oldest that waits is taken: so a receiver hears of a subject in
the order in which it happened.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import pack_texts, packed_texts, storable
from rapport_common.webhooks.records import Hearing, Post, PostState, Told, Webhook
from rapport_common.webhooks.rows import columns, webhook

MAX_ERROR = 300
_OF = "d.workspace = :workspace AND d.webhook_id = :webhook"
_NAMES = (
    *("post_id", "subject", "body", "created_at", "try_at", "attempts", "tried_at", "status"),
    *("error", "ended_at", "dead"),
)
_SHOWN = ", ".join(f"d.{name}" for name in _NAMES)
_IN_STATE: dict[PostState, str] = {
    "waiting": "d.ended_at IS NULL",
    "delivered": "d.ended_at IS NOT NULL AND NOT d.dead",
    "dead": "d.dead",
}


class PostStore:
    """The posts of one service."""

    def __init__(self, schema: str, hearing: Hearing, *, keeps_delivered: bool) -> None:
        self._webhook, self._post = f"{schema}.webhook", f"{schema}.webhook_post"
        self._hearing = hearing
        self._keeps_delivered = keeps_delivered

    async def insert(self, tx: AsyncConnection, told: Sequence[Told]) -> None:
        """Have these told to whoever wants to hear of them, in this order; one statement."""
        if not told:
            return
        named = ("workspace", "subject", "profile_id", "body", *self._hearing.facts)
        given = ", ".join(packed_texts(name) for name in named)
        rows = [(one.workspace, one.subject, one.profile_id, one.body, *one.facts) for one in told]
        packed = zip(named, zip(*rows, strict=True), strict=True)
        await tx.execute(
            text(
                # What webhooks want is read once for each of them, not for each thing told.
                f"WITH w AS MATERIALIZED ({self._wanting} "
                "AND workspace = ANY(CAST(:workspaces AS text[]))) "
                + self.writing(
                    f"unnest({given}) WITH ORDINALITY AS v({', '.join(named)}, n)", wanting="w"
                )
                + " ORDER BY v.n"
            ),
            {
                **{name: pack_texts(values) for name, values in packed},
                "workspaces": sorted({one.workspace for one in told}),
            },
        )

    def writing(self, source: str, *, wanting: str | None = None) -> str:
        """SQL: write the posts that tell of the rows of `source`, which is called `v`, and has
        workspace, subject, profile_id, body and the facts. `wanting`: the webhooks, if they are
        read before.
        """
        return (
            f"INSERT INTO {self._post} (workspace, post_id, webhook_id, subject, profile_id, body) "
            "SELECT w.workspace, gen_random_uuid(), w.webhook_id, v.subject, v.profile_id, v.body "
            f"FROM {source} JOIN {wanting or f'({self._wanting}) AS w'} "
            f"ON w.workspace = v.workspace AND ({self._hearing.hears})"
        )

    @property
    def _wanting(self) -> str:
        return (
            f"SELECT workspace, webhook_id{self._hearing.columns} FROM {self._webhook} WHERE active"
        )

    async def lanes(self, tx: AsyncConnection, now: datetime) -> list[Webhook]:
        """The webhooks for which something is due, unless they are left alone."""
        rows = await tx.execute(
            text(
                f"SELECT {columns('w.')} FROM {self._webhook} w WHERE w.active "
                "AND (w.paused_until IS NULL OR w.paused_until <= :now) AND EXISTS ("
                f"SELECT FROM {self._post} d WHERE d.workspace = w.workspace "
                "AND d.webhook_id = w.webhook_id AND d.ended_at IS NULL AND d.try_at <= :now)"
            ),
            {"now": now},
        )
        return [webhook(row) for row in rows.all()]

    @property
    def claiming(self) -> str:
        """SQL: take posts of a webhook that are due, each the first of its subject that waits."""
        return (
            f"WITH chosen AS (SELECT d.workspace, d.post_id FROM {self._post} d "
            f"WHERE {_OF} AND d.ended_at IS NULL AND d.try_at <= :now AND NOT EXISTS ("
            f"SELECT FROM {self._post} e WHERE e.workspace = d.workspace "
            "AND e.webhook_id = d.webhook_id AND e.subject = d.subject "
            "AND e.number < d.number AND e.ended_at IS NULL) "
            "ORDER BY d.try_at, d.number LIMIT :limit FOR UPDATE OF d SKIP LOCKED) "
            f"UPDATE {self._post} d SET holder = :holder, try_at = :until FROM chosen c "
            f"WHERE d.workspace = c.workspace AND d.post_id = c.post_id RETURNING {_SHOWN}"
        )

    async def claim(
        self,
        tx: AsyncConnection,
        one: Webhook,
        holder: UUID,
        *,
        now: datetime,
        lease: timedelta,
        limit: int,
    ) -> list[Post]:
        """Take posts that are due; whoever dies with them gives them back when the lease ends."""
        rows = await tx.execute(
            text(self.claiming),
            {**_place(one), "now": now, "until": now + lease, "holder": holder, "limit": limit},
        )
        return [Post(*row) for row in rows.all()]

    async def delivered(
        self,
        tx: AsyncConnection,
        one: Webhook,
        post_id: UUID,
        holder: UUID,
        *,
        status: int | None,
        now: datetime,
    ) -> None:
        """A post was taken: it goes, or is kept as such."""
        mine = f"WHERE {_OF} AND d.post_id = :post AND d.holder = :holder"
        given = {**_place(one), "post": post_id, "holder": holder}
        if not self._keeps_delivered:
            await tx.execute(text(f"DELETE FROM {self._post} d {mine}"), given)
            return
        await tx.execute(
            text(
                f"UPDATE {self._post} d SET ended_at = :now, tried_at = :now, holder = NULL, "
                f"attempts = d.attempts + 1, status = :status, error = NULL {mine}"
            ),
            {**given, "status": status, "now": now},
        )

    async def failed(
        self,
        tx: AsyncConnection,
        one: Webhook,
        post_id: UUID,
        holder: UUID,
        *,
        error: str,
        status: int | None,
        try_at: datetime | None,
        now: datetime,
    ) -> bool:
        """A post was not taken: it waits until `try_at`, or is dead; False if another holds it."""
        result = await tx.execute(
            text(
                f"UPDATE {self._post} d SET attempts = d.attempts + 1, error = :error, "
                "status = :status, holder = NULL, tried_at = CAST(:now AS timestamptz), "
                "try_at = coalesce(CAST(:try_at AS timestamptz), d.try_at), "
                "dead = CAST(:try_at AS timestamptz) IS NULL, "
                "ended_at = CASE WHEN CAST(:try_at AS timestamptz) IS NULL "
                "THEN CAST(:now AS timestamptz) END "
                f"WHERE {_OF} AND d.post_id = :post AND d.holder = :holder"
            ),
            {
                **_place(one),
                "post": post_id,
                "holder": holder,
                "error": storable(error, MAX_ERROR),
                "status": status,
                "try_at": try_at,
                "now": now,
            },
        )
        return result.rowcount == 1

    async def bury(self, tx: AsyncConnection, before: datetime, now: datetime, limit: int) -> int:
        """Let what was written before `before`, and is in nobody's hands, be dead; how many."""
        result = await tx.execute(
            text(
                f"UPDATE {self._post} SET ended_at = :now, dead = true, "
                "error = coalesce(error, 'its receiver was away or not active all the time') "
                "WHERE (workspace, post_id) IN (SELECT workspace, post_id "
                f"FROM {self._post} WHERE ended_at IS NULL AND created_at < :before "
                "AND (holder IS NULL OR try_at <= :now) LIMIT :limit FOR UPDATE SKIP LOCKED)"
            ),
            {"before": before, "now": now, "limit": limit},
        )
        return result.rowcount

    async def listed(
        self,
        tx: AsyncConnection,
        workspace: str,
        webhook_id: UUID,
        *,
        state: PostState | None,
        after: tuple[datetime, UUID] | None,
        limit: int,
    ) -> list[Post]:
        """Posts in a state, or all that are kept, the newest first."""
        at, post_id = after or (None, None)
        rows = await tx.execute(
            text(
                f"SELECT {_SHOWN} FROM {self._post} d WHERE {_OF} "
                f"AND {_IN_STATE[state] if state else 'true'} AND (CAST(:at AS timestamptz) IS "
                "NULL OR (d.created_at, d.post_id) < "
                "(CAST(:at AS timestamptz), CAST(:post AS uuid))) "
                "ORDER BY d.created_at DESC, d.post_id DESC LIMIT :limit"
            ),
            {
                "workspace": workspace,
                "webhook": webhook_id,
                "at": at,
                "post": post_id,
                "limit": limit,
            },
        )
        return [Post(*row) for row in rows.all()]

    async def replay(
        self,
        tx: AsyncConnection,
        workspace: str,
        webhook_id: UUID,
        now: datetime,
        *,
        post_id: UUID | None,
        limit: int,
    ) -> int:
        """Post again: one that has ended, or all that are dead, the oldest first; how many.

        Their age counts from now.
        """
        which = "d.dead" if post_id is None else "d.ended_at IS NOT NULL AND d.post_id = :post"
        result = await tx.execute(
            text(
                f"UPDATE {self._post} SET ended_at = NULL, dead = false, attempts = 0, "
                "try_at = :now, created_at = :now WHERE (workspace, post_id) IN ("
                f"SELECT d.workspace, d.post_id FROM {self._post} d WHERE {_OF} "
                f"AND {which} ORDER BY d.created_at, d.number LIMIT :limit FOR UPDATE SKIP LOCKED)"
            ),
            {
                "workspace": workspace,
                "webhook": webhook_id,
                "now": now,
                "limit": limit,
                **({} if post_id is None else {"post": post_id}),
            },
        )
        return result.rowcount

    async def counts(
        self, tx: AsyncConnection, workspace: str, ids: Sequence[UUID]
    ) -> Mapping[UUID, tuple[int, int]]:
        """How many posts wait for each webhook, and how many were given up."""
        of_it = f"FROM {self._post} p WHERE p.workspace = :workspace AND p.webhook_id = v.id"
        rows = await tx.execute(
            text(
                f"SELECT v.id, (SELECT count(*) {of_it} AND p.ended_at IS NULL), "
                f"(SELECT count(*) {of_it} AND p.dead) FROM unnest(CAST(:ids AS uuid[])) AS v(id)"
            ),
            {"workspace": workspace, "ids": list(ids)},
        )
        return {row[0]: (row[1], row[2]) for row in rows.all()}

    async def totals(self, tx: AsyncConnection) -> tuple[int, int]:
        """(how many posts wait, how many were given up), over all workspaces."""
        rows: Any = await tx.execute(
            text(
                f"SELECT (SELECT count(*) FROM {self._post} WHERE ended_at IS NULL), "
                f"(SELECT count(*) FROM {self._post} WHERE dead)"
            )
        )
        waiting, dead = rows.one()
        return waiting, dead

    async def clear(self, tx: AsyncConnection, age: timedelta, limit: int) -> int:
        """Remove posts that have ended longer ago than `age`, and those of archived webhooks."""
        result = await tx.execute(
            text(
                f"DELETE FROM {self._post} WHERE (workspace, post_id) IN ("
                f"SELECT d.workspace, d.post_id FROM {self._post} d "
                "WHERE d.ended_at < now() - CAST(:age AS interval) UNION ALL "
                f"SELECT d.workspace, d.post_id FROM {self._webhook} w "
                f"JOIN {self._post} d USING (workspace, webhook_id) "
                "WHERE w.archived_at IS NOT NULL LIMIT :limit)"
            ),
            {"age": age, "limit": limit},
        )
        return result.rowcount


def _place(one: Webhook) -> dict[str, Any]:
    return {"workspace": one.workspace, "webhook": one.webhook_id}
