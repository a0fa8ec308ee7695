"""What every service's `migrations/env.py` does: one schema, its own version table."""

import asyncio
import os
from functools import partial
from pathlib import Path

from alembic import command, context
from alembic.config import Config
from sqlalchemy import Connection, MetaData
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from rapport_common.db import connect, plain_url


def alembic_config(root: Path) -> Config:
    """The alembic configuration of a service folder."""
    config = Config(str(root / "alembic.ini"))
    config.set_main_option("script_location", str(root / "migrations"))
    return config


def upgrade(root: Path, revision: str = "head") -> None:
    """Bring the schema of the service in `root` to `revision`."""
    command.upgrade(alembic_config(root), revision)


def run(metadata: MetaData) -> None:
    """The body of an `env.py`: run the migrations of `metadata.schema` online."""
    asyncio.run(_online(metadata))


async def _online(metadata: MetaData) -> None:
    connecting = partial(connect, plain_url(os.environ["RAPPORT_DATABASE_URL"]))
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=connecting, poolclass=NullPool
    )
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_migrate, metadata)
            await connection.commit()
    finally:
        await engine.dispose()


def _migrate(connection: Connection, metadata: MetaData) -> None:
    schema = metadata.schema
    # Processes of a service begin together: one of them migrates, and the others find it done. Held
    # until the connection ends, and waited for as long as it takes: before there is a time-out.
    connection.exec_driver_sql(f"SELECT pg_advisory_lock(hashtextextended('migrate/{schema}', 0))")
    connection.exec_driver_sql("SET lock_timeout = '5s'")
    _ensure_schema(connection, str(schema))
    parts = _parts(connection, str(schema))
    context.configure(
        connection=connection,
        target_metadata=metadata,
        version_table_schema=schema,
        include_schemas=True,
        include_name=lambda name, kind, _parents: (
            name == schema if kind == "schema" else not (kind == "table" and name in parts)
        ),
        compare_type=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def _parts(connection: Connection, schema: str) -> set[str]:
    """The partitions of tables: the service makes them itself, no migration declares them."""
    found = connection.exec_driver_sql(
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        f"WHERE c.relispartition AND c.relkind = 'r' AND n.nspname = '{schema}'"
    )
    return set(found.scalars())


def _ensure_schema(connection: Connection, schema: str) -> None:
    # Not IF NOT EXISTS: that needs the right to create schemas even when there is nothing to do,
    # and a service's role has none.
    known = connection.exec_driver_sql(f"SELECT 1 FROM pg_namespace WHERE nspname = '{schema}'")
    if known.first() is None:
        connection.exec_driver_sql(f'CREATE SCHEMA "{schema}"')
