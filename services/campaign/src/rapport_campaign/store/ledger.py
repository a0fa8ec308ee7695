"""The ledger: what became of messages, how many are in which state, and where a message is."""

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.model import STATES, MessageKey, MessageState
from rapport_campaign.store.moves import Move, places
from rapport_campaign.store.webhooks import WEBHOOKS
from rapport_common.monthly import MonthlyTable

MESSAGES = MonthlyTable("campaign", "message", "planned_at")
SHARDS = 8

Section = Literal["planned", "sending", "ended"]
SECTIONS: tuple[Section, ...] = ("planned", "sending", "ended")
"""Where a message is, in the order in which it goes there: who reads them so misses none."""


PLACE = (
    "workspace = :workspace AND send_key = :send_key AND planned_at = ("
    "SELECT planned_at FROM campaign.send WHERE workspace = :workspace AND send_key = :send_key)"
)
"""SQL: one message by its key; its month is known by the key."""


class Place(NamedTuple):
    """Where a page of a list ends: at which instant, and at which key of those with it."""

    at: datetime
    send_key: str


_SHOWN = (
    "send_key, kind, profile_id, to_address, state, reason, attempt, planned_at, sent_at, "
    "opened_at, clicked_at"
)
_OPEN = (
    "send_key, kind, profile_id, to_address, {state} AS state, reason, attempt, planned_at, "
    "CAST(NULL AS timestamptz) AS sent_at, {opened} AS opened_at, {clicked} AS clicked_at"
)
_NONE = "CAST(NULL AS timestamptz)"
_PLANNED = _OPEN.format(state="'planned'", opened=_NONE, clicked=_NONE)
_SENDING = _OPEN.format(state="'sending'", opened="opened_at", clicked="clicked_at")
_PAGE = "CAST(:at AS timestamptz) IS NULL OR ({0}, send_key) {1} (:at, :send_key)"
_OF_IT = "workspace = :workspace AND campaign_id = CAST(:campaign AS uuid)"
_LISTS = {
    # Test sends wait among those that no campaign may hold up.
    "planned": text(
        f"SELECT {_PLANNED}, due_at AS place FROM campaign.plan WHERE queue IN (:campaign, '') "
        f"AND {_OF_IT} AND ({_PAGE.format('due_at', '>')}) ORDER BY due_at, send_key LIMIT :limit"
    ),
    "sending": text(
        f"SELECT {_SENDING}, planned_at AS place FROM campaign.sending WHERE {_OF_IT} "
        f"AND ({_PAGE.format('planned_at', '>')}) ORDER BY planned_at, send_key LIMIT :limit"
    ),
    "ended": text(
        f"SELECT {_SHOWN}, planned_at AS place FROM campaign.message WHERE {_OF_IT} "
        "AND (CAST(:state AS text) IS NULL OR state = :state) "
        f"AND ({_PAGE.format('planned_at', '<')}) "
        "ORDER BY planned_at DESC, send_key DESC LIMIT :limit"
    ),
}
_FIND = text(
    f"SELECT campaign_id::text AS campaign_id, {_SHOWN} FROM campaign.every_message WHERE {PLACE}"
)
_FOUND = text(
    "SELECT m.workspace, m.send_key, m.profile_id, m.to_address, m.channel, m.traceparent, "
    "m.campaign_id::text AS campaign_id FROM unnest(CAST(:workspaces AS text[]), "
    "CAST(:keys AS text[])) AS v(workspace, send_key) "
    "JOIN campaign.send AS k USING (workspace, send_key) JOIN campaign.message AS m "
    "ON m.workspace = v.workspace AND m.send_key = v.send_key AND m.planned_at = k.planned_at"
)
_ADD = text(
    "WITH added AS (INSERT INTO campaign.message_total AS t "
    "(workspace, campaign, kind, state, shard, number) "
    "SELECT workspace, campaign, kind, state, CAST(:shard AS smallint), number "
    "FROM unnest(CAST(:workspaces AS text[]), CAST(:campaigns AS text[]), CAST(:kinds AS text[]), "
    "CAST(:states AS text[]), CAST(:numbers AS bigint[])) "
    "AS v(workspace, campaign, kind, state, number) "
    "ON CONFLICT (workspace, campaign, kind, state, shard) "
    "DO UPDATE SET number = t.number + excluded.number) " + WEBHOOKS.listening_in("workspaces")
    # Who is to be told is asked in passing: nobody pays a round trip for webhooks of others.
)
_COUNTED = text(
    "SELECT state, sum(number) AS number FROM ("
    "SELECT 'planned' AS state, count(*) AS number FROM campaign.plan "
    "UNION ALL SELECT 'sending', count(*) FROM campaign.sending "
    "UNION ALL SELECT state, count(*) FROM campaign.message GROUP BY state) AS found "
    "GROUP BY state"
)


async def add(tx: AsyncConnection, moved: Iterable[Move]) -> set[str]:
    """Keep the totals of what has moved; the last statements of a transaction.

    Which of the workspaces have webhooks.

    One of the shards, at random: two writers seldom wait for each other.
    """
    changes: Counter[tuple[str, str, str, str]] = Counter()
    for one in moved:
        place = (one.workspace, one.campaign, one.kind)
        changes[*place, one.after] += 1
        if one.before is not None:
            changes[*place, one.before] -= 1
    return await _add(tx, changes)


async def add_alike(tx: AsyncConnection, move: Move, number: int) -> None:
    """Keep the totals of so many new messages of one campaign."""
    await _add(tx, {(move.workspace, move.campaign, move.kind, move.after): number})


async def _add(tx: AsyncConnection, changes: Mapping[tuple[str, str, str, str], int]) -> set[str]:
    ordered = [(key, number) for key, number in sorted(changes.items()) if number]
    if not ordered:
        return set()
    rows = await tx.execute(
        _ADD,
        {
            "workspaces": [key[0] for key, _ in ordered],
            "campaigns": [key[1] for key, _ in ordered],
            "kinds": [key[2] for key, _ in ordered],
            "states": [key[3] for key, _ in ordered],
            "numbers": [number for _, number in ordered],
            "shard": random.randrange(SHARDS),  # noqa: S311 - spreads writers, guards nothing
        },
    )
    return set(rows.scalars())


async def of_campaign(tx: AsyncConnection, workspace: str, campaign_id: str) -> dict[str, int]:
    """How many of a campaign's messages are in each state; test sends are not counted."""
    rows = await tx.execute(
        text(
            "SELECT state, CAST(sum(number) AS bigint) AS number FROM campaign.message_total "
            "WHERE workspace = :workspace AND campaign = :campaign AND kind = 'entry' "
            "GROUP BY state"
        ),
        {"workspace": workspace, "campaign": campaign_id},
    )
    return _by_state(rows)


async def kept(tx: AsyncConnection) -> dict[str, int]:
    """How many messages of all workspaces are in each state, as the totals say."""
    rows = await tx.execute(
        text(
            "SELECT state, CAST(sum(number) AS bigint) AS number FROM campaign.message_total "
            "GROUP BY state"
        )
    )
    return _by_state(rows)


async def counted(tx: AsyncConnection) -> dict[str, int]:
    """The same, counted row by row at one instant: what the totals are held against."""
    return _by_state(await tx.execute(_COUNTED))


async def uncertain(tx: AsyncConnection) -> int:
    """How many messages are uncertain."""
    found = await tx.scalar(text("SELECT count(*) FROM campaign.message WHERE state = 'uncertain'"))
    return int(found or 0)


async def listed(
    tx: AsyncConnection,
    workspace: str,
    campaign_id: str,
    *,
    section: Section,
    state: MessageState | None,
    after: Place | None,
    limit: int,
) -> list[Row[Any]]:
    """Messages of a campaign in one section, test sends included: those behind `after`.

    What waits comes in the order in which it is due, what has ended newest first.
    """
    result = await tx.execute(
        _LISTS[section],
        {
            "workspace": workspace,
            "campaign": campaign_id,
            "at": after.at if after else None,
            "send_key": after.send_key if after else None,
            "limit": limit,
            **({"state": state} if section == "ended" else {}),
        },
    )
    return list(result.fetchall())


async def found(tx: AsyncConnection, keys: Sequence[MessageKey]) -> list[Row[Any]]:
    """Messages that have ended, as they are told of."""
    rows = await tx.execute(_FOUND, places(keys))
    return list(rows.fetchall())


async def find(tx: AsyncConnection, workspace: str, send_key: str) -> Row[Any] | None:
    """A message, wherever it is."""
    rows = await tx.execute(_FIND, {"workspace": workspace, "send_key": send_key})
    return rows.first()


def _by_state(rows: Iterable[Row[Any]]) -> dict[str, int]:
    found = {row.state: int(row.number) for row in rows}
    return {state: found.get(state, 0) for state in STATES}
