"""What the tests of this service share: a database, records, a mail server with moods, a client."""

import asyncio
import itertools
import os
import tempfile
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from fastapi import FastAPI
from services.campaign.tests.dns_server import Dns
from services.campaign.tests.mail_server import MailServer
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.api import patient_app
from tests.support.emptying import wiped
from tests.support.engines import patient_engine
from tests.support.outbox import waiting
from tests.support.waiting import HANG_SECONDS, between_looks

from rapport_campaign.api import listeners, routers
from rapport_campaign.api.models import CampaignLedger
from rapport_campaign.channels import http as provider_http
from rapport_campaign.channels.http import Http
from rapport_campaign.consumer import subscriptions
from rapport_campaign.handlers.carrying import Carriers
from rapport_campaign.handlers.dispatch import Dispatcher
from rapport_campaign.handlers.dry_runs import Looking
from rapport_campaign.handlers.ledger import counts
from rapport_campaign.handlers.mail_pools import Pools
from rapport_campaign.handlers.opt_ins import OptIns
from rapport_campaign.handlers.outlets import Mouth
from rapport_campaign.handlers.work import Works
from rapport_campaign.render.compose import Office
from rapport_campaign.renderer import Renderer
from rapport_campaign.sender import Lane, Sender
from rapport_campaign.settings import Settings
from rapport_campaign.smtp import Connection
from rapport_campaign.store.jobs import JOBS
from rapport_campaign.tables import METADATA
from rapport_common import clock
from rapport_common.events.activity import (
    SECTIONS,
    ContactPoint,
    ProfileActivity,
    Restraint,
    SectionVersions,
)
from rapport_common.events.definition import SegmentDefinition
from rapport_common.events.envelope import Event
from rapport_common.events.membership import Membership
from rapport_common.events.message import MessageRequest
from rapport_common.events.profile import AbsorbedId, ConsentState
from rapport_common.events.topics import EVENTS
from rapport_common.jobs.worker import Jobs
from rapport_common.kafka.batch import Record, Subscription
from rapport_common.kafka.producer import Outgoing
from rapport_common.kafka.store import ConsumerStore
from rapport_common.operator.ledger import ledger_routes
from rapport_common.outside.addresses import networks
from rapport_common.publisher import Publisher
from rapport_common.routes import add_routes
from rapport_common.testing.credentials import (
    EVENT_KEY,
    KEY_SETTINGS,
    LINK_KEY,
    mint,
)
from rapport_common.testing.profiles import sections

PUBLIC = "https://mail.shop.example"
MOST_ASKED = 5
SEGMENT = "11111111-1111-1111-1111-111111111111"
OFFICE = Office(LINK_KEY, PUBLIC, "no-reply@mail.shop.example")
LOOKING = Looking(Renderer(OFFICE, seconds=1), batch=8)
"""Of jobs that make no message; senders take as many at a time."""


def subscribed() -> list[Subscription]:
    """Its handlers; few mails ask by themselves."""
    return subscriptions(OptIns(publisher(), EVENT_KEY, OFFICE), MOST_ASKED)


def profile_state(
    *emails: str,
    user_id: str | None = None,
    consent: str | None = "granted",
    open_cases: int = 0,
    consent_at: datetime | None = None,
    contact_points: Sequence[ContactPoint] | None = None,
    confirmed: bool = True,
    **traits: Any,
) -> dict[str, Any]:
    """The sections of a person with addresses; `consent` is given for each of them."""
    names = [("user_id", user_id)] if user_id else []
    points = [ContactPoint(channel="email", value=one) for one in emails]
    said = [
        ConsentState(
            contact_point=one,
            channel="email",
            purpose="promotion",
            state=consent,  # type: ignore[arg-type] # one of the three words
            at=consent_at or datetime(2026, 1, 1, tzinfo=UTC),
            source="shop",
            confirmed=confirmed,
        )
        for one in emails
        if consent
    ]
    return sections(
        [*names, *(("email", one) for one in emails)],
        traits,
        points if contact_points is None else contact_points,
        said,
        open_cases=open_cases,
        orders=3,
        revenue={"USD": "12.30"},
    )


class Topics:
    """Brings records to the handlers, each call one batch in one transaction."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._offsets = itertools.count()
        self._handlers = {one.topic.name: one.handle for one in subscribed()}

    async def bring(self, topic: str, *values: Any, trace: str | None = None) -> None:
        batch = [Record(topic, 0, next(self._offsets), b"k", value, trace) for value in values]
        async with self._engine.begin() as tx:
            await self._handlers[topic](batch, tx)

    async def person(
        self,
        profile_id: str,
        *emails: str,
        version: int = 1,
        workspace: str = "acme",
        absorbed: Sequence[AbsorbedId] = (),
        **more: Any,
    ) -> None:
        activity = ProfileActivity(
            workspace=workspace,
            profile_id=profile_id,
            version=version,
            versions=SectionVersions(*[version] * len(SECTIONS)),
            absorbed=list(absorbed),
            **profile_state(*emails, **more),
        )
        await self.bring("profile.activity", activity)

    async def told(self, profile_id: str, version: int, state: dict[str, Any]) -> None:
        """A person with sections of any kind."""
        activity = ProfileActivity(
            workspace="acme",
            profile_id=profile_id,
            version=version,
            versions=SectionVersions(*[version] * len(SECTIONS)),
            **state,
        )
        await self.bring("profile.activity", activity)

    async def restrained(self, profile_id: str, *what: Restraint, version: int = 2) -> None:
        activity = ProfileActivity(
            workspace="acme",
            profile_id=profile_id,
            version=version,
            versions=SectionVersions(1, 1, 1, 1, 1, version),
            restraints=list(what),
        )
        await self.bring("profile.activity", activity)

    async def merged(self, old: str, new: str, *, version: int) -> None:
        await self.bring(
            "profile.activity",
            ProfileActivity(workspace="acme", profile_id=old, version=version, merged_into=new),
        )

    async def entered(self, profile_id: str, entry_id: str | None = None, **more: Any) -> str:
        one = membership(profile_id, entry_id or f"entry-{uuid.uuid4()}", **more)
        await self.bring("segment.membership", one)
        return one.entry_id

    async def defined(self, segment_id: str = SEGMENT, **more: Any) -> None:
        fields = {
            "workspace": "acme",
            "segment_id": segment_id,
            "version": 1,
            "name": "Big spenders",
            "at": clock.now(),
        }
        await self.bring("segment.definition", SegmentDefinition(**{**fields, **more}))

    async def exited(self, profile_id: str, entry_id: str) -> None:
        await self.bring("segment.membership", membership(profile_id, entry_id, change="exited"))

    async def requested(self, request_id: str, **more: Any) -> None:
        wanted: dict[str, Any] = {
            "workspace": "acme",
            "profile_id": "p1",
            "to": "ada@example.com",
            "subject": "Case {{ data.number }}",
            "html": "<p>Hello {{ data.name }}</p>",
            "text": "Hello {{ data.name }}",
            "requested_at": clock.now(),
            "data": msgspec.Raw(b'{"number": 7, "name": "Ada & Bob"}'),
        }
        request = MessageRequest(request_id=request_id, **{**wanted, **more})
        await self.bring("message.requests", request)


def membership(profile_id: str, entry_id: str, **more: Any) -> Membership:
    fields: dict[str, Any] = {
        "workspace": "acme",
        "profile_id": profile_id,
        "profile_version": 1,
        "segment_id": SEGMENT,
        "segment_version": 1,
        "entry_id": entry_id,
        "change": "entered",
        "at": clock.now(),
        "cause": "event",
        "reason": "revenue >= 500",
    }
    return Membership(**{**fields, **more})


class Ledger:
    """What the tables say."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def rows(self, where: str = "true") -> list[dict[str, Any]]:
        return await self.query(
            f"SELECT * FROM campaign.every_message WHERE {where} ORDER BY send_key"
        )

    async def states(self) -> dict[str, int]:
        rows = await self.rows()
        return dict(Counter(row["state"] for row in rows))

    async def query(self, sql: str) -> list[dict[str, Any]]:
        async with self._engine.begin() as tx:
            return [dict(row) for row in (await tx.execute(text(sql))).mappings()]

    async def change(self, sql: str) -> None:
        async with self._engine.begin() as tx:
            await tx.execute(text(sql))

    async def events(self) -> list[Event]:
        return [msgspec.json.decode(one.value, type=Event) for one in await self.waiting()]

    async def waiting(self) -> list[Outgoing]:
        """The records in the outbox, in their order."""
        async with self._engine.begin() as tx:
            return await waiting(tx, "campaign")


async def taken(engine: AsyncEngine, token: str, lease: str, address: str | None = None) -> None:
    """All that is planned is in the hands of a sender, until `lease` (SQL)."""
    columns = (
        "workspace, send_key, planned_at, kind, purpose, campaign_id, occasion, step, channel, "
        "profile_id, traceparent, queue, needed_version, waits"
    )
    async with engine.begin() as tx:
        await tx.execute(
            text(
                "WITH gone AS (DELETE FROM campaign.plan RETURNING *) "
                f"INSERT INTO campaign.sending ({columns}, to_address, attempt, token, "
                f"lease_until) SELECT {columns}, coalesce(CAST(:address AS text), to_address), "
                f"attempt + 1, CAST(:token AS uuid), {lease} FROM gone"
            ),
            {"token": token, "address": address},
        )
        await tx.execute(text("DELETE FROM campaign.message_total"))
        await tx.execute(
            text(
                "INSERT INTO campaign.message_total SELECT workspace, "
                "coalesce(campaign_id::text, ''), kind, state, 0, count(*) "
                "FROM campaign.every_message GROUP BY 1, 2, 3, 4"
            )
        )


def quick_settings(smtp_port: int, **more: Any) -> Settings:
    values: dict[str, Any] = {
        "database_url": "postgresql://unused",
        "kafka_bootstrap_servers": "unused:1",
        **KEY_SETTINGS,
        "port": 1,
        "metrics_port": 1,
        "public_url": PUBLIC,
        "smtp_port": smtp_port,
        "retry_seconds": 0.05,
        "max_attempts": 3,
        "sender_batch": 8,
        "sender_connections": 4,
        "data_folder": Path(tempfile.gettempdir()) / f"rapport-campaign-{os.getpid()}",
    }
    return Settings(**{**values, **more})


def make_sender(engine: AsyncEngine, settings: Settings, *renderers: Renderer) -> Sender:
    http = Http(networks("127.0.0.0/8"))
    carriers = Carriers(http, settings.provider_keys())
    pools = Pools(settings.mail_pools(), settings.service_from)
    dispatcher = Dispatcher(publisher(), settings.limits(), pools=pools)
    return Sender(engine, dispatcher, renderers, carriers, settings)


def publisher() -> Publisher:
    return Publisher("campaign", EVENTS, EVENT_KEY)


@pytest.fixture(scope="session", autouse=True)
def no_idle_connections() -> Iterator[None]:
    """Whoever is spoken to over HTTP is gone at the end of a test: nothing is kept open to them.

    Pools of an app or a sender that nobody closes would be found by the collector, in any test.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(provider_http, "_IDLE", 0)
        yield


@pytest.fixture(scope="session")
def database_url(service_database: Callable[[str], str]) -> str:
    return service_database("campaign")


@pytest.fixture(scope="session")
async def standing_engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = patient_engine(database_url, application="campaign-test", pool=10)
    yield engine
    await engine.dispose()


@pytest.fixture
async def engine(standing_engine: AsyncEngine) -> AsyncEngine:
    """The database of this run, emptied: quicker than a new one for each test."""
    await wiped(standing_engine, (one.fullname for one in METADATA.sorted_tables))
    return standing_engine


@pytest.fixture
async def topics(engine: AsyncEngine) -> Topics:
    """The topics; of segments there is `SEGMENT`, in the workspaces of the tests."""
    topics = Topics(engine)
    for workspace in ("acme", "other"):
        await topics.defined(workspace=workspace)
    return topics


@pytest.fixture
def ledger(engine: AsyncEngine) -> Ledger:
    return Ledger(engine)


@pytest.fixture
async def mail_server() -> AsyncIterator[MailServer]:
    server = MailServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(scope="session")
async def renderer() -> AsyncIterator[Renderer]:
    """The process that reads the templates of this run."""
    one = Renderer(OFFICE, seconds=1)
    yield one
    await one.close()


@pytest.fixture
async def dns() -> AsyncIterator[Dns]:
    """Who the API asks for records of domains."""
    server = Dns()
    await server.start()
    yield server
    server.stop()


Sending = Callable[..., Any]


@pytest.fixture
def sending(
    engine: AsyncEngine, mail_server: MailServer, ledger: Ledger, renderer: Renderer
) -> Sending:
    """A context with a running sender; on leaving it the sender stops gracefully."""

    @asynccontextmanager
    async def running(renderer: Renderer = renderer, **settings: Any) -> AsyncIterator[None]:
        sender = make_sender(engine, quick_settings(mail_server.port, **settings), renderer)
        stop = asyncio.Event()
        task = asyncio.create_task(sender.run(stop))
        try:
            yield
        finally:
            stop.set()
            await asyncio.wait_for(task, HANG_SECONDS)

    return running


@pytest.fixture
def turn(engine: AsyncEngine, mail_server: MailServer, renderer: Renderer) -> Callable[..., Any]:
    """A function that lets a sender look once at what is due; whether there was anything."""

    async def once(**settings: Any) -> bool:
        sender = make_sender(engine, quick_settings(mail_server.port, **settings), renderer)
        mouths = [Mouth(one, [Connection(one.server)]) for one in sender.outlets]
        try:
            return await sender._turn(Lane(mouths, renderer), asyncio.Event())
        finally:
            for mouth in mouths:
                await mouth.connections[0].close()
            await sender._carriers.http.close()

    return once


@pytest.fixture
def settled(ledger: Ledger) -> Callable[..., Any]:
    """Waits until no message is planned or on its way; gives the counts."""

    async def wait() -> dict[str, int]:
        async with asyncio.timeout(HANG_SECONDS):
            while True:
                states = await ledger.states()
                if not states.keys() & {"planned", "sending"}:
                    return states
                await between_looks()

    return wait


@pytest.fixture
async def carriers() -> AsyncIterator[Carriers]:
    """What speaks to providers, which are on this machine."""
    settings = quick_settings(1, webhook_networks="127.0.0.0/8")
    one = Carriers(Http(settings.own_networks()), settings.provider_keys())
    yield one
    await one.http.close()


@pytest.fixture
def api(
    *,
    engine: AsyncEngine,
    renderer: Renderer,
    database_url: str,
    topics: Topics,  # they tell of the segment
    dns: Dns,
    carriers: Carriers,
) -> FastAPI:
    app = patient_app("campaign")
    counted = partial(counts, ConsumerStore("campaign", "campaign"))
    listening = listeners(publisher(), EVENT_KEY, OFFICE)
    settings = quick_settings(
        1,
        trusted_proxies="10.0.0.0/8",
        dns_servers=f"127.0.0.1:{dns.port}",
        spf_include="_spf.mail.example",
        webhook_networks="127.0.0.0/8",
        database_url=database_url,
        segment_wait_seconds=0.2,
    )
    add_routes(app, *routers(engine, listening, renderer, carriers, settings))
    add_routes(app, ledger_routes(engine, CampaignLedger, counted))
    return app


@pytest.fixture
def client_of(api: FastAPI) -> Callable[..., httpx.AsyncClient]:
    """A function that gives a client with a token for a workspace and scopes."""

    def client(
        workspace: str = "acme",
        scopes: tuple[str, ...] = ("*",),
        peer: str = "127.0.0.1",
        subject: str = "ada",
    ) -> httpx.AsyncClient:
        whole = bool({"ops", "*"} & set(scopes))
        token = mint(workspace, subject, list(scopes), timedelta(minutes=5), installation=whole)
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(api, raise_app_exceptions=False, client=(peer, 4711)),
            base_url=PUBLIC,
            headers={"Authorization": f"Bearer {token}"},
        )

    return client


@pytest.fixture
async def client(
    client_of: Callable[..., httpx.AsyncClient],
) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of() as one:
        yield one


@pytest.fixture
def campaign_body() -> dict[str, Any]:
    return {
        "name": "Big spenders",
        "segment_id": SEGMENT,
        "purpose": "promotion",
        "from_address": "The Shop <hello@shop.example>",
        "subject": "Hello {{ profile.traits.first_name | default: 'friend' }}",
        "html": "<html><body><p>Hi {{ profile.traits.first_name }}</p>"
        '<a href="https://shop.example/sale?a=1&amp;b=2">Sale</a></body></html>',
    }


@pytest.fixture
def work(engine: AsyncEngine, renderer: Renderer) -> Callable[..., Any]:
    """A function that works all jobs off, a few rows at a time."""

    async def until_done(page: int = 2) -> None:
        jobs = Jobs(engine, JOBS, Works(engine, Looking(renderer, LOOKING.batch), page).kinds)
        while await jobs.turn(asyncio.Event()):
            pass

    return until_done


@pytest.fixture
def started(
    client: httpx.AsyncClient, campaign_body: dict[str, Any], work: Callable[..., Any]
) -> Callable[..., Any]:
    """A function that makes a campaign, starts it, and gives its id."""

    async def make(**changes: Any) -> str:
        made = await client.post("/v1/campaigns", json={**campaign_body, **changes})
        assert made.status_code == 201, made.text
        answer = await client.post(f"/v1/campaigns/{made.json()['id']}/start")
        assert answer.status_code == 200, answer.text
        await work()
        return str(made.json()["id"])

    return make


@dataclass
class Scenario:
    """Everything a scenario needs, under one name."""

    engine: AsyncEngine
    topics: Topics
    ledger: Ledger
    mail_server: MailServer
    sending: Callable[..., Any]
    turn: Callable[..., Any]
    settled: Callable[..., Any]
    client: httpx.AsyncClient
    client_of: Callable[..., httpx.AsyncClient]
    campaign_body: dict[str, Any]
    started: Callable[..., Any]
    work: Callable[..., Any]
    dns: Dns


@pytest.fixture
def scenario(
    *,
    engine: AsyncEngine,
    topics: Topics,
    ledger: Ledger,
    mail_server: MailServer,
    sending: Callable[..., Any],
    turn: Callable[..., Any],
    settled: Callable[..., Any],
    client: httpx.AsyncClient,
    client_of: Callable[..., httpx.AsyncClient],
    campaign_body: dict[str, Any],
    started: Callable[..., Any],
    work: Callable[..., Any],
    dns: Dns,
) -> Scenario:
    return Scenario(**locals())
