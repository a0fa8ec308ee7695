"""Duplicates are proposed, merged and taken apart again; cases are linked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
import pytest

from rapport_feedback.domain.naming import Contact
from rapport_feedback.domain.replies import Reply
from rapport_feedback.store import case_messages
from rapport_feedback.store.case_messages import Message

if TYPE_CHECKING:
    import httpx
    from services.feedback.tests.conftest import Service

pytestmark = pytest.mark.integration


async def opened(service: Service, **told: Any) -> dict[str, Any]:
    body = {"user_id": "u1", "subject": "Late", "body": "My parcel is three weeks late", **told}
    made = await service.client.post("/v1/cases", json=body)
    assert made.status_code == 201, made.text
    return dict(made.json())


async def post(service: Service, case: dict[str, Any], what: str, **body: Any) -> httpx.Response:
    return await service.client.post(f"/v1/cases/{case['id']}/{what}", json=body)


async def merged(service: Service, case: dict[str, Any], into: dict[str, Any]) -> dict[str, Any]:
    told = await post(service, case, "merge", into_id=into["id"], reason="the same")
    assert told.status_code == 200, told.text
    return dict(told.json())


async def shown(service: Service, case: dict[str, Any]) -> dict[str, Any]:
    return dict((await service.client.get(f"/v1/cases/{case['id']}")).json())


async def clocks(service: Service, case: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    found = (await shown(service, case))["clocks"]
    return [(one["clock"], one["due_at"], one["outcome"]) for one in found]


async def names(service: Service, case: dict[str, Any]) -> list[str | None]:
    """What the others were told of a case."""
    return [
        one.name
        for one in await service.events()
        if msgspec.json.decode(one.properties)["case_id"] == case["id"]
    ]


async def test_what_may_be_the_same_is_proposed(service: Service) -> None:
    case = await opened(service)
    near = await opened(service, subject="Parcel late", body="The parcel is three weeks late!")
    order = await opened(service, user_id="u2", body="Something else", order_id="4711")
    await opened(service, body="An invoice shows another sum", subject="Wrong")
    await opened(service, user_id="u3")
    old = await opened(service)
    await service.change(
        "UPDATE feedback.complaint SET opened_at = opened_at - interval '31 days' "
        "WHERE workspace = :ws AND number = :number",
        number=old["number"],
    )
    await service.client.patch(f"/v1/cases/{case['id']}", json={"order_id": "4711"})
    found = (await service.client.get(f"/v1/cases/{case['id']}/duplicates")).json()["items"]
    assert [one["id"] for one in found] == [near["id"], order["id"]]
    assert (found[0]["same_person"], found[0]["same_order"]) == (True, False)
    assert found[0]["words"] > 0.5
    assert found[1]["same_order"] is True
    alone = await opened(service, user_id=None, email="zoe@example.com")
    twice = await opened(service, user_id=None, email="zoe@example.com", order_id="4711")
    found = (await service.client.get(f"/v1/cases/{alone['id']}/duplicates")).json()["items"]
    assert [one["id"] for one in found] == [twice["id"]]


async def test_what_came_twice_by_a_form_is_proposed(service: Service) -> None:
    """Nobody is known who wrote, and both claim the same address; as does a case of staff's."""
    form = (await service.client.post("/v1/complaint-forms", json={"name": "Website"})).json()
    words = {"subject": "Late", "body": "The parcel is three weeks late"}
    for body in (words, {**words, "body": "My parcel is three weeks late!"}):
        posted = await service.client.post(
            str(urlsplit(form["url"]).path), data={**body, "email": "Zoe@example.com"}
        )
        assert posted.status_code == 200
    await opened(service, user_id=None, email="zoe@example.com", **words)
    await opened(service, user_id=None, email="eve@example.com", **words)
    for number in (1, 3):
        [at] = [
            one["id"]
            for one in (await service.client.get("/v1/cases")).json()["items"]
            if one["number"] == number
        ]
        found = (await service.client.get(f"/v1/cases/{at}/duplicates")).json()["items"]
        assert sorted(one["number"] for one in found) == sorted({1, 2, 3} - {number})


async def test_a_merged_case_ends_without_a_breach_and_goes_on_as_the_other(
    service: Service,
) -> None:
    heir, case = await opened(service), await opened(service, subject="Still late")
    await service.client.post(
        f"/v1/cases/{case['id']}/entries", json={"kind": "note", "note": "Called twice"}
    )
    told = await merged(service, case, heir)
    assert (told["id"], told["heir_id"], told["heir"]["state"]) == (
        case["id"],
        heir["id"],
        "received",
    )
    after = await shown(service, case)
    assert (after["state"], after["heir_id"], after["overdue"]) == ("closed", heir["id"], False)
    assert {outcome for _clock, _due, outcome in await clocks(service, case)} == {"dropped"}
    assert after["breaches"] == []
    due = await service.rows(
        "SELECT key FROM feedback.due WHERE workspace = :ws AND key = :key", key=case["id"]
    )
    assert due == []
    assert await names(service, case) == ["Case Opened", "Case Closed"]
    [other] = (await shown(service, heir))["merged"]
    assert (other["number"], other["subject"]) == (case["number"], "Still late")
    assert [one["note"] for one in other["entries"]] == ["Called twice", "the same"]
    refused = await post(service, case, "state", state="reopened")
    assert (refused.status_code, refused.json()["code"]) == (409, "merged")
    assert refused.json()["details"] == {"heir_id": heir["id"]}


async def test_a_limit_that_had_passed_before_is_missed_all_the_same(service: Service) -> None:
    heir, case = await opened(service), await opened(service)
    await service.change(
        "UPDATE feedback.case_clock SET due_at = now() - interval '1 hour' "
        "WHERE workspace = :ws AND case_id = :case AND clock = 'acknowledge'",
        case=case["id"],
    )
    await merged(service, case, heir)
    assert [one["clock"] for one in (await shown(service, case))["breaches"]] == ["acknowledge"]


async def test_undone_it_is_as_if_it_had_never_been(service: Service) -> None:
    heir, case = await opened(service), await opened(service)
    for state in ("acknowledged", "assessed"):
        await post(service, case, "state", state=state)
    before, limits = await shown(service, case), await clocks(service, case)
    await merged(service, case, heir)
    back = await post(service, case, "unmerge", reason="another parcel")
    assert back.status_code == 200, back.text
    after = await shown(service, case)
    same = ("state", "due_at", "acknowledge_due_at", "closed_at", "heir_id", "owner", "queue")
    assert {one: after[one] for one in same} == {one: before[one] for one in same}
    assert await clocks(service, case) == limits
    assert (await shown(service, heir))["merged"] == []
    assert (await names(service, case))[-2:] == ["Case Closed", "Case Reopened"]
    due = await service.rows(
        "SELECT kind FROM feedback.due WHERE workspace = :ws AND key = :key", key=case["id"]
    )
    assert [one["kind"] for one in due] == ["case_resolve"]
    for state in ("response_offered", "closed"):
        assert (await post(service, case, "state", state=state)).status_code == 200
    outcomes = [outcome for _clock, _due, outcome in await clocks(service, case)]
    assert outcomes == ["met", "met"]
    assert (await post(service, case, "unmerge")).status_code == 404


async def test_it_can_be_undone_for_a_week_only(service: Service) -> None:
    heir, case = await opened(service), await opened(service)
    await merged(service, case, heir)
    await service.change(
        "UPDATE feedback.case_merge SET at = at - interval '8 days' WHERE workspace = :ws"
    )
    assert (await post(service, case, "unmerge")).status_code == 409


async def test_chains_end_at_the_one_that_goes_on_and_come_apart_link_by_link(
    service: Service,
) -> None:
    first, second, third = [await opened(service, subject=f"s{n}") for n in range(3)]
    await merged(service, first, second)
    await merged(service, second, third)
    assert (await shown(service, first))["heir_id"] == third["id"]
    assert len((await shown(service, third))["merged"]) == 2
    circle = await post(service, third, "merge", into_id=first["id"])
    assert circle.status_code == 422, "the first goes on as the third"
    fourth = await opened(service, subject="s4")
    told = await merged(service, fourth, first)
    assert told["heir_id"] == third["id"], "into what goes on, whichever is named"
    assert (await post(service, second, "unmerge")).status_code == 200
    assert (await shown(service, first))["heir_id"] == second["id"]
    assert (await shown(service, second))["heir_id"] is None


async def test_a_closed_case_is_merged_twice_and_taken_apart_twice(service: Service) -> None:
    heir, case = await opened(service), await opened(service)
    for state in ("acknowledged", "assessed", "response_offered", "closed"):
        await post(service, case, "state", state=state)
    before = await clocks(service, case)
    for _ in range(2):
        await merged(service, case, heir)
        assert (await post(service, case, "unmerge")).status_code == 200
    after = await shown(service, case)
    assert (after["state"], after["heir_id"]) == ("closed", None)
    assert await clocks(service, case) == before
    assert (await names(service, case))[-1] == "Case Closed"
    closed = await post(service, heir, "merge", into_id=case["id"])
    assert closed.status_code == 409, "nobody works on a closed one"


async def test_what_the_customer_sends_later_goes_to_the_other(service: Service) -> None:
    path = await service.link(await service.survey(), user_id="u1")
    words = {"subject": "Late", "body": "Three weeks"}
    await service.client.post(f"{path}/complaint", data=words)
    [case] = (await service.client.get("/v1/cases")).json()["items"]
    heir = await opened(service, email="ada@example.com")
    await merged(service, case, heir)
    page = await service.client.post(f"{path}/complaint", data=words)
    assert f"Its number is {heir['number']}." in page.text
    mail = await opened(service, email="ada@example.com", subject="By mail")
    async with service.engine.begin() as tx:
        reply = Reply(
            workspace=service.workspace,
            message_id="<1@example.com>",
            send_key="k",
            contact=Contact(None, "ada@example.com", None),
            subject="Re",
            body="Hello?",
            at=datetime.now(UTC) - timedelta(minutes=1),
        )
        await case_messages.keep(tx, service.workspace, mail["id"], Message.of(reply))
    await merged(service, mail, heir)
    async with service.engine.begin() as tx:
        found = await case_messages.open_thread(tx, reply)
    assert found is not None
    assert str(found[0]) == heir["id"]


async def test_links_read_from_both_sides(service: Service) -> None:
    case, other, third = [await opened(service, subject=f"s{n}") for n in range(3)]

    async def linked(one: dict[str, Any], to: dict[str, Any], kind: str) -> int:
        told = await post(service, one, "links", other_id=to["id"], kind=kind, reason="why")
        return told.status_code

    assert await linked(case, other, "caused_by") == 204
    assert await linked(case, other, "caused_by") == 204, "once is enough"
    assert await linked(other, case, "related") == 204
    assert await linked(other, third, "child_of") == 204
    assert await linked(third, other, "child_of") == 409, "nobody is above their own parent"
    assert await linked(case, case, "related") == 422
    ours = (await service.client.get(f"/v1/cases/{case['id']}/links")).json()["items"]
    assert [(one["kind"], one["number"]) for one in ours] == [("caused_by", 2), ("related", 2)]
    theirs = (await service.client.get(f"/v1/cases/{other['id']}/links")).json()["items"]
    assert [(one["kind"], one["number"]) for one in theirs] == [
        ("child_of", 3),
        ("causes", 1),
        ("related", 1),
    ]
    entries = (await shown(service, third))["entries"]
    assert [(one["kind"], one["data"]["kind"]) for one in entries] == [("linked", "parent_of")]
    gone = await service.client.delete(f"/v1/cases/{other['id']}/links/{case['id']}")
    assert gone.status_code == 204
    again = await service.client.delete(f"/v1/cases/{other['id']}/links/{case['id']}")
    assert again.status_code == 404
    last = [one["kind"] for one in (await shown(service, case))["entries"]]
    assert last == ["linked", "linked", "unlinked", "unlinked"]
