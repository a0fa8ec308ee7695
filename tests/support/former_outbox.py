"""What a process of the release before the outbox held batches writes into it and reads from it."""

import asyncio
from pathlib import Path

import asyncpg
from alembic import command

from rapport_common.migrations import alembic_config

_WRITE = (
    "INSERT INTO {0}.outbox (topic, key, value, traceparent) SELECT topic, key, value, traceparent "
    "FROM unnest($1::text[], $2::bytea[], $3::bytea[], $4::text[]) "
    "WITH ORDINALITY AS v(topic, key, value, traceparent, n) ORDER BY n"
)
_READ = "SELECT id, topic, key, value, traceparent FROM {0}.outbox ORDER BY id LIMIT 10"
_DELETE = "DELETE FROM {0}.outbox WHERE id = ANY($1::bigint[])"
_REFUSE = (
    "WITH gone AS (DELETE FROM {0}.outbox WHERE id = $1 RETURNING *) "
    "INSERT INTO {0}.outbox_refused "
    "(id, topic, key, value, traceparent, workspace, reason, created_at) "
    "SELECT id, topic, key, value, traceparent, 'acme', 'no', created_at FROM gone"
)
_RETRY = (
    "WITH back AS (DELETE FROM {0}.outbox_refused WHERE id = $1 RETURNING *) "
    "INSERT INTO {0}.outbox (topic, key, value, traceparent) "
    "SELECT topic, key, value, traceparent FROM back"
)
_BATCH = (
    "INSERT INTO {0}.outbox_batch (topic, version, keys, payloads, traces, records, bytes, first) "
    "VALUES ('t', 1, $1::bytea[], $1::bytea[], NULL, 3, 6, 1)"
)


async def beside(url: str, schema: str, root: Path, revision: str) -> None:
    """Migrate a filled outbox to `revision` while such a process goes on, and take it back."""
    config = alembic_config(root)
    await asyncio.to_thread(command.downgrade, config, f"{int(revision) - 1:04}")
    connection = await asyncpg.connect(url)

    async def run(statement: str, *values: object) -> list[asyncpg.Record]:
        found: list[asyncpg.Record] = await connection.fetch(statement.format(schema), *values)
        return found

    async def write(*values: bytes) -> None:
        await run(_WRITE, ["t"] * len(values), list(values), list(values), ["trace"] * len(values))

    async def told() -> list[bytes]:
        rows = await run("SELECT payloads, first FROM {0}.outbox_batch ORDER BY id")
        return [one for row in rows for one in row["payloads"][row["first"] :]]

    try:
        await write(b"1", b"2", b"3")
        held = await run(_READ)
        await run(_REFUSE, held[0]["id"])
        await asyncio.to_thread(command.upgrade, config, revision)
        assert await told() == [b"2", b"3"]
        # The relay of before has these in hand: it deletes what it has sent, and finds no more.
        await run(_DELETE, [held[1]["id"]])
        await run(_REFUSE, held[2]["id"])
        await write(b"4", b"5")
        await run(_RETRY, held[0]["id"])
        assert await run(_READ) == []
        assert await told() == [b"2", b"3", b"4", b"5", b"1"]
        (row, *_) = await run("SELECT * FROM {0}.outbox_batch ORDER BY id DESC")
        assert (row["topic"], row["keys"], row["traces"]) == ("t", [b"1"], ["trace"])
        assert (row["version"], row["records"], row["bytes"], row["first"]) == (None, 1, 2, 0)
        await run(_BATCH, [b"6", b"7", b"8"])
        await asyncio.to_thread(command.downgrade, config, f"{int(revision) - 1:04}")
        assert [row["value"] for row in await run(_READ)] == [
            b"%d" % n for n in (2, 3, 4, 5, 1, 7, 8)
        ]
    finally:
        await connection.close()
        await asyncio.to_thread(command.upgrade, config, "head")
