"""The floor under feedback's answers: the bare framework, a form, and one row that is written.

No links, forms, quotas, policies, events or cases: what FastAPI and Postgres have to do at the
least for an answer that is kept. Runs as `python -m tests.bench.feedback_floor URL FD`.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs
from uuid import uuid4

import asyncpg
import uvicorn
import uvloop
from fastapi import FastAPI, Request, Response
from tests.bench.paced import request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 30.0
CONNECTIONS = 10
TABLE = "public.bench_answer"
_MAKE = f"CREATE TABLE IF NOT EXISTS {TABLE} (id uuid PRIMARY KEY, token text, fields text)"
_ADD = f"INSERT INTO {TABLE} (id, token, fields) VALUES ($1, $2, $3)"


def _application(url: str) -> FastAPI:
    @contextlib.asynccontextmanager
    async def living(app: FastAPI) -> AsyncIterator[None]:
        async with asyncpg.create_pool(url, min_size=CONNECTIONS, max_size=CONNECTIONS) as pool:
            await pool.execute(_MAKE)
            app.state.pool = pool
            yield

    app = FastAPI(lifespan=living)

    @app.post("/s/{token}")
    async def answer(token: str, sent: Request) -> Response:
        fields = parse_qs((await sent.body()).decode())
        await app.state.pool.execute(_ADD, uuid4(), token, str(fields))
        return Response(status_code=303, headers={"location": f"./{token}"})

    return app


@contextlib.contextmanager
def serving(url: str) -> Iterator[int]:
    """Run it; its port."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(1024)
        number = listening.fileno()
        command = [sys.executable, "-m", "tests.bench.feedback_floor", url, str(number)]
        process = subprocess.Popen(command, pass_fds=[number], cwd=ROOT)
        try:
            port = int(listening.getsockname()[1])
            _wait(port)
            yield port
        finally:
            process.kill()
            process.wait()


def _wait(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as one:
            one.sendall(request("POST", "/s/x", b"score=1"))
            if one.recv(100).startswith(b"HTTP/1.1 303"):
                return
    message = "the floor does not answer"
    raise TimeoutError(message)


def _serve(url: str, descriptor: int) -> None:
    listening = socket.socket(fileno=os.dup(descriptor))
    config = uvicorn.Config(
        _application(url), loop="uvloop", http="httptools", access_log=False, log_level="error"
    )
    uvloop.run(uvicorn.Server(config).serve([listening]))


if __name__ == "__main__":
    _serve(sys.argv[1], int(sys.argv[2]))
