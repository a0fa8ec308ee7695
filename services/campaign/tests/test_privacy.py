"""Who is forgotten gets nothing more, queued messages included; the ledger keeps no address."""

from typing import Any

import msgspec
import pytest
from services.campaign.tests.conftest import taken
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.telling import rows_of, tells_nothing

from rapport_campaign.handlers.privacy import eraser
from rapport_campaign.store.access import parts
from rapport_common import clock
from rapport_common.events.envelope import identifier_digest
from rapport_common.events.privacy import EndedProfile, PrivacyRecord
from rapport_common.kafka.batch import Record
from rapport_common.privacy.eraser import Eraser
from rapport_common.privacy.subject import Recogniser, Subject
from rapport_common.testing.credentials import EVENT_KEY

pytestmark = pytest.mark.integration
ADA = "0190a5c0-0000-7000-8000-000000000001"
BEN = "0190a5c0-0000-7000-8000-000000000002"
MAIL = "ada@example.com"


@pytest.fixture
def forgetting(engine: AsyncEngine) -> Eraser:
    """What waits for the relay is not waited for: there is none here."""
    made = eraser(EVENT_KEY)
    made.sweeps = [one for one in made.sweeps if one.table != "campaign.outbox_batch"]
    return made.over(engine)


def wish(version: int = 2) -> PrivacyRecord:
    return PrivacyRecord(
        workspace="acme",
        request_id="0190a5c0-0000-7000-8000-0000000000e1",
        kind="erase",
        profile_id=ADA,
        subjects=[identifier_digest(EVENT_KEY, "acme", ("email", MAIL)).hex()],
        kinds=["email"],
        profiles=[EndedProfile(profile_id=ADA, version=version)],
        at=clock.now(),
    )


async def ask(one: Eraser, engine: AsyncEngine, record: PrivacyRecord) -> None:
    async with engine.begin() as tx:
        await one.on_privacy([Record("privacy", 0, 0, b"", record)], tx)


async def sweep(one: Eraser) -> None:
    while await one.turn():
        pass


async def test_what_is_queued_is_suppressed_and_what_comes_late_is_never_planned(
    scenario: Any, engine: AsyncEngine, forgetting: Eraser
) -> None:
    await scenario.started()
    await scenario.topics.person(ADA, MAIL)
    await scenario.topics.person(BEN, "ben@example.com")
    await scenario.topics.entered(ADA)
    await scenario.topics.entered(BEN)
    await scenario.topics.requested("r1", profile_id=ADA)
    await ask(forgetting, engine, wish())
    await scenario.topics.requested("r2", profile_id=ADA)
    # Told before, read after: history.
    await scenario.topics.person(ADA, MAIL)
    await scenario.topics.entered(ADA)
    async with scenario.sending():
        states = await scenario.settled()
    assert states == {"suppressed": 3, "sent": 1}
    assert [str(one["To"]) for one in scenario.mail_server.mails] == ["ben@example.com"]
    await sweep(forgetting)
    for table in ("message", "content", "person", "objection", "suppression"):
        rows = await scenario.ledger.query(f"SELECT CAST(t AS text) AS row FROM campaign.{table} t")
        assert not [row for row in rows if MAIL in row["row"]], table
    assert (await scenario.client.get("/v1/ledger")).json()["planned_total"] == 4


async def test_what_is_on_its_way_is_uncertain_and_nobody_tells_of_it(
    scenario: Any, engine: AsyncEngine, forgetting: Eraser
) -> None:
    await scenario.topics.person(ADA, MAIL)
    await scenario.topics.requested("r1", profile_id=ADA)
    (planned,) = await scenario.ledger.rows()
    token = "0190a5c0-0000-7000-8000-0000000000f1"
    await taken(engine, token, "now() + interval '1 minute'", MAIL)
    await ask(forgetting, engine, wish())
    (row,) = await scenario.ledger.rows()
    assert (row["state"], row["token"], row["reason"]) == ("uncertain", None, "erased")
    await sweep(forgetting)
    (row,) = await scenario.ledger.rows()
    assert (row["to_address"], row["send_key"]) == (None, planned["send_key"])
    waiting = await scenario.ledger.waiting()
    assert {one.topic for one in waiting} == {"privacy"}, "the receipt, and no Email Sent"


async def test_words_and_links_of_the_person_go(
    scenario: Any, engine: AsyncEngine, forgetting: Eraser
) -> None:
    campaign = await scenario.started()
    async with engine.begin() as tx:
        for number, url in enumerate(("https://a.example/?to=ada%40example.com", "https://a.b/")):
            await tx.exec_driver_sql(
                "INSERT INTO campaign.link (workspace, link_id, campaign_id, url) "
                f"VALUES ('acme', 'l{number}', '{campaign}', '{url}')"
            )
        for address in (MAIL, "ben@example.com"):
            await tx.exec_driver_sql(
                "INSERT INTO campaign.suppression VALUES "
                f"('acme', '{address}', 'promotion', 'unsubscribed by link', now())"
            )
    await ask(forgetting, engine, wish())
    await sweep(forgetting)
    links = await scenario.ledger.query("SELECT url FROM campaign.link")
    left = await scenario.ledger.query("SELECT address FROM campaign.suppression")
    assert ([one["url"] for one in links], [one["address"] for one in left]) == (
        ["https://a.b/"],
        ["ben@example.com"],
    )


PRIVATE = "ada.private@example.org"


async def chosen(scenario: Any, profile_id: str, address: str) -> None:
    """Somebody asks for a link to an address of theirs, or of nobody, and leaves there."""
    body = {"profile_id": profile_id, "address": address, "reason": "to bo@else.example"}
    made = await scenario.client.post("/v1/preference-links", json=body)
    url = made.json()["url"]
    page = (await scenario.client.get(url)).text
    form = page.partition('name="form" value="')[2].partition('"')[0]
    left = await scenario.client.post(url, data={"form": form, "nothing": "1"})
    assert left.status_code == 200, left.text
    headers = {"Idempotency-Key": f"{profile_id}{address}"}
    asked = await scenario.client.post("/v1/opt-ins", json=body, headers=headers)
    assert asked.status_code == 201, asked.text


def asking() -> Subject:
    """Ada, who wants to know what is known of her."""
    return Subject(
        workspace="acme",
        request_id="r",
        profile_id=ADA,
        subjects=frozenset(wish().subjects),
        kinds=frozenset({"email"}),
        profiles=frozenset({ADA}),
        at=clock.now(),
    )


async def contacted(scenario: Any) -> None:
    """Two people have got a mail; both their addresses are on the list, for what staff wrote."""
    for who, mail in ((ADA, MAIL), (BEN, "ben@example.com")):
        await scenario.topics.person(who, mail)
        await scenario.topics.requested(f"r-{who}", profile_id=who, to=mail)
    while await scenario.turn():
        pass
    listed = {
        "addresses": [{"address": MAIL}, {"address": "ben@example.com"}],
        "reason": "as bo@else.example says",
    }
    answer = await scenario.client.post("/v1/suppressions/add", json=listed)
    assert answer.json() == {"changed": 2}


async def test_what_counts_of_them_and_their_place_on_the_list_go(
    scenario: Any, engine: AsyncEngine, forgetting: Eraser
) -> None:
    await contacted(scenario)
    await ask(forgetting, engine, wish())
    await sweep(forgetting)
    contacts = await scenario.ledger.query("SELECT profile_id FROM campaign.contact")
    assert [one["profile_id"] for one in contacts] == [BEN]
    left = await scenario.ledger.query("SELECT address FROM campaign.suppressed_address")
    assert [one["address"] for one in left] == ["ben@example.com"]


async def test_who_asks_is_told_when_they_were_written_to_and_that_it_was_stopped(
    scenario: Any, engine: AsyncEngine
) -> None:
    await contacted(scenario)
    told: dict[str, list[Any]] = {}
    for part in parts(Recogniser(EVENT_KEY)):
        told.setdefault(part.section, []).extend(await rows_of(engine, part, asking(), size=1))
    [contact] = told["campaign.contact"]
    assert (contact["channel"], contact["purpose"]) == ("email", "transactional")
    [listed] = told["campaign.suppressed_address"]
    assert listed["address"] == MAIL
    assert "bo@else.example" not in listed["reason"]


async def test_prices_that_were_said_to_them_are_told_and_go(
    scenario: Any, engine: AsyncEngine, forgetting: Eraser
) -> None:
    """In a mail, and where a till has asked for them."""
    offer = {
        "currency": "EUR",
        "products": [{"sku": "TEA", "price": "10"}],
        "version": 0,
        "reason": "r",
    }
    assert (await scenario.client.put("/v1/offers/summer", json=offer)).status_code == 200
    await scenario.started(html="<p>{{ offer.summer.price }}</p>")
    for who, mail in ((ADA, MAIL), (BEN, "ben@example.com")):
        await scenario.topics.person(who, mail)
        await scenario.topics.entered(who)
        asked = {"profile_id": who, "skus": ["TEA"], "channel": "store"}
        await scenario.client.post("/v1/offers/summer/quotes", json=asked)
    while await scenario.turn():
        pass
    told: dict[str, list[Any]] = {}
    for part in parts(Recogniser(EVENT_KEY)):
        told.setdefault(part.section, []).extend(await rows_of(engine, part, asking(), size=1))
    for section in ("campaign.message_price", "campaign.offer_quote"):
        [row] = told[section]
        [said] = msgspec.json.decode(row["prices"])
        assert said["why"] == "TEA costs its list price, 10.00 EUR: no rule holds."
    await ask(forgetting, engine, wish())
    await sweep(forgetting)
    for table in ("message_price", "offer_quote"):
        left = await scenario.ledger.query(f"SELECT profile_id FROM campaign.{table}")
        assert [one["profile_id"] for one in left] == [BEN], table


async def test_what_was_said_at_an_address_that_nobody_knew_goes_with_the_person(
    scenario: Any, engine: AsyncEngine, forgetting: Eraser
) -> None:
    await scenario.topics.person(ADA, MAIL)
    await chosen(scenario, ADA, PRIVATE)
    await chosen(scenario, BEN, "ben@example.com")
    await ask(forgetting, engine, wish())
    await sweep(forgetting)
    for table in ("preference", "suppression", "opt_in", "preference_link"):
        left = await scenario.ledger.query(f"SELECT address FROM campaign.{table}")
        assert [one["address"] for one in left] == ["ben@example.com"], table


async def test_who_asks_is_told_of_their_addresses_whosever_the_link_was(
    scenario: Any, engine: AsyncEngine
) -> None:
    await scenario.topics.person(ADA, MAIL)
    for profile_id, address in ((ADA, PRIVATE), (BEN, MAIL), (BEN, "ben@example.com")):
        await chosen(scenario, profile_id, address)
    who = asking()
    told: dict[str, list[Any]] = {}
    for part in parts(Recogniser(EVENT_KEY)):
        told.setdefault(part.section, []).extend(await rows_of(engine, part, who, size=1))
    for section in ("preference", "suppression", "opt_in", "preference_link"):
        rows = told[f"campaign.{section}"]
        assert sorted(one["address"] for one in rows) == [PRIVATE, MAIL], section
        assert all(one.get("reason") != "to bo@else.example" for one in rows)
        assert not [one for one in rows if "profile" in one]


async def test_what_is_queued_is_suppressed_for_whose_data_are_only_kept_and_who_objects(
    scenario: Any,
) -> None:
    await scenario.started()
    cyd = "0190a5c0-0000-7000-8000-000000000003"
    for one, address in ((ADA, MAIL), (BEN, "ben@example.com"), (cyd, "cyd@example.com")):
        await scenario.topics.person(one, address)
        await scenario.topics.entered(one)
    await scenario.topics.requested("r1", profile_id=ADA)
    await scenario.topics.requested("r2", profile_id=BEN, to="ben@example.com")
    await scenario.topics.restrained(ADA, "processing")
    await scenario.topics.restrained(BEN, "marketing", "profiling")
    async with scenario.sending():
        states = await scenario.settled()
    assert states == {"suppressed": 3, "sent": 2}
    rows = await scenario.ledger.rows("state = 'suppressed'")
    assert sorted(row["reason"] for row in rows) == [
        "objection to marketing",
        *["processing restricted"] * 2,
    ]
    # What service tells of comes to who objects to promotions only.
    to = sorted(str(one["To"]) for one in scenario.mail_server.mails)
    assert to == ["ben@example.com", "cyd@example.com"]
    await scenario.topics.restrained(ADA, version=3)
    await scenario.topics.entered(ADA)
    async with scenario.sending():
        states = await scenario.settled()
    assert states == {"suppressed": 3, "sent": 3}, "it was lifted"


async def test_what_others_are_refused_stays_though_it_speaks_of_the_person(
    scenario: Any, engine: AsyncEngine, forgetting: Eraser
) -> None:
    """A reason that names somebody is not their row: or another would be written to again."""
    listed = {
        "addresses": [{"address": "ben@example.com"}],
        "reason": f"Asked through {MAIL}, his mother.",
    }
    made = await scenario.client.post("/v1/suppressions/add", json=listed)
    assert made.status_code == 200, made.text
    await ask(forgetting, engine, wish())
    await sweep(forgetting)
    rows = await scenario.ledger.query("SELECT address, reason FROM campaign.suppressed_address")
    assert [tuple(one.values()) for one in rows] == [
        ("ben@example.com", "Asked through [erased], his mother.")
    ]


async def test_all_parts_of_what_is_told_can_be_read_page_by_page(engine: AsyncEngine) -> None:
    assert await tells_nothing(engine, parts(Recogniser(EVENT_KEY)))
