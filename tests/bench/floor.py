"""The floor under ingest: plain ASGI, msgspec, and one aiokafka send per event. Nothing else.

No keys, limits, verdicts, counts, quarantine or spool: what any front door in Python has to do
at the least to answer 200 after Kafka's `acks=all`. Runs as
`python -m tests.bench.floor BOOTSTRAP FD`.
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
from typing import TYPE_CHECKING, Any

import msgspec
import uvicorn
import uvloop
from aiokafka import AIOKafkaProducer
from tests.bench.kafka_ceiling import LINGER_MS, TOPIC, ensure_topic

if TYPE_CHECKING:
    from collections.abc import Iterator

BACKLOG = 4096
ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 20.0


class Floor:
    """The application."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self._decode = msgspec.json.Decoder().decode
        self._encode = msgspec.json.Encoder().encode

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        found = self._decode(body)
        events = found.get("batch", [found])
        sent = [
            await self._producer.send(
                TOPIC, self._encode(one), key=str(one.get("userId", "")).encode()
            )
            for one in events
        ]
        await (sent[0] if len(sent) == 1 else asyncio.gather(*sent))
        answer = b'{"rejected":0}'
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(answer)),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


@dataclass(frozen=True)
class Workers:
    """The floor's processes, and the port of each."""

    ports: tuple[int, ...]
    pids: tuple[int, ...]


@contextlib.contextmanager
def serving(bootstrap: str, workers: int) -> Iterator[Workers]:
    """Run the floor on free ports of this machine, one per worker: all get as many connections."""
    uvloop.run(ensure_topic(bootstrap))
    with contextlib.ExitStack() as stack:
        started = [stack.enter_context(_worker(bootstrap)) for _ in range(workers)]
        for port, _pid in started:
            _wait(port)
        yield Workers(tuple(port for port, _ in started), tuple(pid for _, pid in started))


@contextlib.contextmanager
def _worker(bootstrap: str) -> Iterator[tuple[int, int]]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(BACKLOG)
        number = listening.fileno()
        command = [sys.executable, "-m", "tests.bench.floor", bootstrap, str(number)]
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


async def _serve(bootstrap: str, descriptor: int) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        enable_idempotence=True,
        linger_ms=LINGER_MS,
        max_batch_size=900_000,
    )
    await producer.start()
    config = uvicorn.Config(
        Floor(producer),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="error",
    )
    await uvicorn.Server(config).serve([socket.socket(fileno=os.dup(descriptor))])
    await producer.stop()


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1], int(sys.argv[2])))
