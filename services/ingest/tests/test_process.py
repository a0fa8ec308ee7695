"""The real process: its start, its children, its stop, and what a kill costs."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import httpx
import psutil
import pytest
from tests.support.waiting import HANG_SECONDS, between_looks

from rapport_common.testing.credentials import KEY_ENVIRONMENT, mint

pytestmark = [pytest.mark.integration, pytest.mark.e2e]

NOWHERE = "127.0.0.1:1"
ENOUGH = 20
PAUSE_SECONDS = 0.1
Log = Callable[[str], Awaitable[list[dict[str, Any]]]]
Launch = Callable[..., Awaitable["Running"]]


class Running:
    """One `python -m rapport_ingest run`."""

    def __init__(self, environment: dict[str, str], port: int) -> None:
        command = [sys.executable, "-m", "rapport_ingest", "run"]
        self.process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.port = port
        self.client = self._new_client()

    def _new_client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", timeout=HANG_SECONDS)

    async def ready(self) -> None:
        async with asyncio.timeout(HANG_SECONDS):
            while not await self._answers():
                assert self.process.poll() is None
                await between_looks()

    async def _answers(self) -> bool:
        with suppress(httpx.TransportError):
            return (await self.client.get("/readyz")).status_code == 200
        return False

    @property
    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()

    async def new_key(self, workspace: str) -> str:
        token = mint(workspace, "t", ["*"], timedelta(minutes=5))
        answer = await self.client.post(
            "/v1/sources", json={"name": "web"}, headers={"Authorization": f"Bearer {token}"}
        )
        return str(answer.json()["write_key"])

    async def hang_up(self) -> None:
        """Close the connections of the client."""
        await self.client.aclose()
        self.client = self._new_client()

    async def end(self, number: int) -> int:
        """The exit code after a signal."""
        self.process.send_signal(number)
        return await asyncio.to_thread(self.process.wait, HANG_SECONDS)


@asynccontextmanager
async def launching(
    database: Callable[[str], str], kafka: str, free_ports: Callable[[int], int]
) -> AsyncIterator[Launch]:
    """A function that starts processes, which end with the block."""
    started: list[Running] = []

    async def launched(*, wait: bool = True, **settings: Any) -> Running:
        port = free_ports(6)
        environment = {
            "RAPPORT_DATABASE_URL": database("ingest"),
            "RAPPORT_KAFKA_BOOTSTRAP_SERVERS": kafka,
            **KEY_ENVIRONMENT,
            "RAPPORT_PORT": str(port),
            "RAPPORT_METRICS_PORT": str(port + 1),
            "RAPPORT_LOG_LEVEL": "warning",
            **{f"RAPPORT_{name.upper()}": str(value) for name, value in settings.items()},
        }
        running = Running(environment, port)
        started.append(running)
        if wait:
            await running.ready()
        return running

    try:
        yield launched
    finally:
        for one in started:
            await one.client.aclose()
            if one.process.poll() is None:
                one.process.terminate()
                await asyncio.to_thread(one.process.wait, 15)
            if one.process.stdout:
                one.process.stdout.close()


@pytest.fixture
async def launch(
    service_database: Callable[[str], str],
    kafka_bootstrap: str,
    free_ports: Callable[[int], int],
) -> AsyncIterator[Launch]:
    async with launching(service_database, kafka_bootstrap, free_ports) as launched:
        yield launched


@pytest.fixture(scope="module")
async def pair(
    service_database: Callable[[str], str],
    kafka_bootstrap: str,
    free_ports: Callable[[int], int],
) -> AsyncIterator[Running]:
    """One with two children, for all tests that leave it with two."""
    async with launching(service_database, kafka_bootstrap, free_ports) as launched:
        yield await launched(workers=2)


async def send_until(
    running: Running, key: str, stop: asyncio.Event, name: str, accepted: set[str]
) -> None:
    """Send events one after the other, each until it is accepted; notes the accepted ids."""
    number = 0
    while not stop.is_set():
        body = {"event": "x", "userId": name, "messageId": f"{name}-{number}"}
        with suppress(httpx.TransportError):
            answer = await running.client.post("/v1/track", json=body, headers={"X-Write-Key": key})
            if answer.status_code == 200:
                accepted.add(f"{name}-{number}")
                number += 1
                continue
        await between_looks()


async def traffic(running: Running, key: str, during: Callable[[], Awaitable[None]]) -> set[str]:
    """What four senders got accepted while `during` happened, begun in full flow."""
    accepted: set[str] = set()
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group, asyncio.timeout(HANG_SECONDS):
        for number in range(4):
            group.create_task(send_until(running, key, stop, f"s{number}", accepted))
        while len(accepted) < ENOUGH:
            await between_looks()
        await during()
        stop.set()
    return accepted


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_stop_under_traffic_is_clean_and_loses_nothing(
    launch: Launch, log_of: Log, workers: int
) -> None:
    running = await launch(workers=workers)
    workspace = f"stop-{running.process.pid}"
    key = await running.new_key(workspace)
    ended: list[int] = []

    async def stop() -> None:
        ended.append(await running.end(signal.SIGTERM))

    accepted = await traffic(running, key, stop)
    [code] = ended
    assert code == 0
    assert len(accepted) >= ENOUGH
    assert accepted <= {one["message_id"] for one in await log_of(workspace)}


async def until_both(running: Running) -> None:
    """Wait until two children take connections."""
    callers = Callers(running.port)
    await running.hang_up()
    async with asyncio.timeout(HANG_SECONDS):
        while len(found := connections(running)) < 2 or 0 in found:
            await callers.call(1)
            await between_looks()
    await callers.leave(1000)
    await until_connected(running, [0, 0])


async def test_a_killed_child_is_replaced_and_costs_no_accepted_event(
    pair: Running, log_of: Log
) -> None:
    running = pair
    workspace = f"kill-{running.process.pid}"
    key = await running.new_key(workspace)
    await until_both(running)
    victim = running.children[0]

    async def kill() -> None:
        victim.kill()
        async with asyncio.timeout(HANG_SECONDS):
            while len([one for one in running.children if one.pid != victim.pid]) < 2:
                await between_looks()

    accepted = await traffic(running, key, kill)
    assert len(accepted) >= ENOUGH
    assert accepted <= {one["message_id"] for one in await log_of(workspace)}


async def test_children_do_not_outlive_a_killed_parent(launch: Launch) -> None:
    running = await launch(workers=2)
    children = running.children
    assert len(children) == 2
    code = await running.end(signal.SIGKILL)
    assert code == -signal.SIGKILL
    _gone, alive = await asyncio.to_thread(psutil.wait_procs, children, 5)
    assert [one for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []
    with pytest.raises(httpx.ConnectError):
        await running.client.get("/healthz")


async def test_each_child_has_its_own_metrics(pair: Running) -> None:
    running = pair
    async with httpx.AsyncClient(timeout=HANG_SECONDS) as client:
        for slot in range(2):
            address = f"http://127.0.0.1:{running.port + 1 + slot}/metrics"
            async with asyncio.timeout(HANG_SECONDS):
                while True:
                    with suppress(httpx.TransportError):
                        text = (await client.get(address)).text
                        break
                    await between_looks()
            assert "rapport_spool_rows" in text
            assert "rapport_ingest_events_total" in text


async def test_it_starts_and_accepts_while_kafka_is_away(launch: Launch) -> None:
    running = await launch(kafka_bootstrap_servers=NOWHERE)
    key = await running.new_key("away")
    answer = await running.client.post(
        "/v1/track",
        json={"event": "x", "userId": "u", "messageId": "1"},
        headers={"X-Write-Key": key},
    )
    assert answer.status_code == 200
    where = await running.client.get("/v1/events/1", headers={"X-Write-Key": key})
    assert where.json()["status"] == "spooled"
    assert await running.end(signal.SIGTERM) == 0


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_taken_port_is_said_so(launch: Launch, workers: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        running = await launch(
            workers=workers, port=taken.getsockname()[1], log_level="info", wait=False
        )
        out, _ = await asyncio.to_thread(running.process.communicate, None, HANG_SECONDS)
    assert running.process.returncode == 1
    assert "is it taken?" in out.decode()


async def test_live_events_of_all_children_end_with_a_stop(launch: Launch) -> None:
    running = await launch(workers=2)
    key = await running.new_key("live")
    token = mint("live", "t", ["events:read"], timedelta(minutes=5))
    headers = {"Authorization": f"Bearer {token}"}
    seen = set()
    async with asyncio.timeout(HANG_SECONDS):
        # `readyz` is answered by the first child that is up.
        while await _ready(running, headers) != {"processes": 2}:
            pass
    async with (
        asyncio.timeout(HANG_SECONDS),
        running.client.stream(
            "GET", "/v1/sources/web/live", headers=headers, timeout=HANG_SECONDS
        ) as answer,
    ):
        lines = answer.aiter_lines()
        assert [line async for line in _until(lines, "event: ready")]
        for number in range(20):
            # A connection of its own each time, so that both children take some.
            async with httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{running.port}", timeout=HANG_SECONDS
            ) as client:
                body = {"event": "x", "userId": "u", "messageId": f"m-{number}"}
                assert (await client.post("/v1/track", json=body, auth=(key, ""))).is_success
            [*_, data] = [line async for line in _until(lines, "event: event")]
            seen.add(json.loads(data.removeprefix("data: "))["message_id"])
        code = await running.end(signal.SIGTERM)
        assert [line async for line in _until(lines, "event: end")][-1] == "data: {}"
    assert seen == {f"m-{number}" for number in range(20)}
    assert code == 0


async def _ready(running: Running, headers: dict[str, str]) -> Any:
    """What a stream says at its beginning: by how many processes it was heard."""
    path = "/v1/sources/web/live"
    async with running.client.stream("GET", path, headers=headers, timeout=HANG_SECONDS) as answer:
        [*_, data] = [line async for line in _until(answer.aiter_lines(), "event: ready")]
    return json.loads(data.removeprefix("data: "))


async def _until(lines: AsyncIterator[str], wanted: str) -> AsyncIterator[str]:
    """The lines up to the one after `wanted`."""
    async for line in lines:
        yield line
        if line == wanted:
            yield await anext(lines)
            return


def connections(running: Running) -> list[int]:
    """How many clients' connections each child has."""
    return sorted(
        sum(
            one.status == psutil.CONN_ESTABLISHED and one.laddr.port == running.port
            for one in child.net_connections("tcp")
        )
        for child in running.children
    )


class Callers:
    """Connections that have been answered once, and stay open."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def call(self, count: int) -> None:
        for _ in range(count):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            self._open.append((reader, writer))

    async def leave(self, count: int) -> None:
        """The first `count` hang up."""
        for _reader, writer in self._open[:count]:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        del self._open[:count]


async def until_connected(running: Running, wanted: list[int]) -> None:
    async with asyncio.timeout(HANG_SECONDS):
        while connections(running) != wanted:
            await between_looks()


async def test_processes_have_equally_many_connections(pair: Running) -> None:
    running = pair
    callers = Callers(running.port)
    await until_both(running)
    await callers.call(16)
    assert connections(running) == [8, 8]
    await callers.leave(7)
    await until_connected(running, [4, 5])
    await callers.call(7)
    assert connections(running) == [8, 8]
    await callers.leave(1000)


class Sender:
    """Posts events over one connection, which it keeps for as long as the server does.

    With pauses: the machine has to start a child meanwhile.
    """

    def __init__(self, running: Running, key: str, name: str) -> None:
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1)
        self._client = httpx.AsyncClient(
            # On a busy machine an answer may take long: that is no broken connection.
            base_url=f"http://127.0.0.1:{running.port}",
            limits=limits,
            timeout=HANG_SECONDS,
        )
        self._key, self._name = key, name
        self.port = 0
        """Of the connection that the next event goes over; 0 for a new one."""
        self.sent = 0
        self.failed: list[str] = []

    async def run(self, stop: asyncio.Event) -> None:
        async with self._client:
            while not await in_time(stop, PAUSE_SECONDS):
                body = {"event": "x", "userId": self._name}
                try:
                    answer = await self._client.post("/v1/track", json=body, auth=(self._key, ""))
                except httpx.TransportError as error:
                    self.failed.append(repr(error))
                    continue
                if answer.status_code != 200:
                    self.failed.append(answer.text)
                self.port = 0
                with suppress(OSError):  # when it has been closed already
                    stream = answer.extensions["network_stream"]
                    self.port = stream.get_extra_info("client_addr")[1]
                self.sent += 1


async def in_time(event: asyncio.Event, seconds: float) -> bool:
    """Whether it happens within the time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


def clients_of(child: psutil.Process, port: int) -> set[int]:
    """The ports of those who are connected with a child."""
    return {
        one.raddr.port
        for one in child.net_connections("tcp")
        if one.status == psutil.CONN_ESTABLISHED and one.laddr.port == port
    }


async def test_kept_connections_are_shared_again_when_a_killed_child_is_back(
    pair: Running,
) -> None:
    running = pair
    key = await running.new_key(f"share-{running.process.pid}")
    await until_both(running)
    senders = [Sender(running, key, f"s{number}") for number in range(64)]
    stop = asyncio.Event()

    async def until_shared() -> None:
        while min(connections(running)) < 26 or len(running.children) < 2:
            assert running.process.poll() is None
            await between_looks()

    async with asyncio.TaskGroup() as group, asyncio.timeout(HANG_SECONDS):
        for one in senders:
            group.create_task(one.run(stop))
        while not all(one.sent for one in senders):
            await between_looks()
        await until_shared()
        victim, survivor = running.children
        at_victim = clients_of(victim, running.port)
        before = {one: one.port for one in senders}
        victim.kill()
        while victim.pid in {one.pid for one in running.children}:
            await between_looks()
        # All come to the survivor, unless the new child is there as soon as they are.
        while len(clients_of(survivor, running.port)) < 60 and len(running.children) < 2:
            await between_looks()
        await until_shared()
        stop.set()
    failed = [(before[one], one.failed) for one in senders if one.failed]
    assert {port for port, _reasons in failed} <= at_victim | {0}, failed
    assert all(len(reasons) <= 1 for _port, reasons in failed), failed
