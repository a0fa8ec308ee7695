"""What an operator decides of two identifiers reaches segments, and every service's people."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.support import ledger
from tests.support.waiting import until
from tests.support.workspace import Workspace, orders

pytestmark = pytest.mark.e2e
BUYER = {"kind": "user_id", "value": "buyer"}
GUEST = {"kind": "anonymous_id", "value": "guest-tablet"}


def test_segments_follow_a_merge_by_hand_and_its_undoing(workspace: Workspace) -> None:
    """One order each: together they are a customer who came twice."""
    segment = workspace.segment("Twice", orders(2))
    workspace.order("buyer")
    workspace.send(
        "track",
        event="Order Completed",
        anonymousId=GUEST["value"],
        properties={"order_id": "g-1", "total": 5, "currency": "EUR"},
    )
    for who in (BUYER, GUEST):
        until(f"{who['value']} is known", lambda: workspace.profile(**who))  # noqa: B023 - at once
    body = {"one": BUYER, "other": GUEST, "reason": "she called"}
    made = workspace.post("profile", "/v1/profiles/merge", body)
    until("the one who came twice", lambda: members(workspace, segment) == [buyer(workspace)])
    undoing = f"/v1/decisions/{made['decision_id']}/undo"
    workspace.post("profile", undoing, {"reason": "it was her brother"})
    until("nobody who came twice", nobody(workspace, segment))
    workspace.post("profile", "/v1/profiles/keep-apart", body)
    workspace.send("identify", userId="buyer", anonymousId=GUEST["value"], traits={"seen": 1})
    until(
        "the event that says otherwise",
        lambda: workspace.profile("user_id", "buyer")["traits"].get("seen"),  # type: ignore[index]
    )
    assert members(workspace, segment) == []
    assert ledger.broken(workspace.stack) == []


def members(workspace: Workspace, segment: str) -> list[Any]:
    listed = workspace.get("segment", f"/v1/segments/{segment}/members")
    return [one["id"] for one in listed["items"]]


def buyer(workspace: Workspace) -> Any:
    found = workspace.profile("user_id", "buyer")
    return found["id"] if found else None


def nobody(workspace: Workspace, segment: str) -> Callable[[], bool]:
    return lambda: members(workspace, segment) == []


def test_a_user_gets_another_id_by_a_servers_word_alone(workspace: Workspace) -> None:
    """What was said under either id is one person's, in segments too."""
    segment = workspace.segment("Twice renamed", orders(2))
    for user in ("old-1", "new-1"):
        workspace.order(user)
        until(f"{user} is known", lambda: workspace.profile("user_id", user))  # noqa: B023 - at once
    workspace.send("alias", userId="new-1", previousId="old-1")
    until("one person who came twice", lambda: len(members(workspace, segment)) == 1)
    assert workspace.profile("user_id", "old-1") == workspace.profile("user_id", "new-1")
    assert ledger.broken(workspace.stack) == []
