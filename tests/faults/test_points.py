"""Profile dies while points are earned, reserved and spent: all have what is known, and no more."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import httpx
import pytest
from tests.support.waiting import until
from tests.support.workspace import Workspace

from rapport_local.stack import Stack

pytestmark = [pytest.mark.faults]

ORDERS, PIECE, KILLS = 400, 100, 2
EACH, SPENT = 10, 7
PEOPLE = ("mara", "noor")
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

    until("an answer to the till", answered)


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
            stack.wait_component("profile", not_pid=killed)
    redeemed = SPENT * (ORDERS // PIECE - 1)
    wanted = EACH * (ORDERS - ORDERS // 5) - redeemed
    for user in PEOPLE:
        path = path_of(workspace, user)

        def total(path: str = path) -> int:
            (last,) = workspace.get("profile", f"{path}/entries", limit=1)["items"]
            return int(last["total"])

        until("all booked", lambda total=total: total() == wanted)  # type: ignore[misc] # of the loop
        points = workspace.get("profile", path)["points"]
        assert (points["available"], points["total"], points["debt"]) == (wanted, wanted, 0)


TILLS, ROUNDS, RESERVED, SECONDS = 2, 4, 90, 4
ENDED = {"confirmed", "expired"}


class Till:
    """Reserves points and confirms some of it, said again until there is an answer."""

    def __init__(self, workspace: Workspace, path: str, name: int) -> None:
        self.workspace, self.path, self.name = workspace, path, name
        self.reservations: list[str] = []
        self.refused = 0

    def serve(self, round_: int) -> None:
        """Two customers: the first comes back for what was reserved, the other does not."""
        for number in range(2):
            asked = {"points": RESERVED, "seconds": SECONDS, "reason": "tea"}
            key = f"{self.name}-{round_}-{number}"
            answer = self._answered(f"{self.path}/redemptions", key, asked)
            if answer.status_code == httpx.codes.CONFLICT:
                self.refused += 1
                continue
            made = answer.json()["id"]
            self.reservations.append(made)
            if number == 0:
                self._answered(f"/v1/loyalty/redemptions/{made}/confirm", f"{key}-confirmed", None)

    def _answered(self, path: str, key: str, asked: Any) -> httpx.Response:
        url = self.workspace.stack.url("profile") + path

        def answer() -> httpx.Response | None:
            found = self.workspace.operator.post(url, json=asked, headers={"Idempotency-Key": key})
            return None if found.is_server_error else found

        return until("an answer to the till", answer)


def statement(workspace: Workspace, path: str) -> Iterator[dict[str, Any]]:
    cursor = None
    for _page in count():
        page = workspace.get(
            "profile", f"{path}/entries", limit=200, **({"cursor": cursor} if cursor else {})
        )
        yield from page["items"]
        cursor = page["next"]
        if cursor is None:
            return


def test_what_is_reserved_while_profile_dies_is_spent_or_comes_back_once(
    stack: Stack, workspace: Workspace
) -> None:
    """Two tills at once, for more than there is; reservations are open at each death."""
    club = {"programme": CLUB, "version": 0, "since": "2020-01-01T00:00:00Z", "reason": "test"}
    workspace.put("profile", "/v1/loyalty/programme", club)
    told(workspace, 0)
    earned = EACH * (PIECE - PIECE // 5)
    path = path_of(workspace, PEOPLE[0])
    until(
        "all points",
        lambda: workspace.get("profile", path)["points"]["available"] == earned,
    )
    tills = [Till(workspace, path, name) for name in range(TILLS)]
    for round_ in range(ROUNDS):
        with ThreadPoolExecutor(TILLS) as both:
            served = [both.submit(till.serve, round_) for till in tills]
            killed = stack.kill("profile")
            for one in served:
                one.result()
        stack.wait_component("profile", not_pid=killed)
    made = [one for till in tills for one in till.reservations]

    def ended() -> dict[str, str]:
        where = "/v1/loyalty/redemptions"
        states = {one: workspace.get("profile", f"{where}/{one}")["state"] for one in made}
        return states if ENDED.issuperset(states.values()) else {}

    states = until("end of all reservations", ended)
    print(f"{sorted(states.values())}, {sum(till.refused for till in tills)} refused")
    spent = {one for one, state in states.items() if state == "confirmed"}
    assert spent
    assert set(states) - spent
    left = earned - RESERVED * len(spent)
    points = workspace.get("profile", path)["points"]
    assert (points["available"], points["total"], points["reserved"]) == (left, left, 0)
    assert points["debt"] == 0
    assert left >= 0
    booked: dict[str, int] = {}
    for entry in statement(workspace, path):
        if entry["operation_id"] is not None:
            operation = entry["operation_id"]
            booked[operation] = booked.get(operation, 0) + entry["points"]
    assert booked == dict.fromkeys(spent, -RESERVED)
    # What came back can be spent: all of it, and once.
    rest = {"points": left, "seconds": None, "reason": "the rest"} if left else None
    if rest is not None:
        workspace.post("profile", f"{path}/redemptions", rest)
    assert workspace.get("profile", path)["points"]["available"] == 0
