"""Sender domains by API, over real DNS packets and Postgres; mails of a verified one are signed."""

import asyncio
import email
import re
from dataclasses import replace
from typing import Any

import dkim
import pytest
from services.campaign.tests.conftest import make_sender, quick_settings
from services.campaign.tests.dns_server import Dns
from sqlalchemy import text
from tests.support.waiting import HANG_SECONDS, between_looks

from rapport_campaign.domain.signing_keys import SigningKeys
from rapport_campaign.handlers.signing import FRESH_SECONDS, SEAL_SECONDS, Signer
from rapport_campaign.render.compose import Mail
from rapport_campaign.resolving import Resolver, UnansweredError
from rapport_common.testing.credentials import SIGNING_KEYS_KEY

pytestmark = pytest.mark.integration
PATH = "/v1/sender-domains"
KEYS = SigningKeys((SIGNING_KEYS_KEY,))
LETTER = Mail(
    "hello@shop.example",
    "ada@example.com",
    b"From: hello@shop.example\r\nTo: ada@example.com\r\nSubject: x\r\n\r\nHi\r\n",
)


async def added(client: Any, domain: str = "shop.example") -> dict[str, Any]:
    answer = await client.post(PATH, json={"domain": domain})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def check(client: Any, domain: str = "shop.example") -> dict[str, Any]:
    answer = await client.post(f"{PATH}/{domain}/check")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def keys_of(shown: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in shown["records"] if one["purpose"] == "dkim"]


def of(shown: dict[str, Any], purpose: str) -> dict[str, Any]:
    [found] = [one for one in shown["records"] if one["purpose"] == purpose]
    return dict(found)


async def verified(scenario: Any, domain: str = "shop.example", client: Any = None) -> Any:
    client = client or scenario.client
    scenario.dns.publish(*keys_of(await added(client, domain)))
    shown = await check(client, domain)
    assert shown["state"] == "verified", shown
    return shown


class Ticks:
    """Seconds that a test lets pass."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def signs(scenario: Any, signer: Signer, workspace: str = "acme", mail: Mail = LETTER) -> str:
    """By which selectors a signer signs; empty when it does not."""
    async with scenario.engine.begin() as tx:
        await signer.learn(tx, [workspace])
    head = signer.signed(workspace, mail).data.decode()
    return " ".join(re.findall(r" s=([^;]+);", head))


def checks_out(raw: bytes, dns: Dns) -> list[bool]:
    """What dkimpy says of each signature by what is published."""

    def published(name: bytes, **_: object) -> bytes:
        [strings] = dns.texts[name.decode().rstrip(".")]
        return "".join(strings).encode()

    number = len(email.message_from_bytes(raw).get_all("DKIM-Signature", []))
    return [dkim.DKIM(raw).verify(idx=at, dnsfunc=published) for at in range(number)]


async def test_a_domain_is_added_published_and_verified(scenario: Any) -> None:
    shown = await added(scenario.client, "Shöp.example")
    assert (shown["domain"], shown["shown"]) == ("xn--shp-tna.example", "shöp.example")
    assert (shown["state"], shown["created_by"], shown["checked_at"]) == ("unchecked", "ada", None)
    rsa, ed25519 = sorted(keys_of(shown), key=lambda one: not one["required"])
    assert (rsa["algorithm"], rsa["required"], rsa["key"]) == ("rsa", True, "waiting")
    assert (ed25519["algorithm"], ed25519["required"]) == ("ed25519", False)
    assert rsa["name"].endswith("._domainkey.xn--shp-tna.example")
    assert rsa["value"].startswith("v=DKIM1; k=rsa; p=MIIBI")
    assert [len(part) for part in rsa["strings"]] == [255, len(rsa["value"]) - 255]
    assert of(shown, "spf")["value"] == "v=spf1 include:_spf.mail.example ~all"

    failed = await check(scenario.client, "shöp.example")
    assert (failed["state"], failed["verified_at"]) == ("failed", None)
    assert "no TXT record" in failed["reason"]
    scenario.dns.publish(rsa)
    scenario.dns.texts["_dmarc.xn--shp-tna.example"] = [["v=DMARC1; p=none"]]
    scenario.dns.texts["xn--shp-tna.example"] = [["v=spf1 -all"], ["something else"]]
    done = await check(scenario.client, "XN--SHP-TNA.example")
    assert (done["state"], done["reason"]) == ("verified", None)
    assert {one["algorithm"]: one["key"] for one in keys_of(done)} == {
        "rsa": "active",
        "ed25519": "waiting",
    }
    assert (of(done, "dmarc")["state"], of(done, "spf")["state"]) == ("found", "wrong")
    assert "include:_spf.mail.example" in of(done, "spf")["advice"]
    assert (await scenario.client.get(f"{PATH}/shöp.example")).json() == done
    assert (await scenario.client.get(PATH)).json() == {"items": [done], "next": None}


async def test_what_dns_says_is_told(scenario: Any) -> None:
    rsa, ed25519 = sorted(keys_of(await added(scenario.client)), key=lambda one: -len(one["value"]))
    # A name that leads to another one counts by what is there; a record that is cut does not.
    scenario.dns.aliases[ed25519["name"]] = "keys.host.example"
    scenario.dns.texts["keys.host.example"] = [ed25519["strings"]]
    scenario.dns.texts[rsa["name"]] = [rsa["strings"][:1]]
    shown = await check(scenario.client)
    assert shown["state"] == "failed"
    assert "It is cut" in shown["reason"]
    by_kind = {one["algorithm"]: one for one in keys_of(shown)}
    assert by_kind["rsa"]["found"] == rsa["strings"][:1]
    assert by_kind["ed25519"]["key"] == "active"
    scenario.dns.publish(rsa)
    assert (await check(scenario.client))["state"] == "verified"
    # DNS that fails changes nothing.
    scenario.dns.failing.add(rsa["name"])
    away = await check(scenario.client)
    assert away["state"] == "verified"
    assert [one["state"] for one in keys_of(away) if one["required"]] == ["unanswered"]
    # A record that is gone does.
    scenario.dns.failing.clear()
    scenario.dns.texts.pop(rsa["name"])
    assert (await check(scenario.client))["state"] == "failed"


async def test_a_resolver_that_is_silent_is_no_error(dns: Dns) -> None:
    dns.silent.add("shop.example")
    with pytest.raises(UnansweredError, match="none within"):
        await Resolver((("127.0.0.1", dns.port),), seconds=0.05).texts("shop.example")


async def test_mails_of_a_verified_domain_are_signed_by_both_keys(scenario: Any) -> None:
    await verified(scenario)
    campaign = await scenario.started()
    await scenario.topics.person("p1", "ada@example.com", first_name="阿达 🎉")
    await scenario.topics.entered("p1")
    test = {"to": "eve@example.com"}
    await scenario.client.post(f"/v1/campaigns/{campaign}/test", json=test)
    async with scenario.sending():
        assert await scenario.settled() == {"sent": 2}
    raws = [one.as_bytes() for one in scenario.mail_server.mails]
    assert len(raws) == 2
    for one in scenario.mail_server.mails:
        signatures = one.get_all("DKIM-Signature")
        assert [re.findall(r"a=(\w+)-sha256", each)[0] for each in signatures] == ["rsa", "ed25519"]
        assert all("list-unsubscribe-post:list-unsubscribe-post" in _flat(s) for s in signatures)


async def test_what_the_server_gets_is_what_was_signed(scenario: Any) -> None:
    """Each byte, from lines that begin with a dot to letters of all kinds."""
    await verified(scenario)
    raw: list[bytes] = []
    taken = scenario.mail_server.handle_DATA

    async def noted(server: Any, session: Any, envelope: Any) -> Any:
        raw.append(envelope.content)
        return await taken(server, session, envelope)

    scenario.mail_server.handle_DATA = noted
    await scenario.started(
        from_address="Shop <news@eu.shop.example>",
        subject="你好 {{ profile.traits.first_name }}",
        text=".\n..\n.dot {{ profile.traits.first_name }} \t\n\n\n",
    )
    await scenario.topics.person("p1", "ada@example.com", first_name="🎉" * 40)
    await scenario.topics.entered("p1")
    async with scenario.sending():
        assert await scenario.settled() == {"sent": 1}
    assert [checks_out(one, scenario.dns) for one in raw] == [[True, True]]
    assert b" d=shop.example;" in raw[0]


async def test_others_go_unsigned(scenario: Any) -> None:
    """Another domain, one that failed, and one that only another workspace has verified."""
    await added(scenario.client)
    async with scenario.client_of("other") as other:
        await verified(scenario, client=other)
    await scenario.started()
    await scenario.topics.person("p1", "ada@example.com")
    await scenario.topics.entered("p1")
    async with scenario.sending():
        assert await scenario.settled() == {"sent": 1}
    [mail] = scenario.mail_server.mails
    assert mail["DKIM-Signature"] is None
    signer = Signer(KEYS)
    elsewhere = replace(LETTER, sender="hello@else.example")
    returning = replace(LETTER, sender="b+x@bounces.example", author="hello@shop.example")
    assert await signs(scenario, signer) == ""
    assert await signs(scenario, signer, "other", elsewhere) == ""
    assert len((await signs(scenario, signer, "other", returning)).split()) == 2
    assert len((await signs(scenario, signer, "other")).split()) == 2


async def test_each_change_is_heeded_within_seconds(scenario: Any) -> None:
    """A replica that knows the keys of before looks again; a key that ended is never used then."""
    ticks = Ticks()
    signer = Signer(KEYS, ticks)
    assert await signs(scenario, signer) == ""
    first = await verified(scenario)
    assert await signs(scenario, signer) == "", "it has just looked"
    ticks.now += FRESH_SECONDS
    old = await signs(scenario, signer)
    assert {*old.split()} == {one["name"].split(".")[0] for one in keys_of(first)}

    rotated = (await scenario.client.post(f"{PATH}/shop.example/rotate")).json()
    assert (await scenario.client.post(f"{PATH}/shop.example/rotate")).json() == rotated
    assert len(keys_of(rotated)) == 4
    await check(scenario.client)
    ticks.now += FRESH_SECONDS
    assert await signs(scenario, signer) == old, "the new ones are not published"
    scenario.dns.publish(*(one for one in keys_of(rotated) if one["key"] == "waiting"))
    done = await check(scenario.client)
    assert [one["key"] for one in keys_of(done)] == ["active", "active", "former", "former"]
    assert all(one["until_at"] for one in keys_of(done) if one["key"] == "former")
    ticks.now += FRESH_SECONDS
    new = await signs(scenario, signer)
    assert new
    assert not {*new.split()} & {*old.split()}
    kept = await scenario.ledger.query(
        "SELECT private FROM campaign.sender_key WHERE state = 'former'"
    )
    assert kept == [{"private": None}] * 2

    assert (await scenario.client.delete(f"{PATH}/shop.example")).status_code == 204
    ticks.now += FRESH_SECONDS
    assert await signs(scenario, signer) == ""
    assert await scenario.ledger.query("SELECT * FROM campaign.sender_key") == []


async def test_a_retry_is_signed_once(scenario: Any) -> None:
    """A mail that is refused for now is composed and signed anew."""
    await verified(scenario)
    await scenario.started()
    scenario.mail_server.later_replies = 1
    await scenario.topics.person("p1", "later@example.com")
    await scenario.topics.entered("p1")
    async with scenario.sending():
        assert await scenario.settled() == {"sent": 1}
    [mail] = scenario.mail_server.mails
    assert len(mail.get_all("DKIM-Signature")) == 2


async def test_keys_are_kept_sealed_and_sealed_anew(scenario: Any) -> None:
    await verified(scenario)
    rows = await scenario.ledger.query("SELECT * FROM campaign.sender_key")
    assert all(row["private"].startswith(KEYS.prefix) for row in rows)
    ticks = Ticks()
    both = SigningKeys((b"n" * 32, SIGNING_KEYS_KEY))
    signer, later = Signer(both, ticks), SigningKeys((b"n" * 32,))
    assert await signs(scenario, Signer(later)) == "", "its key is not there"
    async with scenario.engine.begin() as tx:
        assert await Signer(later).seal_anew(tx) == 0
        assert await signer.seal_anew(tx) == 2
        assert await signer.seal_anew(tx) == 0
    assert len((await signs(scenario, Signer(later))).split()) == 2
    # It looks once a minute.
    async with scenario.engine.begin() as tx:
        for row in rows:
            as_before = (
                "UPDATE campaign.sender_key SET private = :private WHERE selector = :selector"
            )
            await tx.execute(text(as_before), {one: row[one] for one in ("private", "selector")})
        assert await signer.seal_anew(tx) == 0
        ticks.now += SEAL_SECONDS
        assert await signer.seal_anew(tx) == 2
    # A key that was moved to another domain opens nothing.
    async with scenario.engine.begin() as tx:
        await tx.execute(text("UPDATE campaign.sender_key SET selector = selector || 'x'"))
    assert await signs(scenario, Signer(later)) == ""


async def test_a_sender_seals_anew_by_itself(scenario: Any, renderer: Any) -> None:
    await verified(scenario)
    newer = f"{'ab' * 32},{SIGNING_KEYS_KEY.hex()}"
    settings = quick_settings(scenario.mail_server.port, signing_keys=newer)
    sender = make_sender(scenario.engine, settings, renderer)
    stop = asyncio.Event()
    task = asyncio.create_task(sender.run(stop))
    prefix = settings.secret_keys().prefix
    counted = f"SELECT count(*) FROM campaign.sender_key WHERE private LIKE '{prefix}%'"
    async with asyncio.timeout(HANG_SECONDS):
        while (await scenario.ledger.query(counted))[0]["count"] < 2:
            await between_looks()
    stop.set()
    await task


async def test_a_workspace_has_its_own_domains(scenario: Any) -> None:
    mine = await verified(scenario)
    async with scenario.client_of("other") as other:
        for method, path in (
            ("GET", ""),
            ("POST", "/check"),
            ("POST", "/rotate"),
            ("DELETE", ""),
        ):
            answer = await other.request(method, f"{PATH}/shop.example{path}")
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert (await other.get(PATH)).json()["items"] == []
        # It may have the same one, with keys of its own, which nobody has published.
        theirs = await added(other)
        assert not {one["name"] for one in keys_of(theirs)} & {one["name"] for one in keys_of(mine)}
        assert (await check(other))["state"] == "failed"
        assert (await other.delete(f"{PATH}/shop.example")).status_code == 204
    assert (await scenario.client.get(f"{PATH}/shop.example")).json() == mine


async def test_who_may_do_what(scenario: Any) -> None:
    await added(scenario.client)
    paths = [
        ("POST", PATH),
        ("POST", f"{PATH}/shop.example/check"),
        ("DELETE", f"{PATH}/shop.example"),
    ]
    async with scenario.client_of("acme", ("campaigns:read",)) as reader:
        for method, path in paths:
            answer = await reader.request(method, path, json={"domain": "x.example"})
            assert answer.status_code == 403, path
        assert (await reader.get(f"{PATH}/shop.example")).status_code == 200
    async with scenario.client_of() as page:
        page.headers.pop("Authorization")
        for method, path in [*paths, ("GET", PATH), ("GET", f"{PATH}/shop.example")]:
            answer = await page.request(method, path, auth=("rk_a-write-key-of-a-page", ""))
            assert answer.status_code == 401, path


async def test_bad_input_is_told(scenario: Any) -> None:
    client = scenario.client
    for wrong in ("", "shop", "a@shop.example", "127.0.0.1", "x\0.example", 7, None, ["a.example"]):
        answer = await client.post(PATH, json={"domain": wrong})
        assert answer.status_code == 422, wrong
    await added(client)
    again = await client.post(PATH, json={"domain": "SHOP.example."})
    assert (again.status_code, again.json()["details"]) == (409, {"domain": "shop.example"})
    for path in ("none.example", "%00", "a%FFb", "x" * 1100, "*"):
        assert (await client.get(f"{PATH}/{path}")).status_code in {404, 422}, path
    answer = await client.get(PATH, params={"cursor": "x"})
    assert answer.status_code == 422


async def test_domains_come_in_pages_and_so_many_at_most(
    scenario: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rapport_campaign.handlers.sender_domains.MOST_DOMAINS", 3)
    for name in ("c.example", "a.example", "b.example"):
        await added(scenario.client, name)
    full = await scenario.client.post(PATH, json={"domain": "d.example"})
    assert (full.status_code, full.json()["details"]) == (422, {"limit": 3})
    first = (await scenario.client.get(PATH, params={"limit": 2})).json()
    assert [one["domain"] for one in first["items"]] == ["a.example", "b.example"]
    rest = (await scenario.client.get(PATH, params={"cursor": first["next"]})).json()
    assert [one["domain"] for one in rest["items"]] == ["c.example"]
    assert rest["next"] is None


def _flat(text: str) -> str:
    return re.sub(r"\s", "", text)
