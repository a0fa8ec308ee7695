"""Accepted events that wait for Kafka."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.kafka.producer import Outgoing
from rapport_ingest.domain.source import Caller

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


async def spool(tx: AsyncConnection, rows: Sequence[Spooled]) -> None:
    """Keep accepted events until Kafka takes them."""
    await tx.execute(
        text(
            "INSERT INTO ingest.spool (workspace, source, message_id, key, value, traceparent) "
            "SELECT * FROM unnest(CAST(:workspaces AS text[]), CAST(:sources AS text[]), "
            "CAST(:message_ids AS text[]), CAST(:keys AS bytea[]), CAST(:values AS bytea[]), "
            "CAST(:traces AS text[]))"
        ),
        {
            "workspaces": [one.caller.workspace for one in rows],
            "sources": [one.caller.source for one in rows],
            "message_ids": [one.message_id for one in rows],
            "keys": [one.outgoing.key for one in rows],
            "values": [one.outgoing.value for one in rows],
            "traces": [one.outgoing.traceparent for one in rows],
        },
    )


async def oldest_spooled(
    tx: AsyncConnection, topic: str, limit: int
) -> tuple[list[int], list[Outgoing]]:
    """(ids, records) of the oldest rows; none while another process drains.

    Two at a time would put one person's events into the log in another order than they came.
    """
    free = await tx.execute(
        text("SELECT pg_try_advisory_xact_lock(hashtext('ingest.spool'), :slot)"),
        {"slot": DRAINING},
    )
    if not free.scalar_one():
        return [], []
    result = await tx.execute(
        text("SELECT id, key, value, traceparent FROM ingest.spool ORDER BY id LIMIT :limit"),
        {"limit": limit},
    )
    rows = result.fetchall()
    return [row[0] for row in rows], [Outgoing(topic, row[1], row[2], row[3]) for row in rows]


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
) -> tuple[str, bytes] | None:
    """(source, value) of an event that waits in the spool."""
    result = await tx.execute(
        text(
            "SELECT source, value FROM ingest.spool "
            "WHERE workspace = :workspace AND message_id = :message_id "
            "AND (CAST(:source AS text) IS NULL OR source = :source) ORDER BY id LIMIT 1"
        ),
        {"workspace": workspace, "message_id": message_id, "source": source},
    )
    row = result.first()
    return None if row is None else (row[0], row[1])
