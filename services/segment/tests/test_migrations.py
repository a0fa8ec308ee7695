"""The migrations make the tables of `tables.py`, and can be taken back."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest
from alembic import command
from tests.support.former_outbox import beside

from rapport_common import clock
from rapport_common.db import create_engine
from rapport_common.events.membership import Membership
from rapport_common.follower.domain import Held
from rapport_common.ids import uuid7
from rapport_common.migrations import alembic_config
from rapport_segment.store import people
from rapport_segment.store.webhooks import WEBHOOKS

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


@pytest.mark.integration
async def test_webhooks_of_before_want_the_same_and_what_waits_keeps_its_order(
    service_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up, down and up again: as whoever posts reads it."""
    url = service_database("segment")
    monkeypatch.setenv("RAPPORT_DATABASE_URL", url)
    config = alembic_config(ROOT)
    await asyncio.to_thread(command.downgrade, config, "0023")
    connection = await asyncpg.connect(url)
    await connection.execute(_FORMER_WEBHOOKS)
    await connection.close()
    # Twice up: what an odd number of ways would turn around is seen after the first.
    await asyncio.to_thread(command.upgrade, config, "head")
    await _check_webhooks(url)
    await asyncio.to_thread(command.downgrade, config, "0023")
    await asyncio.to_thread(command.upgrade, config, "head")
    await _check_webhooks(url)


async def _check_webhooks(url: str) -> None:
    engine, now = create_engine(url, application="segment-test"), clock.now()
    async with engine.connect() as tx:
        every, some = await WEBHOOKS.listed(tx, "acme", limit=10)
        posts = await WEBHOOKS.posts.listed(
            tx, "acme", every.webhook_id, state=None, after=None, limit=10
        )
        counts = await WEBHOOKS.posts.counts(tx, "acme", [every.webhook_id])
        given: dict[str, Any] = {"now": now, "lease": timedelta(minutes=1), "limit": 10}
        # Rolled back: nobody has them afterwards.
        claimed = await WEBHOOKS.posts.claim(tx, every, uuid7(), **given)
    await engine.dispose()
    segment, person = str(UUID(int=7)), str(UUID(int=1))
    assert (every.wants, some.wants) == ({"segment_ids": None}, {"segment_ids": [segment]})
    assert (every.failing_since, some.failures) == (None, 3)
    assert some.failing_since is not None
    assert [(one.body, one.subject, one.state) for one in posts] == [
        ("3", person, "dead"),
        ("1", person, "waiting"),
        ("2", person, "waiting"),
    ]
    assert posts[0].ended_at is not None
    assert counts == {every.webhook_id: (2, 1)}
    # Written before it, though its id is greater.
    assert [one.body for one in claimed] == ["1"]


_FORMER_WEBHOOKS = """
INSERT INTO segment.webhook (workspace, webhook_id, url, segment_ids, secret, failures, created_at,
    created_by)
    SELECT 'acme', CAST(lpad(id, 32, '0') AS uuid), 'https://x.org/' || id,
        CAST(segments AS uuid[]), 'whsec_', failures, now(), 'ada'
    FROM (VALUES ('1', NULL, 0), ('2', '{00000000000000000000000000000007}', 3))
    AS v(id, segments, failures);
INSERT INTO segment.webhook_delivery (workspace, message_id, webhook_id, profile_id, body,
    created_at, died_at)
    SELECT 'acme', CAST(lpad(id, 32, '0') AS uuid), CAST(lpad('1', 32, '0') AS uuid),
        CAST(lpad('1', 32, '0') AS uuid), body, now() - ago * interval '1 minute',
        CASE WHEN body = '3' THEN now() END
    FROM (VALUES (1, '9', '1', 2), (2, '8', '2', 3), (3, '7', '3', 1)) AS v(n, id, body, ago)
    ORDER BY n
"""
