"""Complaints from a form and from staff: numbers, steps, clocks, and what the others are told."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

if TYPE_CHECKING:
    from services.feedback.tests.conftest import Service

pytestmark = pytest.mark.integration

COMPLAINT = {"subject": "Late", "body": "Three weeks late & broken"}
THE_USUAL_WAY = (
    "acknowledged",
    "assessed",
    "investigating",
    "waiting_customer",
    "investigating",
    "response_offered",
    "closed",
)


async def opened(service: Service, **changes: str) -> dict[str, Any]:
    body = {"user_id": "u1", **COMPLAINT, **changes}
    made = await service.client.post("/v1/cases", json=body)
    assert made.status_code == 201, made.text
    return dict(made.json())


async def moved(service: Service, case_id: str, state: str, note: str = "") -> dict[str, Any]:
    body = {"state": state, "note": note}
    answer = await service.client.post(f"/v1/cases/{case_id}/state", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def told(service: Service) -> list[tuple[str | None, str, Any]]:
    return [
        (one.name, one.message_id, msgspec.json.decode(one.properties)["state"])
        for one in await service.events()
    ]


async def listed(service: Service, **query: str) -> list[int]:
    answer = await service.client.get("/v1/cases", params=query)
    assert answer.status_code == 200, answer.text
    return [one["number"] for one in answer.json()["items"]]


async def test_staff_take_a_complaint_down(service: Service) -> None:
    case = await opened(service, email="ADA@example.com")
    assert (case["number"], case["state"], case["overdue"]) == (1, "received", False)
    assert (case["user_id"], case["email"]) == ("u1", "ada@example.com")
    wait = datetime.fromisoformat(case["due_at"]) - datetime.fromisoformat(case["opened_at"])
    assert wait == timedelta(weeks=8)
    (event,) = await service.events()
    assert event.name == "Case Opened"
    assert event.identifiers == [("user_id", "u1"), ("email", "ada@example.com")]
    told_of = msgspec.json.decode(event.properties)
    assert (told_of["case_id"], told_of["number"]) == (case["id"], 1)
    assert COMPLAINT["body"] not in str(told_of)


async def test_the_whole_way_of_a_case(service: Service) -> None:
    case = await opened(service)
    for state in THE_USUAL_WAY:
        last = await moved(service, case["id"], state, note=f"now {state}")
        assert last["state"] == state
    assert last["closed_at"] is not None
    shown = (await service.client.get(f"/v1/cases/{case['id']}")).json()
    assert [one["to_state"] for one in shown["history"]] == ["received", *THE_USUAL_WAY]
    assert [one["from_state"] for one in shown["history"]][:2] == [None, "received"]
    assert {one["actor"] for one in shown["history"]} == {"ann"}
    assert shown["history"][1]["note"] == "now acknowledged"
    assert shown["allowed"] == ["reopened"]
    prefix = f"case-{case['id']}"
    changes = [
        ("Case State Changed", f"{prefix}-{step}", state)
        for step, state in enumerate(THE_USUAL_WAY[:-1], start=2)
    ]
    assert await told(service) == [
        ("Case Opened", f"{prefix}-1", "received"),
        *changes,
        ("Case Closed", f"{prefix}-8", "closed"),
    ]


async def test_reopening_gives_new_limits_and_keeps_the_old(service: Service) -> None:
    case_id = (await opened(service))["id"]
    for state in THE_USUAL_WAY:
        await moved(service, case_id, state)
    await service.change(
        "UPDATE feedback.complaint SET due_at = due_at - interval '80 days', "
        "closed_at = closed_at - interval '5 days' WHERE workspace = :ws"
    )
    case = await moved(service, case_id, "reopened")
    assert (case["closed_at"], case["overdue"]) == (None, False)
    shown = (await service.client.get(f"/v1/cases/{case_id}")).json()
    assert shown["history"][-1]["due_at"] == case["due_at"]
    assert shown["history"][0]["due_at"] < case["due_at"]
    assert (await told(service))[-1][::2] == ("Case Reopened", "reopened")


async def test_an_illegal_step_says_what_is_possible(service: Service) -> None:
    case_id = (await opened(service))["id"]
    refused = await service.client.post(f"/v1/cases/{case_id}/state", json={"state": "closed"})
    assert refused.status_code == 409
    assert refused.json()["code"] == "illegal_transition"
    assert refused.json()["details"] == {"state": "received", "allowed": ["acknowledged"]}
    assert len(await service.events()) == 1


async def test_two_at_once_take_the_step_once(service: Service) -> None:
    case_id = (await opened(service))["id"]
    body = {"state": "acknowledged"}
    answers = await asyncio.gather(
        *(service.client.post(f"/v1/cases/{case_id}/state", json=body) for _ in range(5))
    )
    assert sorted(one.status_code for one in answers) == [200, 409, 409, 409, 409]
    assert len(await service.events()) == 2


async def test_numbers_have_no_holes_and_no_doubles(service: Service) -> None:
    cases = await asyncio.gather(*(opened(service, subject=f"s{n}") for n in range(8)))
    assert sorted(one["number"] for one in cases) == list(range(1, 9))


async def test_the_list_by_state_and_by_page(service: Service) -> None:
    cases = [await opened(service, subject=f"s{n}") for n in range(4)]
    await moved(service, cases[1]["id"], "acknowledged")
    for state in ("acknowledged", "assessed", "response_offered", "closed"):
        await moved(service, cases[2]["id"], state)
    assert await listed(service) == [4, 3, 2, 1]
    assert await listed(service, state="received") == [4, 1]
    assert await listed(service, state="open") == [4, 2, 1]
    assert await listed(service, state="closed") == [3]
    assert await listed(service, limit="2") == [4, 3]
    page = (await service.client.get("/v1/cases", params={"limit": 2})).json()
    assert await listed(service, limit="2", cursor=page["next"]) == [2, 1]


async def test_overdue_is_seen_in_the_case_and_in_the_list(service: Service) -> None:
    late, acknowledged, _in_time = [await opened(service, subject=f"s{n}") for n in range(3)]
    await moved(service, acknowledged["id"], "acknowledged")
    await service.change(
        "UPDATE feedback.complaint SET acknowledge_due_at = now() - interval '1 minute', "
        "deadline_at = CASE state WHEN 'received' THEN now() - interval '1 minute' "
        "ELSE deadline_at END WHERE workspace = :ws AND number < 3"
    )
    assert await listed(service, overdue="true") == [1]
    shown = (await service.client.get(f"/v1/cases/{late['id']}")).json()
    assert shown["overdue"] is True
    moved_on = await moved(service, late["id"], "acknowledged")
    assert moved_on["overdue"] is False
    assert await listed(service, overdue="true") == []


async def test_a_customer_complains_from_the_survey(service: Service) -> None:
    path = await service.link(await service.survey(), email="ada@example.com")
    page = await service.client.post(f"{path}/complaint", data=COMPLAINT)
    assert page.status_code == 200
    assert "Its number is 1." in page.text
    (case,) = (await service.client.get("/v1/cases")).json()["items"]
    assert (case["email"], case["body"]) == ("ada@example.com", COMPLAINT["body"])
    history = (await service.client.get(f"/v1/cases/{case['id']}")).json()["history"]
    assert [one["actor"] for one in history] == ["customer"]
    (event,) = await service.events()
    assert (event.name, event.identifiers) == ("Case Opened", [("email", "ada@example.com")])


async def test_a_button_pressed_twice_is_one_complaint(service: Service) -> None:
    path = await service.link(await service.survey(), user_id="u1")
    posts = [service.client.post(f"{path}/complaint", data=COMPLAINT) for _ in range(4)]
    assert {one.status_code for one in await asyncio.gather(*posts)} == {200}
    other = {**COMPLAINT, "body": "And another thing"}
    await service.client.post(f"{path}/complaint", data=other)
    assert await listed(service) == [2, 1]


async def test_the_same_complaint_after_its_case_was_closed_reopens_it(service: Service) -> None:
    path = await service.link(await service.survey(), user_id="u1")
    await service.client.post(f"{path}/complaint", data=COMPLAINT)
    (case,) = (await service.client.get("/v1/cases")).json()["items"]
    for state in ("acknowledged", "assessed", "response_offered", "closed"):
        await moved(service, case["id"], state)
    for _ in range(2):  # the button is pressed twice again
        page = await service.client.post(f"{path}/complaint", data=COMPLAINT)
        assert "Its number is 1." in page.text
    shown = (await service.client.get(f"/v1/cases/{case['id']}")).json()
    assert (shown["state"], shown["closed_at"]) == ("reopened", None)
    assert [one["actor"] for one in shown["history"]][-1:] == ["customer"]
    assert [one[0] for one in await told(service)][-2:] == ["Case Closed", "Case Reopened"]
    assert await listed(service) == [1]


@pytest.mark.parametrize(("state", "days"), [("closed", 91), ("received", 1)])
async def test_the_same_words_much_later_are_another_complaint(
    service: Service, state: str, days: int
) -> None:
    """When it can't be reopened any more, and when it is still open on another day."""
    path = await service.link(await service.survey(), user_id="u1")
    await service.client.post(f"{path}/complaint", data=COMPLAINT)
    await service.change(
        "UPDATE feedback.complaint SET state = :state, opened_at = now() - :days * interval '1 d', "
        "closed_at = CASE WHEN :state = 'closed' THEN now() - :days * interval '1 d' END "
        "WHERE workspace = :ws",
        state=state,
        days=days,
    )
    await service.change(
        "UPDATE feedback.case_event SET at = now() - :days * interval '1 d' WHERE workspace = :ws",
        days=days,
    )
    await service.client.post(f"{path}/complaint", data=COMPLAINT)
    assert await listed(service) == [2, 1]


async def test_the_public_form_is_bounded(service: Service) -> None:
    path = await service.link(await service.survey(), user_id="u1")
    codes = [
        (await service.client.post(f"{path}/complaint", data={"subject": "s", "body": str(n)}))
        for n in range(11)
    ]
    assert [one.status_code for one in codes] == [200] * 10 + [429]


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"subject": "s"},
        {"body": "b"},
        {"subject": " ", "body": "b"},
        {"subject": "s" * 201, "body": "b"},
        {"subject": "s", "body": "b" * 10_001},
        {"subject": "a\0b", "body": "b"},
    ],
)
async def test_an_incomplete_complaint_is_asked_for_again(
    service: Service, form: dict[str, str]
) -> None:
    path = await service.link(await service.survey(), user_id="u1")
    page = await service.client.post(f"{path}/complaint", data=form)
    assert page.status_code == 422
    assert await listed(service) == []
