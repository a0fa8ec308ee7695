"""The floors under ingest: HTTP, msgspec, and one aiokafka send per event. Nothing else.

No keys, limits, verdicts, counts, quarantine or spool: what a front door in Python has to do at the
least to answer 200 after Kafka's `acks=all`. `asgi` is an application on uvicorn, as ingest is one;
`bare` is a protocol on the socket that knows no more of HTTP than where a body ends. Runs as
`python -m tests.bench.floor KIND BOOTSTRAP FD`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
import uvicorn
import uvloop
from aiokafka import AIOKafkaProducer
from tests.bench.kafka_ceiling import LINGER_MS, TOPIC, ensure_topic
from tests.bench.wire import END, body_length
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterator

ASGI, BARE = "asgi", "bare"
BACKLOG = 4096
ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 20.0
ANSWER = b'{"rejected":0}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(ANSWER))]
WHOLE = b"".join(
    (b"HTTP/1.1 200 OK\r\n", *(b"%s: %s\r\n" % one for one in HEADERS), b"\r\n", ANSWER)
)


class _Sent(msgspec.Struct, rename="camel"):
    """An event, or a batch of them."""

    user_id: str = ""
    batch: list[msgspec.Raw] | None = None


class Floor:
    """Reads whom an event is of, and sends it as it came."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self._decode = msgspec.json.Decoder(_Sent).decode

    async def publish(self, body: bytes) -> None:
        """Returns when Kafka has acknowledged all of a request."""
        found = self._decode(body)
        if found.batch is None:
            await (await self._send(body, found))
        else:
            events = [bytes(one) for one in found.batch]
            await asyncio.gather(*[await self._send(one, self._decode(one)) for one in events])

    async def _send(self, body: bytes, event: _Sent) -> Any:
        return await self._producer.send(TOPIC, body, key=event.user_id.encode())

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The application."""
        message = await receive()
        parts = [message["body"]]
        while message.get("more_body"):
            message = await receive()
            parts.append(message["body"])
        await self.publish(b"".join(parts))
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send({"type": "http.response.body", "body": ANSWER})


class Bare(asyncio.Protocol):
    """A kept-open connection whose requests come one after the other."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._parts = bytearray()
        self._end = 0

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        self._parts += data
        if not self._end:
            self._head = self._parts.find(END)
            if self._head < 0:
                return
            self._end = (
                self._head + len(END) + body_length(bytes(self._parts[: self._head].lower()))
            )
        if len(self._parts) >= self._end:
            body = bytes(self._parts[self._head + len(END) :])
            self._parts, self._end = bytearray(), 0
            self._task = asyncio.get_running_loop().create_task(self._answer(body))

    async def _answer(self, body: bytes) -> None:
        await self._floor.publish(body)
        self._transport.write(WHOLE)


@dataclass(frozen=True)
class Workers:
    """The floor's processes, and the port of each."""

    ports: tuple[int, ...]
    pids: tuple[int, ...]


@contextlib.contextmanager
def serving(kind: str, bootstrap: str, workers: int) -> Iterator[Workers]:
    """Run a kind of floor, each worker on a free port of its own: all get as many connections."""
    uvloop.run(ensure_topic(bootstrap))
    with contextlib.ExitStack() as stack:
        started = [stack.enter_context(_worker(kind, bootstrap)) for _ in range(workers)]
        for port, _pid in started:
            _wait(port)
        yield Workers(tuple(port for port, _ in started), tuple(pid for _, pid in started))


@contextlib.contextmanager
def _worker(kind: str, bootstrap: str) -> Iterator[tuple[int, int]]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(BACKLOG)
        number = listening.fileno()
        command = [sys.executable, "-m", "tests.bench.floor", kind, bootstrap, str(number)]
        process = subprocess.Popen(command, pass_fds=[number], cwd=ROOT)
        try:
            yield int(listening.getsockname()[1]), process.pid
        finally:
            process.kill()
            process.wait()


def _wait(port: int) -> None:
    body = b'{"userId":"u"}'
    request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as one:
            one.sendall(request)
            if one.recv(100).startswith(b"HTTP/1.1 200"):
                return
    message = "the floor does not answer"
    raise TimeoutError(message)


async def _serve(kind: str, bootstrap: str, descriptor: int) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        enable_idempotence=True,
        linger_ms=LINGER_MS,
        max_batch_size=900_000,
    )
    await producer.start()
    listening, floor = socket.socket(fileno=os.dup(descriptor)), Floor(producer)
    if kind == ASGI:
        config = uvicorn.Config(
            floor,
            loop="uvloop",
            http="httptools",
            lifespan="off",
            access_log=False,
            log_level="error",
        )
        await uvicorn.Server(config).serve([listening])
    else:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Bare(floor), sock=listening)
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1], sys.argv[2], int(sys.argv[3])))
