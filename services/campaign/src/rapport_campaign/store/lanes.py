"""Lanes of mails: how they stand, what waits in them, and who is let go (ADR 82).

What waits has its lane, and is due `FAR` after it was: so no claim sees it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.lanes import FAR, Standing, Waiting
from rapport_campaign.domain.model import MessageKey
from rapport_campaign.store.moves import places

LaneKey = tuple[str, str]
"""(workspace, name of the lane)."""

EXPRESS_MARK = "!"
"""Before the lane of express messages: they wait in a place of their own."""
_FAR = f"interval '{FAR.days} days'"
IS_PARKED = f"due_at > statement_timestamp() + interval '{FAR.days // 2} days'"
"""Whether a row of `plan` waits for a pace; never true of what has a time."""
MOST_COUNTED = 10_000
_MANY = MOST_COUNTED + 1
_MOST_STANDING_BY = 1000
# What was let go and not claimed for so long is held up by something else, as a campaign's pause.
_LET_GO = "p.due_at > statement_timestamp() - interval '10 seconds'"
_ASKED = "unnest(CAST(:workspaces AS text[]), CAST(:lanes AS text[])) AS q(workspace, lane)"
_PLANNED = "campaign.plan p WHERE p.workspace = q.workspace AND p.lane ="
_OTHERS = f"AND {_LET_GO} AND p.send_key <> ALL(CAST(:own AS text[]))"

_PARKED_LANES = text(
    "WITH RECURSIVE found AS ((SELECT workspace, lane FROM campaign.plan WHERE lane IS NOT NULL "
    "ORDER BY workspace, lane LIMIT 1) UNION ALL SELECT n.workspace, n.lane FROM found "
    "CROSS JOIN LATERAL (SELECT workspace, lane FROM campaign.plan WHERE lane IS NOT NULL "
    "AND (workspace, lane) > (found.workspace, found.lane) ORDER BY workspace, lane LIMIT 1) AS n) "
    "SELECT workspace, lane FROM found"
)
# Those whose campaign does not run go back into its queue, and are no longer of the lane.
_LET = text(
    "WITH asked AS (SELECT p.workspace, p.send_key, p.due_at, p.queue = '' OR EXISTS ("
    "SELECT FROM campaign.campaign c WHERE c.workspace = p.workspace "
    "AND c.campaign_id = p.campaign_id AND c.state = 'running') AS runs FROM campaign.plan p "
    f"WHERE p.workspace = :workspace AND p.lane = :lane AND {IS_PARKED} "
    "ORDER BY p.due_at LIMIT :limit FOR UPDATE OF p SKIP LOCKED), "
    "placed AS (SELECT *, row_number() OVER (PARTITION BY runs ORDER BY due_at) AS place "
    "FROM asked) UPDATE campaign.plan p SET lane = CASE WHEN runs THEN p.lane END, "
    "due_at = CASE WHEN runs THEN clock_timestamp() + make_interval(secs => "
    f"(CAST(:delays AS float8[]))[place]) ELSE p.due_at - {_FAR} END FROM placed "
    "WHERE p.workspace = placed.workspace AND p.send_key = placed.send_key "
    "AND (NOT runs OR place <= :number) RETURNING runs"
)
_FREE = text(
    "WITH asked AS (SELECT workspace, send_key FROM campaign.plan p WHERE workspace = :workspace "
    "AND lane = :lane LIMIT :limit FOR UPDATE SKIP LOCKED) "
    f"UPDATE campaign.plan p SET lane = NULL, due_at = CASE WHEN {IS_PARKED} "
    f"THEN p.due_at - {_FAR} ELSE p.due_at END FROM asked "
    "WHERE p.workspace = asked.workspace AND p.send_key = asked.send_key"
)


def express(lane: str) -> str:
    """Where express messages of a lane wait."""
    return f"{EXPRESS_MARK}{lane}"


def _asked(keys: Sequence[LaneKey]) -> dict[str, list[str]]:
    return {"workspaces": [one[0] for one in keys], "lanes": [one[1] for one in keys]}


async def hold(tx: AsyncConnection, keys: Iterable[LaneKey]) -> dict[LaneKey, Standing]:
    """How these lanes stand, locked in one order."""
    rows = await tx.execute(
        text(
            "SELECT l.workspace, l.lane, free_at, share, slowed_at, day, sent "
            f"FROM campaign.mail_lane l JOIN {_ASKED} USING (workspace, lane) "
            "ORDER BY l.workspace, l.lane FOR UPDATE OF l"
        ),
        _asked(sorted(keys)),
    )
    return {(one.workspace, one.lane): Standing(*one[2:]) for one in rows}


async def standings(tx: AsyncConnection, workspace: str) -> dict[str, Standing]:
    """How the lanes of a workspace stand, by name."""
    rows = await tx.execute(
        text(
            "SELECT lane, free_at, share, slowed_at, day, sent FROM campaign.mail_lane "
            "WHERE workspace = :workspace ORDER BY lane"
        ),
        {"workspace": workspace},
    )
    return {one.lane: Standing(*one[1:]) for one in rows}


async def used(
    tx: AsyncConnection, keys: Sequence[LaneKey], own: Collection[str] = ()
) -> dict[LaneKey, tuple[int, Waiting]]:
    """How many are in the hands of senders, and who waits, for each of these lanes.

    `own`: the send keys of who asks; they do not wait. A statement of its own, behind the locks: so
    it sees what others have committed until then.
    """
    rows = await tx.execute(
        text(
            "SELECT q.workspace, q.lane, (SELECT count(*) FROM campaign.sending s "
            "WHERE s.workspace = q.workspace AND s.lane = q.lane) AS in_hand, "
            f"EXISTS (SELECT FROM {_PLANNED} '{EXPRESS_MARK}' || q.lane {_OTHERS}) AS express, "
            f"EXISTS (SELECT FROM {_PLANNED} q.lane {_OTHERS}) AS campaigns FROM {_ASKED}"
        ),
        {**_asked(keys), "own": list(own)},
    )
    return {
        (one.workspace, one.lane): (one.in_hand, Waiting(one.express, one.campaigns))
        for one in rows
    }


async def write(tx: AsyncConnection, standings: Mapping[LaneKey, Standing]) -> None:
    """Keep how these lanes stand, which are held."""
    keys = sorted(standings)
    await tx.execute(
        text(
            "UPDATE campaign.mail_lane l SET free_at = q.free_at, share = q.share, "
            "slowed_at = q.slowed_at, day = q.day, sent = q.sent FROM unnest("
            "CAST(:workspaces AS text[]), CAST(:lanes AS text[]), CAST(:free AS bigint[]), "
            "CAST(:shares AS float8[]), CAST(:slowed AS bigint[]), CAST(:days AS date[]), "
            "CAST(:sent AS integer[])) "
            "AS q(workspace, lane, free_at, share, slowed_at, day, sent) "
            "WHERE l.workspace = q.workspace AND l.lane = q.lane"
        ),
        {
            **_asked(keys),
            "free": [standings[one].free_at for one in keys],
            "shares": [standings[one].share for one in keys],
            "slowed": [standings[one].slowed_at for one in keys],
            "days": [standings[one].day for one in keys],
            "sent": [standings[one].sent for one in keys],
        },
    )


async def park(tx: AsyncConnection, where: Mapping[MessageKey, str], reason: str) -> None:
    """Let claimed messages wait in a lane each, until they are let go."""
    await tx.execute(
        text(
            f"UPDATE campaign.plan p SET lane = v.lane, due_at = p.due_at + {_FAR}, "
            "reason = :reason || ltrim(v.lane, :mark) FROM unnest("
            "CAST(:workspaces AS text[]), CAST(:keys AS text[]), CAST(:lanes AS text[])) "
            "AS v(workspace, send_key, lane) "
            "WHERE p.workspace = v.workspace AND p.send_key = v.send_key"
        ),
        {
            **places(list(where)),
            "lanes": list(where.values()),
            "reason": reason,
            "mark": EXPRESS_MARK,
        },
    )


async def parked_in(tx: AsyncConnection) -> list[LaneKey]:
    """The lanes that something waits in, or was let go from; one look into an index for each."""
    rows = await tx.execute(_PARKED_LANES)
    return sorted({(one.workspace, one.lane.removeprefix(EXPRESS_MARK)) for one in rows})


async def let_go(tx: AsyncConnection, key: LaneKey) -> int:
    """How many were let go a moment ago and are not claimed yet."""
    found = await tx.scalar(
        text(
            "SELECT count(*) FROM campaign.plan p WHERE workspace = :workspace "
            f"AND lane IN (:lane, :express) AND {_LET_GO} AND NOT ({IS_PARKED})"
        ),
        {"workspace": key[0], "lane": key[1], "express": express(key[1])},
    )
    return found or 0


async def let(tx: AsyncConnection, key: LaneKey, delays: Sequence[float]) -> int:
    """Let as many go as there are delays (seconds), each after its own; how many that were."""
    number = 0
    for lane in (express(key[1]), key[1]):
        rest = delays[number:]
        if not rest:
            break
        rows = await tx.execute(
            _LET,
            {
                "workspace": key[0],
                "lane": lane,
                "delays": list(rest),
                "number": len(rest),
                "limit": len(rest) + _MOST_STANDING_BY,
            },
        )
        number += sum(one.runs for one in rows)
    return number


async def free(tx: AsyncConnection, key: LaneKey) -> None:
    """The lane holds nobody any more: some of those that wait in it are due as they were."""
    for lane in (express(key[1]), key[1]):
        await tx.execute(_FREE, {"workspace": key[0], "lane": lane, "limit": _MOST_STANDING_BY})


async def counts(tx: AsyncConnection, workspace: str, lanes: Sequence[str]) -> dict[str, int]:
    """How many mails wait in each lane, `MOST_COUNTED` + 1 for more of one kind."""
    rows = await tx.execute(
        text(
            "SELECT q.lane, (SELECT count(*) FROM (SELECT FROM "
            f"{_PLANNED} q.lane AND {IS_PARKED} LIMIT {_MANY}) AS theirs) + "
            f"(SELECT count(*) FROM (SELECT FROM {_PLANNED} '{EXPRESS_MARK}' || q.lane "
            f"AND {IS_PARKED} LIMIT {_MANY}) AS express) AS waiting FROM {_ASKED}"
        ),
        _asked([(workspace, one) for one in lanes]),
    )
    return {one.lane: one.waiting for one in rows}
