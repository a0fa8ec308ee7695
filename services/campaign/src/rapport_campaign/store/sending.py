"""The ledger at work: claiming what is due, marking it, writing what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.delivery import Step
from rapport_campaign.domain.model import Claimed, Content, MessageKey, MessageState
from rapport_campaign.domain.turns import Turn

# Who has express messages is found by one look into the index for each workspace, not by reading
# them; campaigns by their own table.
_QUEUES = (
    "WITH RECURSIVE asking AS ((SELECT workspace FROM campaign.message "
    "WHERE state = 'planned' AND queue = '' ORDER BY workspace LIMIT 1) "
    "UNION ALL SELECT (SELECT workspace FROM campaign.message WHERE state = 'planned' "
    "AND queue = '' AND workspace > asking.workspace ORDER BY workspace LIMIT 1) "
    "FROM asking WHERE asking.workspace IS NOT NULL), "
    "queues AS NOT MATERIALIZED (SELECT workspace, '' AS queue, true AS express FROM asking "
    "WHERE workspace IS NOT NULL UNION ALL SELECT workspace, campaign_id::text, false "
    "FROM campaign.campaign WHERE state = 'running') "
)
# The time of the statement is one for all its rows, so the index knows what is due.
_PLANNED_AND_DUE = (
    "m.queue = q.queue AND m.workspace = q.workspace AND m.state = 'planned' "
    "AND m.next_attempt_at <= statement_timestamp()"
)
_DUE = text(
    f"{_QUEUES} SELECT EXISTS (SELECT 1 FROM queues q CROSS JOIN LATERAL ("
    f"SELECT FROM campaign.message m WHERE {_PLANNED_AND_DUE} LIMIT 1) AS due)"
)
# The campaigns of a workspace in random order: a long queue does not keep the others waiting.
_CLAIM = text(
    f"{_QUEUES} "
    "SELECT m.workspace, m.send_key, m.kind, m.purpose, m.campaign_id::text AS campaign_id, "
    "m.occasion, m.profile_id, m.needed_version, m.to_address, m.attempt, m.waits, m.traceparent, "
    "now() - m.planned_at AS waited "
    "FROM (SELECT * FROM queues ORDER BY express <> :express_first, workspace <= "
    "CASE WHEN express THEN CAST(:express_after AS text) ELSE CAST(:campaigns_after AS text) END, "
    "workspace, random()) AS q CROSS JOIN LATERAL ("
    f"SELECT * FROM campaign.message m WHERE {_PLANNED_AND_DUE} "
    "ORDER BY m.next_attempt_at LIMIT :limit FOR UPDATE SKIP LOCKED) AS m LIMIT :limit"
)
_MARK = text(
    "UPDATE campaign.message AS m SET state = v.state, reason = v.reason, "
    "to_address = coalesce(v.address, m.to_address), "
    "token = CASE WHEN v.state = 'sending' THEN CAST(:token AS uuid) END, "
    "lease_until = CASE WHEN v.state = 'sending' "
    "THEN clock_timestamp() + make_interval(secs => :lease) END, "
    "attempt = m.attempt + CASE WHEN v.state = 'sending' THEN 1 ELSE 0 END, "
    "waits = m.waits + CASE WHEN v.state = 'planned' THEN 1 ELSE 0 END, "
    "next_attempt_at = clock_timestamp() + make_interval(secs => v.delay) "
    "FROM unnest(CAST(:workspaces AS text[]), CAST(:keys AS text[]), CAST(:states AS text[]), "
    "CAST(:reasons AS text[]), CAST(:addresses AS text[]), CAST(:delays AS float8[])) "
    "AS v(workspace, send_key, state, reason, address, delay) "
    "WHERE m.workspace = v.workspace AND m.send_key = v.send_key AND m.state = 'planned'"
)
# A result that comes after the lease still settles the row: the token proves that nobody has
# tried since. But only to an end: what was once uncertain is never planned again.
_FINISH = text(
    "UPDATE campaign.message AS m SET state = v.state, reason = v.reason, "
    "sent_at = v.sent_at, lease_until = NULL, "
    "attempt = m.attempt - CASE WHEN v.counts THEN 0 ELSE 1 END, "
    "next_attempt_at = clock_timestamp() + make_interval(secs => v.delay) "
    "FROM unnest(CAST(:workspaces AS text[]), CAST(:keys AS text[]), CAST(:states AS text[]), "
    "CAST(:reasons AS text[]), CAST(:delays AS float8[]), CAST(:counts AS bool[]), "
    "CAST(:sent AS timestamptz[])) "
    "AS v(workspace, send_key, state, reason, delay, counts, sent_at) "
    "WHERE m.workspace = v.workspace AND m.send_key = v.send_key "
    "AND m.token = CAST(:token AS uuid) AND (m.state = 'sending' "
    "OR (m.state = 'uncertain' AND v.state IN ('sent', 'failed'))) "
    "RETURNING m.workspace, m.send_key, m.state"
)
_EXPIRE = text(
    "UPDATE campaign.message SET state = 'uncertain', lease_until = NULL, reason = :reason "
    "WHERE state = 'sending' AND lease_until < clock_timestamp() RETURNING send_key"
)
# The queues that have something planned, one look into the index for each, however many messages
# and archived campaigns there are.
_WITHDRAW_LATE = text(
    "WITH RECURSIVE queues AS ("
    "SELECT min(queue) AS queue FROM campaign.message WHERE state = 'planned' AND queue > '' "
    "UNION ALL SELECT (SELECT min(queue) FROM campaign.message "
    "WHERE state = 'planned' AND queue > queues.queue) FROM queues WHERE queue IS NOT NULL) "
    "UPDATE campaign.message AS m SET state = 'suppressed', reason = :reason FROM ("
    "SELECT workspace, send_key FROM campaign.message WHERE state = 'planned' AND queue IN ("
    "SELECT queue FROM queues JOIN campaign.campaign ON campaign_id = CAST(queue AS uuid) "
    "WHERE campaign.state = 'archived') LIMIT :limit FOR UPDATE SKIP LOCKED) AS v "
    "WHERE m.workspace = v.workspace AND m.send_key = v.send_key RETURNING m.send_key"
)


@dataclass(frozen=True, slots=True)
class Mark:
    """What a claimed message becomes; `delay` in seconds is for those that go on waiting."""

    key: MessageKey
    state: MessageState
    reason: str | None = None
    address: str | None = None
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Ending:
    """What came of one attempt."""

    key: MessageKey
    step: Step
    sent_at: datetime | None = None


async def anything_due(tx: AsyncConnection) -> bool:
    """Whether a claim would find something; takes no locks."""
    return bool(await tx.scalar(_DUE))


async def claim(tx: AsyncConnection, limit: int, turn: Turn) -> list[Claimed]:
    """At most `limit` messages that are due and that nobody else is claiming, locked.

    The first one is of whoever's turn it is.
    """
    rows = await tx.execute(
        _CLAIM,
        {
            "limit": limit,
            "express_first": turn.express_first,
            "express_after": turn.express_after,
            "campaigns_after": turn.campaigns_after,
        },
    )
    return [Claimed(**row) for row in rows.mappings()]


async def contents(tx: AsyncConnection, keys: Sequence[MessageKey]) -> dict[MessageKey, Content]:
    """What transactional messages say."""
    if not keys:
        return {}
    rows = await tx.execute(
        text(
            "SELECT workspace, send_key, subject, html, text, data::text AS data "
            "FROM campaign.content WHERE (workspace, send_key) IN (SELECT * FROM unnest("
            "CAST(:workspaces AS text[]), CAST(:keys AS text[])))"
        ),
        _places(keys),
    )
    return {
        (row.workspace, row.send_key): Content(row.subject, row.html, row.text, row.data.encode())
        for row in rows
    }


async def mark(tx: AsyncConnection, marks: Sequence[Mark], *, token: str, lease: float) -> None:
    """Write the verdicts on claimed messages; those to be sent get `token` and a lease."""
    await tx.execute(
        _MARK,
        {
            **_places([one.key for one in marks]),
            "states": [one.state for one in marks],
            "reasons": [one.reason for one in marks],
            "addresses": [one.address for one in marks],
            "delays": [one.delay for one in marks],
            "token": token,
            "lease": lease,
        },
    )


async def finish(tx: AsyncConnection, endings: Sequence[Ending], *, token: str) -> list[Row[Any]]:
    """Write results of the attempts under `token`; (workspace, send_key, state) of what changed."""
    ordered = sorted(endings, key=lambda one: one.key)
    result = await tx.execute(
        _FINISH,
        {
            **_places([one.key for one in ordered]),
            "states": [one.step.state for one in ordered],
            "reasons": [one.step.reason for one in ordered],
            "delays": [one.step.delay for one in ordered],
            "counts": [one.step.counts for one in ordered],
            "sent": [one.sent_at for one in ordered],
            "token": token,
        },
    )
    return list(result.fetchall())


async def expire(tx: AsyncConnection, reason: str) -> int:
    """Sends whose lease ran out become uncertain, never planned; how many."""
    return len((await tx.execute(_EXPIRE, {"reason": reason})).fetchall())


async def withdraw_late(tx: AsyncConnection, reason: str, limit: int) -> int:
    """Suppress at most `limit` messages of archived campaigns that are planned; how many."""
    found = await tx.execute(_WITHDRAW_LATE, {"reason": reason, "limit": limit})
    return len(found.fetchall())


async def uncertain(tx: AsyncConnection) -> int:
    """How many messages are uncertain."""
    found = await tx.scalar(text("SELECT count(*) FROM campaign.message WHERE state = 'uncertain'"))
    return int(found or 0)


def _places(keys: Sequence[MessageKey]) -> dict[str, list[str]]:
    return {"workspaces": [one[0] for one in keys], "keys": [one[1] for one in keys]}
