"""A whole ingest in the test's own loop, on the run's Kafka and Postgres."""

import asyncio
import base64
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from pydantic import SecretStr
from tests.support.api import be_patient
from tests.support.engines import let_wait
from tests.support.waiting import HANG_SECONDS, eventually

from rapport_common.composition import ServiceProcess, open_process
from rapport_common.events.topics import EVENTS, topics_of
from rapport_common.kafka.admin import ensure_topics
from rapport_common.testing.credentials import EVENT_KEY, OPERATOR_KEYS, WRITE_KEY_PEPPER, mint
from rapport_ingest import app, spool
from rapport_ingest.handlers import accept, keyring
from rapport_ingest.settings import IngestSettings

NOWHERE = "127.0.0.1:1"
PARTITIONS = 12


@dataclass
class Gate:
    """A door in front of Postgres that a test can shut."""

    target: str
    server: asyncio.Server | None = None
    writers: set[asyncio.StreamWriter] = field(default_factory=set)
    port: int = 0
    flows: asyncio.Event = field(default_factory=asyncio.Event)
    holds: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once it keeps something back."""

    async def open(self) -> None:
        self.flows.set()
        self.server = await asyncio.start_server(self._pass, "127.0.0.1", self.port)
        self.port = self.server.sockets[0].getsockname()[1]

    def freeze(self) -> None:
        """Take connections and bytes, and give nothing back: like a stopped process."""
        self.flows.clear()
        self.holds.clear()

    async def shut(self) -> None:
        assert self.server is not None
        self.server.close()
        self.flows.set()
        for one in list(self.writers):
            one.transport.abort()
        await eventually("closed connections", lambda: not self.writers)

    @property
    def url(self) -> str:
        parts = urlsplit(self.target)
        return urlunsplit(
            parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{self.port}")
        )

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = urlsplit(self.target)
        there_reader, there_writer = await asyncio.open_connection(target.hostname, target.port)
        self.writers |= {writer, there_writer}
        with suppress(OSError):
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pipe(reader, there_writer))
                group.create_task(self._pipe(there_reader, writer))
        self.writers -= {writer, there_writer}

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if not self.flows.is_set():
                    self.holds.set()
                await self.flows.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


@dataclass
class Ingest:
    """One running ingest and a client of it, in a workspace of its own."""

    process: ServiceProcess
    built: app.Assembled
    client: httpx.AsyncClient
    workspace: str
    database: str
    key: str = ""
    source: str = ""

    def token(self, *scopes: str, workspace: str | None = None) -> dict[str, str]:
        whole = not scopes or "ops" in scopes
        made = mint(
            workspace or self.workspace,
            "tester",
            list(scopes or ["*"]),
            timedelta(minutes=5),
            installation=whole,
        )
        return {"Authorization": f"Bearer {made}"}

    @property
    def basic(self) -> dict[str, str]:
        return {"Authorization": "Basic " + base64.b64encode(f"{self.key}:".encode()).decode()}

    async def add_source(self, name: str) -> dict[str, Any]:
        answer = await self.client.post(
            "/v1/sources", json={"name": name}, headers=self.token("sources:write")
        )
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def open_shop(self) -> None:
        """Make the source that events are sent to."""
        made = await self.add_source("Web Shop")
        self.key, self.source = made["write_key"], made["id"]

    async def send(self, path: str, body: Any, **headers: str) -> httpx.Response:
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return await self.client.post(path, content=content, headers={**self.basic, **headers})

    async def get(self, path: str, *scopes: str) -> Any:
        answer = await self.client.get(path, headers=self.token(*scopes))
        assert answer.status_code == 200, answer.text
        return answer.json()


Start = Callable[..., Awaitable[Ingest]]


async def opened(
    stack: AsyncExitStack, kafka: str, database: str, **settings: Any
) -> tuple[ServiceProcess, app.Assembled]:
    """An ingest that ends with the stack."""
    chosen = IngestSettings(
        database_url=SecretStr(database),
        kafka_bootstrap_servers=kafka,
        operator_keys=OPERATOR_KEYS,
        event_key=SecretStr(EVENT_KEY.hex()),
        write_key_pepper=SecretStr(WRITE_KEY_PEPPER.hex()),
        port=1,
        metrics_port=1,
        log_level="error",
        **settings,
    )
    process = await open_process("ingest", chosen, app.ROOT)
    for engine in {process.engine, process.api_engine, *process.engines}:
        let_wait(engine)
        stack.push_async_callback(engine.dispose)
    stack.push_async_callback(process.producer.stop)
    built = app.assemble(process, chosen)
    be_patient(built.api)
    return process, built


async def visited(
    stack: AsyncExitStack,
    process: ServiceProcess,
    built: app.Assembled,
    database: str,
    workspace: str = "",
) -> Ingest:
    """It with a client of its own, in a workspace that nobody has seen unless one is named."""
    transport = httpx.ASGITransport(built.app, raise_app_exceptions=False)
    client = httpx.AsyncClient(transport=transport, base_url="http://ingest")
    await stack.enter_async_context(client)
    return Ingest(process, built, client, workspace or f"w-{uuid.uuid4().hex[:8]}", database)


@pytest.fixture
async def start(
    service_database: Callable[[str], str], kafka_bootstrap: str
) -> AsyncIterator[Start]:
    """A function that starts an ingest: `kafka` and `database` may point elsewhere."""
    await ensure_topics(kafka_bootstrap, topics_of("ingest"), partitions=PARTITIONS, replication=1)
    async with AsyncExitStack() as stack:

        async def started(
            *, kafka: str = "", database: str = "", like: Ingest | None = None, **settings: Any
        ) -> Ingest:
            url = database or (like.database if like else service_database("ingest"))
            process, built = await opened(stack, kafka or kafka_bootstrap, url, **settings)
            ingest = await visited(stack, process, built, url, like.workspace if like else "")
            if like is None:
                await ingest.open_shop()
            else:
                ingest.key, ingest.source = like.key, like.source
            return ingest

        yield started


@pytest.fixture(scope="session")
def shared_database(service_database: Callable[[str], str]) -> str:
    """One database for the tests that look at nothing but their own workspace."""
    return service_database("ingest")


@pytest.fixture(scope="session")
async def standing(
    shared_database: str, kafka_bootstrap: str
) -> AsyncIterator[tuple[ServiceProcess, app.Assembled]]:
    """One ingest for all tests that only ask: each own one costs a tenth of a second."""
    await ensure_topics(kafka_bootstrap, topics_of("ingest"), partitions=PARTITIONS, replication=1)
    async with AsyncExitStack() as stack:
        yield await opened(stack, kafka_bootstrap, shared_database)


@pytest.fixture
async def standing_ingest(
    standing: tuple[ServiceProcess, app.Assembled], shared_database: str
) -> AsyncIterator[Ingest]:
    """The standing one, in a workspace of the test's own."""
    async with AsyncExitStack() as stack:
        made = await visited(stack, *standing, shared_database)
        await made.open_shop()
        yield made


@pytest.fixture
async def ingest(start: Start, shared_database: str) -> Ingest:
    """One of the test's own: it may run its loops and look inside."""
    return await start(database=shared_database)


@pytest.fixture
async def gate(service_database: Callable[[str], str]) -> AsyncIterator[Gate]:
    """An open gate in front of a fresh database."""
    made = Gate(service_database("ingest"))
    await made.open()
    yield made
    await made.shut()


@dataclass
class LogReader:
    """Reads the topic `events`, each record once in a run however many tests ask."""

    bootstrap: str
    places: dict[TopicPartition, int] = field(default_factory=dict)
    found: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))

    async def read(self, workspace: str) -> list[dict[str, Any]]:
        """All records of a workspace; those of one person in their order."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, enable_auto_commit=False)
        partitions = [TopicPartition(EVENTS.name, one) for one in range(PARTITIONS)]
        consumer.assign(partitions)
        await consumer.start()
        try:
            ends = await consumer.end_offsets(partitions)
            left = {one for one in partitions if self.places.get(one, 0) < ends[one]}
            for one in partitions:
                consumer.seek(one, self.places.get(one, 0))
            while left:
                for one, records in (await consumer.getmany(timeout_ms=500)).items():
                    self._keep(one, records)
                    if self.places[one] >= ends[one]:
                        left.discard(one)
        finally:
            await consumer.stop()
        return [msgspec.json.decode(one) for one in self.found[workspace]]

    def _keep(self, partition: TopicPartition, records: list[Any]) -> None:
        for record in records:
            whose = msgspec.json.decode(record.value, type=_Owned).workspace
            self.found[whose].append(record.value)
        self.places[partition] = records[-1].offset + 1


class _Owned(msgspec.Struct):
    workspace: str


@pytest.fixture(scope="session")
def log_reader(kafka_bootstrap: str) -> LogReader:
    return LogReader(kafka_bootstrap)


@pytest.fixture(autouse=True)
def patience(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Postgres may be slow, and is not away; and Kafka where the spool is not the matter."""
    monkeypatch.setattr(accept, "KEEP_SECONDS", HANG_SECONDS)
    monkeypatch.setattr(keyring, "LOOK_UP_SECONDS", HANG_SECONDS)
    if request.path.name != "test_spool.py":
        monkeypatch.setattr(spool, "ACKNOWLEDGE_SECONDS", HANG_SECONDS)


@pytest.fixture
def log_of(log_reader: LogReader) -> Callable[[str], Awaitable[list[dict[str, Any]]]]:
    """A function that reads all records of a workspace in the topic `events`."""
    return log_reader.read
