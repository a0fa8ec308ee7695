"""Accepted events that wait for Kafka."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import storable
from rapport_common.kafka.producer import Outgoing
from rapport_ingest.domain.source import Caller

MAX_REASON = 2000
DRAINING = 1
"""Our number among the advisory locks on the spool."""


@dataclass(frozen=True, slots=True)
class Spooled:
    """An accepted event on its way into the spool, or waiting there."""

    caller: Caller
    message_id: str
    outgoing: Outgoing


@dataclass(frozen=True, slots=True)
class SpoolSize:
    """What waits in the spool: how many, how much, for how long (seconds)."""

    rows: int
    bytes: int
    oldest: float


@dataclass(frozen=True, slots=True)
class Refused:
    """An accepted event that Kafka will not take, with what it said; `size` in bytes."""

    id: int
    source: str
    message_id: str
    size: int
    reason: str
    created_at: datetime
    refused_at: datetime


async def spool(tx: AsyncConnection, rows: Sequence[Spooled]) -> None:
    """Keep accepted events until Kafka takes them."""
    await tx.execute(
        text(
            "INSERT INTO ingest.spool "
            "(workspace, source, message_id, key, value, traceparent, version) "
            "SELECT * FROM unnest(CAST(:workspaces AS text[]), CAST(:sources AS text[]), "
            "CAST(:message_ids AS text[]), CAST(:keys AS bytea[]), CAST(:values AS bytea[]), "
            "CAST(:traces AS text[]), CAST(:versions AS smallint[]))"
        ),
        {
            "workspaces": [one.caller.workspace for one in rows],
            "sources": [one.caller.source for one in rows],
            "message_ids": [one.message_id for one in rows],
            "keys": [one.outgoing.key for one in rows],
            "values": [one.outgoing.value for one in rows],
            "traces": [one.outgoing.traceparent for one in rows],
            "versions": [one.outgoing.version for one in rows],
        },
    )


async def oldest_spooled(tx: AsyncConnection, topic: str, limit: int) -> list[tuple[int, Outgoing]]:
    """The oldest rows, (id, record) each; none while another process drains.

    Two at a time would put one person's events into the log in another order than they came.
    """
    free = await tx.execute(
        text("SELECT pg_try_advisory_xact_lock(hashtext('ingest.spool'), :slot)"),
        {"slot": DRAINING},
    )
    if not free.scalar_one():
        return []
    result = await tx.execute(
        text(
            "SELECT id, key, value, traceparent, version FROM ingest.spool ORDER BY id LIMIT :limit"
        ),
        {"limit": limit},
    )
    return [(row[0], Outgoing(topic, *row[1:])) for row in result]


async def refuse(tx: AsyncConnection, row_id: int, reason: str) -> None:
    """Put a row aside that Kafka will not take."""
    await tx.execute(
        text(
            "WITH gone AS (DELETE FROM ingest.spool WHERE id = :id RETURNING *) "
            "INSERT INTO ingest.spool_refused "
            "(workspace, id, source, message_id, key, value, traceparent, version, reason, "
            "created_at) SELECT workspace, id, source, message_id, key, value, traceparent, "
            "version, :reason, created_at FROM gone"
        ),
        {"id": row_id, "reason": storable(reason, MAX_REASON)},
    )


async def refused(
    tx: AsyncConnection, workspace: str, *, before: int | None, limit: int
) -> list[Refused]:
    """The newest rows put aside, those with an id under `before`."""
    rows = await tx.execute(
        text(
            "SELECT id, source, message_id, octet_length(value), reason, created_at, refused_at "
            "FROM ingest.spool_refused WHERE workspace = :workspace "
            "AND (CAST(:before AS bigint) IS NULL OR id < :before) ORDER BY id DESC LIMIT :limit"
        ),
        {"workspace": workspace, "before": before, "limit": limit},
    )
    return [Refused(*row) for row in rows]


async def retry(tx: AsyncConnection, workspace: str, row_id: int) -> bool:
    """Put a refused row back at the spool's end; False when there is none."""
    found = await tx.execute(
        text(
            "WITH back AS (DELETE FROM ingest.spool_refused "
            "WHERE workspace = :workspace AND id = :id RETURNING *) "
            "INSERT INTO ingest.spool "
            "(workspace, source, message_id, key, value, traceparent, version) "
            "SELECT workspace, source, message_id, key, value, traceparent, version FROM back"
        ),
        {"workspace": workspace, "id": row_id},
    )
    return bool(found.rowcount)


async def discard(tx: AsyncConnection, workspace: str, row_id: int) -> bool:
    """Give a refused row up; its source counts it. False when there is none."""
    gone = await tx.execute(
        text(
            "WITH gone AS (DELETE FROM ingest.spool_refused "
            "WHERE workspace = :workspace AND id = :id RETURNING workspace, source) "
            "INSERT INTO ingest.tally_source AS t "
            "(workspace, source, received, accepted, spooled, rejected, spool_discarded) "
            "SELECT workspace, source, 0, 0, 0, 0, 1 FROM gone "
            "ON CONFLICT (workspace, source) "
            "DO UPDATE SET spool_discarded = t.spool_discarded + 1"
        ),
        {"workspace": workspace, "id": row_id},
    )
    return bool(gone.rowcount)


async def aside_counts(tx: AsyncConnection) -> tuple[int, int]:
    """(how many rows are put aside, how many of them were given up), of all workspaces."""
    found = await tx.execute(
        text(
            "SELECT (SELECT count(*) FROM ingest.spool_refused), "
            "(SELECT coalesce(sum(spool_discarded), 0) FROM ingest.tally_source)"
        )
    )
    refused, discarded = found.one()
    return int(refused), int(discarded)


async def delete_spooled(tx: AsyncConnection, ids: Sequence[int]) -> None:
    """Forget rows that Kafka has acknowledged."""
    await tx.execute(
        text("DELETE FROM ingest.spool WHERE id = ANY(CAST(:ids AS bigint[]))"), {"ids": list(ids)}
    )


async def spool_size(tx: AsyncConnection) -> SpoolSize:
    """What waits in the spool."""
    result = await tx.execute(
        text(
            "SELECT count(*), coalesce(sum(octet_length(key) + octet_length(value)), 0), "
            "coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0) FROM ingest.spool"
        )
    )
    row = result.one()
    return SpoolSize(row[0], int(row[1]), float(row[2]))


async def spooled_event(
    tx: AsyncConnection, workspace: str, message_id: str, source: str | None
) -> tuple[str, bytes, int | None] | None:
    """(source, value, version) of an event that waits in the spool."""
    result = await tx.execute(
        text(
            "SELECT source, value, version FROM ingest.spool "
            "WHERE workspace = :workspace AND message_id = :message_id "
            "AND (CAST(:source AS text) IS NULL OR source = :source) ORDER BY id LIMIT 1"
        ),
        {"workspace": workspace, "message_id": message_id, "source": source},
    )
    row = result.first()
    return None if row is None else (row[0], row[1], row[2])
