"""What all tests of a run share: its folder, its Kafka and Postgres, and the order of the tests."""

import gc
import re
import sys
import uuid
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from _pytest.mark.expression import Expression

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT))  # for `tests.support`

from tests.support import lanes, run, seconds, thrift  # noqa: E402 - found only now
from tests.support.servers import KAFKA, POSTGRES, TEMPLATE, Servers, create_database  # noqa: E402

SERVERS = {"integration", "e2e", "faults", "bench"}
TEST_SECRET = "a secret for tests only, 32 characters"  # noqa: S105 - for tests only
RUN = pytest.StashKey[run.Run]()
NEEDS = pytest.StashKey[set[str]]()
"""The words of which a file of tests must have one, see `_needed`."""


def pytest_addoption(parser: pytest.Parser) -> None:
    told = "leave out the unit tests of the services, which deploy/isolated_tests.py runs"
    parser.addoption("--without-isolated", action="store_true", help=told)
    told = "leave out the tests marked `long`, unless one is named"
    parser.addoption("--without-long", action="store_true", help=told)
    told = "show how long the tests of each folder took, and how long they should take"
    parser.addoption("--seconds", action="store_true", help=told)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    config.stash[RUN] = run.begin(config)
    config.stash[NEEDS] = _needed(config.option.markexpr)
    # The scheduler of pytest-xdist would else begin with the files of most tests.
    config.option.loadscopereorder = False
    thrift.read_authorities_once()
    thrift.print_errors_plainly()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    left = config.stash[RUN].end()
    if left:
        pytest.exit("\n".join(["processes that outlived their tests:", *left]), returncode=1)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist where the servers are."""
    node.workerinput.update(node.config.stash[RUN].for_worker())


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    return lanes.scheduler(config, log)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name no test by bytes that are no text: gzip writes the time of day into them.

    Workers whose tests differ in name, because a second has passed between them, run none.
    """
    return argname if isinstance(val, bytes) and not val.isascii() else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """Import all tests without looking for garbage, and never again look through what they need.

    There is none yet, and a worker that runs few tests would look through all of them each time.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not import, in every worker, what has nothing but tests that are left out."""
    if collection_path.suffix != ".py" or not collection_path.name.startswith("test_"):
        return None
    isolated = config.getoption("--without-isolated") and _is_of_service(collection_path)
    needs = SERVERS if isolated else config.stash[NEEDS]
    if not needs:
        return None
    text = collection_path.read_text()
    return True if not any(mark in text for mark in needs) else None


def _needed(expression: str) -> set[str]:
    """The marks of which a test must have one for `-m` to choose it; none if it may have none."""
    if not expression or Expression.compile(expression).evaluate(_no_mark):
        return set()
    return set(re.findall(r"\w+", expression)) - {"and", "or", "not"}


def _no_mark(_name: str, /, **_told: object) -> bool:
    return False


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--without-isolated"):
        _leave_out(config, items, _is_isolated)
    if config.getoption("--without-long"):
        _leave_out(config, items, lambda item: item.get_closest_marker("long") is not None)
    items.sort(key=lambda item: lanes.place(item.nodeid))


def _leave_out(
    config: pytest.Config, items: list[pytest.Item], chosen: Callable[[pytest.Item], bool]
) -> None:
    config.hook.pytest_deselected(items=[item for item in items if chosen(item)])
    items[:] = [item for item in items if not chosen(item)]


def _is_isolated(item: pytest.Item) -> bool:
    return _is_of_service(item.path) and not any(
        mark.name in SERVERS for mark in item.iter_markers()
    )


def _is_of_service(path: Path) -> bool:
    return path.is_relative_to(ROOT / "services")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if config.getoption("--seconds"):
        terminalreporter.section("seconds per folder")
        for line in seconds.table(terminalreporter.stats.values()):
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def run_folder(pytestconfig: pytest.Config) -> Path:
    """A folder for the servers of this run (of this worker, if there are several)."""
    return pytestconfig.stash[RUN].folder


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Servers:
    """Who knows the servers that all workers of the run share."""
    return pytestconfig.stash[RUN].servers


@dataclass(frozen=True)
class SharedPostgres:
    """The run's Postgres; `server` is the superuser's URL without a database."""

    server: str

    def url(self, database: str = "postgres") -> str:
        """The superuser's URL of a database."""
        return f"{self.server}/{database}"


@pytest.fixture(scope="session")
def postgres_server(servers: Servers) -> SharedPostgres:
    """A real Postgres, shared by all tests of the run: each has databases of its own."""
    return SharedPostgres(servers.ask(POSTGRES))


@pytest.fixture(scope="session")
def kafka_bootstrap(servers: Servers) -> str:
    """A real Kafka's address, shared by all tests of the run: each looks at its own workspace."""
    return servers.ask(KAFKA)


@pytest.fixture(scope="session")
def service_database(servers: Servers, postgres_server: SharedPostgres) -> Callable[[str], str]:
    """A function that makes a fresh, migrated database for a service and returns its URL.

    The migrations run once per service; each call copies the result.
    """

    def fresh(service: str) -> str:
        template = servers.ask(f"{TEMPLATE} {service}")
        name = f"{service}_{uuid.uuid4().hex[:12]}"
        create_database(postgres_server.server, name, template)
        return postgres_server.url(name)

    return fresh


@pytest.fixture(scope="session")
def free_ports() -> Callable[[int], int]:
    """A function that returns the first of so many free ports in a row, each of them only once."""
    # Imported here: a service's own tests also run where this is not installed.
    from rapport_local.ports import free_ports  # noqa: PLC0415

    return free_ports
