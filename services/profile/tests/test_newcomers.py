"""The rows that the bench copies in bulk are those that the consumer writes."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from services.profile.tests.people import IDS
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tests.bench import newcomers, people
from tests.support.engines import patient_engine

from rapport_common.kafka.batch import Record
from rapport_profile.handlers import events as handlers
from rapport_profile.handlers.indexing import Indexing

pytestmark = pytest.mark.integration

PEOPLE = 40


async def test_people_who_are_copied_are_as_if_their_events_had_come(
    engine: AsyncEngine, service_database: Callable[[str], str]
) -> None:
    events = [people.arrival(number) for number in range(PEOPLE)]
    records = [Record("events", 0, at, b"", one) for at, one in enumerate(events)]
    async with engine.begin() as tx:
        await handlers.on_events(IDS, records, tx)
    await Indexing(engine, frozenset(), rate=1_000_000, batch=2 * PEOPLE).turn()
    copied = service_database("profile")
    await copy(copied, newcomers.rows_of(IDS, events))
    other = patient_engine(copied, application="tests", pool=1)
    try:
        async with engine.begin() as came, other.begin() as made:
            for table in newcomers.COLUMNS:
                wanted = await stored(came, table)
                assert len(wanted) >= PEOPLE
                assert await stored(made, table) == wanted, table
    finally:
        await other.dispose()


async def copy(database: str, rows: newcomers.Rows) -> None:
    connection = await asyncpg.connect(database)
    try:
        for table, columns in newcomers.COLUMNS.items():
            await connection.copy_records_to_table(
                table, schema_name="profile", columns=columns, records=rows.tables[table]
            )
    finally:
        await connection.close()


async def stored(tx: AsyncConnection, table: str) -> list[Any]:
    """All columns of all rows, profiles and clusters named by an identifier that is in them."""
    found = (await tx.execute(text(f"SELECT * FROM profile.{table}"))).mappings().all()
    owners = await tx.execute(
        text(
            "SELECT profile_id, min(value) AS value FROM profile.identifier GROUP BY profile_id "
            "UNION SELECT cluster_id, min(value) FROM profile.identifier GROUP BY cluster_id"
        )
    )
    names = {row.profile_id: row.value for row in owners}
    return sorted((dict(plain(row, names)) for row in found), key=json.dumps)


def plain(row: Any, names: dict[UUID, str]) -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        named = names.get(value, value) if isinstance(value, UUID) else value
        known = isinstance(named, str | int | bool | list | dict | None)
        yield name, named if known else repr(named)
