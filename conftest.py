"""The Kafka and Postgres that all tests of a run share; started only when a test asks for them."""

import asyncio
import os
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

if TYPE_CHECKING:
    from rapport_local.postgres import Postgres

ROOT = Path(__file__).parent
SERVERS = {"integration", "e2e", "faults", "bench"}
TEST_SECRET = "a secret for tests only, 32 characters"  # noqa: S105 - for tests only


def pytest_addoption(parser: pytest.Parser) -> None:
    told = "leave out the unit tests of the services, which deploy/isolated_tests.py runs"
    parser.addoption("--without-isolated", action="store_true", help=told)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--without-isolated"):
        done = [item for item in items if _is_isolated(item)]
        config.hook.pytest_deselected(items=done)
        items[:] = [item for item in items if not _is_isolated(item)]


def _is_isolated(item: pytest.Item) -> bool:
    of_service = item.path.is_relative_to(ROOT / "services")
    return of_service and not any(mark.name in SERVERS for mark in item.iter_markers())


@pytest.fixture(scope="session")
def run_folder() -> Iterator[Path]:
    """A folder for this run's servers, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="rapport-test-") as name:
        yield Path(name)


@pytest.fixture(scope="session")
def postgres_server(run_folder: Path) -> Iterator["Postgres"]:
    """A real Postgres. `fsync` is off: no test of this server pulls the plug of the machine."""
    # Imported here: a service's own tests also run where this package is not installed.
    from rapport_local.postgres import Postgres  # noqa: PLC0415

    server = Postgres(run_folder / "postgres", settings={"fsync": "off"})
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def kafka_bootstrap(run_folder: Path) -> Iterator[str]:
    """A real Kafka's bootstrap address."""
    from rapport_local.kafka import Kafka  # noqa: PLC0415
    from rapport_local.paths import Home, cache_folder  # noqa: PLC0415

    server = Kafka(run_folder / "kafka", cache=cache_folder(Home.from_environment()))
    server.start()
    yield server.bootstrap_servers
    server.remove()


@pytest.fixture(scope="session")
def service_database(postgres_server: "Postgres") -> Callable[[str], str]:
    """A function that makes a fresh, migrated database for a service and returns its URL.

    The migrations run once per service; each call copies the result.
    """
    templates: dict[str, str] = {}

    def fresh(service: str) -> str:
        if service not in templates:
            template = f"template_{service}"
            _create(postgres_server, template)
            _migrate(service, postgres_server.url(template))
            templates[service] = template
        name = f"{service}_{uuid.uuid4().hex[:12]}"
        _create(postgres_server, name, template=templates[service])
        return postgres_server.url(name)

    return fresh


def _create(server: "Postgres", name: str, template: str = "template1") -> None:
    async def create() -> None:
        connection = await asyncpg.connect(server.url())
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        await connection.close()

    # A thread of its own: the caller's may have a running loop.
    thread = threading.Thread(target=asyncio.run, args=(create(),))
    thread.start()
    thread.join()


def _migrate(service: str, url: str) -> None:
    environment = {**os.environ, "RAPPORT_DATABASE_URL": url}
    command = [sys.executable, "-m", f"rapport_{service}", "migrate"]
    subprocess.run(command, check=True, env=environment, capture_output=True, cwd=ROOT)  # noqa: S603
