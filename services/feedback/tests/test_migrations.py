"""The migrations make exactly the tables that `tables` declares, and take them away again."""

import asyncio
import os
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import asyncpg
import msgspec
import pytest
from alembic import command
from tests.support.former_outbox import beside

from rapport_common.migrations import alembic_config
from rapport_feedback.domain.survey_forms import of_document, simple

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


async def test_processes_that_begin_together_migrate_once(
    postgres_server: object, service_database: Callable[[str], str]
) -> None:
    address: Callable[..., str] = postgres_server.url  # type: ignore[attr-defined] # see root conftest
    made = await tables(service_database("feedback"))
    name = f"feedback_{uuid.uuid4().hex[:12]}"
    connection = await asyncpg.connect(address())
    await connection.execute(f'CREATE DATABASE "{name}"')
    await connection.close()
    environment = {**os.environ, "RAPPORT_DATABASE_URL": address(name)}
    started = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "rapport_feedback", "migrate"), env=environment
        )
        for _ in range(3)
    ]
    assert [await one.wait() for one in started] == [0, 0, 0]
    assert await tables(address(name)) == made


async def test_the_release_before_goes_on_beside(
    service_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = service_database("feedback")
    monkeypatch.setenv("RAPPORT_DATABASE_URL", url)
    await beside(url, "feedback", Path(__file__).parents[1], "0006")


async def test_clocks_of_open_cases_are_set(
    service_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database of the version before goes on: limits that run are there, passed ones are now."""
    url = service_database("feedback")
    monkeypatch.setenv("RAPPORT_DATABASE_URL", url)
    await asyncio.to_thread(command.downgrade, CONFIG, "0005")
    connection = await asyncpg.connect(url)
    await connection.execute(
        """
        INSERT INTO feedback.complaint (workspace, case_id, number, state, step, subject, body,
            opened_at, acknowledge_due_at, due_at)
        SELECT 'acme', gen_random_uuid(), n, state, 1, 's', 'b', now() - interval '9 days',
            now() - interval '1 day', now() + interval '1 day'
        FROM unnest(ARRAY['received', 'assessed', 'closed']) WITH ORDINALITY AS v(state, n)
        """
    )
    await asyncio.to_thread(command.upgrade, CONFIG, "head")
    rows = await connection.fetch(
        "SELECT c.number, d.kind, d.at = c.due_at OR d.at = c.acknowledge_due_at AS at_its_time, "
        "d.try_at >= c.opened_at + interval '9 days' AS not_before FROM feedback.due d "
        "JOIN feedback.complaint c ON c.case_id::text = d.key ORDER BY 1, 2"
    )
    lanes = await connection.fetch("SELECT kind FROM feedback.due_lane ORDER BY 1")
    await connection.close()
    assert [tuple(row) for row in rows] == [
        (1, "case_acknowledge", True, True),
        (1, "case_resolve", True, True),
        (2, "case_resolve", True, True),
    ]
    assert [row["kind"] for row in lanes] == ["case_acknowledge", "case_resolve"]


async def test_a_survey_of_before_is_a_form_and_goes_back(
    service_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers stay where they are; what the version before has no place for goes with it."""
    url = service_database("feedback")
    monkeypatch.setenv("RAPPORT_DATABASE_URL", url)
    await asyncio.to_thread(command.downgrade, CONFIG, "0013")
    connection = await asyncpg.connect(url)
    await connection.execute(
        """
        INSERT INTO feedback.survey (workspace, survey_id, name, kind, question, wave, created_at)
        VALUES ('acme', '00000000-0000-0000-0000-000000000001', 'n', 'nps', 'Say "how"?', 2, now());
        INSERT INTO feedback.response (workspace, response_id, survey_id, wave, kind, value, score,
            comment, revision, answered_at, revised_at)
        SELECT 'acme', gen_random_uuid(), survey_id, wave, 'user_id', 'u1', 9, 'good', 2, now(),
            now()
        FROM feedback.survey
        """
    )
    before = await connection.fetch("SELECT * FROM feedback.response")
    await asyncio.to_thread(command.upgrade, CONFIG, "head")
    document = await connection.fetchval("SELECT document::text FROM feedback.survey_version")
    assert of_document(msgspec.json.decode(document)) == simple('Say "how"?')
    row = await connection.fetchrow("SELECT state, version, answers::text FROM feedback.response")
    assert tuple(row) == ("complete", 1, "{}")
    await connection.execute(
        "INSERT INTO feedback.response (workspace, response_id, survey_id, wave, kind, value, "
        "comment, revision, answered_at, revised_at, state) SELECT workspace, gen_random_uuid(), "
        "survey_id, 2, 'user_id', 'u2', '', 1, now(), now(), 'open' FROM feedback.survey"
    )
    await asyncio.to_thread(command.downgrade, CONFIG, "0013")
    assert await connection.fetch("SELECT * FROM feedback.response") == before
    await asyncio.to_thread(command.upgrade, CONFIG, "head")
    await connection.close()


async def test_limits_of_cases_become_clocks_and_go_back(
    service_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a filled database: each opening has its laps, what was missed stays, what runs runs on."""
    url = service_database("feedback")
    monkeypatch.setenv("RAPPORT_DATABASE_URL", url)
    await asyncio.to_thread(command.downgrade, CONFIG, "0014")
    connection = await asyncpg.connect(url)
    await connection.execute(
        """
        INSERT INTO feedback.complaint (workspace, case_id, number, state, step, subject, body,
            opened_at, acknowledge_due_at, due_at, deadline_at)
        VALUES ('acme', gen_random_uuid(), 1, 'acknowledged', 4, 's', 'b', '2026-01-01Z',
            '2026-03-02Z', '2026-04-26Z', '2026-04-26Z');
        INSERT INTO feedback.case_event (workspace, case_id, step, actor, at, from_state, to_state,
            note, acknowledge_due_at, due_at)
        SELECT 'acme', c.case_id, v.step, 'ann', CAST(v.at AS timestamptz), NULL, v.to_state, '',
            CAST(v.acknowledge AS timestamptz), CAST(v.due AS timestamptz)
        FROM feedback.complaint c, (VALUES
            (1, '2026-01-01Z', 'received', '2026-01-02Z', '2026-02-26Z'),
            (2, '2026-02-27Z', 'closed', '2026-01-02Z', '2026-02-26Z'),
            (3, '2026-03-01Z', 'reopened', '2026-03-02Z', '2026-04-26Z'),
            (4, '2026-03-01 12:00Z', 'acknowledged', '2026-03-02Z', '2026-04-26Z')
        ) AS v(step, at, to_state, acknowledge, due);
        INSERT INTO feedback.case_breach
        SELECT 'acme', case_id, 'acknowledge', '2026-01-02Z', '2026-01-02Z' FROM feedback.complaint;
        INSERT INTO feedback.due (workspace, kind, key, at, try_at)
        SELECT 'acme', 'case_resolve', case_id::text, due_at, due_at FROM feedback.complaint;
        """
    )
    await asyncio.to_thread(command.upgrade, CONFIG, "head")
    laps = await connection.fetch(
        "SELECT clock, lap, outcome, breached_at IS NOT NULL, due_at::date::text "
        "FROM feedback.case_clock ORDER BY clock, lap"
    )
    assert [tuple(one) for one in laps] == [
        ("acknowledge", 1, "breached", True, "2026-01-02"),
        ("acknowledge", 2, "met", False, "2026-03-02"),
        ("resolve", 1, "breached", False, "2026-02-26"),
        ("resolve", 2, None, False, "2026-04-26"),
    ]
    version = await connection.fetchval("SELECT version FROM feedback.complaint")
    assert (version, await connection.fetchval("SELECT count(*) FROM feedback.due")) == (4, 1)
    await connection.execute("UPDATE feedback.complaint SET due_at = NULL")
    await connection.execute("UPDATE feedback.due SET kind = 'case_external'")
    await asyncio.to_thread(command.downgrade, CONFIG, "0014")
    assert await connection.fetchval("SELECT due_at FROM feedback.complaint") is not None
    assert await connection.fetchval("SELECT count(*) FROM feedback.due") == 0
    await connection.close()
