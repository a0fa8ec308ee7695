"""The stacks of real processes that the tests of several folders share."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.servers import STACK, Servers

if TYPE_CHECKING:
    from rapport_local.stack import Stack
    from tests.support.workspace import Workspace


@pytest.fixture(scope="session")
def stack(servers: Servers) -> "Stack":
    """Everything, shared by all workers of the run: nobody kills or freezes a part of it."""
    from rapport_local.config import Config  # noqa: PLC0415 - the folders are found only now
    from rapport_local.paths import Home  # noqa: PLC0415
    from rapport_local.stack import Stack  # noqa: PLC0415

    return Stack(Config.read(Home.at(Path(servers.ask(STACK)))))


@pytest.fixture(scope="session")
def small_stack(run_folder: Path) -> Iterator["Stack"]:
    """Ingest and profile with a Kafka and a Postgres of their own."""
    from tests.support.stacks import running  # noqa: PLC0415 - the folder is found only now

    with running(run_folder / "small", ("ingest", "profile")) as started:
        yield started


@pytest.fixture
def workspace(stack: "Stack") -> Iterator["Workspace"]:
    """A workspace that no other test has seen, with a source."""
    from tests.support.workspace import Workspace  # noqa: PLC0415 - the folder is found only now

    with Workspace.fresh(stack) as made:
        yield made
