"""A log is cut under a running consumer: it stops and says so, and an operator lets it go on."""

import os
import signal
from typing import Any

import httpx
import pytest
from tests.support import broker
from tests.support.loopback import NOBODY
from tests.support.metrics import metric
from tests.support.waiting import HANG_SECONDS, until
from tests.support.workspace import Workspace

from rapport_local.stack import Stack

pytestmark = pytest.mark.faults

PEOPLE = 200  # enough for events in every partition


def send(workspace: Workspace, wave: str) -> None:
    events = [
        {"type": "track", "messageId": f"{wave}-{n}", "userId": f"u-{n}", "event": "Browsed"}
        for n in range(PEOPLE)
    ]
    url = f"{workspace.stack.url('ingest')}/v1/batch"
    assert workspace.sender.post(url, json={"batch": events}).json()["accepted"] == PEOPLE


def profiled(workspace: Workspace) -> int:
    return int(workspace.get("profile", "/v1/stats")["events"])


def ready(stack: Stack) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(
        f"{stack.url('profile')}/readyz", verify=NOBODY, timeout=HANG_SECONDS
    ).json()
    return found


def stopped(stack: Stack) -> float:
    port = stack.config.ports.metrics("profile")
    return metric(port, "rapport_consumer_stopped", service="profile")


def test_a_cut_log_stops_the_consumer_loudly_until_its_positions_are_reset(
    small_stack: Stack,
) -> None:
    with Workspace.fresh(small_stack) as workspace:
        send(workspace, "before")
        until("profiled events", lambda: profiled(workspace) == PEOPLE)
        starts = _cut_away(small_stack, workspace)

        reason = until("stopped consumer", lambda: _reason(workspace))
        assert "records are gone" in reason
        shown = ready(small_stack)
        assert (shown["ready"], shown["checks"]["consumer"]) == (False, reason)
        assert (
            httpx.get(f"{small_stack.url('profile')}/readyz", timeout=HANG_SECONDS).status_code
            == 503
        )
        assert stopped(small_stack) == 1
        assert profiled(workspace) < 3 * PEOPLE

        _reset(workspace, starts)
        # Woken by the first position that is reset, it may stop once more for one that is not yet.
        before = profiled(workspace)
        send(workspace, "after")
        until("events after the reset", lambda: profiled(workspace) == before + PEOPLE)
        assert stopped(small_stack) == 0
        assert ready(small_stack)["ready"]


def _cut_away(stack: Stack, workspace: Workspace) -> dict[int, int]:
    """While profile stands still, send two waves and delete them; the log's new starts.

    Two, because a request for records that profile had open may still be answered with the first.
    """
    pid = stack.kill("profile", signal.SIGSTOP)
    try:
        send(workspace, "lost")
        send(workspace, "lost too")
        return broker.cut(stack.config.bootstrap_servers, "events")
    finally:
        os.kill(pid, signal.SIGCONT)


def _reason(workspace: Workspace) -> str | None:
    stops = workspace.get("profile", "/v1/positions")["stopped"]
    return stops[0]["reason"] if stops else None


def _reset(workspace: Workspace, starts: dict[int, int]) -> None:
    """Go on at the log's start in every partition that lost something, as an operator would."""
    for position in workspace.get("profile", "/v1/positions")["items"]:
        start = starts[position["partition"]]
        if position["next_offset"] < start:
            body = {"topic": "events", "partition": position["partition"], "next_offset": start}
            assert workspace.post("profile", "/v1/positions/reset", body) == body
