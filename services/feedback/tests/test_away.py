"""Postgres is away: a customer sees a page, a program a 503 it can repeat, and nobody a 500."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from tests.support.api import patient_app

from rapport_common.db import create_engine
from rapport_common.events.topics import EVENTS
from rapport_common.publisher import Publisher
from rapport_common.routes import add_routes
from rapport_common.settings import key_bytes
from rapport_common.testing.credentials import LINK_KEY, mint
from rapport_feedback.api import routers
from rapport_feedback.domain import links
from rapport_feedback.settings import Settings

NOBODY_LISTENS = "postgresql://feedback:x@127.0.0.1:1/rapport"


@pytest.fixture
async def client(settings_with: Callable[..., Settings]) -> AsyncIterator[httpx.AsyncClient]:
    settings = settings_with(NOBODY_LISTENS)
    engine = create_engine(NOBODY_LISTENS, application="test")
    app = patient_app("feedback")
    publisher = Publisher("feedback", EVENTS, key_bytes(settings.event_key))
    add_routes(app, *routers(engine, publisher, settings))
    token = mint("ws", "ann", ["*"], timedelta(hours=1))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False),
        base_url="http://test",
        headers={"Authorization": f"Bearer {token}"},
    ) as made:
        yield made
    await engine.dispose()


async def test_a_customer_is_asked_to_send_it_again(
    client: httpx.AsyncClient, settings_with: Callable[..., Settings]
) -> None:
    path = f"/s/{links.sign(LINK_KEY, UUID(int=1))}"
    page = await client.post(path, data={"score": "3"})
    assert page.status_code == 503
    assert page.headers["retry-after"] == "1"
    assert "send it again" in page.text
    for wrong in (path, f"/s/{'A' * 44}", "/s/a/b/c"):
        german = await client.get(wrong, headers={"Accept-Language": "de", "Accept": "text/html"})
        assert '<html lang="de"' in german.text
        assert german.headers["cache-control"] == "no-store"
        told = await client.get(wrong, headers={"Accept": "application/json"})
        assert (told.status_code, set(told.json())) == (
            german.status_code,
            {"code", "message", "details"},
        )
        assert (await client.head(wrong)).status_code == told.status_code


async def test_a_forged_link_is_refused_without_the_database(client: httpx.AsyncClient) -> None:
    assert (await client.get(f"/s/{'A' * 44}")).status_code == 404


async def test_a_program_is_told_to_repeat(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/cases")
    assert answer.status_code == 503
    assert answer.json()["code"] == "unavailable"
