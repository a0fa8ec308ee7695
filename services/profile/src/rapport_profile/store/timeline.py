"""Reading what a person did, a bounded number of events at a time."""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_profile.store.reads import Person

Place = tuple[datetime, str, str]
"""(timestamp, source, message id): where an event stands in a timeline."""

_BY_PART = text(
    # The planner takes each identifier for one with few events, and would read and sort all of
    # them; in the order of the index it ends with the part that has the last one wanted.
    "SELECT set_config('enable_sort', 'off', true), set_config('enable_seqscan', 'off', true), "
    "set_config('enable_bitmapscan', 'off', true), "
    # A general plan would open all parts, whatever time is asked for.
    "set_config('plan_cache_mode', 'force_custom_plan', true)"
)
_KEY = ("timestamp", "source", "message_id")


class Span(NamedTuple):
    """Which part of a timeline is read: from `since` on, before `until`, newest or oldest first."""

    since: datetime | None = None
    until: datetime | None = None
    oldest_first: bool = False


async def begin(tx: AsyncConnection) -> None:
    """Make the rest of a transaction one that reads timelines."""
    await tx.execute(_BY_PART)


async def events(
    tx: AsyncConnection, who: Person, span: Span, limit: int, after: Place | None = None
) -> list[Row[Any]]:
    """Rows of (event as JSON, timestamp, source, message id, and the kind and value of the
    identifier on whose timeline it is) behind `after`, in their order.

    Of each identifier of the person `limit` events are read at most.
    """
    statement, asked = query(who, span, limit, after)
    return list((await tx.execute(text(statement), asked)).fetchall())


def query(
    who: Person, span: Span, limit: int, after: Place | None = None
) -> tuple[str, dict[str, Any]]:
    """The statement of `events` and what it asks for."""
    asked: dict[str, Any] = {**who._asdict(), "limit": limit}
    conditions = ["t.workspace = :workspace", "t.identifier_id = i.id"]
    if span.since is not None:
        conditions.append("t.timestamp >= CAST(:since AS timestamptz)")
        asked["since"] = span.since
    if span.until is not None:
        conditions.append("t.timestamp < CAST(:until AS timestamptz)")
        asked["until"] = span.until
    direction, behind = ("", ">") if span.oldest_first else (" DESC", "<")
    if after is not None:
        # The time alone, too: by it the parts are chosen.
        conditions.append(f"t.timestamp {behind}= CAST(:at AS timestamptz)")
        place = "(CAST(:at AS timestamptz), :source, :message_id)"
        conditions.append(f"(t.timestamp, t.source, t.message_id) {behind} {place}")
        asked |= {"at": after[0], "source": after[1], "message_id": after[2]}
    inner = ", ".join(f"t.{one}{direction}" for one in _KEY)
    outer = ", ".join(f"x.{one}{direction}" for one in _KEY)
    statement = (
        "SELECT x.event, x.timestamp, x.source, x.message_id, i.kind, i.value "
        "FROM profile.identifier i "
        "CROSS JOIN LATERAL (SELECT CAST(t.event AS text) AS event, t.timestamp, t.source, "
        f"t.message_id FROM profile.timeline t WHERE {' AND '.join(conditions)} "
        f"ORDER BY {inner} LIMIT :limit) x "
        "WHERE i.workspace = :workspace AND i.profile_id = :profile_id "
        f"ORDER BY {outer} LIMIT :limit"
    )
    return statement, asked
