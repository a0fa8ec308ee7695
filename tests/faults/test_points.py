"""Profile dies while points are earned and spent, and nobody has more or fewer than is known."""

from typing import Any

import httpx
import pytest
from tests.support.waiting import until
from tests.support.workspace import Workspace

from rapport_local.stack import Stack

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

ORDERS, PIECE, KILLS = 400, 100, 2
EACH, SPENT = 10, 7
PEOPLE = ("mara", "noor")
HANG_SECONDS = 120.0
CLUB = {"name": "Club", "rules": [{"id": "spend", "per": {"EUR": "1"}}], "expiry": {"months": 12}}


def told(workspace: Workspace, piece: int) -> None:
    """A piece of the orders of all, the fifth of each refunded."""
    batch: list[dict[str, Any]] = []
    for user in PEOPLE:
        for number in range(piece * PIECE, (piece + 1) * PIECE):
            said = {"order_id": f"{user}-{number}", "total": f"{EACH}", "currency": "EUR"}
            names = ["Order Completed", *(["Order Refunded"] if number % 5 == 4 else [])]
            batch += [
                {
                    "type": "track",
                    "userId": user,
                    "event": name,
                    "messageId": f"{user}-{number}-{name[6:]}",
                    "properties": said,
                }
                for name in names
            ]
    url = f"{workspace.stack.url('ingest')}/v1/batch"
    workspace.sender.post(url, json={"batch": batch}).raise_for_status()


def path_of(workspace: Workspace, user: str) -> str:
    found = until(user, lambda: workspace.profile("user_id", user))
    return f"/v1/profiles/{found['id']}/loyalty"


def spend(workspace: Workspace, user: str, key: str) -> None:
    """Points are spent, said again until there is an answer."""
    path = workspace.stack.url("profile") + path_of(workspace, user) + "/redemptions"
    asked = {"points": SPENT, "seconds": None, "reason": "tea"}

    def answered() -> bool:
        answer = workspace.operator.post(path, json=asked, headers={"Idempotency-Key": key})
        return answer.status_code == httpx.codes.CREATED

    until("an answer to the till", answered, seconds=HANG_SECONDS)


def test_points_are_those_that_are_known_whenever_profile_dies(
    stack: Stack, workspace: Workspace
) -> None:
    club = {"programme": CLUB, "version": 0, "since": "2020-01-01T00:00:00Z", "reason": "test"}
    workspace.put("profile", "/v1/loyalty/programme", club)
    told(workspace, 0)
    for user in PEOPLE:
        path_of(workspace, user)
    for piece in range(1, ORDERS // PIECE):
        told(workspace, piece)
        killed = stack.kill("profile") if piece <= KILLS else None
        for user in PEOPLE:
            spend(workspace, user, f"{user}-{piece}")
        if killed is not None:
            stack.wait_component("profile", not_pid=killed, seconds=HANG_SECONDS)
    redeemed = SPENT * (ORDERS // PIECE - 1)
    wanted = EACH * (ORDERS - ORDERS // 5) - redeemed
    for user in PEOPLE:
        path = path_of(workspace, user)

        def total(path: str = path) -> int:
            (last,) = workspace.get("profile", f"{path}/entries", limit=1)["items"]
            return int(last["total"])

        until("all booked", lambda total=total: total() == wanted, seconds=HANG_SECONDS)  # type: ignore[misc] # of the loop
        points = workspace.get("profile", path)["points"]
        assert (points["available"], points["total"], points["debt"]) == (wanted, wanted, 0)
