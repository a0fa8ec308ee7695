"""What events broke of their plans, counted by field and rule."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


class Broken(NamedTuple):
    """Which rule of which schema at which field; `rule` is a keyword or `unplanned`."""

    workspace: str
    source: str
    type: str
    name: str
    version: str
    path: str
    rule: str


@dataclass(slots=True)
class Count:
    """How often it was broken, since when, and the last event that did."""

    events: int
    first_at: datetime
    last_at: datetime
    message: str
    message_id: str

    def add(self, other: "Count") -> None:
        """Count the other's events too."""
        self.events += other.events
        self.first_at = min(self.first_at, other.first_at)
        if (other.last_at, other.message_id) >= (self.last_at, self.message_id):
            self.last_at, self.message_id = other.last_at, other.message_id
            self.message = other.message


Counts = dict[Broken, Count]
ORDER = Broken._fields[1:]
"""By what those that were broken at the same time are listed."""


async def add(tx: AsyncConnection, counts: Mapping[Broken, Count]) -> None:
    """Add counts to the stored ones, in sorted order so that processes can't block each other."""
    rows = sorted(counts.items())
    columns: dict[str, list[Any]] = {
        name: [getattr(broken, name) for broken, _ in rows] for name in Broken._fields
    }
    for name in ("events", "first_at", "last_at", "message", "message_id"):
        columns[name] = [getattr(count, name) for _, count in rows]
    newer = "(excluded.last_at, excluded.message_id) >= (v.last_at, v.message_id)"
    await tx.execute(
        text(
            "INSERT INTO ingest.violation AS v (workspace, source, type, name, version, path, "
            "rule, events, first_at, last_at, message, message_id) SELECT * FROM unnest("
            + ", ".join(f"CAST(:{name} AS text[])" for name in Broken._fields)
            + ", CAST(:events AS bigint[]), CAST(:first_at AS timestamptz[]), "
            "CAST(:last_at AS timestamptz[]), CAST(:message AS text[]), "
            "CAST(:message_id AS text[])) "
            "ON CONFLICT (workspace, source, type, name, version, path, rule) DO UPDATE SET "
            "events = v.events + excluded.events, "
            "first_at = least(v.first_at, excluded.first_at), "
            "last_at = greatest(v.last_at, excluded.last_at), "
            f"message = CASE WHEN {newer} THEN excluded.message ELSE v.message END, "
            f"message_id = CASE WHEN {newer} THEN excluded.message_id ELSE v.message_id END"
        ),
        columns,
    )


async def latest(
    tx: AsyncConnection,
    workspace: str,
    *,
    source: str | None,
    name: str | None,
    since: datetime | None,
    after: tuple[Any, ...] | None,
    limit: int,
) -> list[tuple[Broken, Count]]:
    """What was broken, the latest first; behind `after` (last_at, and what `ORDER` names)."""
    columns = ", ".join(ORDER)
    last = ", ".join(f"CAST(:last_{name} AS text)" for name in ORDER)
    moment, *others = after or (None, *(None for _ in ORDER))
    result = await tx.execute(
        text(
            "SELECT workspace, source, type, name, version, path, rule, events, first_at, "
            "last_at, message, message_id FROM ingest.violation WHERE workspace = :workspace "
            "AND (CAST(:source AS text) IS NULL OR source = :source) "
            "AND (CAST(:name AS text) IS NULL OR name = :name) "
            "AND (CAST(:since AS timestamptz) IS NULL OR last_at >= :since) "
            "AND (CAST(:last_at AS timestamptz) IS NULL OR last_at < :last_at "
            f"OR (last_at = :last_at AND ({columns}) > ({last}))) "
            f"ORDER BY last_at DESC, {columns} LIMIT :limit"
        ),
        {
            "workspace": workspace,
            "source": source,
            "name": name,
            "since": since,
            "limit": limit,
            "last_at": moment,
            **{f"last_{name}": one for name, one in zip(ORDER, others, strict=True)},
        },
    )
    return [(Broken(*row[:7]), Count(*row[7:])) for row in result]
