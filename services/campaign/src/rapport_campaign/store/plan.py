"""The plan: who is due what and when; planning, claiming, and taking back."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.model import (
    ONLY_STEP,
    Campaign,
    Claimed,
    NewMessage,
    around_occasion,
)
from rapport_campaign.domain.throttles import CATCH_UP
from rapport_campaign.domain.turns import Turn
from rapport_campaign.store.moves import FIXED, TOLD, Move, moves
from rapport_common.db import pack_texts, packed_texts

# A key is taken once for ever. Who finds it being taken waits, and all take them in one order.
_WRITE = text(
    "WITH v AS (SELECT now() AS planned_at, CAST(:step AS text) AS step, * FROM unnest("
    f"{packed_texts('channels')}, "
    f"{packed_texts('workspaces')}, {packed_texts('send_keys')}, {packed_texts('kinds')}, "
    f"{packed_texts('queues')}, {packed_texts('purposes')}, CAST(:campaigns AS uuid[]), "
    f"{packed_texts('occasions')}, {packed_texts('profiles')}, CAST(:versions AS bigint[]), "
    "CAST(:addresses AS text[]), CAST(:states AS text[]), CAST(:reasons AS text[]), "
    "CAST(:traces AS text[]), CAST(:dues AS timestamptz[]), CAST(:lates AS timestamptz[])) "
    "AS u(channel, workspace, send_key, kind, queue, purpose, campaign_id, "
    "occasion, profile_id, needed_version, to_address, state, reason, traceparent, due_at, "
    "late_at)), "
    "new AS (INSERT INTO campaign.send (workspace, send_key, planned_at) "
    "SELECT workspace, send_key, planned_at FROM v ORDER BY workspace, send_key "
    "ON CONFLICT DO NOTHING RETURNING workspace, send_key), "
    f"due AS (INSERT INTO campaign.plan ({FIXED}, to_address, queue, needed_version, "
    f"due_at, late_at) SELECT {FIXED}, to_address, queue, needed_version, "
    "coalesce(due_at, planned_at), late_at "
    "FROM v JOIN new USING (workspace, send_key) WHERE state = 'planned'), "
    f"ended AS (INSERT INTO campaign.message ({FIXED}, to_address, state, reason) "
    f"SELECT {FIXED}, to_address, state, reason "
    "FROM v JOIN new USING (workspace, send_key) WHERE state <> 'planned') "
    f"SELECT {TOLD} FROM v JOIN new USING (workspace, send_key)"
)

# A page of who is in a segment, planned where it stands: nothing of it comes here but for those who
# have another id now, or another stay. The key is `send_key` of the domain.
_INCLUDE = text(
    "WITH page AS (SELECT e.entry_id, e.profile_id, e.profile_version, e.entry_id = ANY("
    "CAST(:again AS text[])) OR EXISTS (SELECT FROM campaign.person AS p WHERE "
    "p.workspace = e.workspace AND p.profile_id = e.profile_id AND p.heir IS NOT NULL) AS odd "
    "FROM campaign.entry AS e WHERE e.workspace = :workspace AND e.segment_id = :segment "
    "AND e.ended_at IS NULL AND e.entry_id > :after ORDER BY e.entry_id LIMIT :limit), "
    "v AS (SELECT CAST(:workspace AS text) AS workspace, encode(sha256(convert_to("
    "CAST(:key_begins AS text) || length(entry_id) || ':' || entry_id || :key_ends, 'UTF8')), "
    "'hex') AS send_key, now() AS planned_at, 'entry' AS kind, CAST(:purpose AS text) AS purpose, "
    "CAST(:campaign AS uuid) AS campaign_id, entry_id AS occasion, CAST(:step AS text) AS step, "
    "CAST(:channel AS text) AS channel, profile_id, CAST(NULL AS text) AS traceparent, "
    "profile_version FROM page WHERE NOT odd), "
    "new AS (INSERT INTO campaign.send (workspace, send_key, planned_at) "
    "SELECT workspace, send_key, planned_at FROM v ORDER BY send_key "
    "ON CONFLICT DO NOTHING RETURNING workspace, send_key), "
    f"due AS (INSERT INTO campaign.plan ({FIXED}, queue, needed_version, due_at) "
    f"SELECT {FIXED}, campaign_id::text, profile_version, planned_at "
    "FROM v JOIN new USING (workspace, send_key)) "
    "SELECT (SELECT count(*) FROM page) AS read, (SELECT max(entry_id) FROM page) AS last, "
    "(SELECT count(*) FROM new) AS planned, ARRAY(SELECT entry_id FROM page WHERE odd) AS odd"
)

_MICRO = timedelta(microseconds=1)
_NOW = "CAST(1000000 * extract(epoch FROM statement_timestamp()) AS bigint)"
# A run that is throttled is no queue until its next slot, and no longer one than it has slots: so
# it takes nobody's place in a batch.
# Who has express messages is found by one look into the index for each workspace, not by reading
# them; campaigns by their own table. The order names both columns, `''` being the least of all
# queues: so no other index will do, whatever the planner believes of the table.
_QUEUES = (
    "WITH RECURSIVE asking AS ((SELECT workspace FROM campaign.plan "
    "WHERE queue <= '' ORDER BY queue, workspace LIMIT 1) "
    "UNION ALL SELECT (SELECT workspace FROM campaign.plan WHERE "
    "queue <= '' AND (queue, workspace) > ('', asking.workspace) "
    "ORDER BY queue, workspace LIMIT 1) "
    "FROM asking WHERE asking.workspace IS NOT NULL), "
    "queues AS NOT MATERIALIZED (SELECT workspace, '' AS queue, true AS express, "
    "CAST(NULL AS bigint) AS room, false AS is_run FROM asking "
    "WHERE workspace IS NOT NULL AND :mails "
    "UNION ALL SELECT c.workspace, campaign_id::text, false, "
    f"({_NOW} - greatest(free_at, {_NOW} - {CATCH_UP // _MICRO})) / interval + 1, "
    "broadcast_id IS NOT NULL "
    "FROM campaign.campaign c LEFT JOIN campaign.broadcast_pace a "
    "ON a.workspace = c.workspace AND a.run_id = c.campaign_id WHERE state = 'running' "
    f"AND (:mails OR channel <> 'email') AND (free_at IS NULL OR free_at <= {_NOW}) "
    "AND (c.workspace, campaign_id::text) NOT IN (SELECT * FROM unnest("
    "CAST(:closed AS text[]), CAST(:closed_ids AS text[])))) "
)
# The time of the statement is one for all its rows, so the index knows what is due.
_NOW_DUE = "p.queue = q.queue AND p.workspace = q.workspace AND p.due_at <= statement_timestamp()"
_ANYTHING = text(
    f"{_QUEUES} SELECT EXISTS (SELECT 1 FROM queues q CROSS JOIN LATERAL ("
    f"SELECT FROM campaign.plan p WHERE {_NOW_DUE} LIMIT 1) AS due)"
)
# The campaigns of a workspace in random order: a long queue does not keep the others waiting. A
# broadcast leaves half of each claim to what events have called for, so that does not wait for the
# end of its queue, nor for its turn; and each campaign of events leaves as much to it.
_BUSY = (
    "EXISTS (SELECT 1 FROM queues q CROSS JOIN LATERAL ("
    f"SELECT FROM campaign.plan p WHERE {_NOW_DUE} LIMIT 1) AS due "
    "WHERE NOT express AND is_run = {0})"
)
_CLAIM = text(
    f"{_QUEUES}, busy AS MATERIALIZED (SELECT {_BUSY.format('true')} AS runs, "
    f"{_BUSY.format('false')} AS others) "
    "SELECT p.workspace, p.send_key, p.kind, p.purpose, p.campaign_id::text AS campaign_id, "
    "p.occasion, p.profile_id, p.needed_version, p.to_address, p.attempt, p.waits, p.traceparent, "
    "p.channel, p.late_at, p.lane, "
    "now() - p.planned_at AS waited "
    "FROM (SELECT * FROM queues ORDER BY express <> :express_first, workspace <= "
    "CASE WHEN express THEN CAST(:express_after AS text) ELSE CAST(:campaigns_after AS text) END, "
    "workspace, random()) AS q CROSS JOIN LATERAL ("
    f"SELECT * FROM campaign.plan p WHERE {_NOW_DUE} "
    "ORDER BY p.due_at LIMIT least(CAST(:limit AS bigint), q.room, CASE WHEN NOT q.express AND "
    "(SELECT runs AND others FROM busy) THEN (:limit + 1) / 2 END) FOR UPDATE SKIP LOCKED) AS p "
    "LIMIT :limit"
)
# What is taken back is `chosen`: (workspace, send_key) of rows that are locked.
_TAKE_BACK = (
    "gone AS (DELETE FROM campaign.plan p USING chosen WHERE p.workspace = chosen.workspace "
    "AND p.send_key = chosen.send_key RETURNING p.*) "
    f"INSERT INTO campaign.message ({FIXED}, to_address, attempt, state, reason) "
    f"SELECT {FIXED}, to_address, attempt, 'suppressed', :reason FROM gone RETURNING {TOLD}"
)
_WITHDRAW = text(
    "WITH chosen AS (SELECT workspace, send_key FROM campaign.plan WHERE queue = :campaign "
    f"AND workspace = :workspace ORDER BY due_at LIMIT :limit FOR UPDATE), {_TAKE_BACK}"
)
# The queues that have something planned, one look into the index for each, however many messages
# and archived campaigns there are.
_WITHDRAW_LATE = text(
    "WITH RECURSIVE queues AS ("
    "SELECT min(queue) AS queue FROM campaign.plan WHERE queue > '' "
    "UNION ALL SELECT (SELECT min(queue) FROM campaign.plan "
    "WHERE queue > queues.queue) FROM queues WHERE queue IS NOT NULL), "
    "chosen AS (SELECT workspace, send_key FROM campaign.plan WHERE queue IN ("
    "SELECT queue FROM queues JOIN campaign.campaign ON campaign_id = CAST(queue AS uuid) "
    "WHERE campaign.state = 'archived' AND (broadcast_id IS NOT NULL) = :broadcasts) "
    f"LIMIT :limit FOR UPDATE SKIP LOCKED), {_TAKE_BACK}"
)


async def write(tx: AsyncConnection, messages: Sequence[NewMessage]) -> list[Move]:
    """Plan what was never planned before; each new message.

    Who has a message for the same occasion, under whatever profile id, gets no second one.
    """
    # Of two for one occasion in one call the first counts.
    wanted = list({(one.workspace, one.send_key): one for one in reversed(messages)}.values())
    if not wanted:
        return []
    rows = await tx.execute(
        _WRITE,
        {
            "before": None,
            "step": ONLY_STEP,
            "channels": pack_texts([one.channel for one in wanted]),
            "workspaces": pack_texts([one.workspace for one in wanted]),
            "send_keys": pack_texts([one.send_key for one in wanted]),
            "kinds": pack_texts([one.kind for one in wanted]),
            "queues": pack_texts([one.queue for one in wanted]),
            "purposes": pack_texts([one.purpose for one in wanted]),
            "campaigns": [one.campaign_id for one in wanted],
            "occasions": pack_texts([one.occasion for one in wanted]),
            "profiles": pack_texts([one.profile_id for one in wanted]),
            "versions": [one.needed_version for one in wanted],
            "addresses": [one.to_address for one in wanted],
            "states": [one.state for one in wanted],
            "reasons": [one.reason for one in wanted],
            "traces": [one.traceparent for one in wanted],
            "dues": [one.due_at for one in wanted],
            "lates": [one.late_at for one in wanted],
        },
    )
    return moves(rows)


@dataclass(frozen=True, slots=True)
class Included:
    """A page of who is in a segment: how many were read and planned, where it ends (None for none
    read), and the entries of those that `plan_existing` has to decide about.
    """

    read: int
    planned: int
    last: str | None
    odd: list[str]


async def include(
    tx: AsyncConnection, campaign: Campaign, again: Collection[str], *, after: str, limit: int
) -> Included:
    """Plan a campaign for a page of those in its segment, as `plan_existing` has it.

    Left to it are who was merged away, and the entries `again`, whose person has another one.
    """
    begins, ends = around_occasion(campaign.workspace, campaign.campaign_id)
    row = await tx.execute(
        _INCLUDE,
        {
            "workspace": campaign.workspace,
            "segment": campaign.segment_id,
            "campaign": campaign.campaign_id,
            "purpose": campaign.purpose,
            "channel": campaign.channel,
            "step": ONLY_STEP,
            "again": list(again),
            "key_begins": begins,
            "key_ends": ends,
            "after": after,
            "limit": limit,
        },
    )
    return Included(**row.mappings().one())


async def anything_due(tx: AsyncConnection) -> bool:
    """Whether a claim would find something; takes no locks."""
    return bool(await tx.scalar(_ANYTHING, {"mails": True, "closed": [], "closed_ids": []}))


async def claim(
    tx: AsyncConnection,
    limit: int,
    turn: Turn,
    *,
    mails: bool = True,
    closed: Sequence[tuple[str, str]] = (),
) -> list[Claimed]:
    """At most `limit` messages that are due and that nobody else is claiming, locked.

    The first one is of whoever's turn it is. Without `mails` of campaigns by other channels only;
    none of campaigns (workspace, id) that are `closed`.
    """
    rows = await tx.execute(
        _CLAIM,
        {
            "limit": limit,
            "mails": mails,
            "closed": [one[0] for one in closed],
            "closed_ids": [one[1] for one in closed],
            "express_first": turn.express_first,
            "express_after": turn.express_after,
            "campaigns_after": turn.campaigns_after,
        },
    )
    return [Claimed(**row) for row in rows.mappings()]


async def withdraw(
    tx: AsyncConnection, workspace: str, campaign_id: str, reason: str, limit: int
) -> list[Move]:
    """Suppress so many messages that a campaign has planned; each of them."""
    asked = {
        "workspace": workspace,
        "campaign": campaign_id,
        "reason": reason,
        "limit": limit,
        "before": "planned",
    }
    return moves(await tx.execute(_WITHDRAW, asked))


async def withdraw_late(
    tx: AsyncConnection, reason: str, limit: int, *, broadcasts: bool = False
) -> list[Move]:
    """Suppress at most `limit` messages of archived campaigns that are planned; each of them.

    Either those of campaigns by themselves, or those of runs of broadcasts.
    """
    asked = {"reason": reason, "limit": limit, "before": "planned", "broadcasts": broadcasts}
    return moves(await tx.execute(_WITHDRAW_LATE, asked))
