"""Puts the root on the path: the tests of this folder share a corpus. All ask the one ingest."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parents[4]))  # for `services.ingest.tests.hostile.corpus`

from services.ingest.tests.test_process import launch

if TYPE_CHECKING:
    from services.ingest.tests.conftest import Ingest

__all__ = ["launch"]


@pytest.fixture
def ingest(standing_ingest: "Ingest") -> "Ingest":
    """What one breaks the others see."""
    return standing_ingest
