"""The stacks of real processes that the tests of several files share."""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import lanes
from tests.support.standing import STANDING, Standing

if TYPE_CHECKING:
    from rapport_local.stack import Stack
    from tests.support.workspace import Workspace


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, None, None]:
    """End the stacks of a lane with its last test."""
    try:
        yield
    finally:
        if nextitem is None or lanes.lane_of(nextitem.nodeid) != lanes.lane_of(item.nodeid):
            STANDING.end()


@pytest.fixture(scope="session")
def standing() -> Iterator[Standing]:
    """Who keeps the stacks of the lane that runs; all files that share a stack are of one lane."""
    yield STANDING
    STANDING.end()


@pytest.fixture(scope="session")
def stack(standing: Standing, run_folder: Path) -> "Stack":
    """Everything: nobody kills or freezes a part of it."""
    from tests.support.stacks import PATIENT, running  # noqa: PLC0415 - the folder is found only now

    return standing.stack(running(run_folder / "stack", limits=PATIENT))


@pytest.fixture(scope="session")
def small_stack(standing: Standing, run_folder: Path) -> "Stack":
    """Ingest and profile with a Kafka and a Postgres of their own."""
    from tests.support.stacks import running  # noqa: PLC0415 - the folder is found only now

    return standing.stack(running(run_folder / "small", ("ingest", "profile")))


@pytest.fixture
def workspace(stack: "Stack") -> Iterator["Workspace"]:
    """A workspace that no other test has seen, with a source."""
    from tests.support.workspace import Workspace  # noqa: PLC0415 - the folder is found only now

    with Workspace.fresh(stack) as made:
        yield made
