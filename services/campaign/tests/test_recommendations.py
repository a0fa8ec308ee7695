"""From events to mails that recommend: exact whatever comes twice, late or merged."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from services.campaign.tests.shop import SITE, line, ordered, returned, told, viewed
from services.campaign.tests.test_broadcasts import Broadcasts
from services.campaign.tests.test_dry_runs import became
from services.campaign.tests.test_dry_runs import told as foretold
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_campaign.domain.recommenders import RecommenderKeys
from rapport_campaign.handlers.ranking import Ranker
from rapport_campaign.store import privacy, ranking
from rapport_campaign.store.access import PRODUCT_EVENTS, RECOMMENDED
from rapport_campaign.store.keeping import CONTENTS
from rapport_common import clock
from rapport_common.events.activity import SECTIONS, ProfileActivity, SectionVersions
from rapport_common.events.envelope import identifier_digest
from rapport_common.events.profile import AbsorbedId
from rapport_common.privacy.subject import Subject
from rapport_common.testing.credentials import EVENT_KEY
from rapport_common.testing.profiles import sections

KEYS = RecommenderKeys.read("0" * 64)
pytestmark = pytest.mark.integration
SLOTS = "/v1/recommendations"
LIST = (
    "{% for product in recommendations.home %}<a href='{{ product.url }}'>{{ product.name }}"
    "</a> ({{ product.because }}) {% endfor %}"
)


async def rank(engine: AsyncEngine, workspace: str = "acme") -> dict[str, int]:
    """The best sellers of 30 days, worked out now."""
    async with engine.begin() as tx:
        assert await ranking.rank(tx, workspace, clock.now()) is not None
        rows = await tx.execute(
            text(
                "SELECT sku, buyers FROM campaign.product_rank WHERE workspace = :workspace "
                "AND days = 30 ORDER BY place"
            ),
            {"workspace": workspace},
        )
        return {row.sku: row.buyers for row in rows}


async def pairs(engine: AsyncEngine) -> dict[tuple[str, str], int]:
    async with engine.begin() as tx:
        rows = await tx.execute(text("SELECT sku, other, buyers FROM campaign.product_pair"))
        return {(row.sku, row.other): row.buyers for row in rows}


async def bring(scenario: Any, *records: ProfileActivity) -> None:
    await scenario.topics.bring("profile.activity", *records)


def crowd(number: int = 6) -> list[ProfileActivity]:
    """So many people buy a hat with a scarf; as many others a bag, or nothing but a hat."""
    both = [ordered(f"x{one}", "hat", "scarf") for one in range(number)]
    return both + [ordered(f"y{one}", "bag") for one in range(number)] + [ordered("z", "hat")]


async def slot(scenario: Any, name: str = "home", **more: Any) -> None:
    answer = await scenario.client.put(f"{SLOTS}/{name}", json=more)
    assert answer.status_code == 200, answer.text


async def recommended(scenario: Any, profile: str, name: str = "home") -> list[tuple[str, str]]:
    answer = await scenario.client.get(f"/v1/people/{profile}/recommendations?slot={name}")
    assert answer.status_code == 200, answer.text
    return [(one["sku"], one["reason"]) for one in answer.json()["products"]]


# --- what is bought most ---------------------------------------------------------------------


async def test_buyers_are_counted_once_whatever_comes_twice(scenario: Any) -> None:
    records = crowd()
    await bring(scenario, *records)
    found = await rank(scenario.engine)
    assert found == {"hat": 7, "bag": 6, "scarf": 6}
    together = await pairs(scenario.engine)
    assert together == {("hat", "scarf"): 6, ("scarf", "hat"): 6}
    # All of it again, in another order; and one order as two systems tell of it.
    await bring(scenario, *reversed(records))
    again = ordered("x1", "hat", order="77", source="till")
    await bring(scenario, again, ordered("x1", "hat", order="77", source="web"))
    # Somebody orders the same ten times, and a page says that a thousand people have.
    await bring(scenario, *(ordered("bot", "scarf") for _ in range(10)))
    await bring(scenario, *(ordered(f"b{one}", "bag", trust="public") for one in range(9)))
    assert await rank(scenario.engine) == {"hat": 7, "scarf": 7, "bag": 6}
    assert await pairs(scenario.engine) == together
    assert await rank(scenario.engine, "other") == {}


async def test_what_is_given_back_counts_no_more_and_two_tills_have_an_order_1001(
    scenario: Any,
) -> None:
    await bring(
        scenario,
        returned("c", "3", line("hat", quantity=1), at=clock.now()),  # told before its order
        ordered("a", "hat", "bag", order="1001", source="till-1"),
        ordered("b", "hat", order="1001", source="till-2"),
        ordered("c", "hat", "hat", order="3"),
        ordered("d", "hat", order="4"),
    )
    assert await rank(scenario.engine) == {"hat": 4, "bag": 1}
    await bring(
        scenario,
        returned("a", "1001", source="till-1", at=clock.now()),  # all of it
        returned("d", "4", line("hat"), source="office", at=clock.now()),  # by another system
        returned("b", "1001", line("hat"), source="page", trust="public", at=clock.now()),
    )
    # The other till's order stays, one of two hats does, a page's word takes nothing away.
    assert await rank(scenario.engine) == {"hat": 2}
    # Told anew later: a card that was declined.
    await bring(scenario, ordered("a", "bag", order="1001", source="till-1", at=clock.now()))
    assert await rank(scenario.engine) == {"hat": 2, "bag": 1}


async def test_another_form_of_a_message_takes_its_place(scenario: Any) -> None:
    await bring(
        scenario,
        ordered("b", "bag", message_id="1", replaced=1),
        ordered("a", "hat", message_id="1"),
    )
    assert await rank(scenario.engine) == {"bag": 1}


async def test_long_orders_make_few_pairs_and_few_people_make_none(scenario: Any) -> None:
    skus = [f"s{number:03}" for number in range(60)]
    await bring(scenario, *(ordered(f"x{one}", *skus) for one in range(3)))
    await bring(scenario, *(ordered(f"y{one}", "bag", "hat") for one in range(2)))
    await bring(scenario, *(ordered(f"z{one}", "other") for one in range(3)))
    assert len(await rank(scenario.engine)) == 63
    assert len(await pairs(scenario.engine)) == 20 * 19


async def test_windows_move_on_and_the_worker_rests(scenario: Any) -> None:
    then = clock.now() - timedelta(days=29)
    await bring(scenario, ordered("a", "hat", at=then), ordered("b", "bag"))
    clocks = [clock.now()]
    ranker = Ranker(scenario.engine, KEYS, now=lambda: clocks[0])
    assert await ranker.turn()
    assert not await ranker.turn()
    sql = "SELECT sku, days FROM campaign.product_rank ORDER BY sku, days"
    rows = await scenario.ledger.query(sql)
    assert [tuple(one.values()) for one in rows] == [
        ("bag", 7),
        ("bag", 30),
        ("bag", 90),
        ("hat", 30),
        ("hat", 90),
    ]
    # Something new is worked out as soon as it has rested; else after ten minutes.
    await bring(scenario, ordered("c", "hat"))
    assert not await ranker.turn()
    clocks[0] += timedelta(minutes=9)
    assert await ranker.turn()
    assert not await ranker.turn()
    clocks[0] += timedelta(minutes=9)
    assert not await ranker.turn()
    clocks[0] += timedelta(days=3)
    assert await ranker.turn()
    rows = await scenario.ledger.query(f"{sql} LIMIT 4")
    assert [tuple(one.values()) for one in rows] == [
        ("bag", 7),
        ("bag", 30),
        ("bag", 90),
        ("hat", 7),
    ]


# --- the catalogue ---------------------------------------------------------------------------


async def test_the_newest_trusted_word_on_a_product_counts_in_any_order(scenario: Any) -> None:
    now = clock.now()
    hour = timedelta(hours=1)
    await bring(
        scenario,
        viewed("a", "hat", at=now - 2 * hour),
        viewed("b", "hat", at=now - 9 * hour),
    )
    new = {"sku": "hat", "name": "New hat", "url": "http://plain.example/"}
    await bring(scenario, _view("c", new, at=now - hour))
    await bring(scenario, _view("d", {"sku": "hat", "name": "Old"}, at=now - 3 * hour))
    await bring(
        scenario, _view("e", {"sku": "hat", "url": "https://evil.example/"}, trust="public")
    )
    shown = (await scenario.client.get("/v1/products/hat")).json()
    assert (shown["name"], shown["url"]) == ("New hat", f"{SITE}/p/hat")
    assert (shown["price"], shown["currency"], shown["recommendable"]) == ("9.90", "EUR", True)
    # The API's word is of now; whoever tells of it later is believed again.
    body = {"name": "Mine", "url": "https://shop.example/ü", "in_stock": False}
    answer = await scenario.client.put("/v1/products/hat", json=body)
    assert (answer.json()["url"], answer.json()["price"]) == ("https://shop.example/%C3%BC", None)
    assert not answer.json()["recommendable"]


def _view(who: str, said: dict[str, Any], **more: Any) -> ProfileActivity:
    return told("Product Viewed", who, said, **more)


async def test_operators_keep_the_catalogue(scenario: Any) -> None:
    client = scenario.client
    items = [{**line(f"a/{one}", currency="EUR"), "category": "Hats"} for one in range(3)]
    answer = await client.post("/v1/products/import", json={"items": [*items, items[0]]})
    assert answer.json() == {"saved": 3}
    page = (await client.get("/v1/products?limit=2&category=Hats")).json()
    assert [one["sku"] for one in page["items"]] == ["a/0", "a/1"]
    rest = (await client.get("/v1/products", params={"cursor": page["next"]})).json()
    assert [one["sku"] for one in rest["items"]] == ["a/2"]
    marked = await client.patch("/v1/products/a/1", json={"blocked": True})
    assert (marked.json()["blocked"], marked.json()["in_stock"]) == (True, True)
    assert (await client.delete("/v1/products/a%2F1")).status_code == 204
    assert [one["sku"] for one in (await client.get("/v1/products?archived=true")).json()["items"]]
    marked = await client.patch("/v1/products/a/1", json={"blocked": True})
    assert marked.json()["archived_at"] is not None
    again = await client.put("/v1/products/a/1", json={"name": "Back"})
    assert (again.json()["archived_at"], again.json()["blocked"]) == (None, False)
    async with scenario.client_of("other") as stranger:
        assert (await stranger.get("/v1/products/a/1")).status_code == 404
        assert (await stranger.get("/v1/products")).json()["items"] == []
    wrongs: list[dict[str, Any]] = [
        {"name": "a\nb"},
        {"url": "javascript:alert(1)"},
        {"image_url": "http://shop.example/i"},
        {"price": "5"},
        {"price": "5", "currency": "XXQ"},
        {"price": "1e9999", "currency": "EUR"},
        {"category": "\0"},
        {"stock": 1},
        {"in_stock": "yes"},
    ]
    for wrong in wrongs:
        answer = await client.put("/v1/products/x", json=wrong)
        assert answer.status_code == 422, wrong
    for name in ("%00", "%E2%80%8B", "n" * 129):
        assert (await client.get(f"/v1/products/{name}")).status_code in {404, 422}
        assert (await client.put(f"/v1/products/{name}", json={})).status_code in {404, 422}
    assert (await client.patch("/v1/products/none", json={})).status_code == 404


# --- slots -----------------------------------------------------------------------------------


async def test_slots_are_data(scenario: Any) -> None:
    client = scenario.client
    await slot(scenario, n=2, strategies=["best_sellers", "best_sellers"])
    shown = (await client.get(f"{SLOTS}/home")).json()
    assert (shown["n"], shown["strategies"], shown["days"]) == (2, ["best_sellers"], 30)
    wrongs: list[dict[str, Any]] = [
        {"n": 0},
        {"days": 31},
        {"strategies": ["luck"]},
        {"strategies": []},
        {"least_buyers": 2},
        {"bought_days": 91},
        {"categories": ["a\nb"]},
    ]
    for wrong in wrongs:
        assert (await client.put(f"{SLOTS}/home", json=wrong)).status_code == 422, wrong
    assert (await client.put(f"{SLOTS}/No-name", json={})).status_code == 422
    async with scenario.client_of("other") as stranger:
        assert (await stranger.get(f"{SLOTS}/home")).status_code == 404
        assert (await stranger.get(SLOTS)).json()["items"] == []
    async with scenario.client_of(scopes=("campaigns:read",)) as reader:
        assert (await reader.put(f"{SLOTS}/home", json={})).status_code == 403
        assert (await reader.put("/v1/products/x", json={})).status_code == 403


async def test_templates_name_slots_there_are(scenario: Any) -> None:
    client = scenario.client
    await slot(scenario)
    body = {**scenario.campaign_body, "html": f"<p>\n{LIST.replace('home', 'nowhere')}</p>"}
    answer = await client.post("/v1/campaigns", json=body)
    assert answer.status_code == 422
    [problem] = answer.json()["details"]["problems"]
    assert (problem["path"], problem["line"], problem["variable"]) == (
        "html",
        2,
        "recommendations.nowhere",
    )
    for said in ("{{ recommendations[profile.traits.x] }}", "{{ recommendations | size }}"):
        answer = await client.post("/v1/campaigns", json={**body, "html": said})
        assert answer.status_code == 422, said
    template = {"name": "T", "reason": "new", "subject": "S", "body": LIST, "languages": {}}
    assert (await client.post("/v1/templates", json=template)).status_code == 201
    template["languages"] = {"de": {"subject": "S", "body": LIST.replace("home", "none")}}
    answer = await client.post("/v1/templates", json=template)
    assert (answer.status_code, answer.json()["details"]["problems"][0]["path"]) == (
        422,
        "languages.de.body",
    )
    snippet = {"name": "s", "source": "{{ recommendations.none.first.name }}", "reason": "new"}
    assert (await client.post("/v1/snippets", json=snippet)).status_code == 422
    made = await client.post("/v1/campaigns", json={**body, "html": LIST})
    assert made.status_code == 201, made.text
    answer = await client.patch(
        f"/v1/campaigns/{made.json()['id']}", json={"text": LIST + "{{ recommendations.x }}"}
    )
    assert answer.status_code == 422
    assert (await client.delete(f"{SLOTS}/home")).status_code == 204
    assert (await client.post("/v1/campaigns", json={**body, "html": LIST})).status_code == 422


# --- people ----------------------------------------------------------------------------------


async def test_people_are_recommended_what_fits_them(scenario: Any) -> None:
    await slot(scenario)
    topics = scenario.topics
    await topics.person("p1", "a@x.example", user_id="u1")
    await bring(scenario, *crowd(), viewed("u1", "lamp"), ordered("u1", "hat"))
    await rank(scenario.engine)
    everything = [
        ("scarf", "bought_together"),
        ("lamp", "recently_viewed"),
        ("bag", "best_sellers"),
    ]
    assert await recommended(scenario, "p1") == everything
    # What is not in stock is left out at once.
    await scenario.client.patch("/v1/products/scarf", json={"in_stock": False})
    assert await recommended(scenario, "p1") == everything[1:]
    await scenario.client.patch("/v1/products/scarf", json={"in_stock": True})
    # Somebody who looked at a bag under another identifier turns out to be the same.
    await topics.person("p2", "b@x.example", user_id="u2")
    await bring(scenario, viewed("u2", "bag"))
    assert await recommended(scenario, "p2") == [
        ("bag", "recently_viewed"),
        ("hat", "best_sellers"),
        ("scarf", "best_sellers"),
    ]
    both = [("scarf", "bought_together"), ("bag", "recently_viewed"), ("lamp", "recently_viewed")]
    names = [("user_id", "u1"), ("user_id", "u2")]
    await _have(scenario, "p1", 2, names, [AbsorbedId("p2", 1)])
    assert sorted(await recommended(scenario, "p1")) == sorted(both)
    assert sorted(await recommended(scenario, "p2")) == sorted(both)
    # And is not the same after all.
    await _have(scenario, "p1", 3, names[:1])
    assert await recommended(scenario, "p1") == everything
    # Who objects to profiling gets what anybody may get.
    await topics.restrained("p1", "profiling", version=4)
    assert {reason for _, reason in await recommended(scenario, "p1")} == {"best_sellers"}
    answer = await scenario.client.get("/v1/people/nobody/recommendations?slot=home")
    assert answer.status_code == 404
    async with scenario.client_of("other") as stranger:
        answer = await stranger.get("/v1/people/p1/recommendations?slot=home")
        assert answer.status_code == 404


async def _have(
    scenario: Any,
    profile: str,
    version: int,
    names: Sequence[tuple[str, str]],
    absorbed: Sequence[AbsorbedId] = (),
) -> None:
    """A person has these identifiers from now on."""
    await bring(
        scenario,
        ProfileActivity(
            workspace="acme",
            profile_id=profile,
            version=version,
            versions=SectionVersions(*[version] * len(SECTIONS)),
            absorbed=list(absorbed),
            **sections(names),
        ),
    )


async def test_mails_recommend_and_it_is_known_what(scenario: Any) -> None:
    await slot(scenario, n=2)
    await slot(scenario, "maybe", when_empty="suppress", strategies=["recently_viewed"])
    campaign = await scenario.started(html=LIST)
    maybe = await scenario.started(
        name="Maybe", html=LIST + "{% if recommendations.maybe %}<p>Seen</p>{% endif %}"
    )
    await scenario.topics.person("p1", "a@x.example", user_id="u1")
    await scenario.topics.person("p2", "b@x.example", user_id="u2")
    await bring(scenario, *crowd(), viewed("u1", "hat"), ordered("u1", "scarf"))
    await rank(scenario.engine)
    for person in ("p1", "p2"):
        await scenario.topics.entered(person)
    while await scenario.turn():
        pass
    said = {
        one["To"]: one.get_payload()[1].get_payload(decode=True).decode()
        for one in scenario.mail_server.mails
        if "Seen" not in str(one)
    }
    assert ">Thing hat</a> (bought with Thing scarf)" in said["a@x.example"]
    assert ">Thing scarf</a> (a best seller)" in said["b@x.example"]
    assert "/c/" in said["a@x.example"]
    rows = await scenario.ledger.query(
        "SELECT m.campaign_id::text AS campaign, r.profile_id, slot, skus, reasons "
        "FROM campaign.recommended r JOIN campaign.message m USING (workspace, send_key)"
    )
    kept = {(one["campaign"], one["profile_id"], one["slot"]): one["skus"] for one in rows}
    assert kept == {
        (campaign, "p1", "home"): ["hat", "bag"],
        (campaign, "p2", "home"): ["hat", "scarf"],
        (maybe, "p1", "home"): ["hat", "bag"],
        (maybe, "p1", "maybe"): ["hat"],
    }
    [none] = await scenario.ledger.rows("state = 'suppressed'")
    assert (none["campaign_id"] and str(none["campaign_id"]), none["reason"]) == (
        maybe,
        "nothing to recommend",
    )
    listed = await scenario.client.get(f"/v1/campaigns/{campaign}/messages")
    assert {one["state"] for one in listed.json()["items"]} == {"sent"}
    await _told_of(scenario, maybe)
    # It goes with what messages said.
    async with scenario.engine.begin() as tx:
        await CONTENTS.page(tx, "acme", clock.now() + timedelta(days=1), None, 100)
    assert await scenario.ledger.query("SELECT * FROM campaign.recommended") == []


async def _told_of(scenario: Any, campaign: str) -> None:
    """What somebody's message of a campaign has recommended is told, in its workspace."""
    where = f"state = 'sent' AND campaign_id = '{campaign}'"
    [row] = await scenario.ledger.rows(where)
    path = f"/v1/messages/{row['send_key']}/recommendations"
    shown = (await scenario.client.get(path)).json()["slots"]
    assert [(one["slot"], one["products"][0]["reason"]) for one in shown] == [
        ("home", "bought_together"),
        ("maybe", "recently_viewed"),
    ]
    async with scenario.client_of("other") as stranger:
        assert (await stranger.get(path)).json() == {"slots": []}


async def test_previews_show_what_somebody_would_be_recommended(scenario: Any) -> None:
    await slot(scenario)
    body = {"name": "T", "reason": "new", "subject": "S", "body": LIST}
    made = (await scenario.client.post("/v1/templates", json=body)).json()
    await scenario.topics.person("p1", "a@x.example", user_id="u1")
    await bring(scenario, *crowd(), viewed("u1", "lamp"))
    await rank(scenario.engine)
    path = f"/v1/templates/{made['id']}/preview"
    shown = (await scenario.client.post(path, json={"profile_id": "p1"})).json()
    assert "Thing lamp</a> (looked at recently)" in shown["html"]
    nobody = (await scenario.client.post(path, json={})).json()
    assert "Thing hat</a> (a best seller)" in nobody["html"]
    assert await scenario.ledger.query("SELECT * FROM campaign.recommended") == []


async def test_a_dry_run_tells_who_has_nothing_to_be_recommended(scenario: Any) -> None:
    cast = Broadcasts(scenario)
    await slot(scenario, when_empty="suppress", strategies=["recently_viewed"])
    await cast.people("p1", "p2")
    seen = viewed("u", "hat", identifiers=[("email", "p1@example.com")])
    await bring(scenario, seen)
    broadcast = await cast.made(html=LIST)
    found, _ = await foretold(cast, broadcast)
    assert await cast.whole(broadcast) == {"sent": 1, "suppressed": 1}
    came = await became(cast, broadcast)
    assert {who: (one["outcome"], one["reason"]) for who, one in found.items()} == came
    assert came["p2"] == ("never", "nothing to recommend")


async def test_who_is_forgotten_leaves_nothing_and_counts_no_more(scenario: Any) -> None:
    await bring(scenario, ordered("u1", "hat"), ordered("u2", "hat"), viewed("u1", "bag"))
    async with scenario.engine.begin() as tx:
        await tx.execute(
            text(
                "INSERT INTO campaign.recommended VALUES ('acme', 'k', 'home', 'p-u1', '{hat}', "
                "'{best_sellers}', now())"
            )
        )
    subject = identifier_digest(EVENT_KEY, "acme", ("user_id", "u1")).hex()
    who = Subject(
        workspace="acme",
        request_id="r",
        profile_id="p-u1",
        subjects=frozenset({subject}),
        kinds=frozenset({"user_id"}),
        profiles=frozenset({"p-u1"}),
        at=clock.now(),
    )
    async with scenario.engine.begin() as tx:
        known = [*(await PRODUCT_EVENTS.page(tx, who, None)).rows]
        known += (await RECOMMENDED.page(tx, who, None)).rows
        assert [one["skus"] for one in known] == [["hat"], ["bag"], ["hat"]]
        for sweep in (privacy.PRODUCT_EVENTS, privacy.RECOMMENDED):
            assert await sweep.count(tx, who) in {1, 2}
            await sweep.page(tx, who, None)
            assert await sweep.count(tx, who) == 0
    assert await rank(scenario.engine) == {"hat": 1}
    assert await scenario.ledger.query("SELECT * FROM campaign.recommended") == []
    # What was said before, and comes after their end, is not kept.
    gone = ProfileActivity(workspace="acme", profile_id="p-u1", version=5, gone=True)
    await scenario.topics.person("p-u1", "a@x.example", user_id="u1", version=4)
    await bring(scenario, gone)
    await bring(scenario, ordered("u1", "hat"))
    assert await rank(scenario.engine) == {"hat": 1}
