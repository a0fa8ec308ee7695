"""A service with webhooks that tests make up: it tells of noises, each with a topic."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Literal

import httpx
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from pydantic import BaseModel, Field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tests.support.api import patient_app
from tests.support.engines import patient_engine
from tests.support.receiving import Receiver
from tests.support.waiting import HANG_SECONDS

from rapport_common import clock
from rapport_common.db import metadata
from rapport_common.errors import NotFoundError
from rapport_common.outside.addresses import networks
from rapport_common.outside.delivering import Meters
from rapport_common.outside.posting import Poster
from rapport_common.outside.sealing import Sealer
from rapport_common.routes import add_routes
from rapport_common.secret_keys import SecretKeys
from rapport_common.testing.credentials import WEBHOOK_KEY, mint
from rapport_common.webhooks.handlers import Means, Webhooks
from rapport_common.webhooks.records import Hearing, Told, texts_of
from rapport_common.webhooks.routes import webhook_routes
from rapport_common.webhooks.store import WebhookStore
from rapport_common.webhooks.tables import webhook_tables
from rapport_common.webhooks.terms import Distinct, Terms
from rapport_common.webhooks.worker import Gauges, WebhookSender

SCHEMA = "segment"
HEARING = Hearing(
    wants={"topics": texts_of("topics"), "volume": "wants->>'volume'"},
    facts=("topic", "volume"),
    hears="(w.topics IS NULL OR v.topic = ANY(w.topics)) AND w.volume IN ('any', v.volume)",
)
KEYS = SecretKeys((WEBHOOK_KEY,))


def place_of(workspace: str, webhook_id: object) -> str:
    """Where a secret belongs."""
    return f"{workspace}/webhook/{webhook_id}"


class Wants(BaseModel):
    """What is heard."""

    topics: Distinct[str] | None = Field(None, min_length=1, description="null: all")
    volume: Literal["any", "loud"] = "any"


async def no_silence(_tx: AsyncConnection, _workspace: str, wants: Wants) -> None:
    if "silence" in (wants.topics or ()):
        raise NotFoundError("There is no topic 'silence'.")


TERMS = Terms(
    wants=Wants,
    subject="source_id",
    about="what made the noise",
    example={"url": "https://x.org/", "topics": ["bark"]},
    check=no_silence,
)


def noise(
    subject: str, n: int, topic: str = "bark", *, workspace: str = "acme", volume: str = "loud"
) -> Told:
    """The n-th noise of a source."""
    body = f'{{"type": "noise", "data": {{"source_id": "{subject}", "n": {n}}}}}'
    return Told(workspace, subject, (topic, volume), body, f"of {subject}")


def gauges() -> Gauges:
    own = CollectorRegistry()
    return Gauges(
        Meters(
            Counter("posts", "posts", ["outcome"], registry=own),
            Histogram("seconds", "seconds", registry=own),
            Gauge("kept", "kept", ["state"], registry=own),
        ),
        Gauge("off", "off", registry=own),
    )


class House:
    """The service: its tables in an empty database, its routes, its worker."""

    def __init__(self, engine: AsyncEngine, *, keeps_delivered: bool) -> None:
        self.engine = engine
        self.late = timedelta(0)
        self.store = WebhookStore(SCHEMA, HEARING, keeps_delivered=keeps_delivered)
        own, sealer = networks("127.0.0.0/8"), Sealer(KEYS, place_of)
        self.webhooks = Webhooks(self.store, TERMS, Means(sealer, own))
        self.app = patient_app(SCHEMA)
        add_routes(
            self.app,
            *webhook_routes(engine, self.webhooks, read="segments:read", write="segments:write"),
        )
        self.poster = Poster(own, seconds=HANG_SECONDS)
        self.gauges = gauges()
        self.sender = WebhookSender(
            engine, self.poster, self.store, sealer, gauges=self.gauges, now=self.now
        )

    def now(self) -> datetime:
        return clock.now() + self.late

    def client(
        self, workspace: str = "acme", scope: str = "segments:write segments:read"
    ) -> httpx.AsyncClient:
        token = mint(workspace, "ada", scope.split(), timedelta(minutes=5))
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app),
            base_url="http://segment",
            headers={"Authorization": f"Bearer {token}"},
        )

    async def webhook(self, to: Receiver, **wants: Any) -> str:
        """A webhook; its path."""
        async with self.client() as caller:
            answer = await caller.post("/v1/webhooks", json={"url": to.url, **wants})
        assert answer.status_code == 201, answer.text
        return f"/v1/webhooks/{answer.json()['id']}"

    async def tell(self, *told: Told) -> None:
        async with self.engine.begin() as tx:
            await self.store.posts.insert(tx, told)

    async def post(self) -> None:
        """Post all that is due, and what is due by that."""
        while await self.sender.turn():
            await self.sender.drain()

    async def ask(self, path: str, **query: str) -> Any:
        async with self.client() as caller:
            answer = await caller.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()


@asynccontextmanager
async def housed(database_url: str, *, keeps_delivered: bool) -> AsyncIterator[House]:
    """The service in an empty database."""
    tables = metadata(SCHEMA)
    webhook_tables(tables, keeps_delivered=keeps_delivered)
    engine = patient_engine(database_url, application="tests")
    async with engine.begin() as tx:
        await tx.execute(text(f"CREATE SCHEMA {SCHEMA}"))
        await tx.run_sync(tables.create_all)
    made = House(engine, keeps_delivered=keeps_delivered)
    try:
        yield made
    finally:
        await made.sender.drain()
        await made.poster.close()
        await engine.dispose()
