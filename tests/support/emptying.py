"""Empties a service's tables between tests, or the whole of a database."""

from collections.abc import Iterable

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

LARGE_BYTES = 1024 * 1024
"""Whatever has grown beyond that is truncated: others would have to read over its dead rows."""


def wiping(tables: Iterable[str]) -> str:
    """The statement that empties these tables, named with their schema.

    Row by row: TRUNCATE makes new files for each table, index and overflow, and takes forty times
    as long where there are only a few rows. As TRUNCATE does, it waits for whoever is still at
    work, and is stopped by no foreign key.
    """
    names = sorted(tables)
    listed = ", ".join(f"'{name}'" for name in names)
    return f"""
        DO $$ DECLARE name text; BEGIN
            SET LOCAL session_replication_role = replica;
            LOCK TABLE {", ".join(names)} IN ACCESS EXCLUSIVE MODE;
            FOREACH name IN ARRAY ARRAY[{listed}] LOOP
                IF pg_table_size(name::regclass) > {LARGE_BYTES} THEN
                    EXECUTE 'TRUNCATE ' || name || ' CASCADE';
                ELSE
                    EXECUTE 'DELETE FROM ' || name;
                END IF;
            END LOOP;
        END $$
    """


async def wipe(tx: AsyncConnection, tables: Iterable[str]) -> None:
    """Nothing is in these tables any more."""
    await tx.execute(text(wiping(tables)))


async def dropped(url: str) -> None:
    """There is no schema of a service in this database any more, and nobody in it.

    Whoever is still connected is ended first: a killed process of a test may hold locks.
    """
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(_END_OTHERS)
        schemas = await connection.fetch(_SCHEMAS)
        for row in schemas:
            await connection.execute(f'DROP SCHEMA "{row["nspname"]}" CASCADE')
    finally:
        await connection.close()


_END_OTHERS = """
    SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_SCHEMAS = """
    SELECT nspname FROM pg_namespace
    WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public')
"""


async def wiped(engine: AsyncEngine, tables: Iterable[str]) -> None:
    """The same in a transaction of its own."""
    async with engine.begin() as tx:
        await wipe(tx, tables)
