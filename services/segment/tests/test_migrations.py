"""The migrations make the tables of `tables.py`, and can be taken back."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import asyncpg
import msgspec
import pytest
from alembic import command
from tests.support.former_outbox import beside

from rapport_common.db import create_engine
from rapport_common.events.membership import Membership
from rapport_common.follower.domain import Held
from rapport_common.migrations import alembic_config
from rapport_segment.store import people

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
    living = await connection.fetch("SELECT version FROM segment.person WHERE known")
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


@pytest.mark.integration
async def test_people_of_before_are_known_by_section(
    service_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Living, merged and gone ones; and the version before could go on with what comes of them."""
    url = service_database("segment")
    monkeypatch.setenv("RAPPORT_DATABASE_URL", url)
    config = alembic_config(ROOT)
    await asyncio.to_thread(command.downgrade, config, "0004")
    connection = await asyncpg.connect(url)
    await connection.execute(
        """
        INSERT INTO segment.person (workspace, profile_id, version, state)
            SELECT 'acme', CAST(lpad(id, 32, '0') AS uuid), version, CAST(state AS jsonb)
            FROM (VALUES ('1', 7, '{"traits": {"a": 1.50}, "computed": {"orders": 2, "revenue": {}},
            "identifiers": {"email": ["ada@x.org"]}}'), ('2', 5, NULL), ('3', 4, NULL),
            ('4', 0, NULL)) AS v(id, version, state);
        INSERT INTO segment.alias SELECT workspace, profile_id, CAST(lpad('1', 32, '0') AS uuid)
            FROM segment.person WHERE version = 5
        """
    )
    await connection.close()
    for direction in (command.upgrade, command.downgrade, command.upgrade):
        goal = "head" if direction is command.upgrade else "0004"
        await asyncio.to_thread(direction, config, goal)
    keys = [("acme", str(UUID(int=number))) for number in (1, 2, 3, 4)]
    engine = create_engine(url, application="segment-test")
    async with engine.begin() as tx:
        held = await people.FOLLOWER.store.held(tx, keys)
        found = await people.find(tx, "acme", UUID(int=2))
    await engine.dispose()
    assert held == {
        keys[0]: Held((7, 7, 7, 0, 0, 0)),
        keys[1]: Held((0,) * 6, 5, keys[0][1]),
        keys[2]: Held((0,) * 6, 4),
    }
    assert found is not None
    assert found.profile_id == UUID(int=1)
    assert found.facts.identifiers == {"email": ["ada@x.org"]}
    assert found.facts.traits == {"a": Decimal("1.50")}
    assert found.facts.computed["orders"] == 2
