"""Calendars and policies over the API: declared, used by cases, changed, and taken away."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from services.feedback.tests.conftest import make_settings
from services.feedback.tests.test_deadlines import opened, run, shown, waiting
from sqlalchemy import text

from rapport_common import clock
from rapport_common.events.topics import EVENTS
from rapport_common.jobs.worker import Jobs
from rapport_common.publisher import Publisher
from rapport_feedback.handlers.rewinding import JOBS, REWIND, Rewinding
from rapport_feedback.store import case_rules

if TYPE_CHECKING:
    from services.feedback.tests.conftest import Service

pytestmark = pytest.mark.integration

ALWAYS = {"timezone": "UTC", "week": [{"from": "00:00", "to": "24:00"}]}
RESPONSE = {
    "clock": "first_response",
    "limit": {"hours": 2, "in": "open"},
    "calendar": "always",
    "warn_minutes": 30,
    "pauses": True,
    "escalate": [{"after_minutes": 60, "to": "lead"}, {"after_minutes": 120, "to": "head"}],
}
URGENT = {"when": {"severity": ["high"]}, "clocks": [RESPONSE]}
HOUR = timedelta(hours=1)


async def put(service: Service, path: str, body: dict[str, Any], version: int = 0) -> None:
    answer = await service.client.put(path, json={**body, "version": version, "reason": "because"})
    assert answer.status_code == 200, answer.text


async def follow(service: Service) -> None:
    """Do what is to be done because of changed rules."""
    levels = make_settings().service_levels()
    work = Rewinding(service.engine, Publisher("feedback", EVENTS, b"k" * 32), levels).work
    jobs = Jobs(service.engine, JOBS, {REWIND: work})
    while await jobs.turn(asyncio.Event()):
        pass


async def urgent(service: Service) -> dict[str, Any]:
    """A case under a policy of its own."""
    await put(service, "/v1/calendars/always", ALWAYS)
    await put(service, "/v1/case-policies/urgent", URGENT)
    body = {"user_id": "u1", "subject": "Late", "body": "Three weeks", "severity": "high"}
    made = await service.client.post("/v1/cases", json=body)
    assert made.status_code == 201, made.text
    return dict(made.json())


async def patch(service: Service, case_id: str, **changes: Any) -> Any:
    return await service.client.patch(f"/v1/cases/{case_id}", json=changes)


async def told(service: Service) -> list[str]:
    return [str(one.name) for one in await service.events()]


async def test_a_limit_is_warned_of_missed_and_escalated_once(service: Service) -> None:
    case = await urgent(service)
    assert case["due_at"] is None
    start = datetime.fromisoformat(case["opened_at"])
    for minutes, names in (
        (89, ["Case Opened"]),
        (91, ["Case Due Soon"]),
        (121, ["Case Overdue"]),
        (181, ["Case Escalated"]),
        (300, ["Case Escalated"]),
    ):
        before = await told(service)
        await run(service, start + timedelta(minutes=minutes))
        await run(service, start + timedelta(minutes=minutes))
        assert (await told(service))[len(before) :] == (names if minutes > 89 else [])
    assert await waiting(service) == []
    found = await shown(service, case["id"])
    assert [(one["level"], one["to"]) for one in found["notices"]] == [
        (0, ""),
        (1, "lead"),
        (2, "head"),
    ]
    [lap] = found["clocks"]
    assert (lap["clock"], lap["policy"], lap["policy_version"]) == ("first_response", "urgent", 1)


async def test_what_the_customer_is_told_ends_the_clock(service: Service) -> None:
    case = await urgent(service)
    path = f"/v1/cases/{case['id']}/entries"
    await service.client.post(path, json={"kind": "note", "note": "He is angry"})
    assert (await shown(service, case["id"]))["clocks"][0]["outcome"] is None
    answer = await service.client.post(path, json={"kind": "contact", "note": "Called him"})
    assert answer.status_code == 200, answer.text
    found = await shown(service, case["id"])
    assert found["clocks"][0]["outcome"] == "met"
    assert [one["kind"] for one in found["entries"]] == ["note", "contact"]
    assert await waiting(service) == []


async def test_fields_choose_the_policy(service: Service) -> None:
    await urgent(service)
    case = await opened(service)
    assert [one["clock"] for one in (await shown(service, case["id"]))["clocks"]] == [
        "acknowledge",
        "resolve",
    ]
    changed = await patch(service, case["id"], severity="high", reason="It is a child's bed")
    assert changed.status_code == 200, changed.text
    found = await shown(service, case["id"])
    outcomes = {one["clock"]: one["outcome"] for one in found["clocks"]}
    assert outcomes == {"acknowledge": "dropped", "first_response": None, "resolve": "dropped"}
    [entry] = found["entries"]
    assert entry["data"] == {"severity": ["normal", "high"]}
    assert entry["note"] == "It is a child's bed"
    assert (await patch(service, case["id"], severity="high")).json()["version"] == 2


async def test_two_operators_at_once_are_told_of_each_other(service: Service) -> None:
    case = await opened(service)
    first = await patch(service, case["id"], owner="ann", version=1)
    assert first.status_code == 200
    for path, body in (
        ("", {"owner": "bob", "version": 1}),
        ("/state", {"state": "acknowledged", "version": 1}),
        ("/entries", {"kind": "note", "note": "x", "version": 1}),
    ):
        send = service.client.post if path else service.client.patch
        second = await send(f"/v1/cases/{case['id']}{path}", json=body)
        assert (second.status_code, second.json()["code"]) == (409, "changed_meanwhile")
        [change] = second.json()["details"]["changes"]
        assert (change["what"], change["actor"], change["version"]) == ("fields", "ann", 2)


async def test_open_cases_follow_a_changed_policy_and_closed_ones_stay(service: Service) -> None:
    case, closed = await urgent(service), await opened(service)
    for state in ("acknowledged", "assessed", "response_offered", "closed"):
        await service.client.post(f"/v1/cases/{closed['id']}/state", json={"state": state})
    before = await shown(service, closed["id"])
    longer = {**URGENT, "when": {}, "clocks": [{**RESPONSE, "limit": {"hours": 5}}]}
    await put(service, "/v1/case-policies/urgent", longer, 1)
    await follow(service)
    [lap] = (await shown(service, case["id"]))["clocks"]
    start = datetime.fromisoformat(case["opened_at"])
    assert datetime.fromisoformat(lap["due_at"]) == start + 5 * HOUR
    assert await waiting(service) == [("case_first_response", start + timedelta(hours=4.5))]
    assert (await shown(service, closed["id"]))["clocks"] == before["clocks"]
    gone = await service.client.delete("/v1/case-policies/urgent")
    assert gone.status_code == 204, gone.text
    await follow(service)
    found = await shown(service, case["id"])
    assert {one["clock"]: one["outcome"] for one in found["clocks"]} == {
        "acknowledge": None,
        "first_response": "dropped",
        "resolve": None,
    }
    assert {kind for kind, _ in await waiting(service)} == {"case_acknowledge", "case_resolve"}
    # A second time changes nothing: a job that died may have done it already.
    events = await told(service)
    await put(service, "/v1/calendars/always", ALWAYS, 1)
    await follow(service)
    assert (await shown(service, case["id"]))["clocks"] == found["clocks"]
    assert await told(service) == events


async def test_a_calendar_in_use_is_not_taken_away(service: Service) -> None:
    await urgent(service)
    refused = await service.client.delete("/v1/calendars/always")
    assert (refused.status_code, refused.json()["details"]) == (409, {"policies": ["urgent"]})
    await service.client.delete("/v1/case-policies/urgent")
    assert (await service.client.delete("/v1/calendars/always")).status_code == 204
    assert (await service.client.get("/v1/calendars/always")).status_code == 404
    versions = (await service.client.get("/v1/calendars/always/history")).json()["items"]
    assert [(one["version"], one["removed"]) for one in versions] == [(2, True), (1, False)]


async def test_versions_are_not_written_over(service: Service) -> None:
    await put(service, "/v1/calendars/always", ALWAYS)
    body = {**ALWAYS, "version": 0, "reason": "because"}
    answer = await service.client.put("/v1/calendars/always", json=body)
    assert (answer.status_code, answer.json()["details"]) == (409, {"version": 1})


async def test_a_calendar_counts_and_takes_holidays(service: Service) -> None:
    await put(service, "/v1/calendars/always", ALWAYS)
    text = (
        "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20201225\r\nRRULE:FREQ=YEARLY\r\n"
        "END:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    body = {"ical": text, "version": 1, "reason": "holidays"}
    answer = await service.client.post("/v1/calendars/always/holidays", json=body)
    assert answer.status_code == 200, answer.text
    query = {"minutes": "120", "at": "2026-12-24T23:00:00Z"}
    due = await service.client.get("/v1/calendars/always/due", params=query)
    assert due.json() == {"due_at": "2026-12-26T01:00:00Z", "open_seconds": 7200}


async def test_a_preview_and_what_comes_with_rapport(service: Service) -> None:
    shipped = (await service.client.get("/v1/case-policy-library")).json()["items"]
    assert [one["name"] for one in shipped] == ["uk-fca-disp", "uk-fca-disp-payments"]
    for one in shipped:
        await put(service, f"/v1/case-policies/{one['name']}", one["policy"])
    asked = {"category": "payment", "at": "2026-03-26T11:00:00Z"}
    found = (await service.client.post("/v1/case-policies/preview", json=asked)).json()
    assert (found["policy"], found["policy_version"]) == ("uk-fca-disp-payments", 1)
    assert found["clocks"][2]["due_at"] == "2026-04-16T17:00:00Z"
    assert await service.rows("SELECT 1 FROM feedback.complaint WHERE workspace = :ws") == []


HOSTILE: list[tuple[str, str, dict[str, Any], int]] = [
    ("PUT", "/v1/calendars/none", {"timezone": "UTC", "week": []}, 422),
    ("PUT", "/v1/calendars/none", {**ALWAYS, "holidays": ["9999-12-31"]}, 422),
    ("PUT", "/v1/calendars/none", {"timezone": "UTC", "week": [ALWAYS["week"]] * 10_000}, 422),
    ("PUT", "/v1/calendars/A B", ALWAYS, 404),
    ("PUT", "/v1/case-policies/none", {"clocks": [{**RESPONSE, "limit": {}}]}, 422),
    ("PUT", "/v1/case-policies/none", {"clocks": [{**RESPONSE, "limit": {"days": 0}}]}, 422),
    ("PUT", "/v1/case-policies/none", {"clocks": [{**RESPONSE, "limit": {"days": 36500}}]}, 422),
    ("PUT", "/v1/case-policies/none", {"clocks": [RESPONSE, RESPONSE]}, 422),
    ("PUT", "/v1/case-policies/none", {"clocks": [{**RESPONSE, "calendar": "no"}]}, 422),
    ("POST", "/v1/calendars/none/holidays", {"ical": "x" * 5_000_000}, 413),
    ("POST", "/v1/calendars/none/holidays", {"ical": "x"}, 422),
]


async def test_what_can_not_be_is_refused(service: Service) -> None:
    for method, path, body, status in HOSTILE:
        whole = {**body, "version": 0, "reason": "because"}
        answer = await service.client.request(method, path, json=whole)
        assert answer.status_code == status, answer.text
        assert answer.json()["message"]
    assert (await service.client.get("/v1/calendars")).json()["items"] == []


async def test_instants_without_end_are_refused(service: Service) -> None:
    asked = {"at": "9999-12-31T23:59:59Z"}
    answer = await service.client.post("/v1/case-policies/preview", json=asked)
    assert (answer.status_code, answer.json()["details"]) == (422, {"field": "at"})


async def test_another_workspace_sees_and_changes_nothing(service: Service) -> None:
    case = await urgent(service)
    other = f"ws-{uuid4().hex[:12]}"
    async with service.as_operator("feedback:read", "feedback:write", workspace=other) as client:
        for path in ("/v1/calendars/always", "/v1/case-policies/urgent"):
            assert (await client.get(path)).status_code == 404
            assert (await client.delete(path)).status_code == 404
        body: dict[str, Any] = {"kind": "note", "note": "x"}
        path = f"/v1/cases/{case['id']}"
        assert (await client.post(f"{path}/entries", json=body)).status_code == 404
        assert (await client.patch(path, json={"owner": "x"})).status_code == 404
    assert (await shown(service, case["id"]))["version"] == 1


async def test_a_lap_that_ends_late_is_noted_though_nobody_had_looked(service: Service) -> None:
    case = await urgent(service)
    await service.change(
        "UPDATE feedback.case_event SET at = at - interval '3 hours' WHERE workspace = :ws"
    )
    body = {"kind": "contact", "note": "Called him"}
    await service.client.post(f"/v1/cases/{case['id']}/entries", json=body)
    found = await shown(service, case["id"])
    assert (found["clocks"][0]["outcome"], len(found["breaches"])) == ("breached", 1)
    assert (await told(service)).count("Case Overdue") == 1
    assert found["overdue_at"] is None
    assert clock.now() > datetime.fromisoformat(found["clocks"][0]["due_at"])


async def test_a_step_reads_the_last_version_of_each_rule_only(service: Service) -> None:
    """However often they were changed: versions are kept for ever."""
    await put(service, "/v1/calendars/always", ALWAYS)
    await put(service, "/v1/case-policies/urgent", URGENT)
    await service.change(
        "INSERT INTO feedback.case_rules SELECT workspace, kind, name, version + n, document, "
        "actor, reason, created_at FROM feedback.case_rules, generate_series(1, 500) AS n "
        "WHERE workspace = :ws"
    )
    async with service.engine.begin() as tx:
        known = await case_rules.policies(tx, service.workspace, make_settings().service_levels())
    assert {name: version for name, (version, _one) in known.policies.items()} == {"urgent": 501}
    assert list(known.calendars) == ["always"]
    async with service.engine.begin() as tx:
        # Whatever the planner thinks of so small a table.
        for way in ("enable_seqscan", "enable_bitmapscan", "enable_sort"):
            await tx.execute(text(f"SET LOCAL {way} = off"))
        explained = await tx.execute(
            text(f"EXPLAIN (ANALYZE, FORMAT JSON) {case_rules._NEWEST}"),
            {"workspace": service.workspace},
        )
        [root] = explained.scalar_one()
    assert _read(root["Plan"]) < 20, root


def _read(plan: dict[str, Any]) -> float:
    """How many rows of tables a plan has read."""
    ours = plan["Actual Rows"] * plan["Actual Loops"] if "Relation Name" in plan else 0.0
    lost = plan.get("Rows Removed by Filter", 0) * plan["Actual Loops"]
    return float(ours + lost + sum(map(_read, plan.get("Plans", ()))))
