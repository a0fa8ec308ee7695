"""Which tests run one after the other in one worker, and in which order they begin.

Tests mostly wait: for processes to start, for Kafka to give up on a member, for SDKs to try again.
So there are more workers than cores, and the longest lanes begin first.
"""

from typing import Any

import pytest
from typing_extensions import override

# Lanes that are more than one file: their tests share a stack of real processes. The order is that
# of their beginning; what is not named follows, file by file.
LONGEST = (
    "tests/faults/test_freezes.py",
    "tests/faults/test_outages.py",
    "tests/sdks/test_sdks.py",
    "tests/e2e/test_flow.py",
    "tests/e2e/test_local_runtime.py",
)
LANES = {
    "tests/faults/test_processes.py": "tests/faults/test_freezes.py",
    "tests/faults/test_proof.py": "tests/faults/test_freezes.py",
    "tests/e2e/test_guides.py": "tests/e2e/test_flow.py",
    "tests/e2e/test_readme.py": "tests/e2e/test_flow.py",
}


def lane_of(nodeid: str) -> str:
    """The lane of a test: the file whose stack it shares, which mostly is its own."""
    file = nodeid.partition("::")[0]
    return LANES.get(file, file)


def place(nodeid: str) -> int:
    """What tests are sorted by; those of one place stay in their order."""
    lane = lane_of(nodeid)
    return LONGEST.index(lane) if lane in LONGEST else len(LONGEST)


def scheduler(config: pytest.Config, log: Any) -> Any:
    """Lanes instead of the scopes that pytest-xdist knows."""
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 - needed in a run of several

    class Lanes(LoadScopeScheduling):  # type: ignore[misc] # it has no types
        @override
        def _split_scope(self, nodeid: str) -> str:
            return lane_of(nodeid)

    return Lanes(config, log)
