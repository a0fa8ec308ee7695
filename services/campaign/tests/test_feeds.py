"""Data feeds from the API to the mail, against a server that answers when it is let."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from services.campaign.tests.conftest import make_sender, quick_settings
from services.campaign.tests.feed_server import FeedServer
from services.campaign.tests.vendors.server import Answer
from tests.support.waiting import HANG_SECONDS

from rapport_campaign.channels.http import Http
from rapport_campaign.domain.feeds import Feed, Spec
from rapport_campaign.handlers.feed_asking import Asker, FeedError
from rapport_campaign.handlers.outlets import Mouth
from rapport_campaign.renderer import Renderer
from rapport_campaign.sender import Lane, Sender
from rapport_campaign.smtp import Connection
from rapport_common import clock
from rapport_common.outside.addresses import networks

pytestmark = pytest.mark.integration
OWN = "127.0.0.0/8"
Turn = Callable[[], Any]


@pytest.fixture
async def server() -> AsyncIterator[FeedServer]:
    one = FeedServer()
    await one.start()
    yield one
    await one.stop()


@asynccontextmanager
async def sender_of(scenario: Any, renderer: Renderer) -> AsyncIterator[tuple[Sender, Turn]]:
    """A sender that is driven by hand, as one process; it waits for feeds until they answer."""
    settings = quick_settings(scenario.mail_server.port, webhook_networks=OWN)
    sender = make_sender(scenario.engine, settings, renderer)
    sender.feeds._wait = HANG_SECONDS
    mouths = [Mouth(one, [Connection(one.server)]) for one in sender.outlets]

    async def turn() -> bool:
        await scenario.ledger.change("UPDATE campaign.plan SET due_at = now()")
        sender._nothing_until = float("-inf")
        return await sender._turn(Lane(mouths, renderer), asyncio.Event())

    try:
        yield sender, turn
    finally:
        await sender.feeds.close()
        await mouths[0].connections[0].close()
        await sender._carriers.http.close()


async def declared(scenario: Any, server: FeedServer, path: str, **more: Any) -> dict[str, Any]:
    hosts = {"hosts": [f"127.0.0.1:{server.port}"]}
    assert (await scenario.client.put("/v1/feed-hosts", json=hosts)).status_code == 200
    body = {"address": f"{server.url}{path}", "kind": "person", **more}
    answer = await scenario.client.put("/v1/feeds/weather", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def entered(scenario: Any, number: int = 1, **traits: Any) -> None:
    who = f"p{number}"
    await scenario.topics.person(who, f"{who}@example.com", **traits)
    await scenario.topics.entered(who)


def page(text: str = "{{ feed.weather.sky }}") -> dict[str, Any]:
    return {"subject": "Hello", "html": f"<p>It is {text}.</p>", "text": f"It is {text}."}


def told(scenario: Any) -> list[str]:
    mails = scenario.mail_server.mails
    return [one.get_body(("plain",)).get_content().splitlines()[0] for one in mails]


async def test_a_mail_shows_what_is_asked_for_its_person_once_an_address(
    scenario: Any, renderer: Renderer, server: FeedServer
) -> None:
    server.answers = {"/v1/K%C3%B6ln": {"sky": "<grey>", "more": 1}, "/v1/Ulm": {"sky": "fine"}}
    made = await declared(
        scenario,
        server,
        "/v1/{{ person.traits.city }}",
        secret_headers={"Authorization": "Bearer 123"},
        fields=["sky", "more"],
    )
    assert (made["secret_headers"], "123" in str(made), made["allowed"]) == (
        ["Authorization"],
        False,
        True,
    )
    await scenario.started(**page())
    for number, city in enumerate(("Köln", "Köln", "Ulm"), 1):
        await entered(scenario, number, city=city)
    async with sender_of(scenario, renderer) as (sender, turn):
        await turn()
        assert await scenario.ledger.states() == {"sent": 3}
        assert sorted(told(scenario)) == ["It is <grey>.", "It is <grey>.", "It is fine."]
        html = scenario.mail_server.mails[0].get_body(("html",)).get_content()
        assert "<grey>" not in html
        assert sorted(one.target for one in server.asked) == ["/v1/K%C3%B6ln", "/v1/Ulm"]
        assert {one.headers["authorization"] for one in server.asked} == {"Bearer 123"}
        await entered(scenario, 4, city="Ulm")
        await turn()
        assert (len(server.asked), len(told(scenario))) == (2, 4)
        # Who is forgotten is so here as well.
        await scenario.ledger.change(
            "UPDATE campaign.person SET ended = version WHERE profile_id = 'p4'"
        )
        async with scenario.engine.begin() as tx:
            sender.feeds._looked = float("-inf")
            await sender.feeds.look(tx)
        assert {one for _, one in sender.feeds.memory.owners()} == {"p1", "p2"}


async def test_a_slow_feed_holds_up_nobody_and_is_asked_once(
    scenario: Any, renderer: Renderer, server: FeedServer
) -> None:
    await declared(scenario, server, "/v1/now")
    server.gate.clear()
    await scenario.started(**page())
    await scenario.started(subject="Plain", html="<p>Plain</p>")
    await entered(scenario)
    async with sender_of(scenario, renderer) as (sender, turn):
        sender.feeds._wait = 0
        await turn()
        assert await scenario.ledger.states() == {"sent": 1, "planned": 1}
        [row] = await scenario.ledger.rows("state = 'planned'")
        assert (row["attempt"], row["reason"]) == (
            0,
            "data feed weather: it waits for its turn",
        )
        await turn()
        assert await scenario.ledger.states() == {"sent": 1, "planned": 1}
        server.gate.set()
        await asyncio.gather(*sender.feeds._under_way.values())
        await turn()
        assert await scenario.ledger.states() == {"sent": 2}
        assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("fall_back", "ends"),
    [
        ({"use": "data", "data": {"sky": "as it is"}}, ("sent", "It is as it is.")),
        ({"use": "last_good", "data": {"sky": "unknown"}}, ("sent", "It is unknown.")),
        ({"use": "suppress"}, ("suppressed", "no answer of its data feed")),
        ({"use": "fail"}, ("failed", "data feed weather: it answered 500")),
    ],
)
async def test_without_an_answer_a_message_waits_and_has_its_fall_back_then(
    scenario: Any,
    renderer: Renderer,
    server: FeedServer,
    fall_back: dict[str, Any],
    ends: tuple[str, str],
) -> None:
    state, end = ends
    await declared(scenario, server, "/v1/now", fall_back=fall_back, patience_seconds=60)
    server.code = "500"
    await scenario.started(**page())
    await entered(scenario)
    async with sender_of(scenario, renderer) as (sender, turn):
        now = 1000.0
        sender.feeds._seconds = lambda: now
        await turn()
        [row] = await scenario.ledger.rows()
        assert (row["state"], row["reason"]) == ("planned", "data feed weather: it answered 500")
        now += 61
        await turn()
        [row] = await scenario.ledger.rows()
        assert row["state"] == state
        assert end in (told(scenario) if state == "sent" else [row["reason"]])
        contacts = await scenario.ledger.query("SELECT * FROM campaign.contact")
        assert len(contacts) == (state == "sent")


async def test_who_would_be_late_has_the_fall_back_at_once(
    scenario: Any, renderer: Renderer, server: FeedServer
) -> None:
    await declared(scenario, server, "/v1/now", fall_back={"use": "data", "data": {"sky": "so so"}})
    server.answers = {"/v1/now": Answer(503, b"", {"retry-after": "60"})}
    await scenario.started(**page())
    await entered(scenario)
    await scenario.ledger.change("UPDATE campaign.plan SET late_at = now() + interval '25 s'")
    async with sender_of(scenario, renderer) as (_, turn):
        await turn()
        assert told(scenario) == ["It is so so."]


async def test_a_run_has_one_answer_whoever_asks_and_the_last_good_one_later(
    scenario: Any, renderer: Renderer, server: FeedServer
) -> None:
    await declared(
        scenario,
        server,
        "/v1/{{ campaign.id }}",
        kind="run",
        cache_seconds=60,
        fall_back={"use": "last_good"},
        patience_seconds=0,
    )
    campaign = await scenario.started(**page("{{ feed.weather.asked }}"))
    await entered(scenario, 1)
    async with sender_of(scenario, renderer) as (_, turn):
        await turn()
    async with sender_of(scenario, renderer) as (_, turn):
        await entered(scenario, 2)
        await turn()
        assert told(scenario) == ["It is 1."] * 2
        assert [one.path for one in server.asked] == [f"/v1/{campaign}"]
    await scenario.ledger.change("UPDATE campaign.feed_answer SET expires_at = fetched_at")
    server.code = "404"
    async with sender_of(scenario, renderer) as (_, turn):
        await entered(scenario, 3)
        await turn()
        assert (told(scenario)[-1], len(server.asked)) == ("It is 1.", 2)
    server.code = None
    async with sender_of(scenario, renderer) as (_, turn):
        await entered(scenario, 4)
        await turn()
        assert told(scenario)[-1] == "It is 3."


async def test_a_feed_is_tried_and_previewed(
    scenario: Any, renderer: Renderer, server: FeedServer
) -> None:
    await declared(
        scenario,
        server,
        "/v1/{{ person.traits.city }}",
        fall_back={"use": "data", "data": {"sky": "so so"}},
    )
    await scenario.topics.person("p1", "ada@example.com", city="Ulm")
    target = "/v1/feeds/weather/try"
    found = (await scenario.client.post(target, json={"profile_id": "p1"})).json()
    assert (found["answered"], found["data"]["sky"]) == (True, "fine")
    assert found["address"] == f"{server.url}/v1/Ulm"
    nobody = (await scenario.client.post(target, json={})).json()
    assert (nobody["answered"], nobody["reason"], nobody["data"]) == (
        False,
        "a value that its address needs is missing",
        {"sky": "so so"},
    )
    texts = {"subject": "x", "body": "<p>{{ feed.weather.sky }}</p>"}
    made = await scenario.client.post("/v1/templates", json={"name": "W", **texts})
    assert made.status_code == 201, made.text
    preview = f"/v1/templates/{made.json()['id']}/preview"
    shown = (await scenario.client.post(preview, json={"profile_id": "p1"})).json()
    assert ("<p>fine</p>" in shown["html"], shown["warnings"]) == (True, [])
    shown = (await scenario.client.post(preview, json={})).json()
    assert ("<p>so so</p>" in shown["html"], shown["warnings"][0]["code"]) == (True, "no_answer")


async def test_what_can_not_be_is_refused_with_its_place(scenario: Any, server: FeedServer) -> None:
    body = {**scenario.campaign_body, "html": "<p>\n{{ feed.wether.sky }}</p>"}
    answer = await scenario.client.post("/v1/campaigns", json=body)
    [problem] = answer.json()["details"]["problems"]
    assert (answer.status_code, problem["path"], problem["line"], problem["column"]) == (
        422,
        "html",
        2,
        4,
    )
    new = {"name": "W", "subject": "{{ feed.x }}", "body": "<p>x</p>"}
    assert (await scenario.client.post("/v1/templates", json=new)).status_code == 422
    feed = {"address": f"{server.url}/x", "kind": "run"}
    refused = await scenario.client.put("/v1/feeds/weather", json=feed)
    assert (refused.status_code, "feed-hosts" in refused.json()["message"]) == (422, True)
    await declared(scenario, server, "/x", secret_headers={"X-Key": "1"})
    hosts = {"hosts": [f"127.0.0.1:{server.port}", "other.example"]}
    async with scenario.client_of(scopes=("campaigns:write", "campaigns:read")) as writer:
        assert (await writer.put("/v1/feed-hosts", json=hosts)).status_code == 403
    assert (await scenario.client.put("/v1/feed-hosts", json=hosts)).status_code == 200
    # A secret goes to no other host than it was given for.
    moved = {**feed, "address": "https://other.example/x"}
    refused = await scenario.client.put("/v1/feeds/weather", json=moved)
    assert (refused.status_code, refused.json()["details"]["path"]) == (422, "secret_headers")
    same = await scenario.client.put("/v1/feeds/weather", json=feed)
    assert (same.json()["version"], same.json()["secret_headers"]) == (2, ["X-Key"])
    campaign = await scenario.started(**page())
    used = await scenario.client.delete("/v1/feeds/weather")
    assert (used.status_code, used.json()["details"]["campaigns"][0]["id"]) == (409, campaign)
    await scenario.client.delete(f"/v1/campaigns/{campaign}")
    assert (await scenario.client.delete("/v1/feeds/weather")).status_code == 204
    assert (await scenario.client.get("/v1/feeds")).json()["items"] == []


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"address": "https://10.0.0.1/x"}, "address"),
        ({"headers": {"Host": "x"}}, "headers"),
        ({"secret_headers": {"X": "a\nb"}}, "secret_headers"),
        ({"fall_back": {"use": "data"}}, "fall_back.data"),
        ({"cache_seconds": None, "kind": "person"}, "cache_seconds"),
    ],
)
async def test_a_feed_that_can_not_be_asked_says_why(
    scenario: Any, change: dict[str, Any], path: str
) -> None:
    body = {"address": "https://api.example.com/x", "kind": "run", **change}
    answer = await scenario.client.put("/v1/feeds/weather", json=body)
    assert (answer.status_code, answer.json()["details"]["path"]) == (422, path)


async def test_workspaces_are_apart(scenario: Any, server: FeedServer) -> None:
    await declared(scenario, server, "/x")
    async with scenario.client_of("other") as other:
        assert (await other.get("/v1/feeds/weather")).status_code == 404
        assert (await other.post("/v1/feeds/weather/try", json={})).status_code == 404
        assert (await other.get("/v1/feed-hosts")).json() == {"hosts": []}
        answer = await other.post("/v1/campaigns", json={**scenario.campaign_body, **page()})
        assert answer.status_code == 422


@pytest.mark.parametrize(
    ("answer", "reason", "passing"),
    [
        (Answer(302, b"", {"location": "http://127.0.0.1/"}), "redirection", False),
        (Answer(404), "404", False),
        (Answer(429, b"", {"retry-after": "7"}), "429", True),
        (Answer(503, b"", {"retry-after": "999999999"}), "503", True),
        (Answer(200, b"\x1f\x8b", {"content-encoding": "gzip"}), "packed", False),
        (Answer(200, b"[" + b"1," * 3_000_000 + b"1]"), "larger", False),
        (Answer(200, b"{}", {"content-length": "9"}), "answer within", True),
        (Answer(200, b"hello"), "no JSON", False),
    ],
)
async def test_whatever_comes_back_has_a_defined_end(
    server: FeedServer, answer: Answer, reason: str, *, passing: bool
) -> None:
    server.answers = {"/x": answer}
    http = Http(networks(OWN))
    asker = Asker(http, quick_settings(1).feed_keys())
    spec = Spec(address=f"{server.url}/x", kind="run", seconds=0.2 if "within" in reason else 5)
    feed = Feed("acme", "weather", 1, spec, clock.now(), "ada")
    with pytest.raises(FeedError, match=reason) as refused:
        await asker.ask(feed, spec.address)
    assert refused.value.passing is passing
    assert refused.value.wait == {"429": 7, "503": 600}.get(reason, 0)
    await http.close()


async def test_a_name_that_leads_to_us_is_not_asked(server: FeedServer) -> None:
    http = Http()
    asker = Asker(http, quick_settings(1).feed_keys())
    spec = Spec(address=f"https://localhost:{server.port}/x", kind="run")
    feed = Feed("acme", "weather", 1, spec, clock.now(), "ada")
    with pytest.raises(FeedError, match="private network"):
        await asker.ask(feed, spec.address)
    assert server.asked == []
    await http.close()
