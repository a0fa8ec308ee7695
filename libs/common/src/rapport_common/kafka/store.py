"""The SQL of a consumer's bookkeeping: positions, dead letters, tallies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import storable


@dataclass(frozen=True, slots=True)
class Move:
    """A partition's position before and after a batch."""

    topic: str
    partition: int
    expected: int
    next_offset: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that was put aside, with the reason."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    reason: str
    id: int = 0
    created_at: datetime | None = None
    replayed_at: datetime | None = None
    workspace: str | None = None
    version: int | None = None


class FencedError(Exception):
    """Another member, or an earlier life of this one, has moved the position."""


class ConsumerStore:
    """Reads and writes the bookkeeping of one consumer group in one schema."""

    def __init__(self, schema: str, group: str) -> None:
        self._schema = schema
        self._group = group

    async def positions(
        self, tx: AsyncConnection, topic: str | None = None
    ) -> dict[tuple[str, int], int]:
        """The next offset per (topic, partition)."""
        rows = await tx.execute(
            text(
                f"SELECT topic, partition, next_offset FROM {self._schema}.position "
                "WHERE grp = :grp AND (CAST(:topic AS text) IS NULL OR topic = :topic)"
            ),
            {"grp": self._group, "topic": topic},
        )
        return {(row.topic, row.partition): row.next_offset for row in rows}

    async def create_position(
        self, tx: AsyncConnection, topic: str, partition: int, start: int
    ) -> None:
        """A first position at the log's start; leaves one that is there alone."""
        result = await tx.execute(
            text(
                f"INSERT INTO {self._schema}.position (grp, topic, partition, next_offset) "
                "VALUES (:grp, :topic, :partition, :start) ON CONFLICT DO NOTHING"
            ),
            {"grp": self._group, "topic": topic, "partition": partition, "start": start},
        )
        if result.rowcount:
            await add_tallies(tx, self._schema, {f"skipped {topic}": start})

    async def advance(self, tx: AsyncConnection, moves: Sequence[Move]) -> None:
        """Compare-and-set a batch's positions; FencedError unless every one was as expected."""
        ordered = sorted(moves, key=lambda move: (move.topic, move.partition))
        result = await tx.execute(
            text(
                f"UPDATE {self._schema}.position AS p "
                "SET next_offset = v.next_offset, updated_at = now() FROM unnest("
                "CAST(:topics AS text[]), CAST(:partitions AS int[]), "
                "CAST(:expected AS bigint[]), CAST(:next AS bigint[])"
                ") AS v(topic, partition, expected, next_offset) "
                "WHERE p.grp = :grp AND p.topic = v.topic AND p.partition = v.partition "
                "AND p.next_offset = v.expected"
            ),
            {
                "grp": self._group,
                "topics": [move.topic for move in ordered],
                "partitions": [move.partition for move in ordered],
                "expected": [move.expected for move in ordered],
                "next": [move.next_offset for move in ordered],
            },
        )
        if result.rowcount < len(ordered):
            raise FencedError

    async def reset_position(
        self,
        tx: AsyncConnection,
        topic: str,
        partition: int,
        next_offset: int,
        *,
        issued_by: str,
    ) -> bool:
        """Set a position by an operator's word; False when there is no such position.

        Every replica reads its positions again.

        What is skipped (or, below zero, read again) is tallied: the ledger has to know.
        """
        result = await tx.execute(
            text(
                f"UPDATE {self._schema}.position AS p SET next_offset = :next, updated_at = now() "
                f"FROM (SELECT grp, topic, partition, next_offset FROM {self._schema}.position "
                "WHERE grp = :grp AND topic = :topic AND partition = :partition FOR UPDATE) AS old "
                "WHERE (p.grp, p.topic, p.partition) = (old.grp, old.topic, old.partition) "
                "RETURNING old.next_offset AS before"
            ),
            {"grp": self._group, "topic": topic, "partition": partition, "next": next_offset},
        )
        row = result.first()
        if row is None:
            return False
        await add_tallies(tx, self._schema, {f"skipped {topic}": next_offset - row.before})
        await self.tell(tx, "reset", issued_by)
        return True

    async def tell(self, tx: AsyncConnection, command: str, issued_by: str) -> None:
        """Leave a command for every replica: whatever it is, positions are read anew."""
        await tx.execute(
            text(
                f"INSERT INTO {self._schema}.consumer_command (grp, command, issued_by) "
                "VALUES (:grp, :command, :issued_by)"
            ),
            {"grp": self._group, "command": command, "issued_by": storable(issued_by, 200)},
        )

    async def command(self, tx: AsyncConnection) -> int:
        """The id of the newest command; 0 when there has been none."""
        rows = await tx.execute(
            text(
                f"SELECT coalesce(max(id), 0) FROM {self._schema}.consumer_command WHERE grp = :grp"
            ),
            {"grp": self._group},
        )
        newest: int = rows.scalar_one()
        return newest

    async def note_stop(self, tx: AsyncConnection, replica: str, reason: str | None) -> None:
        """Note that a replica stands still and why, or (None) that it does not."""
        mine = {"grp": self._group, "replica": replica}
        await tx.execute(
            text(
                f"DELETE FROM {self._schema}.consumer_stop WHERE grp = :grp AND replica = :replica"
            ),
            mine,
        )
        if reason is not None:
            await tx.execute(
                text(
                    f"INSERT INTO {self._schema}.consumer_stop (grp, replica, reason) "
                    "VALUES (:grp, :replica, :reason)"
                ),
                {**mine, "reason": storable(reason, 2000)},
            )

    async def stops(self, tx: AsyncConnection) -> list[dict[str, Any]]:
        """The replicas that stand still: {replica, reason, stopped_at}."""
        rows = await tx.execute(
            text(
                f"SELECT replica, reason, stopped_at FROM {self._schema}.consumer_stop "
                "WHERE grp = :grp ORDER BY replica"
            ),
            {"grp": self._group},
        )
        return [dict(row) for row in rows.mappings()]

    async def bury(self, tx: AsyncConnection, letters: Sequence[DeadLetter]) -> None:
        """Keep records that can't be applied."""
        if not letters:
            return
        await tx.execute(
            text(
                f"INSERT INTO {self._schema}.dead_letter "
                '(grp, topic, partition, "offset", key, value, reason, workspace, version) '
                "VALUES (:grp, :topic, :partition, :offset, :key, :value, :reason, :workspace, "
                ":version) "
                "ON CONFLICT DO NOTHING"
            ),
            [
                {
                    "grp": self._group,
                    "topic": one.topic,
                    "partition": one.partition,
                    "offset": one.offset,
                    "key": one.key,
                    "value": one.value,
                    "reason": storable(one.reason, 2000),
                    "workspace": one.workspace,
                    "version": one.version,
                }
                for one in letters
            ],
        )

    async def dead_letters(
        self,
        tx: AsyncConnection,
        *,
        limit: int,
        workspace: str | None = None,
        before: int | None = None,
        only: int | None = None,
    ) -> list[DeadLetter]:
        """The newest dead letters below id `before`, or the one with id `only` (locked).

        Those of one workspace, or (None) of all.
        """
        rows = await tx.execute(
            text(
                f'SELECT id, topic, partition, "offset", key, value, reason, created_at, '
                f"replayed_at, workspace, version FROM {self._schema}.dead_letter "
                "WHERE grp = :grp AND (CAST(:only AS bigint) IS NULL OR id = :only) "
                "AND (CAST(:before AS bigint) IS NULL OR id < :before) "
                "AND (CAST(:workspace AS text) IS NULL OR workspace = :workspace) "
                f"ORDER BY id DESC LIMIT :limit {'FOR UPDATE' if only else ''}"
            ),
            {
                "grp": self._group,
                "only": only,
                "before": before,
                "workspace": workspace,
                "limit": limit,
            },
        )
        return [
            DeadLetter(
                topic=row.topic,
                partition=row.partition,
                offset=row.offset,
                key=row.key,
                value=row.value,
                reason=row.reason,
                id=row.id,
                created_at=row.created_at,
                replayed_at=row.replayed_at,
                workspace=row.workspace,
                version=row.version,
            )
            for row in rows
        ]

    async def mark_replayed(self, tx: AsyncConnection, letter_id: int) -> None:
        """Note that a dead letter has been applied after all."""
        await tx.execute(
            text(f"UPDATE {self._schema}.dead_letter SET replayed_at = now() WHERE id = :id"),
            {"id": letter_id},
        )

    async def ledger(self, tx: AsyncConnection) -> dict[str, Any]:
        """What the equations need, per topic: offsets consumed, skipped by an operator or before
        the log's first start, open dead letters, records that are parked; the tallies, what waits
        for the relay and what Kafka has refused.
        """
        positions = await self.positions(tx)
        dead = await tx.execute(
            text(
                f"SELECT topic, count(*) AS n FROM {self._schema}.dead_letter "
                "WHERE grp = :grp AND replayed_at IS NULL GROUP BY topic"
            ),
            {"grp": self._group},
        )
        consumed: dict[str, int] = {}
        for (topic, _partition), offset in positions.items():
            consumed[topic] = consumed.get(topic, 0) + offset
        tallies = await read_tallies(tx, self._schema)
        return {
            "consumed": consumed,
            "skipped": {topic: tallies.pop(f"skipped {topic}", 0) for topic in consumed},
            "dead_letters": {row.topic: row.n for row in dead},
            "parked": await self._counted(
                tx, "SELECT topic, count(*) AS n FROM {}.parked WHERE grp = :grp GROUP BY topic"
            ),
            "tallies": tallies,
            **await self._counted(
                tx,
                "SELECT 'outbox', coalesce(sum(records - first), 0) FROM {0}.outbox_batch "
                "UNION ALL SELECT 'outbox_refused', count(*) FROM {0}.outbox_refused",
            ),
        }

    async def _counted(self, tx: AsyncConnection, query: str) -> dict[str, int]:
        """{first column: second column} of a query about this group in this schema."""
        rows = await tx.execute(text(query.format(self._schema)), {"grp": self._group})
        return {row[0]: row[1] for row in rows}


async def add_tallies(tx: AsyncConnection, schema: str, counts: Mapping[str, int]) -> None:
    """Add to exact counters, in name order so that two writers do not deadlock."""
    changed = [(name, count) for name, count in sorted(counts.items()) if count]
    if not changed:
        return
    await tx.execute(
        text(
            f"INSERT INTO {schema}.tally AS t (name, value) "
            "SELECT * FROM unnest(CAST(:names AS text[]), CAST(:counts AS bigint[])) "
            "ON CONFLICT (name) DO UPDATE SET value = t.value + excluded.value"
        ),
        {"names": [name for name, _ in changed], "counts": [count for _, count in changed]},
    )


async def read_tallies(tx: AsyncConnection, schema: str) -> dict[str, int]:
    """All exact counters of a schema."""
    rows = await tx.execute(text(f"SELECT name, value FROM {schema}.tally"))
    return {row.name: row.value for row in rows}
