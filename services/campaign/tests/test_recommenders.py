"""Who recommends: one suite for the one inside and for a workspace's own, which may do anything."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from prometheus_client import REGISTRY
from services.campaign.tests.conftest import quick_settings
from services.campaign.tests.shop import ordered, viewed
from tests.support.receiving import Came, Receiver, receiving

from rapport_campaign.channels.http import Http
from rapport_campaign.domain.breaker import PATIENCE
from rapport_campaign.domain.model import State
from rapport_campaign.domain.recommenders import RecommenderKeys, answered
from rapport_campaign.domain.recommending import Slot
from rapport_campaign.handlers.recommenders import Means, Outside, seal_anew
from rapport_campaign.handlers.recommending import Asked, Inside, Recommender
from rapport_campaign.store import people, ranking, recommenders
from rapport_common import clock
from rapport_common.outside.addresses import networks
from rapport_common.outside.signed_posts import signed

integration = pytest.mark.integration
PATH = "/v1/recommender"
KEYS = quick_settings(1).recommender_keys()
HTML = "{% for one in recommendations.home %}[{{ one.sku }} {{ one.because }}]{% endfor %}"


def saying(*skus: Any) -> Callable[[Came], bytes]:
    """An answer that says the same to everybody."""

    def answer(came: Came) -> bytes:
        asked = msgspec.json.decode(came.body)["people"]
        told = [{"profile_id": one["profile_id"], "skus": list(skus)} for one in asked]
        return msgspec.json.encode({"people": told})

    return answer


def asked_so_far(result: str) -> float:
    """How often a recommender was asked, or left alone."""
    name = "rapport_recommender_answers_total"
    return REGISTRY.get_sample_value(name, {"result": result}) or 0.0


@pytest.fixture
async def receiver(scenario: Any) -> AsyncIterator[Receiver]:
    """A recommender of the workspace, in a shop where a hat and a scarf are bought most."""
    await scenario.client.put("/v1/recommendations/home", json={"provider": "http", "n": 3})
    crowd = [ordered(f"x{one}", "hat", "scarf", "cap") for one in range(6)]
    await scenario.topics.person("p1", "a@x.example", user_id="u1")
    await scenario.topics.bring("profile.activity", *crowd, viewed("u1", "lamp"))
    await scenario.topics.bring("profile.activity", ordered("u1", "hat"))
    await scenario.client.put("/v1/products/cap", json={"name": "Cap", "in_stock": False})
    async with scenario.engine.begin() as tx:
        await ranking.rank(tx, "acme", clock.now())
    async with receiving(answer=lambda _: 200, says=saying("lamp")) as one:
        made = await scenario.client.put(PATH, json={"url": one.url, "deadline_ms": 3000})
        assert made.status_code == 200, made.text
        scenario.secret = made.json()["secret"]
        yield one


@pytest.fixture
async def means(scenario: Any) -> AsyncIterator[Means]:
    http = Http(networks("127.0.0.0/8"))
    yield Means(scenario.engine, http, KEYS)
    await http.close()


async def state_of(scenario: Any, profile: str = "p1") -> State:
    async with scenario.engine.begin() as tx:
        found = (await people.load(tx, [("acme", profile)]))["acme", profile].state
    assert found is not None
    return found


async def of(recommender: Recommender, state: State | None, **more: Any) -> list[str]:
    slot = Slot(name="home", n=3, provider="http")
    found = await recommender.recommend(Asked("acme", slot, {"p1": state, "": None}, **more))
    assert found.keys() == {"p1", ""}
    return [one.product.sku for one in found["p1"]]


@integration
@pytest.mark.parametrize("who", ["inside", "outside"])
async def test_whoever_recommends_keeps_the_contract(
    scenario: Any, receiver: Receiver, means: Means, who: str
) -> None:
    """At most n, none twice, none that was just bought, is excluded, unknown or not sold."""
    receiver.says = saying("hat", "lamp", "lamp", "cap", "none", 7, None, "a\0", "scarf", "scarf")
    state = await state_of(scenario)

    async def asked(some: State | None, **more: Any) -> list[str]:
        if who == "outside":
            return await of(Outside(means), some, **more)
        async with scenario.engine.begin() as tx:
            return await of(Inside(tx), some, **more)

    everything = await asked(state)
    assert sorted(everything) == ["lamp", "scarf"]
    assert await asked(state, exclude={"p1": frozenset({"scarf"})}) == ["lamp"]
    # Of who is not known nobody is asked, and they get what anybody may get.
    assert await asked(None) == ["hat", "scarf"]
    objecting = msgspec.structs.replace(state, restraints=["profiling"])
    assert await asked(objecting) == ["hat", "scarf"]


@integration
async def test_who_answers_wrongly_costs_nobody_a_recommendation(
    scenario: Any, receiver: Receiver, means: Means
) -> None:
    state = await state_of(scenario)
    says: list[bytes] = [
        b"{",
        b'{"people": 7}',
        b'{"people": [7, {"profile_id": 1}]}',
        b"[" * 90_000,
    ]
    wrongs: list[dict[str, Any]] = [
        *({"answer": lambda _, status=one: status} for one in (500, 302, None)),
        *({"says": lambda _, said=one: said} for one in says),
        {"says": saying("none")},
    ]
    for number, wrong in enumerate(wrongs, 1):
        receiver.answer, receiver.says = lambda _: 200, saying("lamp")
        for name, value in wrong.items():
            setattr(receiver, name, value)
        assert await of(Outside(means), state) == ["lamp", "scarf"]
        assert len(receiver.came) == number


@integration
async def test_who_is_late_or_away_is_left_alone_after_some_questions(
    scenario: Any, receiver: Receiver, means: Means
) -> None:
    await scenario.client.put(PATH, json={"url": receiver.url, "deadline_ms": 50})
    receiver.open.clear()
    state = await state_of(scenario)
    outside = Outside(means)
    before = {one: asked_so_far(one) for one in ("failed", "rested")}
    for _ in range(PATIENCE + 2):
        assert await of(outside, state) == ["lamp", "scarf"]
    assert asked_so_far("failed") - before["failed"] == PATIENCE
    assert asked_so_far("rested") - before["rested"] == 2
    assert len(receiver.came) <= PATIENCE


@integration
async def test_mails_show_what_the_workspaces_own_says(scenario: Any, receiver: Receiver) -> None:
    settings = {"webhook_networks": "127.0.0.0/8"}
    campaign = await scenario.started(html=HTML)
    await scenario.topics.entered("p1")
    assert await scenario.turn(**settings)
    [mail] = scenario.mail_server.mails
    assert "[lamp recommended for you]" in mail.get_payload()[1].get_payload()
    rows = await scenario.ledger.query("SELECT skus, reasons FROM campaign.recommended")
    assert rows == [{"skus": ["lamp"], "reasons": ["provider"]}]
    [came] = receiver.came
    at = datetime.fromtimestamp(int(came.headers["webhook-timestamp"]), UTC)
    assert dict(signed(came.id, at, came.body, [scenario.secret])).items() <= came.headers.items()
    assert msgspec.json.decode(came.body) == {
        "type": "recommend",
        "slot": "home",
        "n": 3,
        "people": [{"profile_id": "p1", "user_ids": ["u1"], "exclude": ["hat"]}],
    }
    answer = await scenario.client.get("/v1/people/p1/recommendations?slot=home")
    assert [one["reason"] for one in answer.json()["products"]] == ["provider"]
    # Who is not heard of has what the one inside has found.
    receiver.answer = lambda _: 503
    await scenario.topics.person("p2", "b@x.example", user_id="u2")
    await scenario.topics.entered("p2")
    assert await scenario.turn(**settings)
    assert "[hat a best seller]" in scenario.mail_server.mails[1].get_payload()[1].get_payload()
    # Nothing to say, and the message is not to go without.
    more = {"when_empty": "suppress", "strategies": ["recently_viewed"], "provider": "http"}
    await scenario.client.put("/v1/recommendations/home", json=more)
    await scenario.topics.person("p3", "c@x.example", user_id="u3")
    await scenario.topics.entered("p3")
    assert await scenario.turn(**settings)
    listed = await scenario.client.get(f"/v1/campaigns/{campaign}/messages")
    ends = {(one["state"], one["reason"]) for one in listed.json()["items"]}
    assert ends == {("sent", None), ("suppressed", "nothing to recommend")}
    assert len(scenario.mail_server.mails) == 2


@integration
async def test_all_slots_of_a_batch_are_asked_for_at_once(
    scenario: Any, receiver: Receiver
) -> None:
    """Nobody is answered before both are asked: a slow one does not hold up the next."""
    await scenario.client.put("/v1/recommendations/cart", json={"provider": "http", "n": 3})
    await scenario.started(html=HTML + HTML.replace("home", "cart"))
    await scenario.topics.entered("p1")
    receiver.open.clear()
    turn = asyncio.create_task(scenario.turn(webhook_networks="127.0.0.0/8"))
    while len(receiver.came) < 2:
        receiver.arrived.clear()
        await receiver.arrived.wait()
    receiver.open.set()
    assert await turn
    rows = await scenario.ledger.query("SELECT slot, reasons FROM campaign.recommended ORDER BY 1")
    assert [(one["slot"], one["reasons"][0]) for one in rows] == [
        ("cart", "provider"),
        ("home", "provider"),
    ]


@integration
async def test_who_shows_no_recommendation_does_not_wait_for_a_recommender(
    scenario: Any, receiver: Receiver
) -> None:
    await scenario.started(html=HTML)
    await scenario.started(name="plain", subject="Plain")
    await scenario.topics.entered("p1")
    receiver.open.clear()
    turn = asyncio.create_task(scenario.turn(webhook_networks="127.0.0.0/8"))
    await receiver.arrived.wait()
    assert [one["Subject"] for one in scenario.mail_server.mails] == ["Plain"]
    receiver.open.set()
    assert await turn
    assert len(scenario.mail_server.mails) == 2


@integration
async def test_a_recommender_is_a_workspaces_and_its_secret_is_told_once(
    scenario: Any, receiver: Receiver
) -> None:
    client = scenario.client
    assert scenario.secret.startswith("whsec_")
    shown = (await client.get(PATH)).json()
    assert (shown["url"], shown["secret"]) == (receiver.url, None)
    again = (await client.put(PATH, json={"url": receiver.url})).json()
    assert (again["secret"], again["deadline_ms"]) == (None, 500)
    new = (await client.put(PATH, json={"url": receiver.url, "new_secret": True})).json()
    assert new["secret"] not in {None, scenario.secret}
    for wrong in ("http://shop.example/", "https://10.0.0.1/", "https://a:b@c.example", "x"):
        answer = await client.put(PATH, json={"url": wrong})
        assert (answer.status_code, answer.json()["details"]) == (422, {"path": "url"}), wrong
    assert (await client.put(PATH, json={"url": "x", "deadline_ms": 10**9})).status_code == 422
    async with scenario.client_of("other") as stranger:
        assert (await stranger.get(PATH)).status_code == 404
    newest = RecommenderKeys((b"n" * 32, *KEYS.keys))
    async with scenario.engine.begin() as tx:
        before = await recommenders.find(tx, "acme")
        assert await seal_anew(tx, newest) == 1
        assert await seal_anew(tx, newest) == 0
        after = await recommenders.find(tx, "acme")
        assert await seal_anew(tx, RecommenderKeys((b"x" * 32,))) == 0
    assert before is not None
    assert after is not None
    assert after.secret != before.secret
    assert newest.opened("acme/recommender", after.secret) == new["secret"]
    assert (await client.delete(PATH)).status_code == 204
    assert (await client.get(PATH)).status_code == 404
    assert (await client.delete(PATH)).status_code == 404


def test_what_is_no_answer_is_passed_over() -> None:
    body: dict[str, Any] = {
        "people": [
            7,
            {},
            {"profile_id": "p", "skus": "a"},
            {"profile_id": "q", "skus": ["a", None, {}, 5, "\0"] + ["b"] * 200},
            {"profile_id": "stranger", "skus": ["a"]},
        ]
    }
    found = answered(body, {"p": None, "q": None})
    assert found.keys() == {"q"}
    assert found["q"][:3] == ["a", "5", "b"]
    assert len(found["q"]) == 97
    assert answered({}, {}) == answered({"people": {}}, {}) == {}
