"""Everything a stack holds, in a file, and back: rows, topics and mails."""

import asyncio
import base64
import gzip
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from tests.support.waiting import HANG_SECONDS

from rapport_common.events.topics import TOPICS
from rapport_common.events.versions import HEADER
from rapport_local.ports import HOST, SERVICES
from rapport_local.provision import DATABASE
from rapport_local.stack import Stack

Rows = dict[str, str]
"""{table: its rows in COPY's text form, the names of the columns as its first line}"""
Log = dict[str, list[list[str | None]]]
"""{partition: [[key, value, type] in base64, in the order of the offsets, which begin with 0]}

The type is that in the record's header; records of before there was one lack it."""


@dataclass
class Past:
    """What a stack of another version held, and what it answered in the end."""

    revisions: dict[str, str] = field(default_factory=dict)
    rows: dict[str, Rows] = field(default_factory=dict)
    topics: dict[str, Log] = field(default_factory=dict)
    mails: dict[str, str] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read what `write` wrote."""
        return cls(**json.loads(gzip.decompress(file.read_bytes())))

    def write(self, file: Path) -> None:
        """Write it as packed JSON, the same bytes for the same content."""
        content = json.dumps(vars(self), sort_keys=True, indent=0)
        file.write_bytes(gzip.compress(content.encode(), mtime=0))


def kept(stack: Stack) -> Past:
    """All rows, records and mails of a stack in which nothing moves."""
    return asyncio.run(_kept(stack))


def restored(past: Past, stack: Stack) -> None:
    """Put a past into the fresh Postgres, Kafka and mailbox of a stack.

    The schemas are at the past's revisions, and empty.
    """
    asyncio.run(_restored(past, stack))


async def _kept(stack: Stack) -> Past:
    past = Past()
    connection = await _connected(stack)
    try:
        for schema in SERVICES:
            past.rows[schema] = {}
            for table in await _tables(connection, schema):
                if table == "alembic_version":
                    query = f"SELECT version_num FROM {schema}.alembic_version"
                    past.revisions[schema] = await connection.fetchval(query)
                else:
                    found = await _copied(connection, schema, table)
                    past.rows[schema] |= {table: found} if found.count("\n") > 1 else {}
    finally:
        await connection.close()
    past.topics = await _read_log(stack)
    inbox = stack.home.mail / "new"
    past.mails = {one.name: one.read_text() for one in sorted(inbox.iterdir())}
    return past


async def _copied(connection: "asyncpg.Connection[Any]", schema: str, table: str) -> str:
    content = io.BytesIO()
    await connection.copy_from_table(
        table, schema_name=schema, output=content, format="csv", header=True
    )
    return content.getvalue().decode()


async def _tables(connection: "asyncpg.Connection[Any]", schema: str) -> list[str]:
    query = "SELECT tablename FROM pg_tables WHERE schemaname = $1 ORDER BY 1"
    return [row[0] for row in await connection.fetch(query, schema)]


async def _read_log(stack: Stack) -> dict[str, Log]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=stack.config.bootstrap_servers, enable_auto_commit=False
    )
    await consumer.start()
    try:
        found: dict[str, Log] = {}
        for topic in TOPICS:
            places = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
            ends = await consumer.end_offsets(places)
            found[topic.name] = {
                str(one.partition): await _read(consumer, one, ends[one]) for one in places
            }
        return found
    finally:
        await consumer.stop()


async def _read(
    consumer: AIOKafkaConsumer, place: TopicPartition, end: int
) -> list[list[str | None]]:
    records: list[list[str | None]] = []
    consumer.assign([place])
    await consumer.seek_to_beginning(place)
    while len(records) < end:
        one = await consumer.getone()
        kind = dict(one.headers).get(HEADER)
        records.append([_text(one.key), _text(one.value), _text(kind)])
    return records


async def _restored(past: Past, stack: Stack) -> None:
    connection = await _connected(stack)
    try:
        # Rows of tables that refer to each other come in any order.
        await connection.execute("SET session_replication_role = replica")
        whole = [f"{schema}.{table}" for schema, rows in past.rows.items() for table in rows]
        await connection.execute(f"TRUNCATE {', '.join(whole)} CASCADE")
        for schema, tables in past.rows.items():
            for table, content in tables.items():
                await _copy_back(connection, schema, table, content)
    finally:
        await connection.close()
    await _write_log(past, stack)
    for name, mail in past.mails.items():
        (stack.home.mail / "new" / name).write_text(mail)


async def _copy_back(
    connection: "asyncpg.Connection[Any]", schema: str, table: str, content: str
) -> None:
    columns = content.partition("\n")[0].split(",")
    await connection.copy_to_table(
        table,
        schema_name=schema,
        columns=columns,
        source=io.BytesIO(content.encode()),
        format="csv",
        header=True,
    )
    counted = await connection.fetch(
        "SELECT column_name FROM information_schema.columns "
        "WHERE table_schema = $1 AND table_name = $2 AND is_identity = 'YES'",
        schema,
        table,
    )
    for row in counted:
        await connection.execute(
            f"SELECT setval(pg_get_serial_sequence('{schema}.{table}', '{row[0]}'), "
            f"(SELECT max({row[0]}) FROM {schema}.{table}))"
        )


async def _write_log(past: Past, stack: Stack) -> None:
    servers = stack.config.bootstrap_servers
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        # With the settings of the services, who find them there.
        made = [NewTopic(name, len(log), 1) for name, log in past.topics.items()]
        await admin.create_topics(made)
    finally:
        await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        for topic, log in past.topics.items():
            for partition, records in log.items():
                for key, value, *kind in records:
                    headers = [(HEADER, _bytes(one)) for one in kind if one is not None]
                    await producer.send(
                        topic,
                        _bytes(value),
                        key=_bytes(key),
                        partition=int(partition),
                        headers=headers,
                    )
        await producer.flush()
    finally:
        await producer.stop()


async def _connected(stack: Stack) -> "asyncpg.Connection[Any]":
    return await asyncpg.connect(
        host=HOST,
        port=stack.config.ports.postgres,
        user="postgres",
        password=stack.credentials().passwords["postgres"],
        database=DATABASE,
        timeout=HANG_SECONDS,
    )


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else base64.b64encode(raw).decode()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)
