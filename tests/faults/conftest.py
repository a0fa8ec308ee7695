"""The stack whose processes are killed and frozen."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support.standing import Standing

if TYPE_CHECKING:
    from rapport_local.stack import Stack


@pytest.fixture(scope="session")
def stack(standing: Standing, run_folder: Path) -> "Stack":
    """Everything, on free ports and in a folder of its own; gone without a trace afterwards."""
    from tests.support.stacks import running  # noqa: PLC0415 - the folder is found only now

    return standing.stack(running(run_folder / "faults"))
