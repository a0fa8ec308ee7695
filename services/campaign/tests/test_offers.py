"""Offers: declared in versions, refused where they can't be, said in mails and asked for."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_campaign.store.keeping import PRICES, QUOTES
from rapport_common import clock
from rapport_common.events.definition import SegmentDefinition

pytestmark = pytest.mark.integration
PATH = "/v1/offers/summer"
SEGMENT = "11111111-1111-1111-1111-111111111111"
OTHER = "22222222-2222-2222-2222-222222222222"
THIRD = "33333333-3333-3333-3333-333333333333"
GOLD = {"id": "gold", "when": {"tiers": ["gold"]}, "then": {"percent_off": "15"}}
TEA = {"sku": "TEA-1", "name": "Assam & Co", "price": "10.50", "categories": ["tea"]}
CUP = {"sku": "CUP", "price": "4.00"}


def body(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    told = {"currency": "EUR", "products": [TEA], "rules": list(rules) or [GOLD]}
    return {**told, "version": 0, "reason": "spring", **more}


async def put(scenario: Any, *rules: dict[str, Any], path: str = PATH, **more: Any) -> Any:
    answer = await scenario.client.put(path, json=body(*rules, **more))
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(answer: httpx.Response, field: str) -> str:
    assert answer.status_code == 422, answer.text
    assert answer.json()["details"]["field"] == field
    return str(answer.json()["message"])


async def quoted(scenario: Any, **more: Any) -> Any:
    asked = {"skus": ["TEA-1"], "channel": "store", **more}
    answer = await scenario.client.post(f"{PATH}/quote", json=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


# --- documents -------------------------------------------------------------------------------


async def test_an_offer_is_kept_in_versions(scenario: Any) -> None:
    made = await put(scenario, choose="best")
    assert (made["name"], made["version"], made["choose"]) == ("summer", 1, "best")
    client = scenario.client
    assert (await client.put(PATH, json=body())).json()["details"] == {"version": 1}
    changed = await put(scenario, version=1, products=[TEA, CUP], reason="cups")
    assert (changed["version"], changed["newest"], len(changed["products"])) == (2, 2, 2)
    first = (await client.get(PATH, params={"version": 1})).json()
    assert (first["version"], first["newest"], first["reason"]) == (1, 2, "spring")
    assert (await client.get(PATH, params={"version": 3})).status_code == 404
    history = (await client.get(f"{PATH}/history", params={"limit": 1})).json()
    assert [one["version"] for one in history["items"]] == [2]
    more = await client.get(f"{PATH}/history", params={"cursor": history["next"]})
    assert [(one["version"], one["actor"]) for one in more.json()["items"]] == [(1, "ada")]
    await put(scenario, path="/v1/offers/autumn")
    listed = (await client.get("/v1/offers")).json()["items"]
    assert [one["name"] for one in listed] == ["autumn", "summer"]
    assert (await client.delete(PATH)).status_code == 204
    assert (await client.delete(PATH)).status_code == 204
    shown = (await client.get("/v1/offers", params={"archived": True})).json()["items"]
    assert [one["name"] for one in shown] == ["summer"]
    again = await client.put(PATH, json=body(version=2))
    assert (again.status_code, again.json()["details"]) == (409, {"name": "summer"})


NO_OFFERS: list[dict[str, Any]] = [
    {"currency": "XYZ"},
    {"currency": "EUR\0"},
    {"products": [{"sku": "A\0", "price": "1"}]},
    {"products": [{"sku": "A", "price": 1.5}]},
    {"products": [{"sku": "A", "price": "1", "name": "\ud800"}]},
    {"products": [{"sku": f"A{n}", "price": "1"} for n in range(2001)]},
    {"rules": [{"id": "a", "then": {}}]},
    {"rules": [{"id": "a", "then": {"percent_off": "1"}, "and": []}]},
    {"rules": [{"id": "a", "when": {"from": "\0"}, "then": {"percent_off": "1"}}]},
    {"rails": {"floor_percent": "1e9"}},
    {"rails": {"max_off": {"\0": "1"}}},
    {"vouched": [{"segment": "a", "reason": ""}]},
    {"version": -1},
    {"reason": ""},
]


async def test_what_is_no_offer_is_a_422(scenario: Any) -> None:
    for more in NO_OFFERS:
        # httpx refuses to write half a character.
        answer = await scenario.client.put(PATH, content=json.dumps({**body(), **more}))
        assert answer.status_code == 422, (more, answer.text)
    for name in ("Summer", "1a", "a b", "é", "%00", "a" * 64):
        assert (await scenario.client.put(f"/v1/offers/{name}", json=body())).status_code == 422
        assert (await scenario.client.get(f"/v1/offers/{name}")).status_code in {404, 422}


async def test_a_rule_that_guard_rails_never_let_be_is_refused_and_clamps_are_told(
    scenario: Any,
) -> None:
    half = {"id": "half", "then": {"percent_off": "50"}}
    wanted = body(half, rails={"floor_percent": "60"})
    message = refused(await scenario.client.put(PATH, json=wanted), "rules.0.then")
    assert "TEA-1 would cost 5.25 EUR" in message
    made = await put(scenario, half, products=[TEA, {**CUP, "floor": "3.00"}])
    assert made["clamps"] == [
        {
            "rule": "half",
            "sku": "CUP",
            "wanted": "2.00",
            "price": "3.00",
            "clamped_by": "the product's floor",
        }
    ]
    # The workspace's rails come later, and hold at once.
    guards = {"rails": {"floor_percent": "90"}, "version": 0, "reason": "margins"}
    assert (await scenario.client.put("/v1/price-guards", json=guards)).status_code == 200
    [price] = (await quoted(scenario))["prices"]
    assert (price["price"], price["wanted"]) == ("9.45", "5.25")
    assert price["clamped_by"] == "the workspace's floor_percent 90"
    assert "it would be 5.25, but for" in price["why"]


async def test_guards_are_kept_in_versions(scenario: Any) -> None:
    client, path = scenario.client, "/v1/price-guards"
    none = (await client.get(path)).json()
    assert (none["version"], none["tier_trait"]) == (0, "loyalty_tier")
    assert "dob" in none["shipped"]["age"]
    wanted = {"traits": ["plan"], "version": 0, "reason": "first"}
    assert (await client.put(path, json=wanted)).json()["traits"] == ["plan"]
    late = await client.put(path, json=wanted)
    assert (late.status_code, late.json()["details"]) == (409, {"version": 1})
    refused(await client.put(path, json={**wanted, "traits": ["dob"], "version": 1}), "traits.0")
    free = {"traits": ["dob"], "unprotected": {"dob": "youth tickets"}, "version": 1, "reason": "y"}
    assert (await client.put(path, json=free)).status_code == 200
    items = (await client.get(f"{path}/history")).json()["items"]
    assert [one["version"] for one in items] == [2, 1]


# --- protected attributes --------------------------------------------------------------------


def by_segment(*segments: str) -> dict[str, Any]:
    return {"id": "those", "when": {"segments": list(segments)}, "then": {"percent_off": "10"}}


async def test_no_rule_reads_what_is_protected(scenario: Any) -> None:
    client, topics = scenario.client, scenario.topics
    women = {"id": "women", "when": {"traits": [{"trait": "Gender", "in": ["f"]}]}}
    wanted = body({**women, "then": {"percent_off": "10"}})
    where = "rules.0.when.traits.0.trait"
    assert "tells of gender" in refused(await client.put(PATH, json=wanted), where)
    at = "rules.0.when.segments.0"
    assert "there is no segment" in refused(await client.put(PATH, json=body(by_segment("x"))), at)
    # Nothing is told of what it reads: somebody has to answer for it.
    unknown = body(by_segment(SEGMENT))
    assert "`vouched`" in refused(await client.put(PATH, json=unknown), at)
    vouched = [{"segment": SEGMENT, "reason": "by orders only"}]
    await put(scenario, by_segment(SEGMENT), vouched=vouched)
    # What is known now says otherwise, whoever has answered for it.
    await topics.defined(SEGMENT, reads=["trait:plan", f"segment:{OTHER}"])
    await topics.defined(OTHER, reads=["trait:customer.gender"])
    again = body(by_segment(SEGMENT), vouched=vouched, version=1)
    assert "tells of gender" in refused(await client.put(PATH, json=again), at)
    await topics.person("p1", "ada@example.com")
    await topics.entered("p1")
    [price] = (await quoted(scenario, profile_id="p1"))["prices"]
    assert (price["rule"], price["price"]) == (None, "10.50")
    assert "reads `customer.gender`" in price["passed"]["those"]
    # A list says nothing of why people are on it.
    await topics.defined(OTHER, version=2, reads=[f"list:{THIRD}"])
    assert "`vouched`" in refused(await client.put(PATH, json=body(by_segment(OTHER))), at)
    await topics.defined(OTHER, version=3, reads=["trait:plan"])
    [price] = (await quoted(scenario, profile_id="p1"))["prices"]
    assert (price["rule"], price["price"]) == ("those", "9.45")


async def test_a_definition_is_told_again_with_what_it_reads(scenario: Any) -> None:
    one: dict[str, Any] = {"workspace": "acme", "segment_id": SEGMENT, "name": "n"}
    for version, reads, kept in (
        (2, None, None),
        (2, ["trait:plan"], '["trait:plan"]'),
        (2, None, '["trait:plan"]'),
        (1, ["trait:age"], '["trait:plan"]'),
        (3, None, None),
    ):
        record = SegmentDefinition(**one, at=clock.now(), version=version, reads=reads)
        await scenario.topics.bring("segment.definition", record)
        [row] = await scenario.ledger.query(
            "SELECT CAST(reads AS text) AS reads FROM campaign.segment "
            f"WHERE segment_id = '{SEGMENT}' AND workspace = 'acme'"
        )
        assert row["reads"] == kept


# --- in a message ----------------------------------------------------------------------------

HTML = (
    "<p>{{ offer.summer.name }}: {{ offer.summer.price }} {{ offer.summer.currency }}"
    '{% if offer.summer.is_reduced %}, {{ offer.summer.sku["TEA-1"].off }} off'
    " ({{ offer.summer.percent_off }} %){% endif %}"
    "{% for one in offer.summer.all %} [{{ one.sku }}]{% endfor %}</p>"
)


async def started(scenario: Any, **more: Any) -> str:
    made = await scenario.client.post("/v1/campaigns", json={**scenario.campaign_body, **more})
    assert made.status_code == 201, made.text
    campaign: str = made.json()["id"]
    assert (await scenario.client.post(f"/v1/campaigns/{campaign}/start")).status_code == 200
    return campaign


def page_of(mail: Any) -> str:
    return str(mail.get_body(("html",)).get_content())


async def test_a_mail_says_the_price_of_its_person_and_keeps_which_rule_gave_it(
    scenario: Any,
) -> None:
    await put(scenario)
    await started(scenario, html=HTML)
    await scenario.topics.person("p1", "ada@example.com", loyalty_tier="gold")
    await scenario.topics.person("p2", "ben@example.com")
    await scenario.topics.entered("p1")
    await scenario.topics.entered("p2")
    assert await scenario.turn()
    pages = {str(one["To"]): page_of(one) for one in scenario.mail_server.mails}
    assert "Assam &amp; Co: 8.93 EUR, 1.57 off (14 %) [TEA-1]" in pages["ada@example.com"]
    assert "Assam &amp; Co: 10.50 EUR [TEA-1]" in pages["ben@example.com"]
    rows = {one["profile_id"]: one["send_key"] for one in await scenario.ledger.rows()}
    said = (await scenario.client.get(f"/v1/messages/{rows['p1']}/prices")).json()
    assert (said["state"], len(said["prices"])) == ("sent", 1)
    [price] = said["prices"]
    assert (price["price"], price["rule"], price["version"]) == ("8.93", "gold", 1)
    assert price["why"].startswith("TEA-1 costs 8.93 EUR (list price 10.50): rule \u201cgold\u201d")
    # What is said stays what was said.
    await put(scenario, version=1, products=[{**TEA, "price": "20"}])
    assert (await scenario.client.get(f"/v1/messages/{rows['p1']}/prices")).json() == said
    missing = await scenario.client.get("/v1/messages/nobody/prices")
    assert missing.status_code == 404


async def test_who_objects_to_profiling_gets_what_everybody_gets(scenario: Any) -> None:
    everybody = {"id": "all", "then": {"amount_off": "0.50"}}
    await put(scenario, GOLD, everybody)
    await scenario.topics.person("p1", "ada@example.com", loyalty_tier="gold")
    assert (await quoted(scenario, profile_id="p1"))["prices"][0]["rule"] == "gold"
    await scenario.topics.restrained("p1", "profiling")
    [price] = (await quoted(scenario, profile_id="p1"))["prices"]
    assert (price["rule"], price["price"]) == ("all", "10.00")


async def test_an_offer_that_is_gone_by_then_holds_up_nobody_else(scenario: Any) -> None:
    named = {}
    for name in ("archived", "listed", "changed", "there"):
        more = {"when_missing": "list_price"} if name == "listed" else {}
        await put(scenario, path=f"/v1/offers/{name}", **more)
        html = f'<p>{name}: {{{{ offer.{name}.sku["TEA-1"].price }}}}</p>'
        named[name] = await started(scenario, name=name, html=html)
    await scenario.topics.person("p1", "ada@example.com", loyalty_tier="gold")
    await scenario.topics.entered("p1")
    for name in ("archived", "listed"):
        assert (await scenario.client.delete(f"/v1/offers/{name}")).status_code == 204
    await put(scenario, path="/v1/offers/changed", version=1, products=[CUP])
    while await scenario.turn():
        pass
    reasons = {str(one["campaign_id"]): one["reason"] for one in await scenario.ledger.rows()}
    assert {name: reasons[campaign] for name, campaign in named.items()} == {
        "archived": 'offer "archived" is archived',
        "listed": None,
        "changed": 'offer "changed" has no product "TEA-1"',
        "there": None,
    }
    pages = sorted(page_of(one).partition("<p>")[2] for one in scenario.mail_server.mails)
    assert [page.partition("</p>")[0] for page in pages] == ["listed: 10.50", "there: 8.93"]


REFUSED = {
    "{{ offer.winter.price }}": 'there is no offer "winter"',
    "{{ offer }}": "name an offer",
    "{{ offer[profile.traits.x].price }}": 'there is no offer "*"',
    "{{ offer.summer.prize }}": 'offer "summer" has no "prize"; there are sku, all',
    "{{ offer.summer.sku.CUP.prize }}": 'has no "prize"',
    '{{ offer.summer.sku["TEA-2"].price }}': 'has no product "TEA-2"',
    "{{ offer.summer.price }}": "has several products: name one",
}


async def test_what_there_is_not_is_refused_when_it_is_saved(scenario: Any) -> None:
    await put(scenario, products=[TEA, CUP])
    for html, told in REFUSED.items():
        source = f"<p>\n  {html}</p>"
        wanted = {**scenario.campaign_body, "html": source}
        template = {"name": "T", "subject": "S", "body": source, "format": "html"}
        for path, content, field in (
            ("/v1/campaigns", wanted, "html"),
            ("/v1/templates", template, "body"),
        ):
            answer = await scenario.client.post(path, json=content)
            assert answer.status_code == 422, answer.text
            [problem] = answer.json()["details"]["problems"]
            assert (problem["path"], problem["line"], problem["column"]) == (field, 2, 6)
            assert told in problem["message"]


async def test_an_offer_of_many_products_is_asked_by_name(scenario: Any) -> None:
    products = [{"sku": f"A{n}", "price": "1"} for n in range(51)]
    await put(scenario, products=products)
    for html, status in (
        ("{% for one in offer.summer.all %}{{ one.price }}{% endfor %}", 422),
        ("{{ offer.summer.sku[profile.traits.sku].price }}", 422),
        ("{{ offer.summer.sku.A50.price }}", 201),
    ):
        wanted = {**scenario.campaign_body, "html": html}
        assert (await scenario.client.post("/v1/campaigns", json=wanted)).status_code == status


async def test_more_prices_than_a_message_can_have_are_refused_when_it_is_saved(
    scenario: Any,
) -> None:
    products = [{"sku": f"A{n}", "price": "1"} for n in range(201)]
    await put(scenario, products=products)
    for number, status in ((200, 201), (201, 422)):
        html = " ".join(f"{{{{ offer.summer.sku.A{n}.price }}}}" for n in range(number))
        wanted = {**scenario.campaign_body, "html": html}
        assert (await scenario.client.post("/v1/campaigns", json=wanted)).status_code == status


async def test_other_channels_previews_and_tests_have_prices_and_only_mails_keep_them(
    scenario: Any,
) -> None:
    await put(scenario, {**GOLD, "when": {"tiers": ["gold"], "channels": ["email"]}})
    await scenario.topics.person("p1", "ada@example.com", loyalty_tier="gold")
    texts = {"subject": "{{ offer.summer.price }}", "body": HTML, "format": "html", "name": "T"}
    made = await scenario.client.post("/v1/templates", json=texts)
    url = f"/v1/templates/{made.json()['id']}/preview"
    seen = await scenario.client.post(url, json={"profile_id": "p1"})
    assert (seen.json()["subject"], "8.93 EUR" in seen.json()["html"]) == ("8.93", True)
    assert (await scenario.client.post(url, json={})).json()["subject"] == "10.50"
    campaign = await started(scenario, html=HTML)
    test = {"to": "me@shop.example", "profile_id": "p1"}
    await scenario.client.post(f"/v1/campaigns/{campaign}/test", json=test)
    assert await scenario.turn()
    assert "8.93 EUR" in page_of(scenario.mail_server.mails[0])
    assert await scenario.ledger.query("SELECT * FROM campaign.message_price") == []
    words = {"title": "t", "text": "{{ offer.summer.price }}"}
    wanted = {
        "name": "n",
        "segment_id": SEGMENT,
        "purpose": "promotion",
        "channel": "inbox",
        "content": words,
    }
    assert (await scenario.client.post("/v1/campaigns", json=wanted)).status_code == 201
    unknown = {**words, "text": '{{ offer.winter.sku["a"].price }}'}
    answer = await scenario.client.post("/v1/campaigns", json={**wanted, "content": unknown})
    assert answer.status_code == 422


# --- asking ----------------------------------------------------------------------------------


async def test_a_till_asks_for_facts_or_a_person(scenario: Any) -> None:
    guards = {"traits": ["plan"], "cities": {"Shanghai": "1"}, "version": 0, "reason": "r"}
    assert (await scenario.client.put("/v1/price-guards", json=guards)).status_code == 200
    city = {"id": "city", "when": {"city_tiers": ["1"]}, "then": {"price": "9.00"}}
    plan = {"traits": [{"trait": "plan", "in": ["pro", True]}], "channels": ["store"]}
    await put(
        scenario, city, {"id": "pro", "when": plan, "then": {"amount_off": "1"}}, choose="best"
    )
    await scenario.topics.person("p1", "ada@example.com", city=" SHANGHAI ", plan="pro")
    [price] = (await quoted(scenario, profile_id="p1"))["prices"]
    assert (price["rule"], price["price"]) == ("city", "9.00")
    assert price["passed"] == {"pro": "another one is better"}
    [price] = (await quoted(scenario, facts={"traits": {"plan": True}}))["prices"]
    assert (price["rule"], price["price"]) == ("pro", "9.50")
    [price] = (await quoted(scenario, facts={"traits": {"plan": 1}}, channel="web"))["prices"]
    assert price["passed"]["pro"] == "it is not for web"
    ask = scenario.client.post
    for asked, status in (
        ({"skus": ["NO"]}, 422),
        ({"skus": []}, 422),
        ({"facts": {"traits": {"age": 5}}}, 422),
        ({"facts": {"traits": {"plan": 10**400}}}, 422),
        ({"facts": {}, "profile_id": "p1"}, 422),
        ({"profile_id": "nobody"}, 404),
        ({"at": "2026-01-01T00:00:00"}, 422),
        ({"at": "9999-12-31T23:59:59Z"}, 422),
        ({"at": "0001-01-01T00:00:00Z"}, 422),
        ({"at": "2199-12-31T23:59:59-12:00"}, 200),
    ):
        answer = await ask(f"{PATH}/quote", json={"skus": ["TEA-1"], "channel": "web", **asked})
        assert answer.status_code == status, (asked, answer.text)
    wanted = {"skus": ["TEA-1"], "channel": "web"}
    assert (await ask("/v1/offers/winter/quote", json=wanted)).status_code == 404
    await scenario.client.delete(PATH)
    assert (await ask(f"{PATH}/quote", json=wanted)).status_code == 409


async def test_a_kept_quote_is_the_same_whenever_it_is_asked_for(scenario: Any) -> None:
    await put(scenario)
    await scenario.topics.person("p1", "ada@example.com", loyalty_tier="gold")
    asked = {"skus": ["TEA-1", "TEA-1"], "channel": "store", "profile_id": "p1"}
    headers = {"Idempotency-Key": "till-7-1"}
    async with scenario.client_of(scopes=("offers:quote",)) as till:
        first = (await till.post(f"{PATH}/quotes", json=asked, headers=headers)).json()
        await put(scenario, version=1, products=[{**TEA, "price": "20.00"}])
        again = (await till.post(f"{PATH}/quotes", json=asked, headers=headers)).json()
        assert again["id"] == first["id"]
        assert [one["price"] for one in again["prices"]] == ["8.93"]
        kept = (await till.get(f"{PATH}/quotes/{first['id']}")).json()
        assert kept == again
        other = await till.post(f"{PATH}/quotes", json={**asked, "skus": ["X"]}, headers=headers)
        assert other.status_code == 409
        assert (await till.get(f"{PATH}/quotes/{UUID(int=1)}")).status_code == 404
        assert (await till.get(PATH)).status_code == 403
        assert (await till.put(PATH, json=body())).status_code == 403
    async with scenario.client_of("other") as stranger:
        for path in (PATH, f"{PATH}/quotes/{first['id']}", f"{PATH}/history"):
            assert (await stranger.get(path)).status_code == 404
    async with scenario.client_of(scopes=("campaigns:read",)) as reader:
        answer = await reader.post(f"{PATH}/quote", json=asked)
        assert answer.status_code == 403


async def test_prices_go_when_their_time_is_over(scenario: Any, engine: AsyncEngine) -> None:
    await put(scenario)
    await started(scenario, html=HTML)
    await scenario.topics.person("p1", "ada@example.com", loyalty_tier="gold")
    await scenario.topics.entered("p1")
    assert await scenario.turn()
    asked = {"skus": ["TEA-1"], "channel": "store", "profile_id": "p1"}
    assert (await scenario.client.post(f"{PATH}/quotes", json=asked)).status_code == 201
    later = clock.now() + timedelta(days=1)
    async with engine.begin() as tx:
        for one in (PRICES, QUOTES):
            assert await one.count(tx, "other", later) == 0
            assert await one.count(tx, "acme", later) == 1
            assert await one.page(tx, "acme", later, None, 9) == (1, None)
            assert await one.count(tx, "acme", later) == 0
