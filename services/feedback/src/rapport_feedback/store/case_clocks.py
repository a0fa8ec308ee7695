"""The laps of cases' clocks, and what cases have gone through that clocks go by."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.statements import text
from rapport_feedback.domain.cases import Clock, State
from rapport_feedback.domain.clocks import Lap, Moment, Outcome
from rapport_feedback.domain.winding import Kept, Key

CONTACT, EXTENDED = "contact", "extended"
"""The kinds of entries that clocks go by: the customer was told something; a holding reply."""

_escalations = msgspec.json.Decoder(tuple[tuple[datetime, str], ...])
_COLUMNS = (
    "clock, lap, started_at, resumed_at, spent, paused, extended, due_at, warn_at, "
    "CAST(escalations AS text) AS escalations, ended_at, outcome, policy, policy_version, warned, "
    "breached_at, escalated"
)
_OF_CASE = "workspace = :workspace AND case_id = :case_id"
# Of a merging that was undone neither step has happened.
_HAPPENED = (
    "NOT EXISTS (SELECT FROM feedback.case_merge m WHERE m.workspace = e.workspace "
    "AND m.case_id = e.case_id AND m.undone_at IS NOT NULL AND m.from_state <> 'closed' "
    "AND e.step IN (m.step, m.undone_step))"
)


async def moments(tx: AsyncConnection, workspace: str, case_id: UUID) -> list[Moment]:
    """What has happened to a case that its clocks go by."""
    rows = await tx.execute(
        text(
            "SELECT at, version AS seen, step, to_state, '' AS kind FROM feedback.case_event e "
            f"WHERE {_OF_CASE} AND {_HAPPENED} UNION ALL SELECT at, version, 0, NULL, kind "
            f"FROM feedback.case_entry WHERE {_OF_CASE} AND kind IN ('{CONTACT}', '{EXTENDED}')"
        ),
        {"workspace": workspace, "case_id": case_id},
    )
    return [
        Moment(
            at=row.at,
            order=row.seen or row.step,
            to=State(row.to_state) if row.to_state else None,
            told=row.kind == CONTACT,
            extended=row.kind == EXTENDED,
        )
        for row in rows
    ]


async def not_before(tx: AsyncConnection, workspace: str, case_id: UUID, now: datetime) -> datetime:
    """The time of what happens next to a locked case: now, but never before what happened last.

    Whoever waits for the lock has looked at the clock before that, and clocks of machines differ;
    what follows in truth must follow in time, as clocks are folds by it.
    """
    last = await tx.scalar(
        text(
            f"SELECT greatest((SELECT max(at) FROM feedback.case_event WHERE {_OF_CASE}), "
            f"(SELECT max(at) FROM feedback.case_entry WHERE {_OF_CASE}))"
        ),
        {"workspace": workspace, "case_id": case_id},
    )
    return max(now, last) if isinstance(last, datetime) else now


async def of_case(tx: AsyncConnection, workspace: str, case_id: UUID) -> dict[Key, Kept]:
    """All laps of a case, by clock and number, in this order."""
    rows = await tx.execute(
        text(f"SELECT {_COLUMNS} FROM feedback.case_clock WHERE {_OF_CASE} ORDER BY clock, lap"),
        {"workspace": workspace, "case_id": case_id},
    )
    found = [_kept(row) for row in rows]
    return {one.key: one for one in found}


async def running(
    tx: AsyncConnection, clock: Clock, cases: Sequence[tuple[str, UUID]]
) -> dict[tuple[str, UUID], Kept]:
    """The lap of a clock that runs, of each of these cases (workspace, id) that has one."""
    rows = await tx.execute(
        text(
            f"SELECT workspace, case_id, {_COLUMNS} FROM feedback.case_clock "
            "WHERE clock = :clock AND outcome IS NULL AND (workspace, case_id) IN "
            "(SELECT * FROM unnest(CAST(:workspaces AS text[]), CAST(:cases AS uuid[])))"
        ),
        {
            "clock": clock,
            "workspaces": [one[0] for one in cases],
            "cases": [one[1] for one in cases],
        },
    )
    return {(row.workspace, row.case_id): _kept(row) for row in rows}


async def save(tx: AsyncConnection, kept: Iterable[tuple[tuple[str, UUID], Kept]]) -> None:
    """Write laps of cases (workspace, id) as they are now."""
    rows = [_parameters(place, one) for place, one in kept]
    if not rows:
        return
    names = list(rows[0])
    moving = [name for name in names if name not in {"workspace", "case_id", "clock", "lap"}]
    values = ", ".join(
        "CAST(:escalations AS json)" if name == "escalations" else f":{name}" for name in names
    )
    await tx.execute(
        text(
            f"INSERT INTO feedback.case_clock ({', '.join(names)}) VALUES ({values}) "
            "ON CONFLICT (workspace, case_id, clock, lap) DO UPDATE SET "
            + ", ".join(f"{name} = excluded.{name}" for name in moving)
        ),
        rows,
    )


def _parameters(place: tuple[str, UUID], one: Kept) -> dict[str, Any]:
    lap = one.lap
    return {
        "workspace": place[0],
        "case_id": place[1],
        "clock": lap.clock,
        "lap": lap.number,
        "started_at": lap.started_at,
        "resumed_at": lap.resumed_at,
        "spent": lap.spent,
        "paused": lap.paused,
        "extended": lap.extended,
        "due_at": lap.due_at,
        "warn_at": lap.warn_at,
        "escalations": msgspec.json.encode(lap.escalations).decode(),
        "ended_at": lap.ended_at,
        "outcome": lap.outcome,
        "policy": one.policy,
        "policy_version": one.policy_version,
        "warned": one.warned,
        "breached_at": one.breached_at,
        "escalated": one.escalated,
    }


def _kept(row: Any) -> Kept:
    return Kept(
        lap=Lap(
            clock=Clock(row.clock),
            number=row.lap,
            started_at=row.started_at,
            resumed_at=row.resumed_at,
            spent=row.spent,
            paused=row.paused,
            extended=row.extended,
            due_at=row.due_at,
            warn_at=row.warn_at,
            escalations=_escalations.decode(row.escalations),
            ended_at=row.ended_at,
            outcome=Outcome(row.outcome) if row.outcome else None,
        ),
        policy=row.policy,
        policy_version=row.policy_version,
        warned=row.warned,
        breached_at=row.breached_at,
        escalated=row.escalated,
    )


async def open_cases(
    tx: AsyncConnection, workspace: str, *, after: UUID | None, limit: int
) -> list[UUID]:
    """A page of the ids of a workspace's open cases, in their order."""
    rows = await tx.execute(
        text(
            "SELECT case_id FROM feedback.complaint WHERE workspace = :workspace "
            "AND state <> 'closed' AND (CAST(:after AS uuid) IS NULL OR case_id > :after) "
            "ORDER BY case_id LIMIT :limit"
        ),
        {"workspace": workspace, "after": after, "limit": limit},
    )
    return list(rows.scalars())


async def count_open(tx: AsyncConnection, workspace: str) -> int:
    """How many cases of a workspace are open."""
    found = await tx.scalar(
        text(
            "SELECT count(*) FROM feedback.complaint "
            "WHERE workspace = :workspace AND state <> 'closed'"
        ),
        {"workspace": workspace},
    )
    return int(found or 0)


async def unwound(tx: AsyncConnection, cases: Sequence[tuple[str, UUID]]) -> list[tuple[str, UUID]]:
    """Those of these open cases (workspace, id) that have no clock, neither running nor ended."""
    if not cases:
        return []
    rows = await tx.execute(
        text(
            "SELECT c.workspace, c.case_id FROM feedback.complaint c WHERE (workspace, case_id) IN "
            "(SELECT * FROM unnest(CAST(:workspaces AS text[]), CAST(:cases AS uuid[]))) "
            "AND state <> 'closed' AND NOT EXISTS (SELECT FROM feedback.case_clock k "
            "WHERE k.workspace = c.workspace AND k.case_id = c.case_id)"
        ),
        {"workspaces": [one[0] for one in cases], "cases": [one[1] for one in cases]},
    )
    return [(row.workspace, row.case_id) for row in rows]
