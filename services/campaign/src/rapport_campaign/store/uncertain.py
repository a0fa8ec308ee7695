"""Messages of which nobody knows whether they went out: finding them, and settling them by hand."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.store.moves import FIXED, TOLD, Move, moves

_OF_CAMPAIGN = "(CAST(:campaign AS uuid) IS NULL OR campaign_id = CAST(:campaign AS uuid))"
_LISTED = text(
    "SELECT send_key, kind, campaign_id::text AS campaign_id, profile_id, to_address, state, "
    "reason, attempt, planned_at, sent_at, opened_at, clicked_at FROM campaign.message "
    f"WHERE state = 'uncertain' AND workspace = :workspace AND {_OF_CAMPAIGN} "
    "AND (CAST(:at AS timestamptz) IS NULL OR (planned_at, send_key) < (:at, :send_key)) "
    "ORDER BY planned_at DESC, send_key DESC LIMIT :limit"
)
_CHOSEN = text(
    "SELECT workspace, send_key, planned_at, profile_id, to_address, campaign_id::text "
    "AS campaign_id, kind FROM campaign.message "
    f"WHERE state = 'uncertain' AND workspace = :workspace AND {_OF_CAMPAIGN} "
    "AND (CAST(:keys AS text[]) IS NULL OR send_key = ANY(CAST(:keys AS text[]))) "
    "ORDER BY planned_at, send_key LIMIT :limit FOR UPDATE"
)
_PLACES = (
    "(workspace, send_key, planned_at) IN (SELECT :workspace, * FROM unnest("
    "CAST(:keys AS text[]), CAST(:times AS timestamptz[])))"
)
_SETTLE = text(
    "UPDATE campaign.message SET state = :state, reason = :reason, token = NULL, "
    "sent_at = CASE WHEN CAST(:state AS text) = 'sent' THEN now() END "
    f"WHERE {_PLACES} RETURNING {TOLD}"
)
_AGAIN = text(
    f"WITH gone AS (DELETE FROM campaign.message WHERE {_PLACES} RETURNING *), "
    f"planned AS (INSERT INTO campaign.plan ({FIXED}, to_address, attempt, reason, queue, "
    f"needed_version, due_at) SELECT {FIXED}, CASE WHEN kind = 'entry' THEN NULL ELSE to_address "
    "END, attempt, :reason, CASE WHEN kind = 'entry' THEN campaign_id::text ELSE '' END, 0, now() "
    "FROM gone) SELECT workspace, send_key, kind, coalesce(campaign_id::text, ''), "
    "CAST(:before AS text), 'planned', CAST(:reason AS text), channel FROM gone"
)


async def listed(
    tx: AsyncConnection,
    workspace: str,
    *,
    campaign_id: str | None,
    after: tuple[datetime, str] | None,
    limit: int,
) -> list[Row[Any]]:
    """The newest that are uncertain, of a campaign or of all: those older than `after`."""
    rows = await tx.execute(
        _LISTED,
        {
            "workspace": workspace,
            "campaign": campaign_id,
            "at": after[0] if after else None,
            "send_key": after[1] if after else None,
            "limit": limit,
        },
    )
    return list(rows.fetchall())


async def choose(
    tx: AsyncConnection,
    workspace: str,
    *,
    send_keys: Sequence[str] | None,
    campaign_id: str | None,
    limit: int,
) -> list[Row[Any]]:
    """The oldest of those that are meant and still uncertain, locked; at most `limit`."""
    rows = await tx.execute(
        _CHOSEN,
        {
            "workspace": workspace,
            "keys": list(send_keys) if send_keys is not None else None,
            "campaign": campaign_id,
            "limit": limit,
        },
    )
    return list(rows.fetchall())


async def settle(
    tx: AsyncConnection,
    workspace: str,
    chosen: Sequence[Row[Any]],
    state: Literal["sent", "failed", "planned"],
    reason: str,
) -> list[Move]:
    """Let the `chosen` be what somebody says that they are; planned: they are sent once more."""
    asked = {
        "workspace": workspace,
        "keys": [row.send_key for row in chosen],
        "times": [row.planned_at for row in chosen],
        "reason": reason,
        "before": "uncertain",
    }
    if state == "planned":
        return moves(await tx.execute(_AGAIN, asked))
    return moves(await tx.execute(_SETTLE, {**asked, "state": state}))
