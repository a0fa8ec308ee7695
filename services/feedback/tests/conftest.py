"""The service over a real database: its app without a port, and a way to look at what it wrote."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import msgspec
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.api import patient_app
from tests.support.engines import patient_engine
from tests.support.outbox import waiting

from rapport_common.events.envelope import Event
from rapport_common.events.topics import EVENTS
from rapport_common.kafka.producer import Outgoing
from rapport_common.kafka.store import ConsumerStore
from rapport_common.operator.ledger import ledger_routes
from rapport_common.routes import add_routes
from rapport_common.settings import key_bytes
from rapport_common.testing.credentials import KEY_SETTINGS, mint
from rapport_feedback.api import routers
from rapport_feedback.api.models import FeedbackLedger
from rapport_feedback.handlers.announcing import Announcing
from rapport_feedback.handlers.ledger import counts
from rapport_feedback.settings import Settings


def make_settings(url: str = "postgresql://nobody@127.0.0.1:1/none", **changes: Any) -> Settings:
    given: dict[str, Any] = {
        "database_url": url,
        "kafka_bootstrap_servers": "127.0.0.1:1",
        **KEY_SETTINGS,
        "port": 8104,
        "metrics_port": 8126,
        "public_url": "https://feedback.example.com/",
        **changes,
    }
    return Settings(**given)


@pytest.fixture
def settings_with() -> Callable[..., Settings]:
    """Makes settings; what is not given is as a newcomer has it."""
    return make_settings


@dataclass
class Service:
    """One workspace's view of the service."""

    engine: AsyncEngine
    client: httpx.AsyncClient
    workspace: str

    async def rows(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        async with self.engine.begin() as tx:
            found = await tx.execute(text(statement), {"ws": self.workspace, **values})
            return [dict(row) for row in found.mappings()]

    async def change(self, statement: str, **values: Any) -> None:
        async with self.engine.begin() as tx:
            await tx.execute(text(statement), {"ws": self.workspace, **values})

    async def events(self) -> list[Event]:
        """The workspace's events in the outbox, in their order."""
        return [event for event, _ in await self.told()]

    async def told(self) -> list[tuple[Event, Outgoing]]:
        """The same, each with the record in the outbox."""
        async with self.engine.begin() as tx:
            found = await waiting(tx, "feedback", EVENTS.name)
        decoded = [(msgspec.json.decode(one.value, type=Event), one) for one in found]
        return [(event, one) for event, one in decoded if event.workspace == self.workspace]

    async def survey(self, question: str = "How likely are you to recommend us?") -> str:
        body = {"name": "NPS", "kind": "nps", "question": question}
        made = await self.client.post("/v1/surveys", json=body)
        assert made.status_code == 201, made.text
        return str(made.json()["id"])

    async def link(self, survey_id: str, **who: Any) -> str:
        """The path of an invitation's page, whatever the contact policy says."""
        who = {"override": True, "reason": "a test", **who}
        made = await self.client.post(f"/v1/surveys/{survey_id}/invitations", json=who)
        assert made.status_code in {200, 201}, made.text
        return urlsplit(str(made.json()["url"])).path

    async def answer(self, path: str, **form: Any) -> httpx.Response:
        return await self.client.post(path, data=form)

    async def score(self, survey_id: str, **query: Any) -> dict[str, Any]:
        got = await self.client.get(f"/v1/surveys/{survey_id}/score", params=query)
        assert got.status_code == 200, got.text
        return dict(got.json())

    def as_operator(self, *scopes: str, workspace: str = "") -> httpx.AsyncClient:
        """Another caller: of this workspace unless told otherwise."""
        headers = bearer(workspace or self.workspace, *scopes)
        transport = self.client._transport
        return httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers)


def bearer(workspace: str, *scopes: str) -> dict[str, str]:
    whole = bool({"ops", "*"} & set(scopes))
    minted = mint(workspace, "ann", list(scopes), timedelta(hours=1), installation=whole)
    return {"Authorization": f"Bearer {minted}"}


@pytest.fixture(scope="session")
async def engine(service_database: Callable[[str], str]) -> AsyncIterator[AsyncEngine]:
    made = patient_engine(service_database("feedback"), application="test-feedback", pool=10)
    # All connections are there before the first test: who must wait for one does not race.
    async with AsyncExitStack() as stack:
        for _ in range(10):
            connection = await stack.enter_async_context(made.connect())
            await connection.exec_driver_sql("SELECT 1")
    yield made
    await made.dispose()


@pytest.fixture(scope="session")
def standing_app(engine: AsyncEngine) -> FastAPI:
    """One API for all tests: to put its routes together takes longer than most of them."""
    app = patient_app("feedback")
    settings = make_settings(webhook_networks="127.0.0.0/8")
    publisher = Announcing("feedback", EVENTS, key_bytes(settings.event_key))
    add_routes(app, *routers(engine, publisher, settings))
    counted = partial(counts, ConsumerStore("feedback", "feedback"))
    add_routes(app, ledger_routes(engine, FeedbackLedger, counted))
    return app


@pytest.fixture
async def service(engine: AsyncEngine, standing_app: FastAPI) -> AsyncIterator[Service]:
    workspace = f"ws-{uuid4().hex[:12]}"
    app = standing_app
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test", headers=bearer(workspace, "*")
    ) as client:
        yield Service(engine, client, workspace)
