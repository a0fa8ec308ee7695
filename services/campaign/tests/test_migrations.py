"""The migrations make the tables of `tables.py`, and can be taken back."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import text

from rapport_common.db import create_engine
from rapport_common.migrations import alembic_config

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.integration
def test_up_check_down_up(
    service_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAPPORT_DATABASE_URL", service_database("campaign"))
    config = alembic_config(ROOT)
    command.check(config)
    command.downgrade(config, "base")
    command.upgrade(config, "head")
    command.check(config)


@pytest.mark.integration
async def test_what_is_stored_takes_the_normal_form(
    service_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unsubscribe under an old spelling counts, and so does a stored person's no."""
    url = service_database("campaign")
    monkeypatch.setenv("RAPPORT_DATABASE_URL", url)
    config = alembic_config(ROOT)
    await asyncio.to_thread(command.downgrade, config, "0002")
    engine = create_engine(url, application="campaign-test")
    consent = [
        {"contact_point": " Bob@Example.COM", "channel": "Email", "purpose": "marketing"},
        {"contact_point": "eve@example.com", "channel": "sms", "purpose": "promotion"},
    ]
    state = {"consent": [{**one, "state": "withdrawn"} for one in consent]}
    async with engine.begin() as tx:
        await tx.execute(
            text(
                "INSERT INTO campaign.suppression SELECT 'acme', address, 'promotion', 'r', at "
                "FROM (VALUES (' ADA@Example.com', timestamptz '2026-01-02Z'), "
                "('ada@example.com', timestamptz '2026-01-01Z')) AS v(address, at)"
            )
        )
        await tx.execute(
            text(
                "INSERT INTO campaign.person VALUES ('acme', 'p1', 1, NULL, CAST(:state AS json))"
            ),
            {"state": json.dumps(state)},
        )
    await asyncio.to_thread(command.upgrade, config, "head")
    async with engine.begin() as tx:
        suppressed = (await tx.execute(text("SELECT address, at FROM campaign.suppression"))).all()
        said = (await tx.execute(text("SELECT address, purpose FROM campaign.objection"))).all()
    await engine.dispose()
    assert suppressed == [("ada@example.com", datetime(2026, 1, 2, tzinfo=UTC))]
    assert said == [("bob@example.com", "promotion")]
