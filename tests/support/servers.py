"""The Kafka and the Postgres of a run, started when the first test asks for them.

The process that runs pytest has them; with pytest-xdist its workers ask over a socket. So they
live as long as the run, and not as the worker that happened to need them first.
"""

import asyncio
import os
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from threading import Lock, Thread
from typing import Protocol

import asyncpg
from tests.support.waiting import HANG_SECONDS

ROOT = Path(__file__).parents[2]
KAFKA = "kafka"
POSTGRES = "postgres"
TEMPLATE = "template"


class Servers(Protocol):
    """Who answers questions about the servers."""

    def ask(self, what: str) -> str:
        """Return the answer to `what`, and start what it needs.

        `kafka`: the bootstrap address. `postgres`: the superuser's URL without a database.
        `template SERVICE`: the name of a database with that service's migrated schema, to be
        copied.
        Raises RuntimeError, with the reason, when it can't be started.
        """


class OwnServers:
    """The servers themselves, with their data in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pool = ThreadPoolExecutor(thread_name_prefix="servers")
        self._lock = Lock()
        self._answers: dict[str, Future[str]] = {}
        self._listener: Listener | None = None

    def ask(self, what: str) -> str:
        """See `Servers`; each thing is started once, whoever asks at the same time."""
        with self._lock:
            if what not in self._answers:
                self._answers[what] = self._pool.submit(self._start, what)
            answer = self._answers[what]
        return answer.result()

    def listen(self) -> str:
        """Answer other processes from now on; returns the address for `AskedServers`."""
        if self._listener is None:
            self._listener = Listener(str(self._folder / "servers"), "AF_UNIX")
            Thread(target=self._accept, args=(self._listener,), daemon=True).start()
        return str(self._listener.address)

    def stop(self) -> None:
        """End all that was started; what is being started is waited for first."""
        if self._listener is not None:
            self._listener.close()
        self._pool.shutdown()
        with suppress(AttributeError):
            self._kafka.kill()  # nobody reads its data again: no orderly end
            self._kafka.remove()
        with suppress(AttributeError):
            self._postgres.remove()

    def _accept(self, listener: Listener) -> None:
        with suppress(OSError):  # closed
            while True:
                Thread(target=self._answer, args=(listener.accept(),), daemon=True).start()

    def _answer(self, caller: Connection) -> None:
        with suppress(EOFError, OSError), caller:
            while True:
                what = caller.recv()
                try:
                    caller.send((True, self.ask(what)))
                except Exception as error:  # noqa: BLE001 - whatever it was, the asker has to know
                    caller.send((False, f"{type(error).__name__}: {error}"))

    def _start(self, what: str) -> str:
        if what == KAFKA:
            return self._start_kafka()
        if what == POSTGRES:
            return self._start_postgres()
        name, _, service = what.partition(" ")
        if name != TEMPLATE:
            raise RuntimeError(f"nobody here knows of {what!r}")
        template = f"{TEMPLATE}_{service}"
        url = self.ask(POSTGRES)
        create_database(url, template)
        migrate(service, f"{url}/{template}")
        return template

    def _start_kafka(self) -> str:
        # Imported here and below: a service's own tests also run where this is not installed.
        from rapport_local.kafka import Kafka  # noqa: PLC0415
        from rapport_local.paths import Home, cache_folder  # noqa: PLC0415

        cache = cache_folder(Home.from_environment())
        settings = {
            "broker.session.timeout.ms": "60000",
            "controller.quorum.fetch.timeout.ms": "60000",
        }
        self._kafka = Kafka(self._folder / "kafka", cache=cache, settings=settings)
        self._kafka.ready_seconds = HANG_SECONDS
        return self._kafka.start().bootstrap_servers

    def _start_postgres(self) -> str:
        from rapport_local.postgres import Postgres  # noqa: PLC0415

        # No test of this server pulls the plug of the machine. Nobody counts rows behind a test's
        # back: of an emptied table it would be learned that it is small, and plans go by that.
        settings = {
            "autovacuum": "off",
            "fsync": "off",
            "full_page_writes": "off",
            "max_connections": "400",
        }
        self._postgres = Postgres(self._folder / "postgres", settings=settings)
        self._postgres.ready_seconds = HANG_SECONDS
        return self._postgres.start().url().removesuffix("/postgres")


class AskedServers:
    """The servers of the process that started this one."""

    def __init__(self, address: str) -> None:
        self._connection = Client(address, "AF_UNIX")

    def ask(self, what: str) -> str:
        """See `Servers`."""
        self._connection.send(what)
        good, answer = self._connection.recv()
        if not good:
            raise RuntimeError(answer)
        return str(answer)


def create_database(server: str, name: str, template: str = "template1") -> None:
    """Create a database on the server at this URL, as a copy of `template`."""

    async def create() -> None:
        connection = await asyncpg.connect(f"{server}/postgres")
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        await connection.close()

    # A thread of its own: the caller's may have a running loop.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, create()).result()


def migrate(service: str, url: str) -> None:
    """Bring a service's schema in the database at this URL to its newest version."""
    environment = {**os.environ, "RAPPORT_DATABASE_URL": url}
    command = [sys.executable, "-m", f"rapport_{service}", "migrate"]
    done = subprocess.run(
        command, check=False, env=environment, capture_output=True, cwd=ROOT, text=True
    )
    if done.returncode:
        raise RuntimeError(f"the migrations of {service} failed: {done.stderr[-3000:]}")
