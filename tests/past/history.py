"""What happened in the past that `record.py` keeps, and what is asked about it afterwards."""

from typing import Any

import httpx
from tests.support.waiting import HANG_SECONDS, until
from tests.support.workspace import Workspace, address, orders

SUBSCRIBED = {"channel": "email", "purpose": "promotions", "state": "granted"}
LAST = "last"
"""Of whom profile has not heard yet."""

HEAVY_TRAITS = {f"answer_{number:03}": "long and winding " * 20 for number in range(60)}
"""21 KB: more than is told with each event of a batch."""

RULES: dict[str, dict[str, Any]] = {
    "Buyers": orders(1),
    "Twice": orders(2),
    "Spenders": {"computed": "revenue", "currency": "USD", "op": "gte", "value": "50"},
    "Germans": {"trait": "country", "op": "eq", "value": "DE"},
    "No buyers": {"not": orders(1)},
    "Known by e-mail": {"identifier": "email", "op": "exists"},
}


def settled(workspace: Workspace) -> None:
    """All that was when everybody had done his work."""
    segments = {name: workspace.segment(name, rule) for name, rule in RULES.items()}
    workspace.campaign(segments["Buyers"], "Thanks")
    for number in range(20):
        user = f"user-{number:02}"
        country = "DE" if number % 3 == 0 else "FR"
        workspace.send("identify", userId=user, traits={"email": address(user), "country": country})
        for _ in range(number % 3):
            workspace.order(user, "19.90")
    for number in range(6):
        workspace.send("track", anonymousId=f"visitor-{number}", event="Product Viewed")
    workspace.send("identify", userId="heavy", traits=HEAVY_TRAITS | {"email": address("heavy")})
    _consents(workspace)
    _voices(workspace)
    _guest_signs_in(workspace, "guest-1", "user-01")


def _consents(workspace: Workspace) -> None:
    for user, state in (("user-02", "granted"), ("user-04", "withdrawn")):
        told = SUBSCRIBED | {"state": state, "contact_point": address(user)}
        workspace.send("track", userId=user, event="Consent Updated", properties=told)


def _voices(workspace: Workspace) -> None:
    body = {"name": "After a purchase", "kind": "nps", "question": "Would you recommend us?"}
    survey = workspace.post("feedback", "/v1/surveys", body)["id"]
    invited = workspace.post(
        "feedback", f"/v1/surveys/{survey}/invitations", {"user_id": "user-05"}
    )
    assert (
        httpx.post(invited["url"], data={"score": "9"}, timeout=HANG_SECONDS).status_code
        == httpx.codes.OK
    )
    complaint = {"user_id": "user-07", "subject": "Torn cover", "body": "It came torn."}
    workspace.post("feedback", "/v1/cases", complaint)
    until("the open case", lambda: _computed(workspace, "user-07").get("open_cases"))
    until("the answer", lambda: workspace.wait_named("user-05", "Survey Answered"))


def followers_away(workspace: Workspace) -> None:
    """What profile told while those who follow it did not listen."""
    for number in range(3):
        workspace.order(f"user-{number:02}", "30.00")
    workspace.order("newcomer", "5.00")
    _guest_signs_in(workspace, "guest-2", "user-04")
    workspace.send("identify", userId="user-06", traits={"country": "DE"})
    workspace.send("identify", userId="heavy", traits={"answer_000": "short"})
    workspace.order("heavy", "5.00")
    until("the newcomer", lambda: _orders(workspace, "newcomer") == 1)
    until("the heavy one's order", lambda: _orders(workspace, "heavy") == 1)


def profile_away(workspace: Workspace) -> None:
    """What was accepted while profile did not listen either."""
    for number in range(10, 14):
        workspace.order(f"user-{number:02}", "30.00")
    workspace.order(LAST, "5.00")


UNHEARD = 5
"""Events in `profile_away`."""


def everybody() -> list[str]:
    """The user ids of the past."""
    return [*(f"user-{number:02}" for number in range(20)), "heavy", "newcomer", LAST]


def answers(workspace: Workspace) -> dict[str, Any]:
    """What the services answer about it; the same in every version."""
    people = {user: _person(workspace, user) for user in everybody()}
    names = {one.get("id"): user for user, one in people.items()}
    segments = {one["name"]: one["id"] for one in _items(workspace, "segment", "/v1/segments")}
    members = {
        name: sorted(
            names.get(one["id"], "somebody else")
            for one in _items(workspace, "segment", f"/v1/segments/{segments[name]}/members")
        )
        for name in RULES
    }
    (campaign,) = _items(workspace, "campaign", "/v1/campaigns")
    (survey,) = _items(workspace, "feedback", "/v1/surveys")
    score = workspace.get("feedback", f"/v1/surveys/{survey['id']}/score")
    cases = _items(workspace, "feedback", "/v1/cases")
    return {
        "people": people,
        "members": members,
        "sent": workspace.counts(campaign["id"]),
        "score": [score["n"], score["nps"]],
        "cases": [[one["subject"], one["state"]] for one in cases],
    }


def _person(workspace: Workspace, user: str) -> dict[str, Any]:
    found = workspace.profile("user_id", user) or {}
    shown = {name: found.get(name) for name in ("id", "traits", "computed", "consent")}
    # When it was last heard of depends on when mails went out, a new id on when it is made.
    shown["computed"] = {**(shown["computed"] or {}), "last_seen_at": None}
    if user == LAST:
        del shown["id"]
    shown["contact_points"] = [one["value"] for one in found.get("contact_points", [])]
    return shown


def _items(workspace: Workspace, service: str, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = workspace.get(service, path, limit=200)["items"]
    return found


def _guest_signs_in(workspace: Workspace, device: str, user: str) -> None:
    """Two people, each in a segment, become one."""
    workspace.send("identify", anonymousId=device, traits={"country": "DE"})
    until("the guest", lambda: workspace.profile("anonymous_id", device))
    workspace.send("identify", userId=user, anonymousId=device)
    until("one person", lambda: _person_of(workspace, device) == _person(workspace, user)["id"])


def _person_of(workspace: Workspace, device: str) -> Any:
    return (workspace.profile("anonymous_id", device) or {}).get("id")


def _computed(workspace: Workspace, user: str) -> dict[str, Any]:
    found: dict[str, Any] = (workspace.profile("user_id", user) or {}).get("computed", {})
    return found


def _orders(workspace: Workspace, user: str) -> int:
    return int(_computed(workspace, user).get("orders", 0))
