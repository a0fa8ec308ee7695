"""One person at a time, from HTTP through all five services and back."""

import re
from email.message import EmailMessage
from typing import Any

import httpx
import pytest
from tests.support import ledger
from tests.support.waiting import HANG_SECONDS, until
from tests.support.workspace import Workspace, address, orders

pytestmark = pytest.mark.e2e

MIB = 2**20
BODY = {"name": "Thanks", "purpose": "promotion", "subject": "Thanks", "html": "<p>Thanks</p>"}
LINK = re.compile(r'href="([^"]+/c/[^"]+)"')
PIXEL = re.compile(r'src="([^"]+/o/[^"]+)"')


def page_of(mail: EmailMessage) -> str:
    part = mail.get_body(preferencelist=("html",))
    assert part is not None
    return str(part.get_content())


def link(pattern: re.Pattern[str], mail: EmailMessage) -> str:
    found = pattern.search(page_of(mail))
    assert found is not None, page_of(mail)
    return found[1].replace("&amp;", "&")


def way_out(mail: EmailMessage) -> str:
    return str(mail["List-Unsubscribe"]).strip("<>")


def test_a_purchase_brings_a_mail_and_what_becomes_of_it_is_in_the_timeline(
    workspace: Workspace,
) -> None:
    segment = workspace.segment("Buyers", orders(1))
    campaign = workspace.campaign(segment)
    workspace.order("ada", "12.30", messageId="first")

    mail = workspace.wait_mail()
    assert str(mail["To"]) == address("ada")
    assert "Thank you for 1 orders" in page_of(mail)
    assert way_out(mail).startswith(f"{workspace.stack.url('campaign')}/u/")
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    _look_at(mail)

    for name in ("Email Sent", "Email Opened", "Email Link Clicked"):
        told = workspace.wait_named("ada", name)
        assert told["properties"]["campaign_id"] == campaign
    ada = workspace.profile("user_id", "ada")
    assert ada is not None
    assert (ada["computed"]["orders"], ada["computed"]["revenue"]) == (1, {"USD": "12.30"})
    why = workspace.get("segment", f"/v1/segments/{segment}/members/{ada['id']}")
    assert (why["member"], why["explanation"][0]["actual"]) == (True, 1)
    (sent,) = workspace.messages(campaign, "sent")
    # A program that looks at once is told of, and counted as nobody who reads.
    assert sent["opened_at"] is sent["clicked_at"] is None
    outcomes = workspace.get("campaign", f"/v1/campaigns/{campaign}")["outcomes"]
    assert (outcomes["opened"], outcomes["opened_by_machine"]) == (0, 1)
    assert (outcomes["clicked"], outcomes["clicked_by_machine"]) == (0, 1)


def _look_at(mail: EmailMessage) -> None:
    """Load the pixel and follow the link."""
    pixel = httpx.get(link(PIXEL, mail), timeout=HANG_SECONDS)
    assert (pixel.status_code, pixel.headers["content-type"]) == (200, "image/gif")
    click = httpx.get(link(LINK, mail), timeout=HANG_SECONDS)
    assert (click.status_code, click.headers["location"]) == (
        302,
        "https://shop.example.com/present",
    )


def test_a_campaign_is_on_a_segment_that_there_is(workspace: Workspace) -> None:
    """One that was just made is known at once; another one, and one that was archived, is not."""
    segment = workspace.segment("Buyers", orders(1))
    nobody = {**BODY, "from_address": workspace.from_address}
    first = _campaigns(workspace, {**nobody, "segment_id": segment})
    assert first.status_code == 201, first.text
    assert first.json()["segment_name"] == "Buyers"
    refused = _campaigns(workspace, {**nobody, "segment_id": "buyers"})
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_segment")
    assert refused.json()["details"]["known"] == [{"id": segment, "name": "Buyers"}]
    archived = workspace.operator.delete(f"{workspace.stack.url('segment')}/v1/segments/{segment}")
    assert archived.status_code == 204
    path = f"/v1/campaigns/{first.json()['id']}"
    until("the campaign to say so", lambda: workspace.get("campaign", path)["reason"])
    again = _campaigns(workspace, {**nobody, "segment_id": segment})
    assert (again.status_code, again.json()["code"]) == (422, "unknown_segment")


def _campaigns(workspace: Workspace, body: dict[str, Any]) -> httpx.Response:
    return workspace.operator.post(f"{workspace.stack.url('campaign')}/v1/campaigns", json=body)


def test_only_a_post_unsubscribes(workspace: Workspace) -> None:
    campaigns = [
        workspace.campaign(workspace.segment(f"{n} orders", orders(n)), f"No. {n}")
        for n in (1, 2, 3)
    ]
    workspace.order("ada")
    first = workspace.wait_mail("No. 1")

    page = httpx.get(way_out(first), timeout=HANG_SECONDS)
    assert (page.status_code, "<form" in page.text) == (200, True)
    workspace.order("ada")
    workspace.wait_mail("No. 2")

    one_click = httpx.post(
        way_out(first), data={"List-Unsubscribe": "One-Click"}, timeout=HANG_SECONDS
    )
    assert one_click.status_code == 200
    workspace.order("ada")
    held_back = until("suppressed mail", lambda: workspace.messages(campaigns[2], "suppressed"))
    assert [one["reason"] for one in held_back] == ["unsubscribed"]
    assert len(workspace.mails()) == 2
    told = workspace.wait_named("ada", "Consent Updated")
    assert told["properties"]["state"] == "withdrawn"


def test_a_survey_is_answered_by_a_post(workspace: Workspace) -> None:
    body = {"name": "After a purchase", "kind": "nps", "question": "Would you recommend us?"}
    survey = workspace.post("feedback", "/v1/surveys", body)["id"]
    invitations = f"/v1/surveys/{survey}/invitations"
    url = workspace.post("feedback", invitations, {"user_id": "ada"})["url"]

    assert "Would you recommend us?" in httpx.get(url, timeout=HANG_SECONDS).text
    assert workspace.get("feedback", f"/v1/surveys/{survey}/score")["n"] == 0
    assert (
        httpx.post(url, data={"score": "9", "comment": "Quick"}, timeout=HANG_SECONDS).status_code
        == 200
    )
    score = workspace.get("feedback", f"/v1/surveys/{survey}/score")
    assert (score["n"], score["promoters"], score["nps"]) == (1, 1, 100)
    told = workspace.wait_named("ada", "Survey Answered")["properties"]
    assert (told["score"], told["comment"]) == (9, "Quick")


def test_an_open_complaint_holds_promotions_back(workspace: Workspace) -> None:
    campaigns = [
        workspace.campaign(workspace.segment(f"{n} orders", orders(n)), f"No. {n}") for n in (1, 2)
    ]
    complaint = {"user_id": "ada", "subject": "Torn cover", "body": "It came torn."}
    case = workspace.post("feedback", "/v1/cases", complaint)["id"]
    _wait_open_cases(workspace, 1)
    workspace.order("ada")
    held_back = until("suppressed mail", lambda: workspace.messages(campaigns[0], "suppressed"))
    assert [one["reason"] for one in held_back] == ["open complaint"]

    for state in ("acknowledged", "assessed", "response_offered", "closed"):
        workspace.post("feedback", f"/v1/cases/{case}/state", {"state": state})
    _wait_open_cases(workspace, 0)
    workspace.order("ada")
    workspace.wait_mail("No. 2")
    assert len(workspace.mails()) == 1


def _wait_open_cases(workspace: Workspace, count: int) -> None:
    def look() -> bool:
        ada = workspace.profile("user_id", "ada")
        return ada is not None and ada["computed"]["open_cases"] == count

    until(f"{count} open cases", look)


def test_a_guest_who_signs_in_stays_one_person_with_one_mail(workspace: Workspace) -> None:
    segment = workspace.segment("Buyers", orders(1))
    campaign = workspace.campaign(segment)
    workspace.send("track", userId="ada", event="Store Visited")
    until("ada", lambda: workspace.profile("user_id", "ada"))
    workspace.send(
        "track",
        anonymousId="visit-1",
        event="Order Completed",
        properties={"total": "5", "currency": "USD"},
        context={"traits": {"email": address("ada")}},
    )
    workspace.wait_mail()
    assert workspace.get("profile", "/v1/stats")["profiles"] == 2

    workspace.send("identify", userId="ada", anonymousId="visit-1", traits={"name": "Ada"})
    workspace.order("ada", "7.30")
    until("both orders in one profile", lambda: _orders_of(workspace, "ada") == 2)
    names = [("user_id", "ada"), ("anonymous_id", "visit-1"), ("email", address("ada"))]
    people = {(workspace.profile(*one) or {})["id"] for one in names}
    assert len(people) == 1
    assert ledger.broken(workspace.stack) == []
    assert workspace.get("profile", "/v1/stats")["profiles"] == 1
    assert workspace.get("segment", f"/v1/segments/{segment}")["members"] == 1
    assert (len(workspace.mails()), workspace.counts(campaign)["sent"]) == (1, 1)


def _orders_of(workspace: Workspace, user_id: str) -> int:
    person = workspace.profile("user_id", user_id)
    return int(person["computed"]["orders"]) if person else 0


def test_a_paused_campaign_waits(workspace: Workspace) -> None:
    segment = workspace.segment("Buyers", orders(1))
    paused, running = workspace.campaign(segment, "Paused"), workspace.campaign(segment, "Running")
    workspace.post("campaign", f"/v1/campaigns/{paused}/pause")
    workspace.order("ada")
    workspace.wait_mail("Running")
    until("planned mail", lambda: workspace.counts(paused)["planned"] == 1)
    until("sent mail", lambda: workspace.counts(running)["sent"] == 1)
    assert workspace.mails("Paused") == []
    workspace.post("campaign", f"/v1/campaigns/{paused}/resume")
    workspace.wait_mail("Paused")


def where_is(workspace: Workspace, message_id: str) -> dict[str, Any]:
    return workspace.get("ingest", f"/v1/events/{message_id}")


def test_each_event_of_a_batch_has_its_own_verdict_and_can_be_found(workspace: Workspace) -> None:
    good = {"type": "track", "messageId": "good", "userId": "ada", "event": "Browsed"}
    bad = {"type": "track", "messageId": "bad", "event": "Browsed by nobody"}
    url = f"{workspace.stack.url('ingest')}/v1/batch"
    answer = workspace.sender.post(url, json={"batch": [good, bad]}).json()
    assert (answer["accepted"], answer["rejected"]) == (1, 1)
    assert [one["status"] for one in answer["results"]] == ["accepted", "rejected"]

    found = where_is(workspace, "good")
    assert (found["status"], found["source"]) == ("accepted", "till")
    assert found["offset"] >= 0
    refused = where_is(workspace, "bad")
    assert (refused["status"], refused["code"]) == ("rejected", answer["results"][1]["code"])
    assert workspace.get("ingest", "/v1/quarantine")["items"][0]["message_id"] == "bad"
    workspace.wait_named("ada", "Browsed")


def test_strangers_and_giants_are_refused(workspace: Workspace) -> None:
    url = f"{workspace.stack.url('ingest')}/v1/track"
    event = {"userId": "ada", "event": "Browsed"}
    unknown = httpx.post(
        url, json=event, auth=(f"rk_{'0' * 12}_{'0' * 32}", ""), timeout=HANG_SECONDS
    )
    assert (unknown.status_code, unknown.json()["code"]) == (401, "unauthorized")
    giant = workspace.sender.post(url, content=b"x" * (8 * MIB + 1))
    assert (giant.status_code, giant.json()["code"]) == (413, "too_large")
    stranger = httpx.get(f"{workspace.stack.url('profile')}/v1/stats", timeout=HANG_SECONDS)
    assert stranger.status_code == 401
