"""Records a service wants published, written with its state: tables and SQL of the outbox."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import pack, packed, storable
from rapport_common.events.codec import workspace_of
from rapport_common.kafka.producer import Outgoing
from rapport_common.kafka.store import add_tallies

SHARD = 0
HEAD_BYTES = 8 * 1024 * 1024
"""The relay holds about as much at a time, however long the records are."""


def outbox_tables(metadata: MetaData) -> None:
    """Declare `outbox`, `outbox_refused` and `relay_lease` in the service's schema."""
    Table(
        "outbox",
        metadata,
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        Column("topic", Text, nullable=False),
        Column("key", LargeBinary, nullable=False),
        Column("value", LargeBinary, nullable=False),
        Column("traceparent", Text),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    )
    Table(
        "outbox_refused",
        metadata,
        # The id the row had in the outbox: what was refused keeps its place in the order.
        Column("id", BigInteger, primary_key=True, autoincrement=False),
        Column("topic", Text, nullable=False),
        Column("key", LargeBinary, nullable=False),
        Column("value", LargeBinary, nullable=False),
        Column("traceparent", Text),
        Column("workspace", Text),
        Column("reason", Text, nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False),
        Column("refused_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Index(None, "workspace", "id"),
    )
    Table(
        "relay_lease",
        metadata,
        Column("shard", SmallInteger, primary_key=True, autoincrement=False),
        Column("holder", Uuid, nullable=False),
        Column("expires_at", DateTime(timezone=True), nullable=False),
    )


async def append(tx: AsyncConnection, schema: str, records: Sequence[Outgoing]) -> None:
    """Write records in their order; they are published once `tx` has committed.

    Call it after the rows the records speak of are locked: a later id then means a later
    commit for the same key, and the relay sends in the order of ids.
    """
    if not records:
        return
    await tx.execute(
        text(
            f"INSERT INTO {schema}.outbox (topic, key, value, traceparent) "
            f"SELECT topic, key, value, traceparent FROM unnest({packed('topics', 'text')}, "
            f"CAST(:keys AS bytea[]), CAST(:values AS bytea[]), {packed('traces', 'text')}) "
            "WITH ORDINALITY AS v(topic, key, value, traceparent, n) ORDER BY n"
        ),
        {
            "topics": pack(one.topic for one in records),
            "keys": [one.key for one in records],
            "values": [one.value for one in records],
            "traces": pack(one.traceparent or "" for one in records),
        },
    )
    await tx.execute(text(f"NOTIFY {schema}_outbox"))


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that Kafka has refused, with the reason and whose it is (None: it can't be read)."""

    id: int
    topic: str
    key: bytes
    value: bytes
    workspace: str | None
    reason: str
    created_at: datetime
    refused_at: datetime


class OutboxStore:
    """Reads and writes the outbox of one schema, for the relay and for operators."""

    def __init__(self, schema: str) -> None:
        self._schema = schema

    async def is_empty(self, tx: AsyncConnection) -> bool:
        """Whether nothing waits."""
        waiting = await tx.execute(text(f"SELECT 1 FROM {self._schema}.outbox LIMIT 1"))
        return waiting.first() is None

    async def take_lease(self, tx: AsyncConnection, holder: UUID, seconds: float) -> bool:
        """Take the lease, or make one's own longer; False while another relay holds it."""
        held = await tx.execute(
            text(
                f"INSERT INTO {self._schema}.relay_lease AS l (shard, holder, expires_at) "
                "VALUES (:shard, :holder, clock_timestamp() + make_interval(secs => :lease)) "
                "ON CONFLICT (shard) DO UPDATE SET holder = excluded.holder, "
                "expires_at = excluded.expires_at "
                "WHERE l.holder = excluded.holder OR l.expires_at < clock_timestamp()"
            ),
            {"shard": SHARD, "holder": holder, "lease": seconds},
        )
        return bool(held.rowcount)

    async def release_lease(self, tx: AsyncConnection, holder: UUID) -> None:
        """Let go of the lease, if it is one's own."""
        await tx.execute(
            text(f"DELETE FROM {self._schema}.relay_lease WHERE holder = :holder"),
            {"holder": holder},
        )

    async def head(
        self, tx: AsyncConnection, limit: int
    ) -> tuple[list[tuple[int, Outgoing]], float]:
        """The oldest rows in the order of their ids, and the age of the first in seconds.

        They are no more bytes than HEAD_BYTES and one row.
        """
        result = await tx.execute(
            text(
                "SELECT id, topic, key, value, traceparent, age FROM ("
                "SELECT *, sum(octet_length(value)) OVER (ORDER BY id) - octet_length(value) "
                "AS before FROM (SELECT id, topic, key, value, traceparent, "
                "extract(epoch FROM clock_timestamp() - created_at) AS age "
                # Cut before it is added up: else all that waits is, each time.
                f"FROM {self._schema}.outbox ORDER BY id LIMIT :limit) AS oldest) AS head "
                "WHERE before < :bytes ORDER BY id"
            ),
            {"limit": limit, "bytes": HEAD_BYTES},
        )
        rows = result.fetchall()
        age = float(rows[0][5]) if rows else 0.0
        return [(row[0], Outgoing(row[1], row[2], row[3], row[4])) for row in rows], age

    async def delete(self, tx: AsyncConnection, ids: list[int]) -> None:
        """Forget rows that Kafka has acknowledged."""
        await tx.execute(
            text(f"DELETE FROM {self._schema}.outbox WHERE id = ANY(CAST(:ids AS bigint[]))"),
            {"ids": ids},
        )

    async def refuse(self, tx: AsyncConnection, row_id: int, record: Outgoing, reason: str) -> None:
        """Put a row aside that Kafka will not take."""
        await tx.execute(
            text(
                f"WITH gone AS (DELETE FROM {self._schema}.outbox WHERE id = :id RETURNING *) "
                f"INSERT INTO {self._schema}.outbox_refused "
                "(id, topic, key, value, traceparent, workspace, reason, created_at) "
                "SELECT id, topic, key, value, traceparent, :workspace, :reason, created_at "
                "FROM gone"
            ),
            {
                "id": row_id,
                "workspace": workspace_of(record.value),
                "reason": storable(reason, 2000),
            },
        )

    async def refused(
        self, tx: AsyncConnection, *, workspace: str | None, before: int | None, limit: int
    ) -> list[Refused]:
        """The newest refused rows below id `before`; of one workspace, or (None) of all."""
        rows = await tx.execute(
            text(
                "SELECT id, topic, key, value, workspace, reason, created_at, refused_at "
                f"FROM {self._schema}.outbox_refused "
                "WHERE (CAST(:workspace AS text) IS NULL OR workspace = :workspace) "
                "AND (CAST(:before AS bigint) IS NULL OR id < :before) "
                "ORDER BY id DESC LIMIT :limit"
            ),
            {"workspace": workspace, "before": before, "limit": limit},
        )
        return [Refused(*row) for row in rows]

    async def retry(self, tx: AsyncConnection, row_id: int, workspace: str | None) -> bool:
        """Put a refused row at the end of the outbox again; False when there is none."""
        found = await tx.execute(
            text(
                f"WITH back AS (DELETE FROM {self._schema}.outbox_refused WHERE id = :id "
                "AND (CAST(:workspace AS text) IS NULL OR workspace = :workspace) RETURNING *) "
                f"INSERT INTO {self._schema}.outbox (topic, key, value, traceparent) "
                "SELECT topic, key, value, traceparent FROM back"
            ),
            {"id": row_id, "workspace": workspace},
        )
        await tx.execute(text(f"NOTIFY {self._schema}_outbox"))
        return bool(found.rowcount)

    async def discard(self, tx: AsyncConnection, row_id: int, workspace: str | None) -> bool:
        """Forget a refused row by an operator's word; it is tallied. False when there is none."""
        gone = await tx.execute(
            text(
                f"DELETE FROM {self._schema}.outbox_refused WHERE id = :id "
                "AND (CAST(:workspace AS text) IS NULL OR workspace = :workspace)"
            ),
            {"id": row_id, "workspace": workspace},
        )
        await add_tallies(tx, self._schema, {"refused and discarded": gone.rowcount})
        return bool(gone.rowcount)
