"""The migrations make exactly the tables that tables.py declares, and take them away again."""

import asyncio
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import msgspec
import pytest
from alembic import command
from services.profile.tests.people import IDS, event
from tests.support.engines import patient_engine
from tests.support.former_outbox import beside

from rapport_common.kafka.batch import Record
from rapport_common.migrations import alembic_config
from rapport_common.testing.credentials import EVENT_KEY
from rapport_profile.domain.loyalty.checkpoint import Head, fits
from rapport_profile.domain.loyalty.programme import Programme, Version
from rapport_profile.handlers.events import on_events

pytestmark = pytest.mark.integration
CONFIG = alembic_config(Path(__file__).parents[1])


async def tables(url: str) -> set[str]:
    connection = await asyncpg.connect(url)
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'profile'")
    await connection.close()
    return {row["tablename"] for row in rows}


async def test_up_and_down_and_up(
    service_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = service_database("profile")
    monkeypatch.setenv("RAPPORT_DATABASE_URL", url)
    monkeypatch.setenv("RAPPORT_EVENT_KEY", EVENT_KEY.hex())
    # Threads: alembic's environment runs an event loop of its own.
    await asyncio.to_thread(command.check, CONFIG)
    made = await tables(url)
    assert {"identifier", "link", "profile", "timeline", "inbox", "outbox_batch"} <= made
    await asyncio.to_thread(command.downgrade, CONFIG, "base")
    assert await tables(url) == {"alembic_version"}
    await asyncio.to_thread(command.upgrade, CONFIG, "head")
    await asyncio.to_thread(command.check, CONFIG)
    assert await tables(url) == made


async def test_the_release_before_goes_on_beside(
    service_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = service_database("profile")
    monkeypatch.setenv("RAPPORT_DATABASE_URL", url)
    monkeypatch.setenv("RAPPORT_EVENT_KEY", EVENT_KEY.hex())
    await beside(url, "profile", Path(__file__).parents[1], "0004")


async def filled(url: str) -> None:
    """Events of three people, two of whom became one, under the key of these tests."""
    engine = patient_engine(url, application="tests")
    history = [
        event("1", type="identify", user_id="U", email="u@example.com", traits={"n": 1}),
        event("2", anonymous_id="x", said={"n": 1}),
        event("3", user_id="U", anonymous_id="x", at=1),
        event("4", user_id="V", at=2),
        event("5", type="alias", user_id="W", previous_id="y", at=3),
    ]
    async with engine.begin() as tx:
        records = [Record("events", 0, at, b"", one) for at, one in enumerate(history)]
        await on_events(IDS, records, tx)
    await engine.dispose()


TABLES = ("identifier", "link", "inbox", "timeline", "profile", "overflow")


async def contents(url: str) -> dict[str, list[str]]:
    connection = await asyncpg.connect(url)
    found = {}
    for table in TABLES:
        rows = await connection.fetch(f"SELECT to_jsonb(t)::text AS row FROM profile.{table} t")
        found[table] = sorted(row["row"] for row in rows)
    await connection.close()
    return found


async def test_ids_are_made_anew_under_the_key_wherever_they_are(
    service_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = service_database("profile")
    monkeypatch.setenv("RAPPORT_DATABASE_URL", url)
    monkeypatch.setenv("RAPPORT_EVENT_KEY", EVENT_KEY.hex())
    await filled(url)
    keyed = await contents(url)
    ids = [IDS.of("w", one) for one in (("user_id", "U"), ("email", "u@example.com"))]
    assert all(any(one in row for row in keyed["identifier"]) for one in ids)
    await asyncio.to_thread(command.downgrade, CONFIG, "0005")
    before = await contents(url)
    assert not any(one in row for rows in before.values() for row in rows for one in ids)
    # As it was made then: 16 bytes of BLAKE2b, which anybody can work out.
    known = hashlib.blake2b(b"w\0user_id\0U", digest_size=16).hexdigest()
    assert {table for table, rows in before.items() if known in "".join(rows).replace("-", "")} == {
        *TABLES
    } - {"overflow"}
    await asyncio.to_thread(command.upgrade, CONFIG, "head")
    assert await contents(url) == keyed
    await asyncio.to_thread(command.downgrade, CONFIG, "0005")
    for wrong in ("", "ab", "zz" * 32, EVENT_KEY.hex()[:-2]):
        monkeypatch.setenv("RAPPORT_EVENT_KEY", wrong)
        with pytest.raises(RuntimeError, match="set RAPPORT_EVENT_KEY"):
            await asyncio.to_thread(command.upgrade, CONFIG, "head")


async def test_no_process_of_the_version_before_goes_on_beside_the_new_ids(
    service_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = service_database("profile")
    monkeypatch.setenv("RAPPORT_DATABASE_URL", url)
    monkeypatch.setenv("RAPPORT_EVENT_KEY", EVENT_KEY.hex())
    await filled(url)
    await asyncio.to_thread(command.downgrade, CONFIG, "0005")
    before = await contents(url)
    settings = {"application_name": "profile-0-worker"}
    running = await asyncpg.connect(url, server_settings=settings)
    with pytest.raises(RuntimeError, match="stop all its processes first"):
        await asyncio.to_thread(command.upgrade, CONFIG, "head")
    await running.close()
    assert await contents(url) == before
    await asyncio.to_thread(command.upgrade, CONFIG, "head")


async def test_an_empty_schema_needs_no_key(
    service_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAPPORT_DATABASE_URL", service_database("profile"))
    monkeypatch.delenv("RAPPORT_EVENT_KEY", raising=False)
    await asyncio.to_thread(command.downgrade, CONFIG, "0005")
    await asyncio.to_thread(command.upgrade, CONFIG, "head")


PLACED = (
    "SELECT tableoid::regclass::text AS part, message_id FROM profile.timeline ORDER BY timestamp"
)


async def test_a_timeline_that_is_there_is_put_into_months(
    service_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = service_database("profile")
    monkeypatch.setenv("RAPPORT_DATABASE_URL", url)
    monkeypatch.setenv("RAPPORT_EVENT_KEY", EVENT_KEY.hex())
    await asyncio.to_thread(command.downgrade, CONFIG, "0008")
    connection = await asyncpg.connect(url)
    ago = [0, 1, 40, 365 * 2, 365 * 5, 365 * 30, -365 * 2]
    for number, days in enumerate(ago):
        await connection.execute(
            "INSERT INTO profile.timeline VALUES ('w', gen_random_uuid(), "
            "now() - $1 * interval '1 day', 's', $2, '{}')",
            days,
            str(number),
        )
    before = await contents(url)
    await asyncio.to_thread(command.upgrade, CONFIG, "head")
    assert await contents(url) == before
    placed = {row["message_id"]: row["part"] for row in await connection.fetch(PLACED)}
    parts = [placed[str(number)].removeprefix("profile.") for number in range(len(ago))]
    this = await connection.fetchval("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM')")
    assert parts[0] == f"timeline_{this}"
    assert all(one.startswith("timeline_2") for one in parts[:4])
    assert parts[4:] == ["timeline_early", "timeline_early", "timeline_late"]
    await asyncio.to_thread(command.check, CONFIG)
    await asyncio.to_thread(command.downgrade, CONFIG, "0008")
    assert await contents(url) == before
    # Not while sums are between the months and where they belong.
    await asyncio.to_thread(command.upgrade, CONFIG, "head")
    await connection.execute("INSERT INTO profile.timeline_closing VALUES ('timeline_x')")
    with pytest.raises(RuntimeError, match="let profile run for some minutes"):
        await asyncio.to_thread(command.downgrade, CONFIG, "0008")
    await connection.close()


async def test_who_is_known_before_there_is_search_is_searched_after(
    service_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The migration notes them; the loop of profile writes them, beside live events."""
    url = service_database("profile")
    monkeypatch.setenv("RAPPORT_DATABASE_URL", url)
    monkeypatch.setenv("RAPPORT_EVENT_KEY", EVENT_KEY.hex())
    await asyncio.to_thread(command.downgrade, CONFIG, "0009")
    await asyncio.to_thread(command.upgrade, CONFIG, "0009")
    connection = await asyncpg.connect(url)
    for merged in (None, "f3fef9e5-16dc-47fa-a2b4-3d4c1b482afe"):
        await connection.execute(
            "INSERT INTO profile.profile (workspace, id, version, members, merged_into) "
            "SELECT 'w' || n % 2, gen_random_uuid(), 1, 1, $1 FROM generate_series(1, 900) AS n",
            merged,
        )
    await asyncio.to_thread(command.upgrade, CONFIG, "head")
    rows = await connection.fetch("SELECT workspace, profiles FROM profile.search_due")
    alive = await connection.fetch("SELECT id FROM profile.profile WHERE merged_into IS NULL")
    await connection.close()
    assert {one for row in rows for one in row["profiles"]} == {row["id"] for row in alive}
    assert sorted(len(row["profiles"]) for row in rows) == [50, 50, 200, 200, 200, 200]


async def test_accounts_go_on_from_their_checkpoints_but_for_those_that_expire_by_inactivity(
    service_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of those all lots were dated; of the others it is said by which beginning they were made."""
    url = service_database("profile")
    monkeypatch.setenv("RAPPORT_DATABASE_URL", url)
    monkeypatch.setenv("RAPPORT_EVENT_KEY", EVENT_KEY.hex())
    await asyncio.to_thread(command.downgrade, CONFIG, "0021")
    connection = await asyncpg.connect(url)
    await connection.execute(
        "INSERT INTO profile.loyalty_programme (workspace, version, programme, since, actor, "
        "reason) VALUES ('w', 1, '{\"name\": \"Club\"}', '2026-01-01 00:00:00.25Z', 'a', 'r')"
    )
    usual = '{"at": "2026-02-01T00:00:00Z", "versions": 1, "is_member": true, "level": -1'
    heads = {1: f'{usual}, "tier": null}}', 2: f'{usual}, "tier": null, "inactive": true}}'}
    for number, head in heads.items():
        who = f"00000000-0000-0000-0000-00000000000{number}"
        await connection.execute(
            "INSERT INTO profile.loyalty_checkpoint VALUES ('w', $1, now(), $2)", who, head
        )
        await connection.execute(
            "INSERT INTO profile.loyalty_lot (workspace, profile_id, key, subject, at, opens_at, "
            "ends_at, free, is_open, lot) "
            "VALUES ('w', $1, 'k', 's', now(), now(), now(), 1, true, '{}')",
            who,
        )
    await asyncio.to_thread(command.upgrade, CONFIG, "head")
    rows = await connection.fetch(
        "SELECT profile_id::text AS id, head FROM profile.loyalty_checkpoint"
    )
    lots = await connection.fetch("SELECT profile_id::text AS id, cohort FROM profile.loyalty_lot")
    await connection.close()
    assert [one["id"][-1] for one in rows] == ["1"]
    assert [(one["id"][-1], one["cohort"]) for one in lots] == [("1", None)]
    kept = msgspec.json.decode(rows[0]["head"], type=Head)
    version = Version(datetime(2026, 1, 1, 0, 0, 0, 250_000, UTC), Programme(name="Club"))
    assert fits(kept, [version], kept.at + timedelta(days=1))
    assert not fits(kept, [version._replace(since=kept.at)], kept.at + timedelta(days=1))
