"""Why cases came to be, what is done about causes, and what was given to customers."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_feedback.domain.goodwill import Goodwill


class Cause(NamedTuple):
    """Why a case came to be, as staff have found."""

    reason: str
    cause: str
    actor: str
    at: datetime


class Action(NamedTuple):
    """What is done so that a cause makes no more cases."""

    action_id: UUID
    cause: str
    title: str
    owner: str
    due_on: date | None
    done_on: date | None
    created_at: datetime


class Total(NamedTuple):
    """What gifts of one reason have cost."""

    reason: str
    kind: str
    currency: str
    gifts: int
    cost: Decimal


_GOODWILL = "goodwill_id, case_id, kind, amount, currency, cost, code, reason, actor, at"
_ACTION = "action_id, cause, title, owner, due_on, done_on, created_at"


async def set_cause(tx: AsyncConnection, workspace: str, case_id: UUID, one: Cause) -> None:
    """Keep why a case came to be; the newest word counts."""
    await tx.execute(
        text(
            "INSERT INTO feedback.case_cause (workspace, case_id, reason, cause, actor, at) "
            "VALUES (:workspace, :case_id, :reason, :cause, :actor, :at) "
            "ON CONFLICT (workspace, case_id) DO UPDATE SET reason = excluded.reason, "
            "cause = excluded.cause, actor = excluded.actor, at = excluded.at"
        ),
        {"workspace": workspace, "case_id": case_id, **one._asdict()},
    )


async def cause_of(tx: AsyncConnection, workspace: str, case_id: UUID) -> Cause | None:
    """Why a case came to be, if anybody has said so."""
    rows = await tx.execute(
        text(
            "SELECT reason, cause, actor, at FROM feedback.case_cause "
            "WHERE workspace = :workspace AND case_id = :case_id"
        ),
        {"workspace": workspace, "case_id": case_id},
    )
    row = rows.first()
    return Cause(*row) if row else None


async def cases_by_week(
    tx: AsyncConnection, workspace: str, cause: str, weeks: list[date]
) -> list[int]:
    """How many cases of a cause were opened in each week (UTC) that begins on these days."""
    rows = await tx.execute(
        text(
            "SELECT v.week, (SELECT count(*) FROM feedback.case_cause k "
            "JOIN feedback.complaint c USING (workspace, case_id) "
            "WHERE k.workspace = :workspace AND k.cause = :cause "
            "AND c.opened_at >= CAST(v.week AS timestamp) AT TIME ZONE 'UTC' "
            "AND c.opened_at < CAST(v.week + 7 AS timestamp) AT TIME ZONE 'UTC') AS cases "
            "FROM unnest(CAST(:weeks AS date[])) AS v(week) ORDER BY v.week"
        ),
        {"workspace": workspace, "cause": cause, "weeks": weeks},
    )
    return [int(row.cases) for row in rows]


async def add_action(tx: AsyncConnection, workspace: str, one: Action) -> None:
    """Keep a new action."""
    await tx.execute(
        text(
            f"INSERT INTO feedback.corrective_action (workspace, {_ACTION}) VALUES (:workspace, "
            ":action_id, :cause, :title, :owner, :due_on, :done_on, :created_at)"
        ),
        {"workspace": workspace, **one._asdict()},
    )


async def action(tx: AsyncConnection, workspace: str, action_id: UUID) -> Action | None:
    """An action that is not archived."""
    rows = await tx.execute(
        text(
            f"SELECT {_ACTION} FROM feedback.corrective_action WHERE workspace = :workspace "
            "AND action_id = :action_id AND archived_at IS NULL FOR UPDATE"
        ),
        {"workspace": workspace, "action_id": action_id},
    )
    row = rows.first()
    return Action(*row) if row else None


async def actions(
    tx: AsyncConnection, workspace: str, *, cause: str | None, after: UUID | None, limit: int
) -> list[Action]:
    """Actions, by their ids; with `cause` those against it."""
    rows = await tx.execute(
        text(
            f"SELECT {_ACTION} FROM feedback.corrective_action WHERE workspace = :workspace "
            "AND archived_at IS NULL AND (CAST(:cause AS text) IS NULL OR cause = :cause) "
            "AND (CAST(:after AS uuid) IS NULL OR action_id > :after) "
            "ORDER BY action_id LIMIT :limit"
        ),
        {"workspace": workspace, "cause": cause, "after": after, "limit": limit},
    )
    return [Action(*row) for row in rows]


async def save_action(tx: AsyncConnection, workspace: str, one: Action) -> None:
    """An action is otherwise from now on."""
    await tx.execute(
        text(
            "UPDATE feedback.corrective_action SET title = :title, owner = :owner, "
            "due_on = :due_on, done_on = :done_on "
            "WHERE workspace = :workspace AND action_id = :action_id"
        ),
        {"workspace": workspace, **one._asdict()},
    )


async def archive_action(
    tx: AsyncConnection, workspace: str, action_id: UUID, at: datetime
) -> bool:
    """An action is listed no more; whether there was one."""
    gone = await tx.execute(
        text(
            "UPDATE feedback.corrective_action SET archived_at = :at WHERE workspace = :workspace "
            "AND action_id = :action_id AND archived_at IS NULL"
        ),
        {"workspace": workspace, "action_id": action_id, "at": at},
    )
    return bool(gone.rowcount)


async def add_goodwill(tx: AsyncConnection, workspace: str, one: Goodwill) -> None:
    """Keep a gift."""
    await tx.execute(
        text(
            f"INSERT INTO feedback.goodwill (workspace, {_GOODWILL}) VALUES (:workspace, "
            ":goodwill_id, :case_id, :kind, :amount, :currency, :cost, :code, :reason, :actor, :at)"
        ),
        {"workspace": workspace, **{name: getattr(one, name) for name in _GOODWILL.split(", ")}},
    )


async def goodwill(
    tx: AsyncConnection, workspace: str, case_id: UUID, *, after: UUID | None, limit: int
) -> list[Goodwill]:
    """What was given at a case, by the ids."""
    rows = await tx.execute(
        text(
            f"SELECT {_GOODWILL} FROM feedback.goodwill WHERE workspace = :workspace "
            "AND case_id = :case_id AND (CAST(:after AS uuid) IS NULL OR goodwill_id > :after) "
            "ORDER BY goodwill_id LIMIT :limit"
        ),
        {"workspace": workspace, "case_id": case_id, "after": after, "limit": limit},
    )
    return [Goodwill(*row) for row in rows]


async def one_goodwill(tx: AsyncConnection, workspace: str, goodwill_id: UUID) -> Goodwill | None:
    """One gift."""
    rows = await tx.execute(
        text(
            f"SELECT {_GOODWILL} FROM feedback.goodwill WHERE workspace = :workspace "
            "AND goodwill_id = :goodwill_id"
        ),
        {"workspace": workspace, "goodwill_id": goodwill_id},
    )
    row = rows.first()
    return Goodwill(*row) if row else None


async def cost_of_case(
    tx: AsyncConnection, workspace: str, case_id: UUID, currency: str
) -> Decimal:
    """What a case has cost in a currency."""
    found = await tx.scalar(
        text(
            "SELECT coalesce(sum(cost), 0) FROM feedback.goodwill WHERE workspace = :workspace "
            "AND case_id = :case_id AND currency = :currency"
        ),
        {"workspace": workspace, "case_id": case_id, "currency": currency},
    )
    return Decimal(found)


async def cost_of_actor(
    tx: AsyncConnection, workspace: str, actor: str, currency: str, since: datetime
) -> Decimal:
    """What somebody has given in a currency since then; who gives at once waits for another."""
    await tx.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"),
        {"key": f"feedback.goodwill/{workspace}/{actor}"},
    )
    found = await tx.scalar(
        text(
            "SELECT coalesce(sum(cost), 0) FROM feedback.goodwill WHERE workspace = :workspace "
            "AND actor = :actor AND currency = :currency AND at >= :since"
        ),
        {"workspace": workspace, "actor": actor, "currency": currency, "since": since},
    )
    return Decimal(found)


async def totals(
    tx: AsyncConnection, workspace: str, since: datetime | None, until: datetime | None
) -> list[Total]:
    """What was given, by reason, kind and currency."""
    rows: Any = await tx.execute(
        text(
            "SELECT reason, kind, currency, count(*) AS gifts, sum(cost) AS cost "
            "FROM feedback.goodwill WHERE workspace = :workspace "
            "AND (CAST(:since AS timestamptz) IS NULL OR at >= :since) "
            "AND (CAST(:until AS timestamptz) IS NULL OR at < :until) "
            "GROUP BY reason, kind, currency ORDER BY reason, kind, currency LIMIT 1000"
        ),
        {"workspace": workspace, "since": since, "until": until},
    )
    return [Total(row[0], row[1], row[2], int(row[3]), row[4]) for row in rows]
