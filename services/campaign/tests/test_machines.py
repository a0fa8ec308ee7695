"""Who opened a mail or followed a link, by program, network and haste; what is counted of it."""

from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from services.campaign.tests.conftest import OFFICE, publisher
from services.campaign.tests.test_api import found_links
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.api import patient_app

from rapport_campaign.api import listeners
from rapport_campaign.api.public import Door, public_routes
from rapport_campaign.domain.machines import BURST_LINKS, Look, all_known, label
from rapport_common.proxies import Proxies
from rapport_common.routes import add_routes
from rapport_common.testing.credentials import EVENT_KEY, LINK_KEY

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
HASTE = 2.0


@pytest.mark.parametrize(
    ("agent", "address", "since", "links", "whose"),
    [
        (FIREFOX, "203.0.113.9", 60, 1, "human"),
        (FIREFOX, None, 60, 1, "human"),
        (FIREFOX, "no address", 60, 1, "human"),
        ("", None, 60, 0, "human"),
        (FIREFOX, "203.0.113.9", 1.9, 1, "scanner"),
        (FIREFOX, "203.0.113.9", None, 1, "scanner"),
        (FIREFOX, "203.0.113.9", 60, BURST_LINKS, "scanner"),
        (FIREFOX, "209.222.82.5", 3600, 1, "scanner"),
        (FIREFOX, "17.58.0.1", 3, 0, "machine"),
        (FIREFOX, "17.58.0.1", 300, 0, "human"),
        ("Mozilla/5.0", "203.0.113.9", 3600, 0, "machine"),
        (GMAIL, "66.249.84.1", 3, 0, "machine"),
        (GMAIL, "66.249.84.1", 30, 0, "human"),
        ("SomeBot/1.0 (+https://bot.example)", None, 3600, 1, "scanner"),
        ("python-requests/2.32", None, 3600, 1, "scanner"),
    ],
)
def test_who_is_behind_a_request(
    agent: str, address: str | None, since: float | None, links: int, whose: str
) -> None:
    assert label(Look(agent, address, since, links), HASTE) == whose


@given(st.text(), st.text(), st.floats(allow_nan=False) | st.none(), st.integers())
def test_any_request_has_a_label(agent: str, address: str, since: float | None, links: int) -> None:
    assert label(Look(agent, address, since, links), HASTE) in {"human", "machine", "scanner"}


def test_what_is_known_is_of_something() -> None:
    for one in all_known():
        assert bool(one.agent) + bool(one.exact) + bool(one.networks) == 1, one


# --- what is counted ------------------------------------------------------------------------------


@pytest.fixture
async def mail(scenario: Any, campaign_body: dict[str, Any]) -> Any:
    """A mail with three links that was sent a minute ago."""
    links = "".join(f'<a href="https://shop.example/{one}">x</a>' for one in range(3))
    campaign_body["html"] = f"<html><body>{links}</body></html>"
    await scenario.started()
    await scenario.topics.person("p1", "ada@example.com", user_id="u1")
    await scenario.topics.entered("p1")
    await scenario.turn()
    await _sent_ago(scenario, timedelta(minutes=1))
    return scenario.mail_server.mails[0]


async def _sent_ago(scenario: Any, ago: timedelta) -> None:
    seconds = ago.total_seconds()
    await scenario.ledger.change(
        f"UPDATE campaign.message SET sent_at = now() - make_interval(secs => {seconds})"
    )


@pytest.fixture
def visitor(engine: AsyncEngine) -> Any:
    """A function that asks for a link with a program's name."""
    app: FastAPI = patient_app("campaign")
    tracker = listeners(publisher(), EVENT_KEY, OFFICE, HASTE)[0]
    add_routes(app, public_routes(engine, tracker, Door(LINK_KEY, Proxies([]))))

    async def ask(url: str, agent: str = FIREFOX) -> None:
        transport = httpx.ASGITransport(app, client=("203.0.113.9", 4711))
        async with httpx.AsyncClient(transport=transport, headers={"User-Agent": agent}) as one:
            assert (await one.get(url)).status_code in {200, 302}

    return ask


def _clicks(mail: Any) -> list[str]:
    page = mail.get_body(("html",)).get_content()
    return [one.partition('"')[0] for one in page.split('href="')[1:] if "/c/" in one]


async def _known(scenario: Any) -> dict[str, int]:
    (one,) = (await scenario.client.get("/v1/campaigns")).json()["items"]
    known = (await scenario.client.get(f"/v1/campaigns/{one['id']}")).json()["outcomes"]
    return {name: number for name, number in known.items() if number}


async def _said(scenario: Any, name: str) -> list[Any]:
    events = [one for one in await scenario.ledger.events() if one.name == name]
    return [msgspec.json.decode(one.properties).get("by") for one in events]


@pytest.mark.integration
async def test_a_machine_opens_beside_a_person(scenario: Any, mail: Any, visitor: Any) -> None:
    """Each counts once, and the event says which of them it was."""
    url = found_links(mail)["o"]
    for agent in ("Mozilla/5.0", "Mozilla/5.0", FIREFOX, FIREFOX):
        await visitor(url, agent)
    assert await _known(scenario) == {"opened": 1, "opened_by_machine": 1}
    assert await _said(scenario, "Email Opened") == ["machine", None]
    assert (await scenario.ledger.rows())[0]["opened_at"] is not None


@pytest.mark.integration
async def test_a_scanner_that_is_quick_is_no_person(scenario: Any, mail: Any, visitor: Any) -> None:
    await _sent_ago(scenario, timedelta(seconds=0.5))
    await visitor(_clicks(mail)[0])
    assert await _known(scenario) == {"clicked_by_machine": 1}
    assert (await scenario.ledger.rows())[0]["clicked_at"] is None


@pytest.mark.integration
async def test_who_follows_all_links_at_once_was_no_person_from_the_first(
    scenario: Any, mail: Any, visitor: Any
) -> None:
    links = _clicks(mail)
    await visitor(links[0])
    assert await _known(scenario) == {"clicked": 1}
    for url in links[1:]:
        await visitor(url)
    assert await _known(scenario) == {"clicked_by_machine": 1}
    assert (await scenario.ledger.rows())[0]["clicked_at"] is None
    assert await _said(scenario, "Email Link Clicked") == [None, None, "scanner"]


@pytest.mark.integration
async def test_a_persons_click_of_before_stays(scenario: Any, mail: Any, visitor: Any) -> None:
    links = _clicks(mail)
    await visitor(links[0])
    for table, column in (("click", "last_at"), ("outcome", "at")):
        await scenario.ledger.change(
            f"UPDATE campaign.{table} SET {column} = {column} - interval '1 hour'"
        )
    for url in links:
        await visitor(url)
    assert await _known(scenario) == {"clicked": 1, "clicked_by_machine": 1}
    assert (await scenario.ledger.rows())[0]["clicked_at"] is not None
