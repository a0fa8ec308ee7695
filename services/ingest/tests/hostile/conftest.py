"""Puts the root on the path: the tests of this folder share a corpus."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[4]))  # for `services.ingest.tests.hostile.corpus`

from services.ingest.tests.test_process import launch

__all__ = ["launch"]
