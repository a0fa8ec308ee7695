"""The page of preferences, by the links of mails and of operators, over a real database."""

import re
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest

from rapport_common.events.envelope import Event

pytestmark = pytest.mark.integration
ADA = "ada@example.com"
TOPICS = [
    {"id": "news", "purpose": "promotion", "names": {"en": "News", "de": "Neues"}},
    {
        "id": "events",
        "purpose": "x_events",
        "names": {"en": "Events", "de": "Termine"},
        "descriptions": {"en": "Where we <meet>"},
    },
    {"id": "texts", "purpose": "promotion", "channel": "sms", "names": {"en": "Texts"}},
]


async def declared(scenario: Any, version: int = 0) -> httpx.Response:
    body = {"topics": TOPICS, "version": version, "reason": "spring"}
    answer: httpx.Response = await scenario.client.put("/v1/topics", json=body)
    return answer


async def linked(scenario: Any, **more: Any) -> str:
    body = {"profile_id": "p1", "address": ADA, "reason": "asked on the phone", **more}
    answer = await scenario.client.post("/v1/preference-links", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["url"])


def form_of(page: httpx.Response) -> str:
    assert page.status_code == 200, page.text
    return str(re.findall(r'name="form" value="([^"]+)"', page.text)[0])


def checks(page: httpx.Response) -> dict[str, bool]:
    found = re.findall(r'<input type="checkbox"[^>]*value="([^"]+)"([^>]*)>', page.text)
    return {name: "checked" in rest for name, rest in found}


async def words(scenario: Any) -> list[tuple[str, str]]:
    """(purpose, state) of what was told."""
    told = [one for one in await scenario.ledger.events() if one.name == "Consent Updated"]
    said = [_said(one) for one in told]
    assert all(one["contact_point"] == ADA for one in said)
    assert {one["method"] for one in said} <= {"preferences", "link"}
    return [(one["purpose"], one["state"]) for one in said]


def _said(event: Event) -> dict[str, str]:
    return msgspec.json.decode(event.properties, type=dict[str, str])


async def test_topics_are_versioned_by_whom_and_why(scenario: Any) -> None:
    none = (await scenario.client.get("/v1/topics")).json()
    assert (none["version"], none["topics"]) == (0, [])
    made = await declared(scenario)
    assert (made.status_code, made.json()["version"], made.json()["actor"]) == (200, 1, "ada")
    assert (await declared(scenario)).status_code == 409
    assert (await declared(scenario, 1)).json()["version"] == 2
    page = (await scenario.client.get("/v1/topics/history", params={"limit": 1})).json()
    assert [one["version"] for one in page["items"]] == [2]
    wrong = {"topics": [{**TOPICS[0], "purpose": "all"}], "version": 2, "reason": "x"}
    refused = await scenario.client.put("/v1/topics", json=wrong)
    assert (refused.status_code, refused.json()["details"]["field"]) == (422, "topics.0.purpose")
    async with scenario.client_of("other") as other:
        assert (await other.get("/v1/topics")).json()["version"] == 0
    async with scenario.client_of(scopes=("campaigns:read",)) as reader:
        assert (await reader.put("/v1/topics", json=wrong)).status_code == 403


async def test_a_choice_is_told_once_and_counts_at_once(scenario: Any) -> None:
    await declared(scenario)
    await scenario.topics.person("p1", ADA, user_id="U")
    url = await linked(scenario)
    page = await scenario.client.get(url)
    assert checks(page) == {"news": True, "events": False}
    assert ADA not in page.text
    assert "a•••@example.com" in page.text
    assert "&lt;meet&gt;" in page.text
    form = {"form": form_of(page), "topic": ["events"]}
    for _ in range(2):
        saved = await scenario.client.post(url, data=form)
        assert checks(saved) == {"news": False, "events": True}
        assert "Saved." in saved.text
    assert await words(scenario) == [("promotion", "withdrawn"), ("x_events", "granted")]
    (first, *_) = [one for one in await scenario.ledger.events() if one.name == "Consent Updated"]
    assert first.identifiers == [("user_id", "U")]
    assert _said(first)["wording_version"] == "topics-1"
    assert re.fullmatch(r"[0-9a-f]{32}", _said(first)["ip_hash"])
    # Before profile has told of it no promotion goes there.
    await scenario.started()
    await scenario.topics.entered("p1")
    async with scenario.sending():
        await scenario.settled()
    (row,) = await scenario.ledger.rows()
    assert row["reason"] == "unsubscribed"


async def test_nobody_agrees_to_topics_that_they_were_not_shown(scenario: Any) -> None:
    await declared(scenario)
    await scenario.topics.person("p1", ADA)
    url = await linked(scenario)
    form = form_of(await scenario.client.get(url))
    sold = {**TOPICS[1], "purpose": "third_party", "names": {"en": "Sell my data"}}
    body = {"topics": [TOPICS[0], sold], "version": 1, "reason": "summer"}
    assert (await scenario.client.put("/v1/topics", json=body)).status_code == 200
    stale = await scenario.client.post(url, data={"form": form, "topic": ["events"]})
    assert stale.status_code == 422
    assert await words(scenario) == []
    # To want nothing is to want nothing, whatever there is.
    assert (await scenario.client.post(url, data={"form": form, "nothing": "1"})).status_code == 200
    assert await words(scenario) == [("all", "withdrawn")]


async def test_from_everything_at_once_and_back_again(scenario: Any) -> None:
    await declared(scenario)
    await scenario.topics.person("p1", ADA)
    url = await linked(scenario)
    form = form_of(await scenario.client.get(url))
    for _ in range(2):
        left = await scenario.client.post(url, data={"form": form, "nothing": "1"})
        assert checks(left) == {"news": False, "events": False}
    assert await words(scenario) == [("all", "withdrawn")]
    again = await scenario.client.post(url, data={"form": form, "topic": ["news"]})
    assert checks(again) == {"news": True, "events": False}
    assert (await words(scenario))[1:] == [("promotion", "granted")]


async def test_whatever_only_looks_changes_nothing(scenario: Any) -> None:
    await scenario.topics.person("p1", ADA)
    url = await linked(scenario)
    for method in ("GET", "HEAD"):
        assert (await scenario.client.request(method, url)).status_code == 200
    form = form_of(await scenario.client.get(url))
    other = form_of(await scenario.client.get(await linked(scenario)))
    for fields in ({}, {"form": "x"}, {"form": other}, {"form": urlsplit(url).path[3:]}):
        refused = await scenario.client.post(url, data={**fields, "nothing": "1"})
        assert refused.status_code == 422
        assert "Nothing was changed" in refused.text
    long = await scenario.client.post(url, content=b"form=" + b"x" * 70_000)
    many = await scenario.client.post(url, data={"form": form, "topic": ["x"] * 101})
    assert (long.status_code, many.status_code) == (413, 422)
    assert await words(scenario) == []


async def test_a_link_that_is_not_ours_says_the_same_whatever_it_is(scenario: Any) -> None:
    url = await linked(scenario, profile_id="nobody", address="stranger@example.com")
    known = await scenario.client.get(url)
    assert checks(known) == {"promotion": False}, "as of somebody who has said nothing"
    told = {
        (await scenario.client.get(one)).text
        for one in (
            url[:-2],
            url + "x",
            url.replace("/p/", "/p/A"),
            f"{url.partition('/p/')[0]}/p/x",
        )
    }
    assert len(told) == 1
    assert (await scenario.client.get(url.replace("/p/", "/u/"))).status_code == 404


SPEAKS = [
    ("", "de-AT,en;q=0.5", "Ihre Einstellungen"),
    ("?lang=zh-Hans", "de", "您的偏好"),
    ("?lang=zh", "de", "您的偏好"),
    ("?lang=ar", "de", 'dir="rtl"'),
    ("?lang=xx", "de", "Ihre Einstellungen"),
    ("?lang=en", "de", "Your preferences"),
]


async def test_the_page_speaks_as_its_reader_does(scenario: Any) -> None:
    await declared(scenario)
    url = await linked(scenario)
    for query, accepted, found in SPEAKS:
        page = await scenario.client.get(url + query, headers={"Accept-Language": accepted})
        assert found in page.text, query
        assert ("Termine" in page.text) == ("Einstellungen" in found)
    form = form_of(await scenario.client.get(url))
    saved = await scenario.client.post(f"{url}?lang=de", data={"form": form})
    assert "Gespeichert." in saved.text


async def test_a_mail_can_lead_to_it(scenario: Any) -> None:
    html = '<p>Hi</p><a href="{{ preferences_url }}">What do you want?</a>'
    campaign = await scenario.started(html=html)
    await scenario.topics.person("p1", ADA)
    await scenario.topics.entered("p1")
    async with scenario.sending():
        await scenario.settled()
    body = scenario.mail_server.mails[0].get_body(("html",)).get_content()
    (url,) = re.findall(r'href="(https://[^"]+/p/[^"]+)"', body)
    page = await scenario.client.get(url)
    assert checks(page) == {"promotion": True}
    await scenario.client.post(url, data={"form": form_of(page)})
    assert await words(scenario) == [("promotion", "withdrawn")]
    other = await linked(scenario)
    form = {"form": form_of(await scenario.client.get(other)), "topic": "promotion"}
    await scenario.client.post(other, data=form)
    told = [one for one in await scenario.ledger.events() if one.name == "Consent Updated"]
    # A link that was handed out shows nothing of whose the mailbox is.
    assert [_said(one)["method"] for one in told] == ["preferences", "link"]
    path = f"/v1/campaigns/{campaign}/test"
    await scenario.client.post(path, json={"to": "test@shop.example"})
    async with scenario.sending():
        await scenario.settled()
    test = scenario.mail_server.mails[1].get_body(("html",)).get_content()
    (url,) = re.findall(r'href="(https://[^"]+/p/[^"]+)"', test)
    saved = await scenario.client.post(
        url, data={"form": form_of(await scenario.client.get(url)), "nothing": "1"}
    )
    assert "This was a test mail" in saved.text
    assert len(await words(scenario)) == 2


async def test_a_link_is_made_once(scenario: Any) -> None:
    body = {"profile_id": "p1", "address": ADA, "reason": "x"}
    made = [
        (
            await scenario.client.post(
                "/v1/preference-links", json=body, headers={"Idempotency-Key": "k"}
            )
        ).json()
        for _ in range(2)
    ]
    assert made[0] == made[1]
