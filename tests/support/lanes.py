"""Which tests run one after the other in one worker, and in which order they begin.

Tests mostly wait: for processes to start, for Kafka to give up on a member, for SDKs to try again.
So there are more workers than cores, and the longest lanes begin first.
"""

from typing import Any

import pytest
from typing_extensions import override

# The lanes that begin first, each with its files in their order: the tests of a lane share a stack
# of real processes. What is not named follows, each file a lane.
LANES = (
    (
        "tests/faults/test_freezes.py",
        "tests/faults/test_processes.py",
        "tests/faults/test_proof.py",
        "tests/faults/test_searches.py",
        "tests/faults/test_points.py",
        "tests/faults/test_builds.py",
        "tests/faults/test_filling.py",
    ),
    ("tests/faults/test_outages.py",),
    ("tests/faults/test_sends.py",),
    # What is cut away of a log is missing in it for ever: last.
    ("tests/sdks/test_sdks.py", "tests/faults/test_log_cut.py"),
    # Who verifies the ledger waits until nothing flows: nothing else may flow meanwhile.
    (
        "tests/e2e/test_flow.py",
        "tests/e2e/test_guides.py",
        "tests/e2e/test_readme.py",
        "tests/e2e/test_logs.py",
        "tests/e2e/test_decisions.py",
        "tests/e2e/test_forgotten.py",
        "tests/e2e/test_rectified.py",
        "tests/e2e/test_reference.py",
        "tests/e2e/test_republish.py",
        "tests/e2e/test_restrained.py",
    ),
    ("tests/e2e/test_local_runtime.py",),
)
LANE = {file: lane for lane in LANES for file in lane}
PLACE = {file: number for number, file in enumerate(LANE)}


def lane_of(nodeid: str) -> str:
    """The lane of a test, by the name of its first file."""
    file = nodeid.partition("::")[0]
    return LANE.get(file, (file,))[0]


def place(nodeid: str) -> int:
    """What tests are sorted by; those of one place stay in their order."""
    return PLACE.get(nodeid.partition("::")[0], len(PLACE))


def scheduler(config: pytest.Config, log: Any) -> Any:
    """Lanes instead of the scopes that pytest-xdist knows."""
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 - needed in a run of several

    class Lanes(LoadScopeScheduling):  # type: ignore[misc] # it has no types
        @override
        def _split_scope(self, nodeid: str) -> str:
            return lane_of(nodeid)

    return Lanes(config, log)
