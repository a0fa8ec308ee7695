"""The migrations make the tables the code declares, and can be taken back."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command

from rapport_common.migrations import alembic_config

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[1]


async def test_up_check_down_up(
    service_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAPPORT_DATABASE_URL", service_database("ingest"))
    config = alembic_config(ROOT)
    # In threads: alembic's env.py runs a loop of its own.
    await asyncio.to_thread(command.check, config)
    await asyncio.to_thread(command.downgrade, config, "base")
    await asyncio.to_thread(command.upgrade, config, "head")
    await asyncio.to_thread(command.check, config)
