"""Accounts with providers by API, over servers that speak as Twilio and others do."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from services.campaign.tests.vendors.chatting import Receiver
from services.campaign.tests.vendors.server import Answer, Mood
from services.campaign.tests.vendors.texting import SID, Twilio
from sqlalchemy import text

from rapport_campaign.domain.breaker import PATIENCE, PROBE_SECONDS
from rapport_campaign.domain.parcels import Parcel, Text
from rapport_campaign.domain.provider_keys import ProviderKeys
from rapport_campaign.handlers.carrying import Carried, Carriers
from rapport_campaign.handlers.providers import Keeper
from rapport_common import clock
from rapport_common.testing.credentials import SIGNING_KEYS_KEY

pytestmark = pytest.mark.integration
PATH = "/v1/provider-accounts"


@pytest.fixture
async def twilio() -> AsyncIterator[Twilio]:
    server = Twilio()
    await server.start()
    yield server
    await server.stop()


def body(server: Any, name: str = "Twilio", **more: Any) -> dict[str, Any]:
    settings, secrets = server.account()
    return {
        "name": name,
        "vendor": server.name,
        "settings": settings,
        "secrets": secrets,
        "currency": "EUR",
        "prices": [{"prefix": "", "amount": "0.1"}, {"prefix": "49", "amount": "0.07"}],
        **more,
    }


async def added(client: Any, server: Any, name: str = "Twilio", **more: Any) -> dict[str, Any]:
    answer = await client.post(PATH, json=body(server, name, **more))
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def change(client: Any, one: dict[str, Any], **changes: Any) -> dict[str, Any]:
    path = f"{PATH}/{one['id']}"
    answer = await client.patch(path, json={"version": one["version"], **changes})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


class Watch:
    """The clock of a test, which goes on only when it is told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def go_on(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    one = Watch()
    monkeypatch.setattr(clock, "now", one)
    return one


class Sending:
    """Sends texts as a sender would: asks who may, hands over, writes down."""

    def __init__(self, engine: Any, carriers: Carriers) -> None:
        self._engine = engine
        self._carriers = carriers
        self._number = 0

    async def send(self, wanted: int) -> list[Carried]:
        async with self._engine.begin() as tx:
            admission = await self._carriers.admit(tx, "acme", "sms", None, wanted)
        jobs = []
        for account, count in admission.granted:
            for _ in range(count):
                self._number += 1
                parcel = Parcel(f"m{self._number}", "+4915112345678", Text("Hello"))
                jobs.append(self._carriers.carry(account, parcel))
        carried = list(await asyncio.gather(*jobs))
        async with self._engine.begin() as tx:
            await self._carriers.note(tx, carried)
        return carried

    async def names(self, wanted: int) -> list[str]:
        return sorted(one.account.name for one in await self.send(wanted))


@pytest.fixture
def sender(engine: Any, carriers: Carriers) -> Sending:
    return Sending(engine, carriers)


async def test_an_account_is_added_checked_and_tried(scenario: Any, twilio: Twilio) -> None:
    client = scenario.client
    one = await added(client, twilio)
    assert (one["channel"], one["version"], one["state"]) == ("sms", 1, "active")
    assert one["secrets"] == ["auth_token"]
    assert one["settings"]["account_sid"] == SID
    assert one["standing"]["state"] == "working"
    assert one["check"] is None
    checked = (await client.post(f"{PATH}/{one['id']}/check")).json()
    assert checked["check"]["result"] == "works"
    trial = {"to": "+4915112345678", "content": {"text": "Grüße €" * 30}}
    tried = (await client.post(f"{PATH}/{one['id']}/test", json=trial)).json()
    assert (tried["result"], tried["segments"], tried["cost"]) == ("sent", 2, "0.14")
    assert twilio.taken == [("+4915112345678", "Grüße €" * 30)]
    [row] = await scenario.ledger.query("SELECT * FROM campaign.delivery")
    assert (row["vendor"], row["provider_id"], row["segments"]) == ("twilio", "twilio-1", 2)
    assert (str(row["cost"]), row["currency"]) == ("0.140000", "EUR")
    shown = (await client.get(f"{PATH}/{one['id']}")).json()
    assert shown["standing"]["used_today"] == 1
    assert (await client.get(PATH)).json() == {"items": [shown], "next": None}


async def test_secrets_are_sealed_and_nowhere_shown(scenario: Any, twilio: Twilio) -> None:
    client = scenario.client
    one = await added(client, twilio)
    secret = twilio.account()[1]["auth_token"]
    everything = [await client.get(PATH), await client.get(f"{PATH}/{one['id']}")]
    changed = await change(client, one, secrets={"auth_token": "c" * 32})
    assert all(secret not in answer.text for answer in everything)
    assert "c" * 32 not in str(changed)
    [row] = await scenario.ledger.query("SELECT * FROM campaign.provider_account")
    assert secret not in str(row)
    assert row["secrets"].startswith(ProviderKeys((SIGNING_KEYS_KEY,)).prefix)
    # A wrong one is told without it, too.
    bad = body(twilio, "Other", secrets={"auth_token": "with blanks, and words"})
    answer = await client.post(PATH, json=bad)
    assert answer.status_code == 422
    assert "with blanks" not in answer.text


async def test_wrong_credentials_are_told_and_mended(
    scenario: Any, twilio: Twilio, watch: Watch, sender: Sending
) -> None:
    client = scenario.client
    one = await added(client, twilio, secrets=twilio.wrong())
    checked = (await client.post(f"{PATH}/{one['id']}/check")).json()
    assert checked["check"]["result"] == "refused"
    assert "20003" in checked["check"]["reason"]
    [carried] = await sender.send(1)
    assert (carried.outcome.result, carried.outcome.fault) == ("released", "account")
    shown = (await client.get(f"{PATH}/{one['id']}")).json()["standing"]
    assert (shown["state"], shown["used_today"]) == ("left_alone", 0)
    assert "20003" in shown["reason"]
    assert shown["until_at"]
    assert await sender.send(5) == []
    await change(client, one, secrets=twilio.account()[1])
    assert [one.outcome.result for one in await sender.send(5)] == ["sent"] * 5


async def test_a_change_is_of_what_was_seen(scenario: Any, twilio: Twilio) -> None:
    client = scenario.client
    one = await added(client, twilio)
    changed = await change(client, one, per_second=3, settings={"from": "Shop"})
    assert (changed["version"], changed["per_second"], changed["burst"]) == (2, 3, 10)
    assert changed["settings"] == {**one["settings"], "from": "Shop"}
    stale = await client.patch(f"{PATH}/{one['id']}", json={"version": 1, "state": "paused"})
    assert (stale.status_code, stale.json()["details"]) == (409, {"version": 2})
    warmed = await change(
        client,
        changed,
        warmup={"starts_on": "2026-03-01", "first": 50, "growth": 2, "enough": 1000},
    )
    assert warmed["warmup"]["first"] == 50
    assert (await change(client, warmed, warmup=None))["warmup"] is None
    again = await client.post(PATH, json=body(twilio))
    assert (again.status_code, again.json()["details"]) == (409, {"id": one["id"]})
    other = await added(client, twilio, "Other")
    renamed = await client.patch(f"{PATH}/{other['id']}", json={"version": 1, "name": "Twilio"})
    assert renamed.status_code == 409
    assert (await client.delete(f"{PATH}/{one['id']}")).status_code == 204
    assert (await client.get(f"{PATH}/{one['id']}")).status_code == 404
    assert len(await scenario.ledger.query("SELECT * FROM campaign.provider_standing")) == 1


BAD: tuple[tuple[dict[str, Any], str], ...] = (
    ({"settings": {}}, "settings.account_sid"),
    ({"settings": {"account_sid": SID, "from": "x", "more": "y"}}, "settings.more"),
    ({"secrets": {}}, "secrets.auth_token"),
    ({"vendor": "pigeon"}, "vendor"),
    ({"per_second": 0}, "per_second"),
    ({"prices": [{"prefix": "+49", "amount": "1"}]}, "prices"),
    ({"currency": "euro"}, "currency"),
    (
        {"settings": {"account_sid": SID, "from": "x", "base_url": "http://10.0.0.1"}},
        "base_url",
    ),
    ({"settings": {"account_sid": SID, "from": "x", "base_url": "http://a.example"}}, "https"),
    ({"name": "a\0b"}, "name"),
    ({"secrets": {"auth_token": "\0"}}, "secrets"),
)


async def test_bad_input_is_told(scenario: Any, twilio: Twilio) -> None:
    for changes, path in BAD:
        answer = await scenario.client.post(PATH, json={**body(twilio), **changes})
        assert answer.status_code == 422, answer.text
        assert path in answer.text


async def test_a_trial_lacks_something(scenario: Any, twilio: Twilio) -> None:
    one = await added(scenario.client, twilio)
    for content in ({}, {"title": "x"}, {"text": " "}, {"language": "1"}, {"url": "ftp://x"}):
        trial = {"to": "+49", "content": content}
        answer = await scenario.client.post(f"{PATH}/{one['id']}/test", json=trial)
        assert answer.status_code == 422, content
    assert twilio.taken == []


async def test_each_channel_is_tried_by_its_own_content(scenario: Any) -> None:
    receiver = Receiver()
    await receiver.start()
    one = await added(scenario.client, receiver, "CRM")
    trial = {"to": "p1", "content": {"type": "order.shipped", "parameters": {"order": "7"}}}
    tried = (await scenario.client.post(f"{PATH}/{one['id']}/test", json=trial)).json()
    assert tried["result"] == "sent"
    assert receiver.taken == [("p1", '{"order": "7"}')]
    receiver.moods.append(Mood(Answer(410)))
    gone = (await scenario.client.post(f"{PATH}/{one['id']}/test", json=trial)).json()
    assert (gone["result"], gone["fault"]) == ("released", "account")
    await receiver.stop()


async def test_the_next_one_takes_over_while_the_first_is_away(
    scenario: Any, twilio: Twilio, watch: Watch, sender: Sending
) -> None:
    spare = Twilio()
    await spare.start()
    await added(scenario.client, twilio, "First", priority=1)
    await added(scenario.client, spare, "Spare", priority=2)
    assert await sender.names(3) == ["First"] * 3
    twilio.moods.extend(Mood(Answer(503)) for _ in range(PATIENCE + 1))
    watch.go_on(10)
    assert await sender.names(PATIENCE) == ["First"] * PATIENCE
    assert await sender.names(3) == ["Spare"] * 3
    # One message asks, the others go on by the spare one.
    watch.go_on(10)
    assert await sender.names(3) == ["First", "Spare", "Spare"]
    watch.go_on(7)
    assert await sender.names(2) == ["Spare"] * 2, "it is still away, for twice as long"
    watch.go_on(10)
    assert await sender.names(2) == ["First", "Spare"]
    assert await sender.names(2) == ["First"] * 2, "it is back"
    await spare.stop()


async def test_two_processes_share_one_pace(
    scenario: Any, twilio: Twilio, watch: Watch, engine: Any, carriers: Carriers
) -> None:
    await added(scenario.client, twilio, per_second=2, burst=4)
    both = [Sending(engine, carriers) for _ in range(2)]
    sent = await asyncio.gather(*(one.send(10) for one in both))
    assert sum(map(len, sent)) == 4
    async with engine.begin() as tx:
        waiting = await carriers.admit(tx, "acme", "sms", None, 1)
    assert (waiting.granted, waiting.wait, waiting.reason) == ([], 0.5, "the account's pace")
    watch.go_on(1)
    sent = await asyncio.gather(*(one.send(10) for one in both))
    assert sum(map(len, sent)) == 2


async def test_a_pace_is_no_reason_to_take_a_dearer_one(
    scenario: Any, twilio: Twilio, watch: Watch, sender: Sending
) -> None:
    await added(scenario.client, twilio, "First", priority=1, per_second=1, burst=2)
    await added(scenario.client, twilio, "Second", priority=2)
    assert await sender.names(5) == ["First"] * 2
    assert await sender.names(5) == []
    # Two of one priority share what there is.
    await added(scenario.client, twilio, "Beside", priority=1, per_second=1, burst=1)
    watch.go_on(60)
    assert await sender.names(5) == ["Beside", "First", "First"]


async def test_a_new_account_is_warmed_up(
    scenario: Any, twilio: Twilio, watch: Watch, sender: Sending
) -> None:
    warmup = {"starts_on": str(date(2026, 3, 1)), "first": 3, "growth": 2, "enough": 100}
    one = await added(scenario.client, twilio, warmup=warmup)
    assert len(await sender.send(10)) == 3
    watch.go_on(3600)
    assert await sender.send(10) == []
    shown = (await scenario.client.get(f"{PATH}/{one['id']}")).json()["standing"]
    assert (shown["used_today"], shown["allowed_today"]) == (3, 3)
    watch.go_on(86_400)
    assert len(await sender.send(10)) == 6


async def test_a_paused_account_sends_nothing_and_without_one_all_waits(
    scenario: Any, twilio: Twilio, sender: Sending, engine: Any, carriers: Carriers
) -> None:
    one = await added(scenario.client, twilio)
    paused = await change(scenario.client, one, state="paused")
    assert paused["standing"]["state"] == "paused"
    async with engine.begin() as tx:
        nobody = await carriers.admit(tx, "acme", "sms", None, 1)
        elsewhere = await carriers.admit(tx, "other", "sms", None, 1)
    assert nobody.granted == elsewhere.granted == ()
    assert "no account" in str(nobody.reason)
    await change(scenario.client, paused, state="active")
    assert len(await sender.send(1)) == 1


async def test_a_probe_of_a_process_that_died_is_forgotten(
    scenario: Any, twilio: Twilio, watch: Watch, sender: Sending, carriers: Carriers
) -> None:
    engine = scenario.engine
    await added(scenario.client, twilio)
    twilio.moods.extend(Mood(Answer(503)) for _ in range(PATIENCE))
    await sender.send(PATIENCE)
    watch.go_on(10)
    async with engine.begin() as tx:
        [(_, count)] = (await carriers.admit(tx, "acme", "sms", None, 5)).granted
    assert count == 1
    assert await sender.send(5) == []
    watch.go_on(PROBE_SECONDS)
    assert len(await sender.send(5)) == 1
    assert len(await sender.send(5)) == 5


async def test_secrets_are_sealed_anew_and_lost_ones_are_told(
    scenario: Any, twilio: Twilio, engine: Any, carriers: Carriers
) -> None:
    one = await added(scenario.client, twilio)
    newer = Carriers(carriers.http, ProviderKeys((b"n" * 32, SIGNING_KEYS_KEY)))
    lost = Carriers(carriers.http, ProviderKeys((b"x" * 32,)))
    async with engine.begin() as tx:
        assert await Keeper(engine, lost).turn(tx) == 0
        assert await Keeper(engine, newer).turn(tx) == 1
        assert await Keeper(engine, newer).turn(tx) == 0
    only = Carriers(carriers.http, ProviderKeys((b"n" * 32,)))
    assert len(await Sending(engine, only).send(1)) == 1
    [gone] = await Sending(engine, lost).send(1)
    assert (gone.outcome.result, gone.outcome.fault) == ("released", "account")
    assert "key that is not there" in str(gone.outcome.reason)
    # Moved to another account they open nothing.
    async with engine.begin() as tx:
        moved = "UPDATE campaign.provider_account SET account_id = gen_random_uuid()"
        await tx.execute(text("DELETE FROM campaign.provider_standing"))
        await tx.execute(text(moved))
        await tx.execute(
            text(
                "INSERT INTO campaign.provider_standing (workspace, account_id) "
                "SELECT workspace, account_id FROM campaign.provider_account"
            )
        )
    [moved_one] = await Sending(engine, only).send(1)
    assert moved_one.outcome.fault == "account"
    assert (await scenario.client.get(f"{PATH}/{one['id']}")).status_code == 404


async def test_a_workspace_has_its_own_accounts(scenario: Any, twilio: Twilio) -> None:
    one = await added(scenario.client, twilio)
    async with scenario.client_of("other") as other:
        for method, path, sent in (
            ("GET", "", None),
            ("PATCH", "", {"version": 1}),
            ("DELETE", "", None),
            ("POST", "/check", None),
            ("POST", "/test", {"to": "+49", "content": {"text": "x"}}),
        ):
            answer = await other.request(method, f"{PATH}/{one['id']}{path}", json=sent)
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path
        preview = {"text": "x", "account_id": one["id"]}
        assert (await other.post("/v1/sms/preview", json=preview)).status_code == 404
        assert (await other.get(PATH)).json()["items"] == []
    async with scenario.client_of("acme", ("campaigns:read",)) as reader:
        for method, path, sent in (
            ("POST", "", body(twilio, "x")),
            ("PATCH", f"/{one['id']}", {"version": 1}),
            ("DELETE", f"/{one['id']}", None),
            ("POST", f"/{one['id']}/check", None),
            ("POST", f"/{one['id']}/test", {"to": "+49", "content": {"text": "x"}}),
        ):
            answer = await reader.request(method, f"{PATH}{path}", json=sent)
            assert answer.status_code == 403, path
        assert (await reader.get(f"{PATH}/{one['id']}")).status_code == 200
    for strange in ("x", "%00", "x" * 101):
        assert (await scenario.client.get(f"{PATH}/{strange}")).status_code in {404, 422}


async def test_so_many_at_most_and_in_pages(
    scenario: Any, twilio: Twilio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rapport_campaign.handlers.providers.MOST_ACCOUNTS", 3)
    for name in ("c", "a", "b"):
        await added(scenario.client, twilio, name)
    full = await scenario.client.post(PATH, json=body(twilio, "d"))
    assert (full.status_code, full.json()["details"]) == (422, {"limit": 3})
    first = (await scenario.client.get(PATH, params={"limit": 2})).json()
    assert [one["name"] for one in first["items"]] == ["a", "b"]
    rest = (await scenario.client.get(PATH, params={"cursor": first["next"]})).json()
    assert [one["name"] for one in rest["items"]] == ["c"]


async def test_what_vendors_ask_for(scenario: Any) -> None:
    found = (await scenario.client.get("/v1/vendors")).json()["items"]
    assert [one["name"] for one in found] == sorted(one["name"] for one in found)
    assert len(found) == 9
    [fcm] = [one for one in found if one["name"] == "fcm"]
    assert [one["name"] for one in fcm["secrets"]] == ["private_key"]
    assert {one["name"]: one["required"] for one in fcm["settings"]}["project_id"] is True


async def test_a_text_is_shown_before_it_is_sent(scenario: Any, twilio: Twilio) -> None:
    one = await added(scenario.client, twilio)
    wanted = {"text": "Sale – today" * 10, "to": "+4915112345678", "account_id": one["id"]}
    shown = (await scenario.client.post("/v1/sms/preview", json=wanted)).json()
    assert shown == {
        "encoding": "ucs2",
        "units": 120,
        "room": 134,
        "segments": 2,
        "forcing": ["–"],
        "segments_without": 1,
        "cost": "0.14",
        "currency": "EUR",
    }
    plain = (await scenario.client.post("/v1/sms/preview", json={"text": "Hi"})).json()
    assert (plain["segments"], plain["cost"], plain["currency"]) == (1, None, None)
