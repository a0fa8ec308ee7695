"""What senders have in their hands: marking, writing what came of it, giving up on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.delivery import Step
from rapport_campaign.domain.model import MessageKey, MessageState
from rapport_campaign.store.moves import FIXED, TOLD, WAY, Move, at, moves, places

# The plan's rows are locked: nobody has moved them since they were claimed.
_MARK = text(
    "WITH v AS (SELECT * FROM unnest(CAST(:workspaces AS text[]), CAST(:keys AS text[]), "
    "CAST(:states AS text[]), CAST(:reasons AS text[]), CAST(:addresses AS text[]), "
    "CAST(:delays AS float8[]), CAST(:lanes AS text[]), CAST(:untils AS timestamptz[])) "
    "AS v(workspace, send_key, state, reason, address, delay, lane, until)), "
    "waits AS (UPDATE campaign.plan AS p SET reason = v.reason, waits = p.waits + 1, lane = NULL, "
    "due_at = coalesce(v.until + (p.due_at - date_trunc('second', p.due_at)), "
    "clock_timestamp() + make_interval(secs => v.delay)) FROM v "
    "WHERE p.workspace = v.workspace AND p.send_key = v.send_key AND v.state = 'planned'), "
    "gone AS (DELETE FROM campaign.plan AS p USING v "
    "WHERE p.workspace = v.workspace AND p.send_key = v.send_key AND v.state <> 'planned' "
    f"RETURNING {at('p')}, p.queue, p.needed_version, p.waits, p.late_at, p.attempt, "
    "v.state, v.reason, v.lane, coalesce(v.address, p.to_address) AS to_address), "
    f"ended AS (INSERT INTO campaign.message ({FIXED}, to_address, reason, attempt, state) "
    f"SELECT {FIXED}, to_address, reason, attempt, state FROM gone WHERE state <> 'sending'), "
    f"held AS (INSERT INTO campaign.sending ({FIXED}, {WAY}, to_address, lane, attempt, "
    f"token, lease_until) SELECT {FIXED}, {WAY}, to_address, lane, attempt + 1, "
    "CAST(:token AS uuid), "
    "clock_timestamp() + make_interval(secs => :lease) FROM gone WHERE state = 'sending') "
    f"SELECT {TOLD} FROM gone"
)
_FINISH = text(
    "WITH v AS (SELECT * FROM unnest(CAST(:workspaces AS text[]), CAST(:keys AS text[]), "
    "CAST(:states AS text[]), CAST(:reasons AS text[]), CAST(:delays AS float8[]), "
    "CAST(:counts AS bool[]), CAST(:sent AS timestamptz[])) "
    "AS v(workspace, send_key, state, reason, delay, counts, sent_at)), "
    "gone AS (DELETE FROM campaign.sending AS s USING v "
    "WHERE s.workspace = v.workspace AND s.send_key = v.send_key "
    f"AND s.token = CAST(:token AS uuid) RETURNING {at('s')}, s.queue, s.needed_version, "
    "s.waits, s.late_at, s.to_address, "
    "s.attempt - CASE WHEN v.counts THEN 0 ELSE 1 END AS attempt, "
    "s.token, s.opened_at, s.clicked_at, v.state, v.reason, v.delay, v.sent_at), "
    f"again AS (INSERT INTO campaign.plan ({FIXED}, {WAY}, to_address, reason, attempt, due_at) "
    f"SELECT {FIXED}, {WAY}, to_address, reason, attempt, "
    "clock_timestamp() + make_interval(secs => delay) FROM gone WHERE state = 'planned'), "
    f"ended AS (INSERT INTO campaign.message ({FIXED}, to_address, reason, attempt, state, token, "
    f"sent_at, opened_at, clicked_at) SELECT {FIXED}, to_address, reason, attempt, state, "
    "CASE WHEN state = 'uncertain' THEN token END, sent_at, opened_at, clicked_at "
    "FROM gone WHERE state <> 'planned') "
    f"SELECT {TOLD} FROM gone"
)
# A result that comes after the lease still settles the row: the token proves that nobody has
# tried since, nor settled it by hand.
_SETTLE = text(
    "UPDATE campaign.message AS m SET state = v.state, reason = v.reason, sent_at = v.sent_at, "
    "token = NULL, attempt = m.attempt - CASE WHEN v.counts THEN 0 ELSE 1 END "
    "FROM unnest(CAST(:workspaces AS text[]), CAST(:keys AS text[]), CAST(:states AS text[]), "
    "CAST(:reasons AS text[]), CAST(:counts AS bool[]), CAST(:sent AS timestamptz[])) "
    "AS v(workspace, send_key, state, reason, counts, sent_at) "
    "JOIN campaign.send AS k USING (workspace, send_key) "
    "WHERE m.workspace = v.workspace AND m.send_key = v.send_key AND m.planned_at = k.planned_at "
    "AND m.token = CAST(:token AS uuid) AND m.state = 'uncertain' "
    "AND v.state IN ('sent', 'failed') RETURNING m.workspace, m.send_key, m.kind, "
    "coalesce(m.campaign_id::text, ''), CAST(:before AS text), m.state, m.reason, m.channel"
)
# What its sender knows was not taken goes on.
_AGAIN = text(
    "WITH v AS (SELECT * FROM unnest(CAST(:workspaces AS text[]), CAST(:keys AS text[]), "
    "CAST(:states AS text[]), CAST(:reasons AS text[]), CAST(:delays AS float8[]), "
    "CAST(:counts AS bool[])) AS v(workspace, send_key, state, reason, delay, counts)), "
    "gone AS (DELETE FROM campaign.message AS m USING v JOIN campaign.send AS k "
    "USING (workspace, send_key) WHERE m.workspace = v.workspace AND m.send_key = v.send_key "
    "AND m.planned_at = k.planned_at AND m.token = CAST(:token AS uuid) "
    "AND m.state = 'uncertain' AND v.state = 'planned' "
    f"RETURNING {at('m')}, m.to_address, "
    "m.attempt - CASE WHEN v.counts THEN 0 ELSE 1 END AS attempt, v.state, v.reason, v.delay), "
    f"again AS (INSERT INTO campaign.plan ({FIXED}, to_address, reason, attempt, queue, "
    f"needed_version, due_at) SELECT {FIXED}, to_address, reason, attempt, CASE kind "
    "WHEN 'entry' THEN campaign_id::text ELSE '' END, 0, clock_timestamp() "
    f"+ make_interval(secs => delay) FROM gone) SELECT {TOLD} FROM gone"
)
_EXPIRE = text(
    "WITH gone AS (DELETE FROM campaign.sending WHERE lease_until < clock_timestamp() "
    f"RETURNING *) INSERT INTO campaign.message ({FIXED}, to_address, attempt, token, opened_at, "
    f"clicked_at, state, reason) SELECT {FIXED}, to_address, attempt, token, opened_at, "
    f"clicked_at, 'uncertain', :reason FROM gone RETURNING {TOLD}"
)


@dataclass(frozen=True, slots=True)
class Mark:
    """What a claimed message becomes; those that go on waiting do for `delay` seconds, or `until`
    then, in the order that they are in. `lane`: in which it counts while it is on its way.
    """

    key: MessageKey
    state: MessageState
    reason: str | None = None
    address: str | None = None
    delay: float = 0.0
    lane: str | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """What came of one attempt."""

    key: MessageKey
    step: Step
    sent_at: datetime | None = None


async def mark(
    tx: AsyncConnection, marks: Sequence[Mark], *, token: str, lease: float
) -> list[Move]:
    """Write the verdicts on claimed messages; those to be sent get `token` and a lease.

    Those that go on waiting have not moved.
    """
    rows = await tx.execute(
        _MARK,
        {
            **places([one.key for one in marks]),
            "states": [one.state for one in marks],
            "reasons": [one.reason for one in marks],
            "addresses": [one.address for one in marks],
            "delays": [one.delay for one in marks],
            "lanes": [one.lane for one in marks],
            "untils": [one.until for one in marks],
            "token": token,
            "lease": lease,
            "before": "planned",
        },
    )
    return moves(rows)


async def finish(tx: AsyncConnection, endings: Sequence[Ending], *, token: str) -> list[Move]:
    """Write results of the attempts under `token`; what changed by it."""
    ordered = sorted(endings, key=lambda one: one.key)
    asked = {**_results(ordered), "token": token}
    delays, times = [one.step.delay for one in ordered], [one.sent_at for one in ordered]
    ended = {**asked, "delays": delays, "sent": times, "before": "sending"}
    found = moves(await tx.execute(_FINISH, ended))
    if len(found) < len(ordered):
        late = {**asked, "before": "uncertain"}
        found += moves(await tx.execute(_SETTLE, {**late, "sent": times}))
        found += moves(await tx.execute(_AGAIN, {**late, "delays": delays}))
    return found


async def expire(tx: AsyncConnection, reason: str) -> list[Move]:
    """Sends whose lease ran out become uncertain, never planned; each of them."""
    return moves(await tx.execute(_EXPIRE, {"reason": reason, "before": "sending"}))


def _results(endings: Sequence[Ending]) -> dict[str, Any]:
    return {
        **places([one.key for one in endings]),
        "states": [one.step.state for one in endings],
        "reasons": [one.step.reason for one in endings],
        "counts": [one.step.counts for one in endings],
    }
