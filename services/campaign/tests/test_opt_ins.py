"""Double opt-in through a real mail server: asked, one mail, confirmed once by its link alone."""

import asyncio
import re
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from rapport_common import clock
from rapport_common.events.activity import ContactPoint
from rapport_common.events.envelope import Event

pytestmark = pytest.mark.integration
ADA = "ada@example.com"
BODY = {"profile_id": "p1", "address": ADA, "reason": "signed up in the shop"}


async def asked(scenario: Any, key: str = "k", **more: Any) -> dict[str, Any]:
    answer = await scenario.client.post(
        "/v1/opt-ins", json={**BODY, **more}, headers={"Idempotency-Key": key}
    )
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def mailed(scenario: Any) -> str:
    """The link of the last mail."""
    async with scenario.sending():
        await scenario.settled()
    body = scenario.mail_server.mails[-1].get_body(("html",)).get_content()
    (url,) = re.findall(r'href="(https://[^"]+/d/[^"]+)"', body)
    return str(url)


async def form_of(scenario: Any, url: str) -> dict[str, str]:
    """What the button of the page sends."""
    page = await scenario.client.get(url)
    assert page.status_code == 200, page.text
    return {"form": re.findall(r'name="form" value="([^"]+)"', page.text)[0]}


async def words(scenario: Any) -> list[Event]:
    return [one for one in await scenario.ledger.events() if one.name == "Consent Updated"]


def said(event: Event) -> dict[str, str]:
    return msgspec.json.decode(event.properties, type=dict[str, str])


async def test_a_yes_is_confirmed_once_by_the_link_of_its_mail(scenario: Any) -> None:
    await scenario.topics.person("p1", ADA, user_id="U", consent=None)
    first = await asked(scenario, wording_version="2026-03", language="de")
    assert await asked(scenario, wording_version="2026-03", language="de") == first
    url = await mailed(scenario)
    (mail,) = scenario.mail_server.mails
    assert (mail["To"], mail["Subject"]) == (ADA, "Bitte bestätigen Sie Ihre Anmeldung")
    assert "Neuigkeiten und Angebote" in mail.get_body(("plain",)).get_content()
    (ask,) = await words(scenario)
    assert (ask.trust, ask.identifiers) == ("public", [("user_id", "U")])
    assert (said(ask)["state"], said(ask)["reason"]) == ("granted", "signed up in the shop")

    for method in ("GET", "HEAD", "GET"):
        assert (await scenario.client.request(method, url)).status_code == 200
    page = (await scenario.client.get(url)).text
    assert "Please confirm" in page
    assert ADA not in page
    assert len(await words(scenario)) == 1, "who only looks has confirmed nothing"

    # Nor has a scanner that sends what it knows; nor who has the form of another link.
    for sent in ({}, {"form": "x"}, {"form": url.rpartition("/")[2]}):
        assert (await scenario.client.post(url, data=sent)).status_code == 422
    assert len(await words(scenario)) == 1
    form = await form_of(scenario, url)
    pages = await asyncio.gather(*(scenario.client.post(url, data=form) for _ in range(3)))
    assert all("You have confirmed it" in one.text for one in pages)
    _ask, yes = await words(scenario)
    assert (yes.trust, said(yes)["method"]) == ("trusted", "double_opt_in")
    assert said(yes)["wording_version"] == "2026-03"
    assert re.fullmatch(r"[0-9a-f]{32}", said(yes)["ip_hash"])
    shown = (await scenario.client.get(f"/v1/opt-ins/{first['id']}")).json()
    assert (shown["state"], shown["actor"]) == ("confirmed", "ada")
    await scenario.settled()
    assert len(scenario.mail_server.mails) == 1


async def test_a_link_ends_and_fits_nothing_else(scenario: Any) -> None:
    await scenario.topics.person("p1", ADA, consent=None)
    made = await asked(scenario)
    url = await mailed(scenario)
    for other in (url.replace("/d/", "/p/"), url.replace("/d/", "/u/"), url[:-1], url + "x"):
        assert (await scenario.client.post(other)).status_code == 404
    form = await form_of(scenario, url)
    async with scenario.engine.begin() as tx:
        await tx.execute(text("UPDATE campaign.opt_in SET ends_at = asked_at"))
    for method in ("GET", "POST"):
        ended = await scenario.client.request(method, url, data=form)
        assert ended.status_code == 410
        assert "This link has ended" in ended.text
    assert len(await words(scenario)) == 1
    page = (await scenario.client.get("/v1/opt-ins")).json()
    assert [(one["id"], one["state"]) for one in page["items"]] == [(made["id"], "ended")]


async def test_what_profile_tells_of_the_request_is_no_no(scenario: Any) -> None:
    await scenario.topics.person("p1", ADA, consent=None)
    await asked(scenario)
    url = await mailed(scenario)
    later = clock.now() + timedelta(seconds=1)
    await scenario.topics.person("p1", ADA, version=2, consent_at=later, confirmed=False)
    done = await scenario.client.post(url, data=await form_of(scenario, url))
    assert "You have confirmed it" in done.text
    await asked(scenario, "again")
    url = await mailed(scenario)
    later = clock.now() + timedelta(seconds=1)
    await scenario.topics.person("p1", ADA, version=3, consent="denied", consent_at=later)
    assert (await scenario.client.get(url)).status_code == 410


@pytest.mark.parametrize("purpose", ["promotion", "x_events"])
async def test_who_has_said_no_since_agrees_by_no_old_link(scenario: Any, purpose: str) -> None:
    await scenario.topics.person("p1", ADA, consent=None)
    await asked(scenario, purpose=purpose)
    url = await mailed(scenario)
    form = await form_of(scenario, url)
    body = {"profile_id": "p1", "address": ADA, "reason": "asked on the phone"}
    page = (await scenario.client.post("/v1/preference-links", json=body)).json()["url"]
    left = {**await form_of(scenario, page), "nothing": "1"}
    assert (await scenario.client.post(page, data=left)).status_code == 200
    for _ in range(2):
        assert (await scenario.client.get(url)).status_code == 410
        assert (await scenario.client.post(url, data=form)).status_code == 410
    first = await asked(scenario, purpose=purpose)
    (listed,) = (await scenario.client.get("/v1/opt-ins")).json()["items"]
    shown = (await scenario.client.get(f"/v1/opt-ins/{first['id']}")).json()
    assert [one["state"] for one in (first, listed, shown)] == ["ended"] * 3
    assert [said(one)["state"] for one in await words(scenario)] == ["granted", "withdrawn"]
    # Who asks for it anew can have it.
    await asked(scenario, "again", purpose=purpose)
    url = await mailed(scenario)
    done = await scenario.client.post(url, data=await form_of(scenario, url))
    assert "You have confirmed it" in done.text


async def test_a_proxy_that_is_ours_says_where_a_word_is_from(scenario: Any) -> None:
    """Another's word proves nothing, so nothing is kept of it."""
    await scenario.topics.person("p1", ADA, consent=None)
    kept = []
    for number, forwarded in enumerate((None, "198.51.100.1", "198.51.100.1", "203.0.113.5")):
        await asked(scenario, f"k{number}", purpose=f"x_{number}")
        url = await mailed(scenario)
        form = await form_of(scenario, url)
        headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
        peer = "10.1.2.3" if number else "198.51.100.1"
        async with scenario.client_of(peer=peer) as client:
            await client.post(url, data=form, headers=headers)
        kept.append(said((await words(scenario))[-1]).get("ip_hash"))
    assert kept[0] == kept[1] == kept[2]
    assert kept[3] not in {None, kept[0]}
    await asked(scenario, "last", purpose="x_last")
    url = await mailed(scenario)
    form = await form_of(scenario, url)
    async with scenario.client_of(peer="192.0.2.1") as client:
        await client.post(url, data=form, headers={"X-Forwarded-For": "198.51.100.1"})
    assert "ip_hash" not in said((await words(scenario))[-1])


async def test_whoever_is_asked_need_not_be_verified_but_may_have_left(scenario: Any) -> None:
    """The mail says nothing of the person; a service mail to that address still does not go."""
    point = ContactPoint(channel="email", value=ADA, verified=False)
    await scenario.topics.person("p1", ADA, consent=None, contact_points=[point])
    await asked(scenario)
    await scenario.topics.requested("r1")
    async with scenario.sending():
        await scenario.settled()
    assert await scenario.ledger.states() == {"sent": 1, "suppressed": 1}


async def test_what_cannot_be_asked_is_refused(scenario: Any) -> None:
    wrong: list[dict[str, Any]] = [
        {"purpose": "all"},
        {"purpose": "beta tips"},
        {"address": "nobody"},
        {"language": "xx"},
        {"reason": ""},
        {"more": 1},
    ]
    for change in wrong:
        refused = await scenario.client.post("/v1/opt-ins", json={**BODY, **change})
        assert refused.status_code == 422, change
    assert await scenario.ledger.rows() == []
    assert (await scenario.client.get("/v1/opt-ins/x")).status_code == 404
