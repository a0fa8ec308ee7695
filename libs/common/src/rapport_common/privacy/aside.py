"""What the consumer and the relay have put aside of somebody: the same tables in every service."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import override

from rapport_common.kafka.store import add_tallies
from rapport_common.privacy.subject import Recogniser, Subject
from rapport_common.privacy.sweeps import Page, Read, Sweep, changing

# The workspace of what can't be read is not known: it is looked at for all.
_OURS = "(workspace = :workspace OR workspace IS NULL)"


def keyed(who: Subject) -> set[bytes]:
    """The Kafka keys of records about somebody."""
    ids = {UUID(one).bytes for one in who.profiles}
    return ids | {bytes.fromhex(one) for one in who.subjects}


def aside_sweeps(schema: str, recogniser: Recogniser) -> list[Sweep]:
    """Dead letters, parked records and what Kafka refused; and what waits for the relay goes out.

    A dead letter or a parked record that goes is one that an operator has skipped, in the ledger.
    """
    return [
        _Waiting(schema),
        _dead_letters(schema, recogniser),
        _Parked(schema, recogniser),
        _refused(schema, recogniser),
    ]


def _is_about(row: Sequence[Any], who: Subject, known: Recogniser) -> bool:
    """Whether a record of (key, value, reason) is about somebody."""
    key = row[0]
    return (key is not None and bytes(key) in keyed(who)) or known.speaks_of(who, *row[1:])


def _dead_letters(schema: str, recogniser: Recogniser) -> Read:
    table, key = f"{schema}.dead_letter", {"id": "bigint"}
    delete = changing(f"DELETE FROM {table}", key, scoped=False)

    async def change(tx: AsyncConnection, who: Subject, rows: Sequence[Row[Any]]) -> None:
        skipped: dict[str, int] = {}
        for row in rows:
            if row.replayed_at is None:
                name = f"skipped {row.topic}"
                skipped[name] = skipped.get(name, 0) + 1
        await delete(tx, who, rows)
        await add_tallies(tx, schema, skipped)

    return Read(
        table=table,
        key=key,
        columns=("key", "value", "reason", "topic", "replayed_at"),
        recogniser=recogniser,
        change=change,
        speaks=lambda row, who, known: _is_about(row[:3], who, known),
        where=_OURS,
    )


def _refused(schema: str, recogniser: Recogniser) -> Read:
    table, key = f"{schema}.outbox_refused", {"id": "bigint"}
    delete = changing(f"DELETE FROM {table}", key, scoped=False)

    async def change(tx: AsyncConnection, who: Subject, rows: Sequence[Row[Any]]) -> None:
        await delete(tx, who, rows)
        await add_tallies(tx, schema, {"refused and discarded": len(rows)})

    return Read(
        table=table,
        key=key,
        columns=("key", "value", "reason"),
        recogniser=recogniser,
        change=change,
        speaks=_is_about,
        where=_OURS,
    )


class _Parked(Sweep):
    """Records that wait behind a key; the key goes with its last one."""

    def __init__(self, schema: str, recogniser: Recogniser) -> None:
        self.table = f"{schema}.parked"
        self._schema = schema
        self._recogniser = recogniser

    @override
    async def page(self, tx: AsyncConnection, who: Subject, _after: str | None) -> Page:
        """All that is parked: it is little, and each key is one look."""
        keys = await tx.execute(
            text(
                "SELECT id, grp, topic, partition, key, reason FROM "
                f"{self._schema}.parked_key WHERE {_OURS} ORDER BY id FOR UPDATE"
            ),
            {"workspace": who.workspace},
        )
        removed = 0
        for key in keys.fetchall():
            removed += await self._rid(tx, who, key)
        return Page(removed)

    async def _rid(self, tx: AsyncConnection, who: Subject, key: Row[Any]) -> int:
        lane = {"grp": key.grp, "topic": key.topic, "partition": key.partition, "key": key.key}
        where = "grp = :grp AND topic = :topic AND partition = :partition AND key = :key"
        rows = await tx.execute(
            text(f'SELECT "offset", key, value FROM {self.table} WHERE {where}'), lane
        )
        found = rows.fetchall()
        about = [row for row in found if _is_about(row[1:], who, self._recogniser)]
        for row in about:
            await tx.execute(
                text(f'DELETE FROM {self.table} WHERE {where} AND "offset" = :offset'),
                {**lane, "offset": row.offset},
            )
        await add_tallies(tx, self._schema, {f"skipped {key.topic}": len(about)})
        change = "DELETE FROM {0}.parked_key WHERE id = :id"
        if len(about) < len(found):
            change = "UPDATE {0}.parked_key SET reason = 'erased' WHERE id = :id"
        if about:
            await tx.execute(text(change.format(self._schema)), {"id": key.id})
        return len(about)


class _Waiting(Sweep):
    """What the outbox held when the wish came goes out first: so Kafka's copies have an end."""

    def __init__(self, schema: str) -> None:
        self.table = f"{schema}.outbox_batch"

    @override
    async def page(self, tx: AsyncConnection, _who: Subject, after: str | None) -> Page:
        """Nothing to remove; wait while something older than the first look is there."""
        newest = after or await tx.scalar(
            text(f"SELECT CAST(coalesce(max(id), 0) AS text) FROM {self.table}")
        )
        left = await tx.scalar(
            text(f"SELECT EXISTS (SELECT FROM {self.table} WHERE id <= CAST(:newest AS bigint))"),
            {"newest": int(newest or 0)},
        )
        return Page(after=newest, waits=True) if left else Page()

    @override
    async def count(self, _tx: AsyncConnection, _who: Subject) -> int | None:
        """Nothing of it is removed."""
        return 0
