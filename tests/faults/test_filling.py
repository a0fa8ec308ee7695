"""Profile dies while a new version of a computed trait is filled, and while points are."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.support.waiting import until
from tests.support.workspace import Workspace

from rapport_local.stack import Stack

pytestmark = [pytest.mark.faults, pytest.mark.long]

PEOPLE, ORDERS = 1_500, 3
KILLS = 4
ORDERED = {"event": "Order Completed"}
COUNT = {"aggregate": "count", "events": [ORDERED]}
LARGE = {
    "aggregate": "count",
    "events": [{**ORDERED, "where": [{"property": "total", "op": "gte", "value": 20}]}],
}
CLUB = {"name": "Club", "rules": [{"id": "spend", "per": {"EUR": "1"}}], "expiry": {"months": 120}}


def told(workspace: Workspace) -> None:
    """Everybody buys for 10, 20 and 30."""
    url = f"{workspace.stack.url('ingest')}/v1/batch"
    events = [
        {
            "type": "track",
            "userId": f"p{number}",
            "event": "Order Completed",
            "messageId": f"p{number}-{order}",
            "properties": {
                "order_id": f"p{number}-{order}",
                "total": f"{10 * (order + 1)}",
                "currency": "EUR",
            },
        }
        for number in range(PEOPLE)
        for order in range(ORDERS)
    ]
    for start in range(0, len(events), 500):
        batch = {"batch": events[start : start + 500]}
        workspace.sender.post(url, json=batch).raise_for_status()
    stats = lambda: workspace.get("profile", "/v1/stats")["orders"] == PEOPLE * ORDERS  # noqa: E731
    until("all orders", stats)


def values(workspace: Workspace) -> dict[str, str | None]:
    """What everybody is shown to have."""
    found = {}
    for start in range(0, PEOPLE, 100):
        asked = [{"kind": "user_id", "value": f"p{n}"} for n in range(start, start + 100)]
        items = workspace.post("profile", "/v1/profiles/lookup", {"identifiers": asked})["items"]
        for one in items:
            defined = one["profile"]["computed"].get("defined", {})
            found[one["value"]] = defined.get("ordered", {}).get("number")
    return found


def killed_in(
    stack: Stack, workspace: Workspace, job: str, check: Callable[[], object]
) -> dict[str, Any]:
    """The job at its end, after as many deaths as it could be met with."""

    def shown() -> dict[str, Any]:
        return workspace.get("profile", f"/v1/jobs/{job}")

    deaths = []
    total = until("the job", lambda: shown()["total"])
    for kill in range(1, KILLS + 1):
        wanted = kill * total // (KILLS + 2)
        found = until(
            "some of it",
            lambda wanted=wanted: (one := shown())["done"] >= wanted and one,  # type: ignore[misc] # of the loop
        )
        if found["finished_at"]:
            break
        killed = stack.kill("profile")
        stack.wait_component("profile", not_pid=killed)
        deaths.append(found["done"])
        check()
    print(f"died at {deaths} of {total}")
    assert deaths
    ended = until("its end", lambda: (one := shown())["finished_at"] and one)
    assert (ended["state"], ended["error"]) == ("done", None)
    found_: dict[str, Any] = ended
    return found_


def test_a_new_version_killed_while_it_is_filled_is_exact(
    stack: Stack, workspace: Workspace
) -> None:
    told(workspace)
    path = "/v1/computed-traits/ordered"
    first = {"definition": COUNT, "version": 0, "reason": "test"}
    job = workspace.put("profile", path, first)["job_id"]
    until("the first version", lambda: workspace.get("profile", f"/v1/jobs/{job}")["finished_at"])
    before = {f"p{number}": "3" for number in range(PEOPLE)}
    after = dict.fromkeys(before, "2")
    assert values(workspace) == before
    job = workspace.put("profile", path, {**first, "definition": LARGE, "version": 1})["job_id"]

    def one_version() -> None:
        shown = workspace.get("profile", path)["shown_version"]
        found = values(workspace)
        again = workspace.get("profile", path)["shown_version"]
        if shown == again:
            assert found == (before if shown == 1 else after)

    killed_in(stack, workspace, job, one_version)
    assert values(workspace) == after
    assert workspace.get("profile", path)["shown_version"] == 2
    rebuilt = workspace.post("profile", "/v1/profiles/rebuild", {})["id"]
    done = until(
        "the rebuild",
        lambda: (one := workspace.get("profile", f"/v1/jobs/{rebuilt}"))["finished_at"] and one,
    )
    assert not any(done["report"].values())


def test_points_that_are_backfilled_while_profile_dies_are_exact(
    stack: Stack, workspace: Workspace
) -> None:
    told(workspace)
    workspace.put(
        "profile", "/v1/loyalty/programme", {"programme": CLUB, "version": 0, "reason": "test"}
    )
    body = {"since": "2020-01-01T00:00:00Z", "reason": "test"}
    job = workspace.post("profile", "/v1/loyalty/programme/backfill", body)["id"]
    done = killed_in(stack, workspace, job, lambda: None)
    # A page whose end nobody heard of was done again, and said so little: all was there.
    assert done["report"]["events"] <= PEOPLE * ORDERS
    for number in (0, 1, PEOPLE // 2, PEOPLE - 1):
        who = workspace.profile("user_id", f"p{number}")
        assert who is not None
        path = f"/v1/profiles/{who['id']}/loyalty"

        def total(path: str = path) -> bool:
            items = workspace.get("profile", f"{path}/entries")["items"]
            return bool(items) and items[0]["total"] == 60 and len(items) == ORDERS

        until("points of old orders, booked once", total)
        assert workspace.get("profile", path)["points"]["available"] == 60
