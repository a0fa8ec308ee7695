"""The migrations make exactly the tables that tables.py declares, and take them away again."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest
from alembic import command
from tests.support.former_outbox import beside

from rapport_common.migrations import alembic_config

pytestmark = pytest.mark.integration
CONFIG = alembic_config(Path(__file__).parents[1])


async def tables(url: str) -> set[str]:
    connection = await asyncpg.connect(url)
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'feedback'")
    await connection.close()
    return {row["tablename"] for row in rows}


async def test_up_and_down_and_up(
    service_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = service_database("feedback")
    monkeypatch.setenv("RAPPORT_DATABASE_URL", url)
    # Threads: alembic's environment runs an event loop of its own.
    await asyncio.to_thread(command.check, CONFIG)
    made = await tables(url)
    assert {"survey", "response", "complaint", "outbox_batch", "position"} <= made
    await asyncio.to_thread(command.downgrade, CONFIG, "base")
    assert await tables(url) == {"alembic_version"}
    await asyncio.to_thread(command.upgrade, CONFIG, "head")
    await asyncio.to_thread(command.check, CONFIG)
    assert await tables(url) == made


async def test_the_release_before_goes_on_beside(
    service_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = service_database("feedback")
    monkeypatch.setenv("RAPPORT_DATABASE_URL", url)
    await beside(url, "feedback", Path(__file__).parents[1], "0006")
