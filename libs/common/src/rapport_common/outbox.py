"""Records a service wants published, written with its state: tables and SQL of the outbox.

A row holds what one transaction has to tell, up to a bound: one insert and one delete for a
thousand records. A record's place in the order is its row's id and its index there.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import (
    DDL,
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    TextClause,
    Uuid,
    event,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import after_commit, storable
from rapport_common.events.codec import workspace_of
from rapport_common.kafka.producer import Outgoing
from rapport_common.kafka.store import add_tallies

SHARD = 0
HEAD_BYTES = 8 * 1024 * 1024
"""The relay holds about as much at a time, however long the records are."""

ROW_RECORDS = 1000
ROW_BYTES = 2 * 1024 * 1024
PLACES = 1024
"""A refused record is known by one number: its row's id times this, and its index in the row."""


def outbox_tables(metadata: MetaData) -> None:
    """Declare `outbox_batch`, `outbox_refused` and `relay_lease` in the service's schema."""
    batch = Table(
        "outbox_batch",
        metadata,
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        Column("topic", Text, nullable=False),
        # Of all its records; empty: they came without one, and are of version 1.
        Column("version", SmallInteger),
        Column("keys", ARRAY(LargeBinary), nullable=False),
        Column("payloads", ARRAY(LargeBinary), nullable=False),
        Column("traces", ARRAY(Text)),
        # How many there are, and how many bytes of keys and values.
        Column("records", Integer, nullable=False),
        Column("bytes", Integer, nullable=False),
        # The index of the first that is not dealt with: those before it are sent or refused.
        Column("first", Integer, nullable=False, server_default=text("0")),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    )
    # They live for a moment: compressing them costs more than writing them.
    plain: DDL = DDL(  # type: ignore[no-untyped-call] # SQLAlchemy's
        "ALTER TABLE %(fullname)s ALTER COLUMN payloads SET STORAGE EXTERNAL"
    )
    event.listen(batch, "after_create", plain)
    Table(
        "outbox_refused",
        metadata,
        # What was refused keeps its place in the order, see `PLACES`.
        Column("id", BigInteger, primary_key=True, autoincrement=False),
        Column("topic", Text, nullable=False),
        Column("version", SmallInteger),
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


# --- writing ---------------------------------------------------------------------------------


class Wakeable(Protocol):
    """A relay of this process."""

    @property
    def holds_lease(self) -> bool:
        """Whether it, and no relay elsewhere, is the one that sends."""

    def wake(self) -> None:
        """Look at once."""


_relays_here: dict[str, list[Wakeable]] = {}


@contextmanager
def attending(schema: str, relay: Wakeable) -> Iterator[None]:
    """While it lasts, `relay` is woken by what this process commits to the schema's outbox."""
    relays = _relays_here.setdefault(schema, [])
    relays.append(relay)
    try:
        yield
    finally:
        relays.remove(relay)


async def append(tx: AsyncConnection, schema: str, records: Sequence[Outgoing]) -> None:
    """Write records in their order; they are published once `tx` has committed.

    Call it after the rows the records speak of are locked: a later id then means a later
    commit for the same key, and the relay sends in the order of ids.

    The relay of this process is woken in memory; only where another one may have to send it is
    called by NOTIFY, for which all commits of a database wait in one line.
    """
    if not records:
        return
    here = _relays_here.get(schema, [])
    for relay in here:
        after_commit(tx, relay.wake)
    call = not any(one.holds_lease for one in here)
    rows = list(_rows(records))
    for number, row in enumerate(rows, start=1):
        traces = [one.traceparent for one in row]
        await tx.execute(
            _insert(schema, call=call and number == len(rows)),
            {
                "topic": row[0].topic,
                "version": row[0].version,
                "keys": [one.key for one in row],
                "payloads": [one.value for one in row],
                "traces": traces if any(traces) else None,
                "records": len(row),
                "bytes": sum(map(_size, row)),
            },
        )


@lru_cache(maxsize=32)
def _insert(schema: str, *, call: bool) -> TextClause:
    row = (
        f"INSERT INTO {schema}.outbox_batch "
        "(topic, version, keys, payloads, traces, records, bytes) VALUES (:topic, :version, "
        "CAST(:keys AS bytea[]), CAST(:payloads AS bytea[]), CAST(:traces AS text[]), "
        ":records, :bytes)"
    )
    # In one statement: another would be another way to the server and back.
    return text(f"WITH row AS ({row}) SELECT pg_notify('{schema}_outbox', '')" if call else row)


def _size(record: Outgoing) -> int:
    return len(record.key) + len(record.value)


def _rows(records: Sequence[Outgoing]) -> Iterator[Sequence[Outgoing]]:
    """The records in their order, cut where the topic changes and where a row is full."""
    begin = size = 0
    for end, one in enumerate(records):
        first = records[begin]
        other = (one.topic, one.version) != (first.topic, first.version)
        if end > begin and (other or end - begin == ROW_RECORDS or size + _size(one) > ROW_BYTES):
            yield records[begin:end]
            begin, size = end, 0
        size += _size(one)
    yield records[begin:]


# --- reading ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Batch:
    """What is left of a row; the first of `records` has the index `first` in it."""

    id: int
    first: int
    records: Sequence[Outgoing]


@dataclass(frozen=True, slots=True)
class Head:
    """The oldest rows; `age` of the first in seconds; whether there may be more behind them."""

    batches: Sequence[Batch]
    age: float
    full: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """A record that Kafka has refused, with the reason and whose it is (None: can't be read)."""

    id: int
    topic: str
    version: int | None
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
        waiting = await tx.execute(text(f"SELECT 1 FROM {self._schema}.outbox_batch LIMIT 1"))
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

    async def head(self, tx: AsyncConnection, limit: int) -> Head:
        """The oldest rows in the order of their ids.

        They are no more than `limit` records and one row, and HEAD_BYTES and one row.
        """
        result = await tx.execute(
            text(
                "SELECT id, topic, version, first, keys, payloads, traces, age, records, bytes "
                "FROM (SELECT *, sum(records) OVER (ORDER BY id) - records AS records_before, "
                "sum(bytes) OVER (ORDER BY id) - bytes AS bytes_before FROM ("
                "SELECT *, extract(epoch FROM clock_timestamp() - created_at) AS age "
                # Cut before it is added up: else all that waits is, each time.
                f"FROM {self._schema}.outbox_batch ORDER BY id LIMIT :limit) AS oldest) AS head "
                "WHERE records_before < :limit AND bytes_before < :bytes ORDER BY id"
            ),
            {"limit": limit, "bytes": HEAD_BYTES},
        )
        rows = result.fetchall()
        return Head(
            [_batch(row) for row in rows],
            age=float(rows[0].age) if rows else 0.0,
            full=sum(row.records for row in rows) >= limit
            or sum(row.bytes for row in rows) >= HEAD_BYTES,
        )

    async def settle(
        self, tx: AsyncConnection, whole: Sequence[int], part: tuple[int, int] | None = None
    ) -> None:
        """Forget rows that are dealt with; of one more row (id, index) the records before that."""
        if whole:
            await tx.execute(
                text(
                    f"DELETE FROM {self._schema}.outbox_batch "
                    "WHERE id = ANY(CAST(:ids AS bigint[]))"
                ),
                {"ids": list(whole)},
            )
        if part is not None:
            await tx.execute(
                text(
                    f"UPDATE {self._schema}.outbox_batch SET first = :first "
                    "WHERE id = :id AND first < :first"
                ),
                {"id": part[0], "first": part[1]},
            )

    async def refuse(self, tx: AsyncConnection, batch: Batch, number: int, reason: str) -> None:
        """Put the `number`-th of a batch's records aside, unless it is dealt with already.

        Its row is left to `settle`, in the same transaction.
        """
        record, index = batch.records[number], batch.first + number
        await tx.execute(
            text(
                f"INSERT INTO {self._schema}.outbox_refused "
                "(id, topic, version, key, value, traceparent, workspace, reason, created_at) "
                "SELECT :place, :topic, :version, :key, :value, :trace, :workspace, :reason, "
                f"created_at FROM {self._schema}.outbox_batch "
                "WHERE id = :id AND first <= :index FOR UPDATE"
            ),
            {
                "id": batch.id,
                "index": index,
                "place": batch.id * PLACES + index,
                "topic": record.topic,
                "version": record.version,
                "key": record.key,
                "value": record.value,
                "trace": record.traceparent,
                "workspace": workspace_of(record.value),
                "reason": storable(reason, 2000),
            },
        )

    async def refused(
        self, tx: AsyncConnection, *, workspace: str | None, before: int | None, limit: int
    ) -> list[Refused]:
        """The newest refused records below id `before`; of one workspace, or (None) of all."""
        rows = await tx.execute(
            text(
                "SELECT id, topic, version, key, value, workspace, reason, created_at, refused_at "
                f"FROM {self._schema}.outbox_refused "
                "WHERE (CAST(:workspace AS text) IS NULL OR workspace = :workspace) "
                "AND (CAST(:before AS bigint) IS NULL OR id < :before) "
                "ORDER BY id DESC LIMIT :limit"
            ),
            {"workspace": workspace, "before": before, "limit": limit},
        )
        return [Refused(*row) for row in rows]

    async def retry(self, tx: AsyncConnection, refused_id: int, workspace: str | None) -> bool:
        """Put a refused record at the outbox's end again; False when there is none."""
        found = await tx.execute(
            text(
                f"WITH back AS (DELETE FROM {self._schema}.outbox_refused WHERE id = :id "
                "AND (CAST(:workspace AS text) IS NULL OR workspace = :workspace) RETURNING *) "
                f"INSERT INTO {self._schema}.outbox_batch "
                "(topic, version, keys, payloads, traces, records, bytes) "
                "SELECT topic, version, ARRAY[key], ARRAY[value], ARRAY[traceparent], 1, "
                "octet_length(key) + octet_length(value) FROM back"
            ),
            {"id": refused_id, "workspace": workspace},
        )
        await tx.execute(text(f"NOTIFY {self._schema}_outbox"))
        return bool(found.rowcount)

    async def discard(self, tx: AsyncConnection, refused_id: int, workspace: str | None) -> bool:
        """Forget a refused record by an operator's word; tallied. False when there is none."""
        gone = await tx.execute(
            text(
                f"DELETE FROM {self._schema}.outbox_refused WHERE id = :id "
                "AND (CAST(:workspace AS text) IS NULL OR workspace = :workspace)"
            ),
            {"id": refused_id, "workspace": workspace},
        )
        await add_tallies(tx, self._schema, {"refused and discarded": gone.rowcount})
        return bool(gone.rowcount)


def _batch(row: Any) -> Batch:
    columns = (row.keys, row.payloads, row.traces or [None] * len(row.keys))
    records = [
        Outgoing(row.topic, key, value, trace, row.version)
        for key, value, trace in zip(*(one[row.first :] for one in columns), strict=True)
    ]
    return Batch(row.id, row.first, records)
