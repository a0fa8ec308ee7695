"""What a row of the outbox holds, what is left of it when some is refused, and who is woken."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.outbox import waiting
from tests.support.waiting import HANG_SECONDS, between_looks
from typing_extensions import override

from rapport_common import outbox, relay
from rapport_common.db import after_commit, connect
from rapport_common.events.topics import SEGMENT_MEMBERSHIP
from rapport_common.kafka.producer import (
    KafkaUnavailableError,
    Outgoing,
    Producer,
    RecordsRefusedError,
)
from rapport_common.outbox import PLACES, ROW_BYTES, ROW_RECORDS, OutboxStore
from rapport_common.relay import Relay

SERVICE = "segment"


def numbered(count: int, topic: str = "t", version: int | None = 2) -> list[Outgoing]:
    return [Outgoing(topic, b"k%d" % n, b"%d" % n, f"trace{n}", version) for n in range(count)]


records = st.builds(
    Outgoing,
    topic=st.sampled_from(["a", "b"]),
    key=st.just(b"k"),
    value=st.sampled_from([b"", b"v", b"x" * (ROW_BYTES // 3), b"x" * (ROW_BYTES + 1)]),
    version=st.sampled_from([None, 1]),
)


@given(st.lists(st.tuples(records, st.sampled_from([1, 2, ROW_RECORDS])), min_size=1, max_size=6))
def test_rows_are_bounded_and_lose_nothing(runs: list[tuple[Outgoing, int]]) -> None:
    told = [one for one, times in runs for _ in range(times if len(one.value) < 2 else 1)]
    rows = list(outbox._rows(told))
    assert [one for row in rows for one in row] == told
    for row in rows:
        assert 1 <= len(row) <= ROW_RECORDS < PLACES
        assert len({(one.topic, one.version) for one in row}) == 1
        assert len(row) == 1 or sum(len(one.key + one.value) for one in row) <= ROW_BYTES


class Refusing(Producer):
    """A producer whose Kafka takes no record with an `x`, and goes away after `good` records."""

    def __init__(self, good: int = 1_000_000) -> None:
        super().__init__(SERVICE, "127.0.0.1:1", [SEGMENT_MEMBERSHIP], compression=None)
        self.good = good
        self.sent: list[bytes] = []

    @override
    async def publish(self, records: Sequence[Outgoing], *, timeout: float = 10.0) -> None:
        values = [one.value for one in records]
        if any(b"x" in one for one in values):
            message = "too large"
            raise RecordsRefusedError(message)
        if len(self.sent) + len(values) > self.good:
            message = "away"
            raise KafkaUnavailableError(message)
        self.sent += values

    @override
    async def quiet(self) -> None:
        return


def relay_of(engine: AsyncEngine, producer: Producer, url: str = "postgresql://nobody") -> Relay:
    return Relay(engine, producer, schema=SERVICE, batch=100, listen_url=url)


@pytest.mark.integration
class TestRows:
    async def test_one_row_holds_what_a_transaction_tells(self, engine: AsyncEngine) -> None:
        told = [*numbered(ROW_RECORDS + 1), *numbered(2, "u"), Outgoing("u", b"", b"", None, None)]
        async with engine.begin() as tx:
            await outbox.append(tx, SERVICE, told)
        async with engine.begin() as tx:
            assert await waiting(tx, SERVICE) == told
            rows = await tx.execute(text("SELECT records FROM outbox_batch ORDER BY id"))
            assert list(rows.scalars()) == [ROW_RECORDS, 1, 2, 1]
            stored = await tx.execute(
                text(
                    "SELECT attstorage FROM pg_attribute WHERE attname = 'payloads' "
                    "AND attrelid = 'outbox_batch'::regclass"
                )
            )
            assert stored.scalar_one() == b"e"

    async def test_what_is_sent_is_not_sent_again_because_of_what_is_refused(
        self, engine: AsyncEngine
    ) -> None:
        """Kafka goes away in the middle of the search, again and again."""
        told = numbered(40)
        bad = {5, 6, 23}
        told = [
            Outgoing("t", b"k", b"x%d" % n, one.traceparent, 2) if n in bad else one
            for n, one in enumerate(told)
        ]
        async with engine.begin() as tx:
            await outbox.append(tx, SERVICE, told[:10])
            await outbox.append(tx, SERVICE, told[10:])
        sent: list[bytes] = []
        left = [len(told)]
        while left[-1]:
            producer = Refusing(good=4)
            await relay_of(engine, producer).turn()
            async with engine.begin() as tx:
                left.append(len(await waiting(tx, SERVICE)))
                await tx.execute(text("DELETE FROM relay_lease"))
            sent += producer.sent
            if left[-1] == left[-2]:
                # What is too much at once is halved only when it is refused: bring more time.
                producer = Refusing()
                await relay_of(engine, producer).turn()
                sent += producer.sent
                break
        assert sent == [one.value for n, one in enumerate(told) if n not in bad]
        async with engine.begin() as tx:
            assert await waiting(tx, SERVICE) == []
            store = OutboxStore(SERVICE)
            refused = await store.refused(tx, workspace=None, before=None, limit=10)
            ids = await tx.execute(text("SELECT DISTINCT id / 1024 FROM outbox_refused"))
        assert [one.value for one in reversed(refused)] == [told[n].value for n in sorted(bad)]
        assert [one.version for one in refused] == [2, 2, 2]
        assert [one.id % PLACES for one in reversed(refused)] == [5, 6, 13]
        assert len(list(ids)) == 2

    async def test_a_thawed_relay_puts_nothing_aside_twice(self, engine: AsyncEngine) -> None:
        async with engine.begin() as tx:
            await outbox.append(tx, SERVICE, numbered(3))
        store = OutboxStore(SERVICE)
        async with engine.begin() as tx:
            (batch,) = (await store.head(tx, 10)).batches
        for _ in range(2):
            async with engine.begin() as tx:
                await store.refuse(tx, batch, 0, "no")
                await store.settle(tx, [], (batch.id, 1))
        async with engine.begin() as tx:
            assert [one.value for one in await waiting(tx, SERVICE)] == [b"1", b"2"]
            await store.settle(tx, [], (batch.id, 2))
            # Who is behind takes nothing back.
            await store.settle(tx, [], (batch.id, 1))
            await store.refuse(tx, batch, 1, "no")
            assert [one.value for one in await waiting(tx, SERVICE)] == [b"2"]
            assert len(await store.refused(tx, workspace=None, before=None, limit=10)) == 1


@asynccontextmanager
async def running(one: Relay) -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(one.run(stop))
        async with asyncio.timeout(HANG_SECONDS):
            while one not in outbox._relays_here.get(SERVICE, []):
                await between_looks()
        try:
            yield
        finally:
            stop.set()


async def until_sent(producer: Refusing, count: int) -> None:
    async with asyncio.timeout(HANG_SECONDS):
        while len(producer.sent) < count:
            await between_looks()


@pytest.mark.integration
class TestWaking:
    async def test_the_relay_beside_is_woken_without_the_database(
        self, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It neither polls nor hears anything: its address for listening is nobody's."""
        monkeypatch.setattr(relay, "POLL_SECONDS", 600.0)
        producer = Refusing()
        async with running(relay_of(engine, producer)):
            for number in range(5):
                async with engine.begin() as tx:
                    await outbox.append(tx, SERVICE, numbered(1))
                await until_sent(producer, number + 1)

    async def test_others_are_called_only_by_who_does_not_hold_the_lease(
        self, engine: AsyncEngine, database_url: str
    ) -> None:
        heard = asyncio.Queue[str]()
        listener = await connect(database_url)
        await listener.add_listener(f"{SERVICE}_outbox", lambda *one: heard.put_nowait(one[3]))
        producer = Refusing()
        mine = relay_of(engine, producer)
        async with running(mine):
            async with engine.begin() as tx:
                await outbox.append(tx, SERVICE, numbered(1))
            await until_sent(producer, 1)
            during = mine.holds_lease
            async with asyncio.timeout(HANG_SECONDS):
                await heard.get()
            async with engine.begin() as tx:
                await outbox.append(tx, SERVICE, numbered(1))
            await until_sent(producer, 2)
        assert (during, mine.holds_lease) == (True, False)
        async with engine.begin() as tx:
            await outbox.append(tx, SERVICE, numbered(2 * ROW_RECORDS))
            await tx.execute(text(f"NOTIFY {SERVICE}_outbox, 'last'"))
        async with asyncio.timeout(HANG_SECONDS):
            # Of the second one nothing was heard; the third is one call, for two rows.
            assert [await heard.get() for _ in range(2)] == ["", "last"]
        await listener.close()

    async def test_a_rollback_wakes_nobody(self, engine: AsyncEngine) -> None:
        calls: list[str] = []
        with suppress(DBAPIError):
            async with engine.begin() as tx:
                after_commit(tx, lambda: calls.append("rolled back"))
                await tx.execute(text("SELECT 1 / 0"))
        async with engine.connect() as connection:
            after_commit(connection, lambda: calls.append("no edge"))
            await connection.rollback()
        call = [lambda: calls.append("committed")][0]
        async with engine.begin() as tx:
            after_commit(tx, call)
            after_commit(tx, call)
            await tx.execute(text("SELECT 1"))
            assert calls == []
        assert calls == ["committed"]
