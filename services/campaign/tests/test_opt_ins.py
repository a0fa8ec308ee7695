"""Double opt-in through a real mail server: asked, one mail, confirmed once by its link alone."""

import asyncio
import re
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

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

    pages = await asyncio.gather(*(scenario.client.post(url) for _ in range(3)))
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
    async with scenario.engine.begin() as tx:
        await tx.execute(text("UPDATE campaign.opt_in SET ends_at = asked_at"))
    for method in ("GET", "POST"):
        ended = await scenario.client.request(method, url)
        assert ended.status_code == 410
        assert "This link has ended" in ended.text
    assert len(await words(scenario)) == 1
    page = (await scenario.client.get("/v1/opt-ins")).json()
    assert [(one["id"], one["state"]) for one in page["items"]] == [(made["id"], "ended")]


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
