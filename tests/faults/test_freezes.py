"""Services that stand still for longer than Kafka's patience, and then go on as if nothing was."""

import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Self

import pytest
from tests.support import broker
from tests.support.database import Database
from tests.support.matrix import SEEDS
from tests.support.metrics import metric
from tests.support.proof import breaches
from tests.support.traffic import Traffic
from tests.support.waiting import HANG_SECONDS, until
from tests.support.workspace import Workspace

from rapport_local.ports import free_port
from rapport_local.stack import Stack

pytestmark = [pytest.mark.faults]

CONSUMERS = ("profile", "segment", "campaign", "feedback")
# One lock, and whoever asks for it holds no other: rows would be locked in an order of our own,
# which may be the reverse of the service's.
# Rows, not a table: a table is waited for while a statement is only being prepared.
HOLD_POSITIONS = "SELECT 1 FROM profile.position FOR UPDATE"
SESSIONS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'profile-0-consumer' AND "
WAITING = SESSIONS + "wait_event_type = 'Lock'"
IN_TRANSACTION = SESSIONS + "state = 'idle in transaction' AND pid = $1"
ALIVE = SESSIONS + "pid = $1"
PROFILED = "SELECT count(*) FROM profile.inbox WHERE workspace = $1 AND source = 'till'"


class Frozen:
    """A process that stands still from now on; the supervisor must not take it for dead."""

    def __init__(self, stack: Stack, service: str) -> None:
        self._stack = stack
        self._service = service
        self.pid = stack.kill(service, signal.SIGSTOP)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._stack.pid(self._service) == self.pid
        # Who looks after it asks now and then, and waits for each answer.
        until(
            f"{self._service} that is seen to stand still",
            lambda: state_of(self._stack, self._service) == "unready",
        )
        os.kill(self.pid, signal.SIGCONT)


def state_of(stack: Stack, service: str) -> str:
    notice = stack.notice()
    assert notice is not None
    return notice.components[service].state


def wait_evicted(stack: Stack, service: str) -> None:
    """Wait until Kafka has given up on a service's member."""
    bootstrap = stack.config.bootstrap_servers
    until(
        f"group {service} without its member",
        lambda: f"{service}-0" not in broker.members(bootstrap, service),
    )


def test_services_that_stand_still_past_the_session_lose_and_double_nothing(
    stack: Stack, workspace: Workspace
) -> None:
    """All at once, so that Kafka's patience is waited for once."""
    traffic = Traffic.prepared(workspace)
    with traffic.replay() as replay:
        traffic.wait_mail()
        with ExitStack() as standing:
            frozen = {one: standing.enter_context(Frozen(stack, one)) for one in CONSUMERS}
            replay.finish()
            for service in CONSUMERS:
                wait_evicted(stack, service)
            for one in frozen.values():
                one.thaw()
    assert breaches(traffic) == []
    assert {one: stack.pid(one) for one in CONSUMERS} == {
        name: one.pid for name, one in frozen.items()
    }


@pytest.mark.long
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("service", CONSUMERS)
def test_a_freeze_past_the_session_loses_nothing_and_doubles_nothing(
    stack: Stack, workspace: Workspace, service: str, seed: int
) -> None:
    moment = random.Random(f"{service} {seed}").uniform(0.1, 0.7)
    traffic = Traffic.prepared(workspace, seed=seed)
    with traffic.replay([moment]) as replay:
        replay.wait_share(moment * 0.9)
        with Frozen(stack, service) as frozen:
            replay.finish()
            wait_evicted(stack, service)
            frozen.thaw()
    assert breaches(traffic) == []
    assert stack.pid(service) == frozen.pid


@contextmanager
def second_replica(stack: Stack) -> Iterator[None]:
    """Another worker of profile runs beside the supervised one."""
    settings = stack.config.environment("profile", stack.credentials())
    mine = {"RAPPORT_REPLICA": "1", "RAPPORT_METRICS_PORT": str(free_port())}
    command = [sys.executable, "-m", "rapport_profile", "run", "--only", "worker"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, env={**os.environ, **settings, **mine}, stdout=log, stderr=log
        )
        try:
            yield
            process.terminate()
            assert process.wait(HANG_SECONDS) == 0
        finally:
            process.kill()
            process.wait()


def freeze_inside_a_batch(stack: Stack, database: Database) -> tuple[Frozen, int]:
    """Stop profile between two statements of a transaction; returns it and its backend's pid."""
    with Database(stack) as holder:
        holder.run("BEGIN")
        holder.run(HOLD_POSITIONS)
        backend = until("batch that waits for a lock", lambda: database.column(WAITING))[0]
        frozen = Frozen(stack, "profile")
    # The lock is free again: the statement ends, and nobody sends the next one.
    return frozen, backend


def refused_batches(stack: Stack) -> float:
    port = stack.config.ports.metrics("profile")
    return metric(port, "rapport_consumer_fenced_batches_total", service="profile")


def test_a_zombie_inside_a_transaction_is_refused(stack: Stack, workspace: Workspace) -> None:
    """A second replica does its batch meanwhile; what it wants to do after the thaw is too late."""
    traffic = Traffic.prepared(workspace)
    refused = refused_batches(stack)
    with traffic.replay() as replay, Database(stack) as database:
        replay.wait_share(1 / 2)
        frozen, backend = freeze_inside_a_batch(stack, database)
        with frozen, second_replica(stack):
            until("open transaction", lambda: database.column(IN_TRANSACTION, backend))
            replay.finish()
            until("end of that session", lambda: not database.column(ALIVE, backend))
            wanted = len(traffic.crowd.ids)
            until(
                "work done by the second replica",
                lambda: database.column(PROFILED, workspace.name) == [wanted],
            )
            # Kafka is silent meanwhile: only the stored position can tell the zombie what it is.
            with Frozen(stack, "kafka"):
                frozen.thaw()
                until("refused batch", lambda: refused_batches(stack) > refused)
    assert breaches(traffic) == []
    assert stack.pid("profile") == frozen.pid
