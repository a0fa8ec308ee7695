"""The SQL of posts to webhooks: written with what they tell, claimed, delivered, given up.

Of an answer or case and a webhook only the oldest that waits is taken: so a receiver hears of each
in the order in which it happened.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import storable
from rapport_feedback.domain.announcements import Told
from rapport_feedback.store.webhooks import COLUMNS, Webhook, webhook

MAX_ERROR = 300
PostState = Literal["waiting", "delivered", "dead"]
_OF = "d.workspace = :workspace AND d.webhook_id = :webhook"
_SHOWN = (
    "post_id, subject, body, created_at, try_at, attempts, tried_at, status, error, ended_at, dead"
)
_IN_STATE: dict[PostState, str] = {
    "waiting": "d.ended_at IS NULL",
    "delivered": "d.ended_at IS NOT NULL AND NOT d.dead",
    "dead": "d.dead",
}


@dataclass(frozen=True, slots=True)
class Post:
    """A post as it is kept; `body` is JSON. It is tried at `try_at`, unless it has `ended_at`."""

    post_id: UUID
    subject: str
    body: str
    created_at: datetime
    try_at: datetime
    attempts: int
    tried_at: datetime | None
    status: int | None
    error: str | None
    ended_at: datetime | None
    dead: bool

    @property
    def state(self) -> PostState:
        """Where it is."""
        if self.dead:
            return "dead"
        return "waiting" if self.ended_at is None else "delivered"


async def insert(tx: AsyncConnection, told: Told) -> None:
    """Have this told to whoever wants to hear of it."""
    kind, value = told.whose
    await tx.execute(
        text(
            "INSERT INTO feedback.webhook_post (workspace, post_id, webhook_id, subject, kind, "
            "value, body) SELECT w.workspace, gen_random_uuid(), w.webhook_id, :subject, :kind, "
            ":value, CAST(jsonb_set(CAST(:body AS jsonb), '{data,profile_id}', coalesce(to_jsonb(("
            "SELECT min(i.profile_id) FROM feedback.identity i WHERE i.workspace = w.workspace "
            "AND i.kind = :kind AND i.value = :value)), 'null')) AS text) "
            "FROM feedback.webhook w WHERE w.workspace = :workspace AND w.active "
            "AND CAST(:event AS text) = ANY(w.events)"
        ),
        {
            "workspace": told.workspace,
            "subject": told.subject,
            "kind": kind,
            "value": value,
            "body": told.body,
            "event": told.event,
        },
    )


async def lanes(tx: AsyncConnection, now: datetime) -> list[Webhook]:
    """The webhooks for which something is due, unless they are left alone."""
    columns = ", ".join(f"w.{name}" for name in COLUMNS.split(", "))
    rows = await tx.execute(
        text(
            f"SELECT w.workspace, {columns} FROM feedback.webhook w WHERE w.active "
            "AND (w.paused_until IS NULL OR w.paused_until <= :now) AND EXISTS ("
            "SELECT FROM feedback.webhook_post d WHERE d.workspace = w.workspace "
            "AND d.webhook_id = w.webhook_id AND d.ended_at IS NULL AND d.try_at <= :now)"
        ),
        {"now": now},
    )
    return [webhook(row[0], row[1:]) for row in rows.all()]


async def claim(
    tx: AsyncConnection,
    one: Webhook,
    holder: UUID,
    *,
    now: datetime,
    lease: timedelta,
    limit: int,
) -> list[Post]:
    """Take posts that are due; whoever dies with them gives them back when the lease ends."""
    columns = ", ".join(f"d.{name}" for name in _SHOWN.split(", "))
    rows = await tx.execute(
        text(
            "WITH chosen AS (SELECT d.workspace, d.post_id FROM feedback.webhook_post d "
            f"WHERE {_OF} AND d.ended_at IS NULL AND d.try_at <= :now AND NOT EXISTS ("
            "SELECT FROM feedback.webhook_post e WHERE e.workspace = d.workspace "
            "AND e.webhook_id = d.webhook_id AND e.subject = d.subject "
            "AND e.number < d.number AND e.ended_at IS NULL) "
            "ORDER BY d.try_at, d.number LIMIT :limit FOR UPDATE OF d SKIP LOCKED) "
            "UPDATE feedback.webhook_post d SET holder = :holder, try_at = :until FROM chosen c "
            f"WHERE d.workspace = c.workspace AND d.post_id = c.post_id RETURNING {columns}"
        ),
        {
            **_place(one),
            "now": now,
            "until": now + lease,
            "holder": holder,
            "limit": limit,
        },
    )
    return [Post(*row) for row in rows.all()]


async def delivered(
    tx: AsyncConnection, one: Webhook, post_id: UUID, holder: UUID, *, status: int, now: datetime
) -> None:
    """A post was taken. What the receiver is known for is written once in 10 s at most."""
    await tx.execute(
        text(
            "UPDATE feedback.webhook_post d SET ended_at = :now, tried_at = :now, holder = NULL, "
            "attempts = d.attempts + 1, status = :status, error = NULL "
            f"WHERE {_OF} AND d.post_id = :post AND d.holder = :holder"
        ),
        {**_place(one), "post": post_id, "holder": holder, "status": status, "now": now},
    )
    await tx.execute(
        text(
            "UPDATE feedback.webhook d SET failures = 0, failing_since = NULL, "
            "paused_until = NULL, succeeded_at = CAST(:now AS timestamptz) "
            f"WHERE {_OF} AND (d.failures > 0 OR d.failing_since IS NOT NULL "
            "OR d.paused_until IS NOT NULL OR d.succeeded_at IS NULL "
            "OR d.succeeded_at < CAST(:now AS timestamptz) - interval '10 seconds')"
        ),
        {**_place(one), "now": now},
    )


async def failed(
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
    """A post was not taken: it waits until `try_at`, or is dead; False if another holds it now."""
    result = await tx.execute(
        text(
            "UPDATE feedback.webhook_post d SET attempts = d.attempts + 1, error = :error, "
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


async def bury(tx: AsyncConnection, before: datetime, now: datetime, limit: int) -> int:
    """Let what was written before `before`, and is in nobody's hands, be dead; how many."""
    result = await tx.execute(
        text(
            "UPDATE feedback.webhook_post SET ended_at = :now, dead = true, "
            "error = coalesce(error, 'its receiver was away or not active all the time') "
            "WHERE (workspace, post_id) IN (SELECT workspace, post_id "
            "FROM feedback.webhook_post WHERE ended_at IS NULL AND created_at < :before "
            "AND (holder IS NULL OR try_at <= :now) LIMIT :limit FOR UPDATE SKIP LOCKED)"
        ),
        {"before": before, "now": now, "limit": limit},
    )
    return result.rowcount


async def listed(
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
            f"SELECT {_SHOWN} FROM feedback.webhook_post d WHERE {_OF} "
            f"AND {_IN_STATE[state] if state else 'true'} AND (CAST(:at AS timestamptz) IS NULL "
            "OR (created_at, post_id) < (CAST(:at AS timestamptz), CAST(:post AS uuid))) "
            "ORDER BY created_at DESC, post_id DESC LIMIT :limit"
        ),
        {"workspace": workspace, "webhook": webhook_id, "at": at, "post": post_id, "limit": limit},
    )
    return [Post(*row) for row in rows.all()]


async def replay(
    tx: AsyncConnection,
    workspace: str,
    webhook_id: UUID,
    now: datetime,
    *,
    post_id: UUID | None,
    limit: int,
) -> int:
    """Post again: one that has ended, or all that are dead, the oldest first; how many."""
    which = "d.dead" if post_id is None else "d.ended_at IS NOT NULL AND d.post_id = :post"
    result = await tx.execute(
        text(
            "UPDATE feedback.webhook_post SET ended_at = NULL, dead = false, attempts = 0, "
            "try_at = :now, created_at = :now WHERE (workspace, post_id) IN ("
            f"SELECT d.workspace, d.post_id FROM feedback.webhook_post d WHERE {_OF} "
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


async def totals(tx: AsyncConnection) -> tuple[int, int]:
    """(how many posts wait, how many were given up), over all workspaces."""
    rows: Any = await tx.execute(
        text(
            "SELECT (SELECT count(*) FROM feedback.webhook_post WHERE ended_at IS NULL), "
            "(SELECT count(*) FROM feedback.webhook_post WHERE dead)"
        )
    )
    waiting, dead = rows.one()
    return waiting, dead


async def clear(tx: AsyncConnection, age: timedelta, limit: int) -> int:
    """Remove posts that have ended longer ago than `age`, and those of archived webhooks."""
    result = await tx.execute(
        text(
            "DELETE FROM feedback.webhook_post WHERE (workspace, post_id) IN ("
            "SELECT d.workspace, d.post_id FROM feedback.webhook_post d "
            "WHERE d.ended_at < now() - CAST(:age AS interval) UNION ALL "
            "SELECT d.workspace, d.post_id FROM feedback.webhook w "
            "JOIN feedback.webhook_post d USING (workspace, webhook_id) "
            "WHERE w.archived_at IS NOT NULL LIMIT :limit)"
        ),
        {"age": age, "limit": limit},
    )
    return result.rowcount


def _place(one: Webhook) -> dict[str, Any]:
    return {"workspace": one.workspace, "webhook": one.webhook_id}
