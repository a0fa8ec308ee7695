"""Records a service wants published, written with its state and relayed after the commit."""

import asyncio
import uuid
from collections.abc import Sequence
from contextlib import suppress

import asyncpg
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
    func,
    text,
)
from sqlalchemy.dialects.postgresql import UUID
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import logging, metrics
from rapport_common.db import is_retriable, pack, packed
from rapport_common.kafka.producer import KafkaUnavailableError, Outgoing, Producer

log = logging.get(__name__)

LEASE_SECONDS = 5
POLL_SECONDS = 0.2
SHARD = 0


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
        Column("holder", UUID(as_uuid=True), nullable=False),
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


class Relay:
    """Publishes the outbox in the order of its ids; one relay works at a time, by a lease row.

    A lease, not a session lock: a frozen holder of a session lock would block the others for
    ever. Rows are deleted once Kafka has acknowledged them. A crash between the two sends them
    again, which readers notice by the record's id or version.
    """

    name = "relay"

    def __init__(
        self, engine: AsyncEngine, producer: Producer, *, schema: str, batch: int, listen_url: str
    ) -> None:
        self._engine = engine
        self._producer = producer
        self._schema = schema
        self._batch = batch
        self._listen_url = listen_url
        self._holder = uuid.uuid4()
        self._wake = asyncio.Event()
        for metric in (metrics.OUTBOX_RELAYED, metrics.OUTBOX_FAILURES, metrics.OUTBOX_AGE):
            metric.labels(schema)

    async def run(self, stop: asyncio.Event) -> None:
        """Relay until `stop`, then let go of the lease."""
        listener = asyncio.get_running_loop().create_task(self._listen(), name="outbox-listen")
        try:
            while not stop.is_set():
                if not await self._turn():
                    await self._pause()
        finally:
            listener.cancel()
            with suppress(asyncio.CancelledError):
                await listener
            with suppress(Exception):
                await self._release()

    async def _turn(self) -> bool:
        """One batch; True when there may be more to do at once."""
        try:
            rows = await self._claim()
            if not rows:
                return False
            records = [Outgoing(row[1], row[2], row[3], row[4]) for row in rows]
            await self._producer.publish(records, timeout=LEASE_SECONDS * 2)
            await self._delete([row[0] for row in rows])
        except KafkaUnavailableError as error:
            metrics.OUTBOX_FAILURES.labels(self._schema).inc()
            log.warning("outbox not relayed, trying again", error=error)
            return False
        except Exception as error:
            if not is_retriable(error):
                raise
            log.warning("outbox not readable, trying again", error=error)
            return False
        metrics.OUTBOX_RELAYED.labels(self._schema).inc(len(rows))
        return len(rows) == self._batch

    async def _claim(self) -> Sequence[tuple[int, str, bytes, bytes, str | None]]:
        async with self._engine.begin() as tx:
            waiting = await tx.execute(text(f"SELECT 1 FROM {self._schema}.outbox LIMIT 1"))
            if waiting.first() is None:
                # An idle relay writes nothing, not even its lease.
                metrics.OUTBOX_ROWS.labels(self._schema).set(0)
                metrics.OUTBOX_AGE.labels(self._schema).set(0)
                return []
            held = await tx.execute(
                text(
                    f"INSERT INTO {self._schema}.relay_lease AS l (shard, holder, expires_at) "
                    "VALUES (:shard, :holder, clock_timestamp() + make_interval(secs => :lease)) "
                    "ON CONFLICT (shard) DO UPDATE SET holder = excluded.holder, "
                    "expires_at = excluded.expires_at "
                    "WHERE l.holder = excluded.holder OR l.expires_at < clock_timestamp()"
                ),
                {"shard": SHARD, "holder": self._holder, "lease": float(LEASE_SECONDS)},
            )
            if not held.rowcount:
                return []
            result = await tx.execute(
                text(
                    f"SELECT id, topic, key, value, traceparent, "
                    f"extract(epoch FROM clock_timestamp() - created_at) AS age "
                    f"FROM {self._schema}.outbox ORDER BY id LIMIT :limit"
                ),
                {"limit": self._batch},
            )
            rows = result.fetchall()
        metrics.OUTBOX_ROWS.labels(self._schema).set(len(rows))
        metrics.OUTBOX_AGE.labels(self._schema).set(float(rows[0].age) if rows else 0)
        return [(row[0], row[1], row[2], row[3], row[4]) for row in rows]

    async def _delete(self, ids: list[int]) -> None:
        async with self._engine.begin() as tx:
            await tx.execute(
                text(f"DELETE FROM {self._schema}.outbox WHERE id = ANY(CAST(:ids AS bigint[]))"),
                {"ids": ids},
            )

    async def _release(self) -> None:
        async with self._engine.begin() as tx:
            await tx.execute(
                text(f"DELETE FROM {self._schema}.relay_lease WHERE holder = :holder"),
                {"holder": self._holder},
            )

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await self._wake.wait()
        self._wake.clear()

    async def _listen(self) -> None:
        """Wake on NOTIFY; polling goes on beside it, so a lost connection only costs latency."""
        while True:
            try:
                connection = await asyncpg.connect(self._listen_url, timeout=5)
            except (OSError, TimeoutError, asyncpg.PostgresError):
                await asyncio.sleep(1)
                continue
            lost = asyncio.Event()
            connection.add_termination_listener(lambda _connection, lost=lost: lost.set())
            try:
                await connection.add_listener(
                    f"{self._schema}_outbox", lambda *_arguments: self._wake.set()
                )
                await lost.wait()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await asyncio.sleep(1)
            finally:
                connection.terminate()
