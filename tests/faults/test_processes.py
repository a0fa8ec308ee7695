"""The seven processes die in the middle of a replay, and everything still adds up."""

import random

import pytest
from tests.support.matrix import SEEDS
from tests.support.proof import breaches
from tests.support.traffic import Traffic
from tests.support.workspace import Workspace

from rapport_local.ports import SERVICES
from rapport_local.stack import Stack

pytestmark = [pytest.mark.faults]

PROCESSES = (*SERVICES, "kafka", "postgres")

EARLY = 0.9  # of what may be sent: while the last of it is on its way


def test_each_process_dies_once_and_nothing_is_lost_or_doubled(
    stack: Stack, workspace: Workspace
) -> None:
    traffic = Traffic.prepared(workspace)
    shares = [number / (len(PROCESSES) + 1) for number in range(1, len(PROCESSES) + 1)]
    with traffic.replay(shares) as replay:
        for share, component in zip(shares, PROCESSES, strict=True):
            replay.wait_share(share * EARLY)
            killed = stack.kill(component)
            replay.fault_began()
            stack.wait_component(component, not_pid=killed)
        replay.finish()
    assert breaches(traffic) == []


@pytest.mark.long
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("component", PROCESSES)
def test_a_kill_at_any_moment_loses_nothing_and_doubles_nothing(
    stack: Stack, workspace: Workspace, component: str, seed: int
) -> None:
    moment = random.Random(f"{component} {seed}").uniform(0.1, 0.7)
    traffic = Traffic.prepared(workspace, seed=seed)
    with traffic.replay([moment]) as replay:
        replay.wait_share(moment * EARLY)
        killed = stack.kill(component)
        replay.fault_began()
        stack.wait_component(component, not_pid=killed)
        replay.finish()
    assert breaches(traffic) == []
