"""The HTTP side: what operators and recipients can do, and what nobody can break."""

import asyncio
import re
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest
from fastapi import Response
from services.campaign.tests.conftest import quick_settings
from tests.support.api import patient_app

from rapport_campaign.api import listeners, routers
from rapport_campaign.api.public import soon
from rapport_campaign.domain import tokens
from rapport_campaign.domain.tokens import Token
from rapport_common import clock
from rapport_common.db import create_engine
from rapport_common.events.topics import EVENTS
from rapport_common.publisher import Publisher
from rapport_common.routes import add_routes
from rapport_common.testing.credentials import EVENT_KEY, LINK_KEY

pytestmark = pytest.mark.integration
PUBLIC = "https://mail.shop.example"
NOBODY = "00000000-0000-0000-0000-000000000000"

MULTIPART = (
    b'--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--'
)
NASTY: list[Any] = [
    None,
    "",
    " ",
    0,
    -1,
    10**400,
    1.5,
    True,
    [],
    {},
    "\0",
    "a\0b",
    "\ud800",
    "a\ud800b",
    "x" * 300,
    "x" * 100_000,
    "a\r\nBcc: x@example.com",
    "{{",
    "{% for i in (1..9999999999) %}",
    "{{ x | nope }}",
    "';DROP TABLE campaign.message;--",
    ["a"],
    {"a": {"b": []}},
]

JSON = {"Content-Type": "application/json"}
"""Without it a body is read as bytes, and refused for that alone."""


async def test_a_campaigns_life(scenario: Any) -> None:
    made = await scenario.client.post("/v1/campaigns", json=scenario.campaign_body)
    assert made.status_code == 201
    one = made.json()
    assert (one["state"], one["allow_old_events"], one["text"]) == ("draft", False, None)
    assert set(one["counts"]) == {
        "planned",
        "sending",
        "sent",
        "failed",
        "suppressed",
        "uncertain",
    }
    url = f"/v1/campaigns/{one['id']}"
    steps = [
        ("pause", 409, None),
        ("resume", 409, None),
        ("start", 200, "running"),
        ("start", 200, "running"),
        ("resume", 200, "running"),
        ("pause", 200, "paused"),
        ("pause", 200, "paused"),
        ("start", 409, None),
        ("resume", 200, "running"),
    ]
    for step, status, state in steps:
        answer = await scenario.client.post(f"{url}/{step}")
        assert (answer.status_code, answer.json().get("state")) == (status, state), step
    (shown,) = (await scenario.client.get("/v1/campaigns")).json()["items"]
    assert (shown["id"], shown["state"], "html" in shown) == (one["id"], "running", False)


async def test_a_draft_is_changed_and_what_runs_is_not(scenario: Any) -> None:
    made = (await scenario.client.post("/v1/campaigns", json=scenario.campaign_body)).json()
    url = f"/v1/campaigns/{made['id']}"
    changes = {"subject": "Hi {{ profile.email }}", "text": "Hello", "include_existing": True}
    changed = await scenario.client.patch(url, json=changes)
    assert changed.status_code == 200
    assert changed.json() == {**made, **changes}
    assert (await scenario.client.patch(url, json={"text": None})).json()["text"] is None
    for bad in ({"html": "{{ nobody }}"}, {"segment_id": "x"}, {"state": "running"}):
        assert (await scenario.client.patch(url, json=bad)).status_code == 422
    await scenario.client.post(f"{url}/start")
    assert (await scenario.client.patch(url, json={"name": "Other"})).status_code == 409


async def test_an_archived_campaign_sends_nothing_more(scenario: Any) -> None:
    campaign_id = await scenario.started()
    other = await scenario.started()
    for number in range(5):
        await scenario.topics.person(f"p{number}", f"user{number}@example.com")
        await scenario.topics.entered(f"p{number}")
    url = f"/v1/campaigns/{campaign_id}"
    for _ in range(2):
        assert (await scenario.client.delete(url)).status_code == 204
    await scenario.work()
    async with scenario.sending():
        await scenario.settled()
    one = (await scenario.client.get(url)).json()
    assert (one["state"], one["counts"]["suppressed"], one["counts"]["sent"]) == ("archived", 5, 0)
    assert one["archived_at"] is not None
    await scenario.topics.entered("p1")
    assert sum((await scenario.client.get(url)).json()["counts"].values()) == 5
    for step in ("start", "pause", "resume"):
        assert (await scenario.client.post(f"{url}/{step}")).status_code == 409
    listed = [
        (await scenario.client.get(f"/v1/campaigns{query}")).json()["items"]
        for query in ("", "?archived=true")
    ]
    assert [[item["id"] for item in items] for items in listed] == [[other], [campaign_id]]


async def test_lists_come_in_pages(scenario: Any) -> None:
    ids = [
        (await scenario.client.post("/v1/campaigns", json=scenario.campaign_body)).json()["id"]
        for _ in range(5)
    ]
    running = await scenario.started()
    for number in range(5):
        await scenario.topics.entered(f"p{number}")
    for path, wanted in (("/v1/campaigns", 6), (f"/v1/campaigns/{running}/messages", 5)):
        seen, cursor = [], ""
        while True:
            page = (await scenario.client.get(f"{path}?limit=2{cursor}")).json()
            seen += [item.get("id") or item["send_key"] for item in page["items"]]
            if page["next"] is None:
                break
            cursor = f"&cursor={page['next']}"
        assert len(seen) == len(set(seen)) == wanted
    assert set(ids) < {
        one["id"] for one in (await scenario.client.get("/v1/campaigns")).json()["items"]
    }
    for bad in ("x", "AAAA", "WyJhIl0"):
        assert (await scenario.client.get(f"/v1/campaigns?cursor={bad}")).status_code == 422


async def test_policy(scenario: Any) -> None:
    assert (await scenario.client.get("/v1/policy")).json() == {
        "promotion_without_consent": False,
        "unconfirmed_consent": "refuse",
        "soft_bounces": 5,
        "broadcast_approval_above": None,
        "soft_bounce_days": 30,
        "language": None,
    }
    body = {
        "promotion_without_consent": True,
        "unconfirmed_consent": "allow",
        "soft_bounces": 0,
        "broadcast_approval_above": 10,
        "soft_bounce_days": 7,
        "language": None,
    }
    assert (await scenario.client.patch("/v1/policy", json=body)).json() == body
    assert (await scenario.client.get("/v1/policy")).json() == body
    part = await scenario.client.patch("/v1/policy", json={"promotion_without_consent": False})
    assert part.json() == {**body, "promotion_without_consent": False}
    for bad in ({"unconfirmed_consent": "maybe"}, {"nothing": 1}, {"soft_bounces": -1}):
        assert (await scenario.client.patch("/v1/policy", json=bad)).status_code == 422


async def test_template_errors_name_field_and_line(scenario: Any) -> None:
    body = {**scenario.campaign_body, "html": "<p>\n{{ profile.email | shout }}</p>"}
    answer = await scenario.client.post("/v1/campaigns", json=body)
    assert answer.status_code == 422
    assert "html, line 2, column 20: there is no filter 'shout'" in answer.json()["message"]


async def test_unknown_variables_are_refused_with_a_list_of_what_exists(scenario: Any) -> None:
    body = {**scenario.campaign_body, "html": "<p>\n{{ contact.first_name }} {{ vip }}</p>"}
    answer = await scenario.client.post("/v1/campaigns", json=body)
    assert answer.status_code == 422
    found = answer.json()
    assert found["message"].startswith("html, line 2, column 4: there is no variable contact.first")
    assert "profile.traits.*" in found["message"]
    shown = [(one["path"], one["line"], one["variable"]) for one in found["details"]["problems"]]
    assert shown == [("html", 2, "contact.first_name"), ("html", 2, "vip")]
    assert "profile.computed.orders" in found["details"]["variables"]


async def test_what_can_not_be_stored_and_null_are_refused_with_their_place(scenario: Any) -> None:
    made = await scenario.client.post("/v1/campaigns", json=scenario.campaign_body)
    url = f"/v1/campaigns/{made.json()['id']}"
    for field in ("subject", "html", "text"):
        for bad, told in (("a\ud800b", "half a surrogate pair"), ("a\0b", "the NUL character")):
            body = msgspec_json({**scenario.campaign_body, field: bad})
            for answer in (
                await scenario.client.post("/v1/campaigns", content=body, headers=JSON),
                await scenario.client.patch(url, content=msgspec_json({field: bad}), headers=JSON),
            ):
                assert answer.status_code == 422, answer.text
                assert answer.json()["message"] == f"body.{field}: must not contain {told}" + (
                    ", which is no character" if "half" in told else ""
                )
    for field in ("name", "html", "purpose", "include_existing"):
        answer = await scenario.client.patch(url, json={field: None})
        assert answer.status_code == 422
        assert f"{field} can't be null" in answer.json()["message"]
    assert (await scenario.client.patch(url, json={"text": None})).status_code == 200


async def test_no_body_is_worth_a_500(scenario: Any) -> None:
    made = (await scenario.client.post("/v1/campaigns", json=scenario.campaign_body)).json()
    url = f"/v1/campaigns/{made['id']}"
    for field in [*scenario.campaign_body, "text", "allow_old_events", "include_existing", "extra"]:
        for value in NASTY:
            body = msgspec_json({**scenario.campaign_body, field: value})
            answer = await scenario.client.post("/v1/campaigns", content=body, headers=JSON)
            assert answer.status_code in {201, 400, 422}, (field, value, answer.text)
            if answer.status_code != 201:
                assert answer.json().keys() == {"code", "message", "details"}
    for value in NASTY:
        for target, field in ((f"{url}/test", "to"), ("/v1/policy", "promotion_without_consent")):
            verb = "POST" if field == "to" else "PATCH"
            answer = await scenario.client.request(
                verb, target, content=msgspec_json({field: value}), headers=JSON
            )
            assert answer.status_code in {200, 202, 400, 422}, (field, value, answer.text)
        answer = await scenario.client.post(
            f"{url}/test",
            content=msgspec_json({"to": "a@x.example", "profile_id": value}),
            headers=JSON,
        )
        assert answer.status_code in {202, 404, 400, 422}
    for raw in (
        b'{"\\ud800": 1}',
        b'{"a\\u0000": 1}',
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b"1" * 5000,
        b'{"a":' * 5000,
    ):
        answer = await scenario.client.post("/v1/campaigns", content=raw, headers=JSON)
        assert answer.status_code in {400, 422}


def msgspec_json(value: Any) -> bytes:
    """JSON as a careless client writes it: huge numbers and lone surrogates included."""
    import json  # noqa: PLC0415 - the only encoder that lets these pass

    return json.dumps(value).encode()


@pytest.mark.parametrize("bad", [NOBODY, "x", "%00", "1" * 5000, "%F0%9F%98%80", "..%2f..", "{}"])
async def test_unknown_ids_are_404(bad: str, scenario: Any) -> None:
    for verb, path in [
        ("GET", ""),
        ("GET", "/messages"),
        ("POST", "/start"),
        ("POST", "/pause"),
        ("POST", "/resume"),
        ("DELETE", ""),
    ]:
        answer = await scenario.client.request(verb, f"/v1/campaigns/{bad}{path}")
        assert answer.status_code == 404, (verb, path, answer.text)
    answer = await scenario.client.post(f"/v1/campaigns/{bad}/test", json={"to": "a@x.example"})
    assert answer.status_code == 404


async def test_queries_are_checked(scenario: Any) -> None:
    url = f"/v1/campaigns/{await scenario.started()}/messages"
    for query in ("limit=0", "limit=-1", f"limit={10**30}", "limit=x", "state=gone", "state=%00"):
        assert (await scenario.client.get(f"{url}?{query}")).status_code == 422, query
    assert (await scenario.client.get(f"{url}?state=sent&limit=1000")).json() == {
        "items": [],
        "next": None,
    }


async def test_scopes_and_workspaces_are_walls(scenario: Any) -> None:
    url = f"/v1/campaigns/{await scenario.started()}"
    read, write = (
        scenario.client_of(scopes=("campaigns:read",)),
        scenario.client_of(scopes=("campaigns:write",)),
    )
    assert (await read.post("/v1/campaigns", json=scenario.campaign_body)).status_code == 403
    assert (await read.post(f"{url}/pause")).status_code == 403
    assert (await write.get(url)).status_code == 403
    assert (await read.get("/v1/ledger")).status_code == 403
    assert (await read.get(url)).status_code == 200
    other = scenario.client_of(workspace="other")
    assert (await other.get(url)).status_code == 404
    assert (await other.post(f"{url}/pause")).status_code == 404
    assert (await other.get("/v1/campaigns")).json() == {"items": [], "next": None}
    anonymous = scenario.client_of()
    anonymous.headers.pop("authorization")
    for path in ("/v1/campaigns", "/v1/policy", "/v1/ledger", url):
        assert (await anonymous.get(path)).status_code == 401


async def test_the_ledgers_equation(scenario: Any) -> None:
    await scenario.started()
    for mood in ("ok", "refuse", "lost", "later"):
        await scenario.topics.person(mood, f"{mood}@example.com")
        await scenario.topics.entered(mood)
    await scenario.topics.entered("old", event_timestamp=clock.now() - timedelta(days=2))
    await scenario.topics.requested("r1")
    async with scenario.sending():
        await scenario.settled()
    found = (await scenario.client.get("/v1/ledger")).json()
    states = ("planned", "sending", "sent", "failed", "suppressed", "uncertain")
    assert found["planned_total"] == sum(found[one] for one in states) == 6
    assert [found[one] for one in states] == [0, 0, 2, 2, 1, 1]
    assert found.keys() > {"consumed", "dead_letters", "tallies"}


# --- the links of a mail ---------------------------------------------------------------------


@pytest.fixture
async def mail(scenario: Any) -> Any:
    """One sent mail of a promotion, with a second one still to come."""
    await scenario.started(
        html="<p>{{ profile.email }}</p><a href='https://shop.example/a?b=1'>x</a>"
    )
    await scenario.topics.person("p1", "ada@example.com", user_id="u1")
    await scenario.topics.entered("p1")
    async with scenario.sending():
        await scenario.settled()
    return scenario.mail_server.mails[0]


def found_links(mail: Any) -> dict[str, str]:
    page = mail.get_body(("html",)).get_content()
    urls = re.findall(r'(?:href|src)="([^"]+)"', page)
    assert all(one.startswith(PUBLIC) for one in urls)
    return {one.removeprefix(PUBLIC)[1]: one for one in urls}


async def names(ledger: Any) -> list[str]:
    return [one.name for one in await ledger.events()]


async def test_a_promotion_has_a_way_out_that_its_author_forgot(mail: Any) -> None:
    links = found_links(mail)
    assert links.keys() == {"u", "c", "o"}
    assert mail["List-Unsubscribe"] == f"<{links['u']}>"
    assert links["u"] in mail.get_body(("plain",)).get_content()
    assert "https://shop.example/a?b=1" in mail.get_body(("plain",)).get_content()


async def test_a_get_never_unsubscribes(mail: Any, scenario: Any) -> None:
    url = found_links(mail)["u"]
    visitor = scenario.client_of()
    visitor.headers.pop("authorization")
    for verb in ("GET", "HEAD", "GET"):
        answer = await visitor.request(verb, url)
        assert answer.status_code == 200
    page = (await visitor.get(url)).text
    assert '<form method="post">' in page
    assert "a•••@example.com" in page
    assert "ada@example.com" not in page
    assert await scenario.ledger.query("SELECT * FROM campaign.suppression") == []
    assert await names(scenario.ledger) == ["Email Sent"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"List-Unsubscribe=One-Click", "application/x-www-form-urlencoded"),
        (b"", "application/x-www-form-urlencoded"),
        (MULTIPART, "multipart/form-data; boundary=x"),
        (b"\xff\x00", "text/plain"),
    ],
)
async def test_a_post_unsubscribes_once(body: bytes, kind: str, mail: Any, scenario: Any) -> None:
    url = found_links(mail)["u"]
    for _ in range(3):
        answer = await scenario.client.post(url, content=body, headers={"content-type": kind})
        assert (answer.status_code, "You are unsubscribed" in answer.text) == (200, True)
    (row,) = await scenario.ledger.query("SELECT * FROM campaign.suppression")
    assert (row["address"], row["purpose"]) == ("ada@example.com", "promotion")
    assert await names(scenario.ledger) == ["Email Sent", "Consent Updated"]
    event = (await scenario.ledger.events())[-1]
    assert event.identifiers == [("user_id", "u1")]
    assert msgspec.json.decode(event.properties) == {
        "contact_point": "ada@example.com",
        "channel": "email",
        "purpose": "promotion",
        "state": "withdrawn",
    }
    await scenario.topics.entered("p1")
    async with scenario.sending():
        assert await scenario.settled() == {"sent": 1, "suppressed": 1}


async def test_a_new_yes_and_a_new_no(mail: Any, scenario: Any) -> None:
    url = found_links(mail)["u"]
    await scenario.client.post(url)
    await scenario.topics.person(
        "p1", "ada@example.com", user_id="u1", version=2, consent_at=clock.now()
    )
    await scenario.topics.entered("p1")
    async with scenario.sending():
        assert await scenario.settled() == {"sent": 2}
    await scenario.client.post(url)
    events = [one for one in await scenario.ledger.events() if one.name == "Consent Updated"]
    assert len({one.message_id for one in events}) == 2
    await scenario.topics.entered("p1")
    async with scenario.sending():
        assert await scenario.settled() == {"sent": 2, "suppressed": 1}


async def test_clicks_lead_to_the_stored_address(mail: Any, scenario: Any) -> None:
    url = found_links(mail)["c"]
    for _ in range(2):
        answer = await scenario.client.get(url)
        assert (answer.status_code, answer.headers["location"]) == (
            302,
            "https://shop.example/a?b=1",
        )
    assert (await scenario.client.head(url)).status_code == 302
    for name, value in (("Purpose", "prefetch"), ("Sec-Purpose", "prefetch;prerender")):
        assert (await scenario.client.get(url, headers={name: value})).status_code == 302
    events = [one for one in await scenario.ledger.events() if one.name == "Email Link Clicked"]
    assert len({one.message_id for one in events}) == len(events) == 2
    said = msgspec.json.decode(events[0].properties)
    assert said["link"] == "https://shop.example/a?b=1"
    assert said.keys() == {"campaign_id", "send_key", "link"}
    assert (await scenario.ledger.rows())[0]["clicked_at"] is not None


async def test_however_often_a_link_is_followed_few_clicks_are_events(
    mail: Any, scenario: Any
) -> None:
    url = found_links(mail)["c"]
    for _ in range(25):
        assert (await scenario.client.get(url)).status_code == 302
    events = [one for one in await scenario.ledger.events() if one.name == "Email Link Clicked"]
    assert len({one.message_id for one in events}) == len(events) == 10
    (row,) = await scenario.ledger.query("SELECT clicks FROM campaign.click")
    assert row["clicks"] == 25


async def test_opens_count_once(mail: Any, scenario: Any) -> None:
    url = found_links(mail)["o"]
    assert (await scenario.client.head(url)).status_code == 200
    assert await names(scenario.ledger) == ["Email Sent"]
    for _ in range(3):
        answer = await scenario.client.get(url)
        assert answer.headers["content-type"] == "image/gif"
        assert answer.content.startswith(b"GIF89a")
    assert await names(scenario.ledger) == ["Email Sent", "Email Opened"]
    assert (await scenario.ledger.events())[-1].message_id == f"open-{mail['X-Rapport-Send-Key']}"


async def test_links_that_we_never_made(mail: Any, scenario: Any) -> None:
    links = found_links(mail)
    send_key = mail["X-Rapport-Send-Key"]
    key = LINK_KEY
    swapped = {
        "c": tokens.sign(key, "unsubscribe", Token("acme", send_key, "ab" * 12)),
        "u": links["c"].rpartition("/")[2],
        "o": links["u"].rpartition("/")[2],
    }
    for use, url in links.items():
        base = f"/{use}/"
        token = url.rpartition("/")[2]
        flipped = token[:-1] + ("A" if token[-1] != "A" else "B")
        for bad in (flipped, token[:-1], f"{token}A", swapped[use], "x", "%00", "%F0%9F%98%80"):
            for verb in ("GET", "HEAD", "POST") if use == "u" else ("GET", "HEAD"):
                answer = await scenario.client.request(verb, base + bad)
                assert answer.status_code == 404, (use, bad, verb)
                assert "location" not in answer.headers
    unknown_link = tokens.sign(key, "click", Token("acme", send_key, "ab" * 12))
    unknown_mail = tokens.sign(key, "unsubscribe", Token("acme", "ab" * 32))
    other = tokens.sign(key, "unsubscribe", Token("other", send_key))
    assert (await scenario.client.get(f"/c/{unknown_link}")).status_code == 404
    for one in (unknown_mail, other):
        assert (await scenario.client.post(f"/u/{one}")).status_code == 404
    assert await names(scenario.ledger) == ["Email Sent"]


async def test_the_links_of_a_test_send_change_nothing(scenario: Any) -> None:
    made = (await scenario.client.post("/v1/campaigns", json=scenario.campaign_body)).json()
    await scenario.client.post(f"/v1/campaigns/{made['id']}/test", json={"to": "me@shop.example"})
    async with scenario.sending():
        await scenario.settled()
    links = found_links(scenario.mail_server.mails[0])
    assert (await scenario.client.get(links["c"])).status_code == 302
    assert (await scenario.client.get(links["o"])).status_code == 200
    assert "test mail" in (await scenario.client.post(links["u"])).text
    assert await names(scenario.ledger) == []
    assert await scenario.ledger.query("SELECT * FROM campaign.suppression") == []


async def test_people_get_a_page_while_the_database_is_away(
    renderer: Any, scenario: Any, carriers: Any
) -> None:
    """Nobody listens at the port: each answer is a page, and says when to come again."""
    url = "postgresql://nobody@127.0.0.1:1/none"
    away = create_engine(url, application="away")
    settings = quick_settings(1, database_url=url, segment_wait_seconds=1)
    app = patient_app("campaign")
    publisher = Publisher("campaign", EVENTS, EVENT_KEY)
    listening = listeners(publisher, EVENT_KEY, renderer.office)
    add_routes(app, *routers(away, listening, renderer, carriers, settings))
    token = Token("acme", "ab" * 32, "cd" * 12)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=PUBLIC) as visitor:
        way_out, click, pixel = (
            f"/u/{tokens.sign(LINK_KEY, 'unsubscribe', token)}",
            f"/c/{tokens.sign(LINK_KEY, 'click', token)}",
            f"/o/{tokens.sign(LINK_KEY, 'open', token)}",
        )
        for verb, url in [
            ("GET", way_out),
            ("HEAD", way_out),
            ("POST", way_out),
            ("GET", click),
            ("GET", pixel),
        ]:
            answer = await visitor.request(verb, url)
            assert answer.status_code == 503, (verb, url)
            assert answer.headers["content-type"].startswith("text/html")
            assert answer.headers["retry-after"] == "5"
            told = await visitor.request(verb, url, headers={"Accept": "application/json"})
            assert told.headers["content-type"] == "application/json"
        for url in (way_out + "/x", "/c/x", "/o/x/y", "/u"):
            lost = await visitor.get(url, headers={"Accept-Language": "zh-CN"})
            assert (lost.status_code, '<html lang="zh-Hans"' in lost.text) == (404, True), url
    await away.dispose()


async def test_a_page_does_not_wait_for_what_does_not_let_go() -> None:
    """As a driver does whose server is frozen: it takes its time even when it is cancelled."""
    let_go = asyncio.Event()

    async def stubborn() -> Response:
        try:
            await let_go.wait()
        except asyncio.CancelledError:
            await let_go.wait()
            raise
        return Response()

    with pytest.raises(TimeoutError):
        await soon(stubborn(), 0.01)
    let_go.set()


async def test_pages_guard_themselves(mail: Any, scenario: Any) -> None:
    answer = await scenario.client.get(found_links(mail)["u"])
    assert answer.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert 'name="viewport"' in answer.text
