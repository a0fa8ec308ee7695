"""The one stack of real processes that the end-to-end and the fault tests share."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from rapport_local.stack import Stack
    from tests.support.workspace import Workspace


@pytest.fixture(scope="session")
def stack(run_folder: Path) -> Iterator["Stack"]:
    """Everything, on free ports and in a folder of its own; gone without a trace afterwards."""
    from tests.support.stacks import running  # noqa: PLC0415 - the folder is found only now

    with running(run_folder / "stack") as started:
        yield started


@pytest.fixture
def workspace(stack: "Stack") -> Iterator["Workspace"]:
    """A workspace that no other test has seen, with a source."""
    from tests.support.workspace import Workspace  # noqa: PLC0415 - the folder is found only now

    with Workspace.fresh(stack) as made:
        yield made
