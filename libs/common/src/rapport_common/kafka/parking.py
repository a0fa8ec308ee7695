"""The SQL of parked keys: what keeps failing waits in order, and others go on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import storable
from rapport_common.kafka.part import Lane
from rapport_common.kafka.store import add_tallies

REASON_LENGTH = 2000
MAX_KEY_BYTES = 128
"""A key is part of an index row, which has an upper bound; our own keys have 16 to 36 bytes."""


@dataclass(frozen=True, slots=True)
class ParkedRecord:
    """A record that waits, as it came from the log."""

    offset: int
    value: bytes | None
    traceparent: str | None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class NewlyParked:
    """A record to park; `reason` and `workspace` are for the key, when this is its first."""

    lane: Lane
    record: ParkedRecord
    reason: str | None = None
    workspace: str | None = None


@dataclass(frozen=True, slots=True)
class ParkedKey:
    """A key whose records wait, why, and when they are tried again."""

    id: int
    topic: str
    partition: int
    key: bytes
    workspace: str | None
    reason: str
    attempts: int
    next_try_at: datetime
    created_at: datetime
    records: int

    @property
    def lane(self) -> Lane:
        """What it is about."""
        return self.topic, self.partition, self.key


class ParkingStore:
    """Reads and writes the parked keys of one consumer group.

    Who reads a partition parks a key in the transaction that moves the position past its records.
    Who applies parked records holds an advisory lock on the key, and at the end its row, so that
    no record can be parked behind a key that is just being let go.
    """

    def __init__(self, schema: str, group: str) -> None:
        self._schema = schema
        self._group = group

    async def lanes(self, tx: AsyncConnection) -> set[Lane]:
        """Every parked key."""
        rows = await tx.execute(
            text(f"SELECT topic, partition, key FROM {self._schema}.parked_key WHERE grp = :grp"),
            {"grp": self._group},
        )
        return {(row.topic, row.partition, row.key) for row in rows}

    async def hold(self, tx: AsyncConnection, lanes: Iterable[Lane]) -> set[Lane]:
        """Those of `lanes` that are still parked; they stay so until `tx` ends."""
        ordered = sorted(lanes)
        rows = await tx.execute(
            text(
                f"SELECT topic, partition, key FROM {self._schema}.parked_key "
                "WHERE grp = :grp AND (topic, partition, key) IN (SELECT * FROM unnest("
                "CAST(:topics AS text[]), CAST(:partitions AS int[]), CAST(:keys AS bytea[]))) "
                "ORDER BY topic, partition, key FOR KEY SHARE"
            ),
            {"grp": self._group, **_columns(ordered)},
        )
        return {(row.topic, row.partition, row.key) for row in rows}

    async def park(self, tx: AsyncConnection, records: Sequence[NewlyParked]) -> None:
        """Let records wait, behind those of the same key that wait already."""
        if not records:
            return
        firsts = {one.lane: one for one in reversed(records) if one.reason is not None}
        if firsts:
            await self._add_keys(tx, [firsts[lane] for lane in sorted(firsts)])
        await tx.execute(
            text(
                f"INSERT INTO {self._schema}.parked "
                '(grp, topic, partition, key, "offset", value, traceparent, version) '
                "VALUES (:grp, :topic, :partition, :key, :offset, :value, :traceparent, :version) "
                "ON CONFLICT DO NOTHING"
            ),
            [
                {
                    "grp": self._group,
                    **dict(zip(("topic", "partition", "key"), one.lane, strict=True)),
                    "offset": one.record.offset,
                    "value": one.record.value,
                    "traceparent": one.record.traceparent,
                    "version": one.record.version,
                }
                for one in records
            ],
        )

    async def _add_keys(self, tx: AsyncConnection, firsts: Sequence[NewlyParked]) -> None:
        await tx.execute(
            text(
                f"INSERT INTO {self._schema}.parked_key "
                "(grp, topic, partition, key, workspace, reason, next_try_at) "
                "VALUES (:grp, :topic, :partition, :key, :workspace, :reason, "
                "now() + interval '1 second') "
                "ON CONFLICT (grp, topic, partition, key) DO UPDATE SET reason = excluded.reason"
            ),
            [
                {
                    "grp": self._group,
                    **dict(zip(("topic", "partition", "key"), one.lane, strict=True)),
                    "workspace": one.workspace,
                    "reason": storable(one.reason or "", REASON_LENGTH),
                }
                for one in firsts
            ],
        )

    async def due(self, tx: AsyncConnection, limit: int) -> list[int]:
        """The ids of keys whose time to be tried has come, the longest due first."""
        rows = await tx.execute(
            text(
                f"SELECT id FROM {self._schema}.parked_key "
                "WHERE grp = :grp AND next_try_at <= now() ORDER BY next_try_at LIMIT :limit"
            ),
            {"grp": self._group, "limit": limit},
        )
        return list(rows.scalars())

    async def claim(self, tx: AsyncConnection, key_id: int) -> ParkedKey | None:
        """The key, for this transaction alone to apply; None when it is gone or in other hands."""
        locked = await tx.execute(
            text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))"),
            {"name": f"{self._schema}.parked_key/{key_id}"},
        )
        if not locked.scalar_one():
            return None
        found = await self.keys(tx, only=key_id, limit=1)
        return found[0] if found else None

    async def head(self, tx: AsyncConnection, key: ParkedKey, limit: int) -> list[ParkedRecord]:
        """The records that come next, in their order."""
        return await self.records(tx, key, after=-1, limit=limit)

    async def records(
        self, tx: AsyncConnection, key: ParkedKey, *, after: int, limit: int
    ) -> list[ParkedRecord]:
        """The records of a key beyond offset `after`, in their order."""
        rows = await tx.execute(
            text(
                f'SELECT "offset", value, traceparent, version FROM {self._schema}.parked '
                "WHERE grp = :grp AND topic = :topic AND partition = :partition AND key = :key "
                'AND "offset" > :after ORDER BY "offset" LIMIT :limit'
            ),
            {**self._named(key), "after": after, "limit": limit},
        )
        return [ParkedRecord(*row) for row in rows]

    async def settle(self, tx: AsyncConnection, key: ParkedKey, offsets: Sequence[int]) -> int:
        """Take out records that are dealt with, and the key with its last one; how many are left.

        The key's row is locked for it: nothing is parked behind a key that has just been let go.
        """
        await tx.execute(
            text(
                f"DELETE FROM {self._schema}.parked "
                "WHERE grp = :grp AND topic = :topic AND partition = :partition AND key = :key "
                'AND "offset" = ANY(CAST(:offsets AS bigint[]))'
            ),
            {**self._named(key), "offsets": list(offsets)},
        )
        await tx.execute(
            text(f"SELECT 1 FROM {self._schema}.parked_key WHERE id = :id FOR UPDATE"),
            {"id": key.id},
        )
        # A statement of its own: it sees what was parked while the lock was waited for.
        rows = await tx.execute(
            text(
                f"SELECT count(*) FROM {self._schema}.parked "
                "WHERE grp = :grp AND topic = :topic AND partition = :partition AND key = :key"
            ),
            self._named(key),
        )
        left: int = rows.scalar_one()
        change = (
            "UPDATE {schema}.parked_key SET attempts = 0, next_try_at = now() WHERE id = :id"
            if left
            else "DELETE FROM {schema}.parked_key WHERE id = :id"
        )
        await tx.execute(text(change.format(schema=self._schema)), {"id": key.id})
        return left

    async def postpone(
        self, tx: AsyncConnection, key_id: int, reason: str, wait: timedelta
    ) -> None:
        """Note that a key has failed again, and when it is tried next."""
        await tx.execute(
            text(
                f"UPDATE {self._schema}.parked_key SET attempts = attempts + 1, reason = :reason, "
                "next_try_at = now() + CAST(:wait AS interval) WHERE id = :id"
            ),
            {"id": key_id, "reason": storable(reason, REASON_LENGTH), "wait": wait},
        )

    async def discard(self, tx: AsyncConnection, key: ParkedKey) -> int:
        """Forget a key and what waits for it, by an operator's word; tallied as skipped."""
        await tx.execute(
            text(f"DELETE FROM {self._schema}.parked_key WHERE id = :id"), {"id": key.id}
        )
        gone = await tx.execute(
            text(
                f"DELETE FROM {self._schema}.parked "
                "WHERE grp = :grp AND topic = :topic AND partition = :partition AND key = :key"
            ),
            self._named(key),
        )
        await add_tallies(tx, self._schema, {f"skipped {key.topic}": gone.rowcount})
        return gone.rowcount

    async def keys(
        self,
        tx: AsyncConnection,
        *,
        workspace: str | None = None,
        before: int | None = None,
        only: int | None = None,
        limit: int,
    ) -> list[ParkedKey]:
        """The newest keys below id `before`, or the one with id `only`; None leaves a limit out."""
        rows = await tx.execute(
            text(
                "SELECT k.id, k.topic, k.partition, k.key, k.workspace, k.reason, k.attempts, "
                "k.next_try_at, k.created_at, (SELECT count(*) FROM "
                f"{self._schema}.parked AS p WHERE (p.grp, p.topic, p.partition, p.key) = "
                "(k.grp, k.topic, k.partition, k.key)) AS records "
                f"FROM {self._schema}.parked_key AS k WHERE k.grp = :grp "
                "AND (CAST(:workspace AS text) IS NULL OR k.workspace = :workspace) "
                "AND (CAST(:before AS bigint) IS NULL OR k.id < :before) "
                "AND (CAST(:only AS bigint) IS NULL OR k.id = :only) "
                "ORDER BY k.id DESC LIMIT :limit"
            ),
            {
                "grp": self._group,
                "workspace": workspace,
                "before": before,
                "only": only,
                "limit": limit,
            },
        )
        return [ParkedKey(*row) for row in rows]

    async def counts(self, tx: AsyncConnection) -> dict[str, int]:
        """How many records wait, per topic."""
        rows = await tx.execute(
            text(
                f"SELECT topic, count(*) AS n FROM {self._schema}.parked "
                "WHERE grp = :grp GROUP BY topic"
            ),
            {"grp": self._group},
        )
        return {row.topic: row.n for row in rows}

    def _named(self, key: ParkedKey) -> dict[str, object]:
        named = {"topic": key.topic, "partition": key.partition, "key": key.key}
        return {"grp": self._group, **named}


def _columns(lanes: Sequence[Lane]) -> dict[str, list[object]]:
    return {
        "topics": [topic for topic, _, _ in lanes],
        "partitions": [partition for _, partition, _ in lanes],
        "keys": [key for _, _, key in lanes],
    }
