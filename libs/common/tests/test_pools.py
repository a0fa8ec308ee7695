"""Requests have a pool of their own and short statements: what they do stops no worker."""

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.api import patient_app

from rapport_common.composition import open_api_engine, open_engine
from rapport_common.db import connect, create_engine, plain_url
from rapport_common.settings import ServiceSettings
from rapport_common.testing.credentials import KEY_SETTINGS

pytestmark = pytest.mark.integration


def settings(database_url: str, **changes: Any) -> ServiceSettings:
    values = {
        "database_url": database_url,
        "kafka_bootstrap_servers": "127.0.0.1:1",
        "port": 1,
        "metrics_port": 1,
        **KEY_SETTINGS,
        **changes,
    }
    return ServiceSettings(**values)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg"])
async def test_an_address_means_the_same_by_each_of_its_names(
    database_url: str, scheme: str
) -> None:
    url = database_url.replace("postgresql://", f"{scheme}://")
    engine = create_engine(f"{url}?sslmode=prefer", application="tests", pool=1)
    async with engine.connect() as connection:
        assert (await connection.exec_driver_sql("SELECT 1")).scalar() == 1
    await engine.dispose()
    assert plain_url(url) == database_url


async def test_requests_that_take_all_their_connections_leave_the_workers_theirs(
    database_url: str,
) -> None:
    chosen = settings(database_url, database_pool=1)
    api, worker = open_api_engine(chosen, "segment"), open_engine(chosen, "segment", "consumer", 1)
    async with api.connect(), worker.connect() as connection:
        assert (await connection.exec_driver_sql("SELECT 1")).scalar() == 1
    for engine in (api, worker):
        await engine.dispose()


async def asked(engine: AsyncEngine, *statements: str) -> httpx.Response:
    """The answer of a route that asks the database these."""
    app = patient_app("segment")

    @app.get("/asked")
    async def look() -> None:
        async with engine.begin() as tx:
            for statement in statements:
                await tx.exec_driver_sql(statement)

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.get("/asked")


async def test_who_meets_with_the_locks_of_others_is_told_so(database_url: str) -> None:
    engine = open_api_engine(settings(database_url), "segment")
    async with engine.connect() as other:
        await other.exec_driver_sql("SELECT pg_advisory_xact_lock(7)")
        answer = await asked(
            engine, "SET LOCAL lock_timeout = 1", "SELECT pg_advisory_xact_lock(7)"
        )
    await engine.dispose()
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert "Somebody else is changing the same" in answer.json()["message"]


async def test_a_statement_of_a_request_ends_in_time_and_says_what_to_do(
    database_url: str,
) -> None:
    engine = open_api_engine(settings(database_url, request_seconds=0.2), "segment")
    answer = await asked(engine, "SELECT pg_sleep(600)")
    await engine.dispose()
    assert (answer.status_code, answer.json()["code"]) == (503, "too_slow")
    assert answer.headers["retry-after"] == "5"


async def test_a_connection_whose_caller_has_gone_is_closed(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []

    async def cancelled(connection: Any, _statement: str) -> None:
        opened.append(connection)
        raise asyncio.CancelledError

    monkeypatch.setattr(asyncpg.Connection, "execute", cancelled)
    with pytest.raises(asyncio.CancelledError):
        await connect(database_url, settings={"statement_timeout": "1000"})
    assert [one.is_closed() for one in opened] == [True]


async def test_a_connection_that_was_closed_costs_no_request(database_url: str) -> None:
    """It is asked before it is used: once, and outside of a transaction."""
    api = open_api_engine(settings(database_url, database_pool=1), "segment")
    other = await asyncpg.connect(database_url)
    try:
        async with api.begin() as tx:
            first = (await tx.exec_driver_sql("SELECT pg_backend_pid()")).scalar()
        last = "SELECT query, state FROM pg_stat_activity WHERE pid = $1"
        async with api.connect() as connection:
            # Nothing is asked by `connect` itself but whether the connection stands.
            assert tuple(await other.fetchrow(last, first)) == (";", "idle")
            assert (await connection.exec_driver_sql("SELECT 1")).scalar() == 1
        await other.fetchval("SELECT pg_terminate_backend($1, 5000)", first)
        async with api.begin() as tx:
            assert (await tx.exec_driver_sql("SELECT pg_backend_pid()")).scalar() != first
    finally:
        await other.close()
        await api.dispose()
