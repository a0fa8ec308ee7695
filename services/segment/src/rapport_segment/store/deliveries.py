"""The SQL of posts to webhooks: written with the change they tell, taken by one process at a time.

Of each person and webhook only the oldest that is not dead is taken: so a receiver hears of a
person in the order in which it happened.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import pack_texts, packed_texts, storable
from rapport_common.events.membership import Membership
from rapport_segment.domain.webhooks import body_of
from rapport_segment.store.webhooks import Webhook, webhook

MAX_ERROR = 300
_OF = "d.workspace = :workspace AND d.webhook_id = :webhook"
_SHOWN = "message_id, profile_id, body, created_at, try_at, attempts, status, error, died_at"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A post as it is kept; `body` is JSON. It is tried at `try_at`, unless it `died_at`."""

    post_id: UUID
    profile_id: UUID
    body: str
    created_at: datetime
    try_at: datetime
    attempts: int
    status: int | None
    error: str | None
    died_at: datetime | None


async def insert(tx: AsyncConnection, records: Sequence[Membership]) -> None:
    """Have these told to whoever wants to hear of them, in this order."""
    await tx.execute(
        text(
            "INSERT INTO segment.webhook_delivery (workspace, message_id, webhook_id, profile_id, "
            "body) SELECT w.workspace, gen_random_uuid(), w.webhook_id, v.profile_id, v.body "
            f"FROM unnest({packed_texts('workspaces')}, CAST(:segments AS uuid[]), "
            f"CAST(:profiles AS uuid[]), {packed_texts('bodies')}) WITH ORDINALITY "
            "AS v(workspace, segment_id, profile_id, body, n) JOIN segment.webhook w "
            "ON w.workspace = v.workspace AND w.active "
            "AND (w.segment_ids IS NULL OR v.segment_id = ANY(w.segment_ids)) ORDER BY v.n"
        ),
        {
            "workspaces": pack_texts([one.workspace for one in records]),
            "segments": [one.segment_id for one in records],
            "profiles": [one.profile_id for one in records],
            "bodies": pack_texts([body_of(one).decode() for one in records]),
        },
    )


async def lanes(tx: AsyncConnection, now: datetime) -> list[Webhook]:
    """The webhooks for which something is due, unless they are left alone."""
    rows = await tx.execute(
        text(
            "SELECT w.workspace, w.webhook_id, w.url, w.segment_ids, w.active, w.reason, w.secret, "
            "w.former_secret, w.former_until, w.failures, w.paused_until, w.succeeded_at, "
            "w.failed_at, w.created_at, w.created_by FROM segment.webhook w WHERE w.active "
            "AND (w.paused_until IS NULL OR w.paused_until <= :now) AND EXISTS ("
            "SELECT FROM segment.webhook_delivery d WHERE d.workspace = w.workspace "
            "AND d.webhook_id = w.webhook_id AND d.died_at IS NULL AND d.try_at <= :now)"
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
) -> list[Delivery]:
    """Take posts that are due; whoever dies with them gives them back when the lease ends."""
    rows = await tx.execute(
        text(
            "WITH chosen AS (SELECT d.workspace, d.message_id FROM segment.webhook_delivery d "
            f"WHERE {_OF} AND d.died_at IS NULL AND d.try_at <= :now AND NOT EXISTS ("
            "SELECT FROM segment.webhook_delivery e WHERE e.workspace = d.workspace "
            "AND e.webhook_id = d.webhook_id AND e.profile_id = d.profile_id "
            "AND e.number < d.number AND e.died_at IS NULL) "
            "ORDER BY d.try_at, d.number LIMIT :limit FOR UPDATE OF d SKIP LOCKED) "
            "UPDATE segment.webhook_delivery d SET holder = :holder, try_at = :until FROM chosen c "
            "WHERE d.workspace = c.workspace AND d.message_id = c.message_id "
            "RETURNING d.message_id, d.profile_id, d.body, d.created_at, d.try_at, d.attempts, "
            "d.status, d.error, d.died_at"
        ),
        {
            "workspace": one.workspace,
            "webhook": one.webhook_id,
            "now": now,
            "until": now + lease,
            "holder": holder,
            "limit": limit,
        },
    )
    return [Delivery(*row) for row in rows.all()]


async def rest(tx: AsyncConnection, one: Webhook, until: datetime) -> None:
    """Leave a receiver alone until then."""
    await tx.execute(
        text(
            "UPDATE segment.webhook SET paused_until = :until "
            "WHERE workspace = :workspace AND webhook_id = :id"
        ),
        {"workspace": one.workspace, "id": one.webhook_id, "until": until},
    )


async def delivered(
    tx: AsyncConnection, one: Webhook, message_id: UUID, holder: UUID, now: datetime
) -> None:
    """A post was taken: it goes. What the receiver is known for is written once in 10 s at most."""
    given = {"workspace": one.workspace, "webhook": one.webhook_id, "now": now}
    await tx.execute(
        text(
            f"DELETE FROM segment.webhook_delivery d WHERE {_OF} AND d.message_id = :message "
            "AND d.holder = :holder"
        ),
        {
            "workspace": one.workspace,
            "webhook": one.webhook_id,
            "message": message_id,
            "holder": holder,
        },
    )
    await tx.execute(
        text(
            "UPDATE segment.webhook d SET failures = 0, paused_until = NULL, "
            "succeeded_at = CAST(:now AS timestamptz) "
            f"WHERE {_OF} AND (d.failures > 0 OR d.paused_until IS NOT NULL "
            "OR d.succeeded_at IS NULL "
            "OR d.succeeded_at < CAST(:now AS timestamptz) - interval '10 seconds')"
        ),
        given,
    )


async def failed(
    tx: AsyncConnection,
    one: Webhook,
    message_id: UUID,
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
            "UPDATE segment.webhook_delivery d SET attempts = d.attempts + 1, error = :error, "
            "status = :status, holder = NULL, "
            "try_at = coalesce(CAST(:try_at AS timestamptz), d.try_at), "
            "died_at = CASE WHEN CAST(:try_at AS timestamptz) IS NULL "
            "THEN CAST(:now AS timestamptz) END "
            f"WHERE {_OF} AND d.message_id = :message AND d.holder = :holder"
        ),
        {
            "workspace": one.workspace,
            "webhook": one.webhook_id,
            "message": message_id,
            "holder": holder,
            "error": storable(error, MAX_ERROR),
            "status": status,
            "try_at": try_at,
            "now": now,
        },
    )
    return result.rowcount == 1


async def present(tx: AsyncConnection, one: Webhook) -> None:
    """A receiver is there, though it has refused a post."""
    await tx.execute(
        text(
            "UPDATE segment.webhook d SET failures = 0, paused_until = NULL "
            f"WHERE {_OF} AND (d.failures > 0 OR d.paused_until IS NOT NULL)"
        ),
        {"workspace": one.workspace, "webhook": one.webhook_id},
    )


async def away(tx: AsyncConnection, one: Webhook, now: datetime) -> int:
    """A receiver has failed once more; how many times one after the other."""
    rows = await tx.execute(
        text(
            "UPDATE segment.webhook d SET failures = d.failures + 1, failed_at = :now "
            f"WHERE {_OF} RETURNING d.failures"
        ),
        {"workspace": one.workspace, "webhook": one.webhook_id, "now": now},
    )
    return int(rows.scalar() or 1)


async def end(tx: AsyncConnection, one: Webhook, reason: str, now: datetime) -> None:
    """Post nothing more to a receiver, until an operator says so."""
    await tx.execute(
        text(
            "UPDATE segment.webhook d SET active = false, reason = :reason, failed_at = :now "
            f"WHERE {_OF}"
        ),
        {"workspace": one.workspace, "webhook": one.webhook_id, "reason": reason, "now": now},
    )


async def bury(tx: AsyncConnection, before: datetime, now: datetime, limit: int) -> int:
    """Let what was written before `before`, and is in nobody's hands, be dead; how many."""
    result = await tx.execute(
        text(
            "UPDATE segment.webhook_delivery SET died_at = :now, "
            "error = coalesce(error, 'its receiver was away or not active all the time') "
            "WHERE (workspace, message_id) IN (SELECT workspace, message_id "
            "FROM segment.webhook_delivery WHERE died_at IS NULL AND created_at < :before "
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
    dead: bool,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Delivery]:
    """Posts that wait, or those that are dead, by the time of their making."""
    at, message_id = after or (None, None)
    rows = await tx.execute(
        text(
            f"SELECT {_SHOWN} FROM segment.webhook_delivery d WHERE {_OF} "
            f"AND died_at IS {'NOT ' if dead else ''}NULL AND (CAST(:at AS timestamptz) IS NULL "
            "OR (created_at, message_id) > (CAST(:at AS timestamptz), CAST(:message AS uuid))) "
            "ORDER BY created_at, message_id LIMIT :limit"
        ),
        {
            "workspace": workspace,
            "webhook": webhook_id,
            "at": at,
            "message": message_id,
            "limit": limit,
        },
    )
    return [Delivery(*row) for row in rows.all()]


async def replay(
    tx: AsyncConnection, workspace: str, webhook_id: UUID, now: datetime, limit: int
) -> int:
    """Try dead posts again, the oldest first; how many. Their age counts from now."""
    result = await tx.execute(
        text(
            "UPDATE segment.webhook_delivery SET died_at = NULL, attempts = 0, try_at = :now, "
            "created_at = :now WHERE (workspace, message_id) IN (SELECT d.workspace, d.message_id "
            f"FROM segment.webhook_delivery d WHERE {_OF} AND d.died_at IS NOT NULL "
            "ORDER BY d.created_at, d.number LIMIT :limit FOR UPDATE SKIP LOCKED)"
        ),
        {"workspace": workspace, "webhook": webhook_id, "now": now, "limit": limit},
    )
    return result.rowcount


async def totals(tx: AsyncConnection) -> tuple[int, int]:
    """(how many posts wait, how many are dead), over all workspaces."""
    row: Any = await tx.execute(
        text(
            "SELECT count(*) FILTER (WHERE died_at IS NULL), "
            "count(*) FILTER (WHERE died_at IS NOT NULL) FROM segment.webhook_delivery"
        )
    )
    waiting, dead = row.one()
    return waiting, dead


async def clear(tx: AsyncConnection, age: timedelta, limit: int) -> int:
    """Remove dead posts that died longer ago than `age`, and those of archived webhooks."""
    result = await tx.execute(
        text(
            "DELETE FROM segment.webhook_delivery WHERE (workspace, message_id) IN ("
            "SELECT d.workspace, d.message_id FROM segment.webhook_delivery d "
            "JOIN segment.webhook w USING (workspace, webhook_id) "
            "WHERE d.died_at < now() - CAST(:age AS interval) OR w.archived_at IS NOT NULL "
            "LIMIT :limit FOR UPDATE OF d SKIP LOCKED)"
        ),
        {"age": age, "limit": limit},
    )
    return result.rowcount
