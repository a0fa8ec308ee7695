"""The migrations make the tables of `tables.py`, and can be taken back."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import asyncpg
import msgspec
import pytest
from alembic import command
from tests.support.former_outbox import beside

from rapport_common.events.membership import Membership
from rapport_common.migrations import alembic_config

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.integration
def test_up_check_down_up(
    service_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAPPORT_DATABASE_URL", service_database("segment"))
    config = alembic_config(ROOT)
    command.check(config)
    command.downgrade(config, "base")
    command.upgrade(config, "head")
    command.check(config)


@pytest.mark.integration
async def test_ghosts_end_loudly(
    service_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who had lost every identifier before leaves the segments, is told, and is nobody."""
    url = service_database("segment")
    monkeypatch.setenv("RAPPORT_DATABASE_URL", url)
    config = alembic_config(ROOT)
    await asyncio.to_thread(command.downgrade, config, "0002")
    connection = await asyncpg.connect(url)
    await connection.execute(
        """
        INSERT INTO segment.person (workspace, profile_id, version, state) VALUES
            ('acme', '00000000-0000-0000-0000-000000000001', 7, '{"identifiers": {}}'),
            ('acme', '00000000-0000-0000-0000-000000000002', 1, '{"identifiers": {"email": []}}');
        INSERT INTO segment.membership (workspace, profile_id, segment_id, entry_id, entered_at,
            segment_version, profile_version, reason)
            SELECT workspace, profile_id, gen_random_uuid(), gen_random_uuid(), now(), 3, 1, 'x'
            FROM segment.person;
        INSERT INTO segment.tally VALUES ('entered', 2)
        """
    )
    await asyncio.to_thread(command.upgrade, config, "head")
    [row] = await connection.fetch("SELECT topic, keys, payloads FROM segment.outbox_batch")
    record = msgspec.json.decode(row["payloads"][0], type=Membership)
    assert (row["topic"], row["keys"][0]) == ("segment.membership", record.profile_id.encode())
    assert (record.change, record.profile_id[-1], record.profile_version) == ("exited", "1", 7)
    assert record.at.tzinfo is not None
    living = await connection.fetch("SELECT version FROM segment.person WHERE state IS NOT NULL")
    opened = await connection.fetch("SELECT 1 FROM segment.membership WHERE exited_at IS NULL")
    exited = await connection.fetchval("SELECT value FROM segment.tally WHERE name = 'exited'")
    await connection.close()
    assert ([row["version"] for row in living], len(opened), exited) == ([1], 1, 1)


@pytest.mark.integration
async def test_the_release_before_goes_on_beside(
    service_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = service_database("segment")
    monkeypatch.setenv("RAPPORT_DATABASE_URL", url)
    await beside(url, "segment", ROOT, "0005")
