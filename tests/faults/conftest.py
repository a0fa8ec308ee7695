"""The stack whose processes are killed and frozen."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from rapport_local.stack import Stack


@pytest.fixture(scope="session")
def stack(run_folder: Path) -> Iterator["Stack"]:
    """Everything, on free ports and in a folder of its own; gone without a trace afterwards."""
    from tests.support.stacks import running  # noqa: PLC0415 - the folder is found only now

    with running(run_folder / "faults") as started:
        yield started
