"""Broadcasts and what was done to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.broadcasts import Audience, Broadcast
from rapport_campaign.domain.model import STATES
from rapport_campaign.domain.schedules import Schedule
from rapport_campaign.domain.throttles import Throttle

_COLUMNS = (
    "workspace, broadcast_id::text AS broadcast_id, state, CAST(audience AS text) AS audience, "
    "CAST(schedule AS text) AS schedule, CAST(throttle AS text) AS throttle, lateness_seconds, "
    "joins_until, created_at, edited_by, approved_by, next_at, reason, runs"
)
_CREATE = text(
    "INSERT INTO campaign.broadcast (workspace, broadcast_id, state, audience, schedule, throttle, "
    "lateness_seconds, joins_until, created_at, edited_by, approved_by, next_at, reason, runs) "
    "VALUES (:workspace, :broadcast_id, :state, CAST(:audience AS json), CAST(:schedule AS json), "
    "CAST(:throttle AS json), :lateness_seconds, :joins_until, :created_at, :edited_by, "
    ":approved_by, :next_at, :reason, :runs)"
)
_SAVE = text(
    "UPDATE campaign.broadcast SET state = :state, audience = CAST(:audience AS json), "
    "schedule = CAST(:schedule AS json), throttle = CAST(:throttle AS json), "
    "lateness_seconds = :lateness_seconds, joins_until = :joins_until, edited_by = :edited_by, "
    "approved_by = :approved_by, next_at = :next_at, reason = :reason, runs = :runs "
    "WHERE workspace = :workspace AND broadcast_id = :broadcast_id"
)
_audience = msgspec.json.Decoder(Audience)
_schedule = msgspec.json.Decoder(Schedule)
_throttle = msgspec.json.Decoder(Throttle)


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody did to a broadcast, and when."""

    act_id: str
    at: datetime
    actor: str
    action: str
    details: dict[str, Any]


async def create(tx: AsyncConnection, broadcast: Broadcast) -> None:
    """Write a new broadcast."""
    await tx.execute(_CREATE, _written(broadcast))


async def save(tx: AsyncConnection, broadcast: Broadcast) -> None:
    """Write a broadcast (locked by `find`) as it is now."""
    await tx.execute(_SAVE, _written(broadcast))


async def find(
    tx: AsyncConnection, workspace: str, broadcast_id: str, *, lock: bool = False
) -> Broadcast | None:
    """One broadcast; with `lock` it stays as it is until the commit."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM campaign.broadcast WHERE workspace = :workspace "
            f"AND broadcast_id = CAST(:id AS uuid) {'FOR NO KEY UPDATE' if lock else ''}"
        ),
        {"workspace": workspace, "id": broadcast_id},
    )
    row = rows.first()
    return None if row is None else _broadcast(row)


async def listed(
    tx: AsyncConnection, workspace: str, *, after: tuple[datetime, str] | None, limit: int
) -> list[Broadcast]:
    """The newest broadcasts of a workspace: those older than `after` (created_at, id)."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM campaign.broadcast WHERE workspace = :workspace "
            "AND (CAST(:at AS timestamptz) IS NULL "
            "OR (created_at, broadcast_id) < (:at, CAST(:id AS uuid))) "
            "ORDER BY created_at DESC, broadcast_id DESC LIMIT :limit"
        ),
        {
            "workspace": workspace,
            "at": after[0] if after else None,
            "id": after[1] if after else None,
            "limit": limit,
        },
    )
    return [_broadcast(row) for row in rows]


async def take_due(tx: AsyncConnection, now: datetime) -> Broadcast | None:
    """The broadcast that should have begun longest ago, locked; None when none should by now.

    What another process has in hand is passed over.
    """
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM campaign.broadcast WHERE state = 'scheduled' "
            "AND next_at <= :now ORDER BY next_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED"
        ),
        {"now": now},
    )
    row = rows.first()
    return None if row is None else _broadcast(row)


async def oldest_due(tx: AsyncConnection, now: datetime) -> datetime | None:
    """Since when a broadcast should have begun."""
    found: datetime | None = await tx.scalar(
        text(
            "SELECT min(next_at) FROM campaign.broadcast "
            "WHERE state = 'scheduled' AND next_at <= :now"
        ),
        {"now": now},
    )
    return found


async def counts(
    tx: AsyncConnection, workspace: str, broadcasts: Sequence[str]
) -> dict[str, dict[str, int]]:
    """By broadcast: how many messages of all its runs are in each state, as the totals say."""
    found: dict[str, dict[str, int]] = {one: dict.fromkeys(STATES, 0) for one in broadcasts}
    rows = await tx.execute(
        text(
            "SELECT r.broadcast_id::text AS id, t.state, CAST(sum(t.number) AS bigint) AS number "
            "FROM campaign.broadcast_run r JOIN campaign.message_total t "
            "ON t.workspace = r.workspace AND t.campaign = r.run_id::text AND t.kind = 'entry' "
            "WHERE r.workspace = :workspace AND r.broadcast_id = ANY(CAST(:ids AS uuid[])) "
            "GROUP BY 1, 2"
        ),
        {"workspace": workspace, "ids": list(broadcasts)},
    )
    for row in rows:
        found[row.id][row.state] = row.number
    return found


async def note(tx: AsyncConnection, broadcast: Broadcast, act: Act) -> None:
    """Write what somebody has done."""
    await tx.execute(
        text(
            "INSERT INTO campaign.broadcast_act (workspace, broadcast_id, act_id, at, actor, "
            "action, details) VALUES (:workspace, CAST(:broadcast AS uuid), CAST(:act AS uuid), "
            ":at, :actor, :action, CAST(:details AS json))"
        ),
        {
            "workspace": broadcast.workspace,
            "broadcast": broadcast.broadcast_id,
            "act": act.act_id,
            "at": act.at,
            "actor": act.actor,
            "action": act.action,
            "details": msgspec.json.encode(act.details).decode(),
        },
    )


async def acts(
    tx: AsyncConnection, workspace: str, broadcast_id: str, *, after: str | None, limit: int
) -> list[Act]:
    """What was done to a broadcast, the newest first: before the act `after`."""
    rows = await tx.execute(
        text(
            "SELECT act_id::text AS act_id, at, actor, action, CAST(details AS text) AS details "
            "FROM campaign.broadcast_act WHERE workspace = :workspace "
            "AND broadcast_id = CAST(:broadcast AS uuid) "
            "AND (CAST(:after AS uuid) IS NULL OR act_id < CAST(:after AS uuid)) "
            "ORDER BY act_id DESC LIMIT :limit"
        ),
        {"workspace": workspace, "broadcast": broadcast_id, "after": after, "limit": limit},
    )
    return [
        Act(row.act_id, row.at, row.actor, row.action, msgspec.json.decode(row.details))
        for row in rows
    ]


async def approval_above(tx: AsyncConnection, workspace: str) -> int | None:
    """To more people than this nothing goes that a second person has not approved."""
    found: int | None = await tx.scalar(
        text("SELECT broadcast_approval_above FROM campaign.policy WHERE workspace = :workspace"),
        {"workspace": workspace},
    )
    return found


async def change_approval(tx: AsyncConnection, workspace: str, above: int | None) -> None:
    """Write the number; the workspace has a policy."""
    await tx.execute(
        text(
            "UPDATE campaign.policy SET broadcast_approval_above = :above "
            "WHERE workspace = :workspace"
        ),
        {"workspace": workspace, "above": above},
    )


def _broadcast(row: Row[Any]) -> Broadcast:
    fields = row._asdict()
    lateness = timedelta(seconds=fields.pop("lateness_seconds"))
    return Broadcast(
        **{
            **fields,
            "audience": _audience.decode(fields["audience"]),
            "schedule": _schedule.decode(fields["schedule"]),
            "throttle": fields["throttle"] and _throttle.decode(fields["throttle"]),
            "lateness": lateness,
        }
    )


def _written(one: Broadcast) -> dict[str, Any]:
    encode = msgspec.json.encode
    return {
        "workspace": one.workspace,
        "broadcast_id": one.broadcast_id,
        "state": one.state,
        "audience": encode(one.audience).decode(),
        "schedule": encode(one.schedule).decode(),
        "throttle": None if one.throttle is None else encode(one.throttle).decode(),
        "lateness_seconds": int(one.lateness.total_seconds()),
        "joins_until": one.joins_until,
        "created_at": one.created_at,
        "edited_by": one.edited_by,
        "approved_by": one.approved_by,
        "next_at": one.next_at,
        "reason": one.reason,
        "runs": one.runs,
    }
