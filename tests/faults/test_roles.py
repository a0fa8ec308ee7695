"""Services that serve in one process and work in another: each half dies or stands still alone."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from tests.support.database import Database
from tests.support.metrics import metric
from tests.support.proof import breaches
from tests.support.stacks import running
from tests.support.traffic import Traffic
from tests.support.waiting import HANG_SECONDS, until
from tests.support.workspace import Workspace

from rapport_local.ports import HOST, SERVICES, WORKER
from rapport_local.stack import Stack

pytestmark = [pytest.mark.faults, pytest.mark.long]

EARLY = 0.9  # of what may be sent: while the last of it is on its way
HALVES = tuple(half for name in SERVICES for half in (f"{name}{WORKER}", name))
ROLE = "rapport_process_role"
PROGRESS = "rapport_consumer_last_progress_timestamp_seconds"
APPLIED = "SELECT message_id FROM profile.inbox WHERE workspace = $1 AND message_id = $2"


@pytest.fixture(scope="module")
def stack(run_folder: Path) -> Iterator[Stack]:
    """All five services in two processes each."""
    with running(run_folder / "halves", split=SERVICES) as started:
        yield started


@pytest.fixture
def workspace(stack: Stack) -> Iterator[Workspace]:
    with Workspace.fresh(stack) as made:
        yield made


@contextmanager
def frozen(stack: Stack, component: str) -> Iterator[None]:
    pid = stack.kill(component, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def after(workspace: Workspace, message_id: str) -> httpx.Response:
    """The person of `fault`, in a state that has an event; 409 when that takes too long."""
    source = workspace.get("ingest", "/v1/sources")["items"][0]["id"]
    query = {"kind": "user_id", "value": "fault", "after": message_id, "after_source": source}
    url = workspace.stack.url("profile") + "/v1/profiles"
    return workspace.operator.get(url, params=query)


def test_each_process_has_its_role_and_does_nothing_of_the_other(stack: Stack) -> None:
    ports = stack.config.ports
    for service in SERVICES:
        serving, working = ports.metrics(service), ports.worker(service)
        assert metric(serving, ROLE, role="api", service=service) == 1
        assert metric(working, ROLE, role="worker", service=service) == 1
        wait_progress(working, service)
        # Only who reads topics has ever got on with one.
        assert metric(serving, PROGRESS, service=service) == 0
        if service != "ingest":  # whose readiness is that it can store what comes
            assert "consumer" in checks(f"http://{HOST}:{working}")
            assert "consumer" not in checks(stack.url(service))
        api = httpx.get(f"http://{HOST}:{working}/v1/ledger", timeout=HANG_SECONDS)
        assert api.status_code == httpx.codes.NOT_FOUND


def checks(url: str) -> dict[str, str]:
    found: dict[str, str] = httpx.get(f"{url}/readyz", timeout=HANG_SECONDS).json()["checks"]
    return found


def wait_progress(port: int, service: str) -> None:
    until(f"a sign of {service}'s worker", lambda: metric(port, PROGRESS, service=service))


def test_each_half_dies_once_and_nothing_is_lost_or_doubled(
    stack: Stack, workspace: Workspace
) -> None:
    traffic = Traffic.prepared(workspace)
    shares = [number / (len(HALVES) + 1) for number in range(1, len(HALVES) + 1)]
    with traffic.replay(shares) as replay:
        for share, component in zip(shares, HALVES, strict=True):
            replay.wait_share(share * EARLY)
            killed = stack.kill(component)
            replay.fault_began()
            stack.wait_component(component, not_pid=killed)
        replay.finish()
    assert breaches(traffic) == []


def test_people_are_looked_up_while_nobody_works_and_their_events_follow(
    stack: Stack, workspace: Workspace
) -> None:
    workspace.order("fault", messageId="before")
    until("the first event", lambda: after(workspace, "before").is_success)
    with frozen(stack, f"profile{WORKER}"):
        workspace.order("fault", messageId="meanwhile")
        person = workspace.profile("user_id", "fault")
        assert person is not None
        assert person["computed"]["orders"] == 1
        late = after(workspace, "meanwhile")
        assert (late.status_code, late.json()["code"]) == (409, "not_applied")
        ready = httpx.get(stack.url("profile") + "/readyz", timeout=HANG_SECONDS)
        assert ready.status_code == httpx.codes.OK, ready.text
    own = until("one's own event", lambda: _success(after(workspace, "meanwhile")))
    assert own.json()["computed"]["orders"] == 2


def test_events_are_applied_while_nobody_serves(stack: Stack, workspace: Workspace) -> None:
    with frozen(stack, "profile"), Database(stack) as database:
        workspace.order("fault", messageId="unseen")
        until("the event", lambda: database.column(APPLIED, workspace.name, "unseen"))


def _success(answer: httpx.Response) -> httpx.Response | None:
    return answer if answer.is_success else None
