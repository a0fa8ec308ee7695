"""A scratch database with the consumer's and the outbox's tables, and topics of a test's own."""

import uuid
from collections.abc import AsyncIterator, Callable

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.emptying import dropped
from tests.support.engines import patient_engine

from rapport_common.db import metadata
from rapport_common.events.keys import Key
from rapport_common.events.membership import Membership
from rapport_common.events.topics import Topic
from rapport_common.kafka.admin import ensure_topics
from rapport_common.kafka.tables import consumer_tables
from rapport_common.outbox import outbox_tables

SERVICE = "segment"


@pytest.fixture
async def database_url(module_database_url: str) -> str:
    """A database with nothing in it: that of the module, from which all that was is dropped."""
    await dropped(module_database_url)
    return module_database_url


@pytest.fixture(scope="module")
async def module_database_url(postgres_server: object) -> str:
    """One for all tests of a module."""
    name = f"common_{uuid.uuid4().hex[:12]}"
    url: Callable[..., str] = postgres_server.url  # type: ignore[attr-defined] # see root conftest
    connection = await asyncpg.connect(url())
    await connection.execute(f'CREATE DATABASE "{name}"')
    await connection.close()
    return url(name)


@pytest.fixture
def service() -> str:
    """The schema, and the group of consumers."""
    return SERVICE


@pytest.fixture
async def engine(database_url: str, service: str) -> AsyncIterator[AsyncEngine]:
    """Infrastructure tables, and `effect`, whose rows are what the handlers of these tests do."""
    tables = metadata(service)
    consumer_tables(tables)
    outbox_tables(tables)
    path = {"search_path": service}
    made = patient_engine(database_url, application="tests", pool=10, settings=path)
    async with made.begin() as tx:
        await tx.execute(text(f"CREATE SCHEMA {service}"))
        await tx.run_sync(tables.create_all)
        await tx.execute(text("CREATE TABLE effect (n bigint, member text)"))
    yield made
    await made.dispose()


@pytest.fixture
async def topic(kafka_bootstrap: str, service: str) -> Topic:
    """A topic nobody else uses, with three partitions."""
    made = Topic(
        name=f"test-{uuid.uuid4().hex[:12]}",
        key=Key.PROFILE,
        versions=(Membership,),
        producers=(SERVICE,),
        consumers=(service,),
        description="for one test",
    )
    await ensure_topics(kafka_bootstrap, [made], partitions=3, replication=1)
    return made
