"""A yes that was said on a page asks for its confirmation by one mail, and by no flood of them."""

import re
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from services.campaign.tests.conftest import MOST_ASKED

from rapport_campaign.domain.asking import MOST, Asked, Earlier, asked_of, may_ask
from rapport_common import clock
from rapport_common.events.activity import ContactPoint
from rapport_common.events.profile import ConsentState
from rapport_common.testing.profiles import sections

ADA = "ada@example.com"


def waits(address: str = ADA, **more: Any) -> ConsentState:
    """A yes of a page that is to be confirmed."""
    now = clock.now()
    fields = {
        "contact_point": address,
        "channel": "email",
        "purpose": "promotion",
        "state": "granted",
        "at": now,
        "source": "shop",
        "confirmed": False,
        "lacks": "double_opt_in",
        "asked_at": now,
        "asked_wording": "2026-03",
    }
    return ConsentState(**{**fields, **more})


async def told(scenario: Any, profile: str, *said: ConsentState, **more: Any) -> None:
    """A person as profile tells of them, with traits if given."""
    version = more.pop("version", 1)
    points = [ContactPoint(channel="email", value=one.contact_point) for one in said]
    state = sections([("user_id", profile)], more, points, list(said))
    await scenario.topics.told(profile, version, state)


async def asked(scenario: Any) -> list[Any]:
    return [
        (one["address"], one["purpose"], one["language"], one["wording_version"])
        for one in await scenario.ledger.query("SELECT * FROM campaign.opt_in ORDER BY asked_at")
    ]


@pytest.mark.integration
async def test_a_yes_of_a_page_asks_once_and_counts_when_it_is_confirmed(scenario: Any) -> None:
    await scenario.started()
    yes = waits()
    await told(scenario, "p1", yes, locale="de_AT")
    await told(scenario, "p1", yes, locale="de_AT")
    await told(scenario, "p1", waits(), version=2)
    await told(scenario, "p2", waits(), version=2)
    assert await asked(scenario) == [(ADA, "promotion", "de", "2026-03")]
    assert await scenario.ledger.events() == [], "what is known is not told again"
    await scenario.topics.entered("p1", profile_version=2)
    async with scenario.sending():
        states = await scenario.settled()
    assert states == {"sent": 1, "suppressed": 1}
    (row,) = await scenario.ledger.rows("state = 'suppressed'")
    assert row["reason"] == "consent not confirmed"
    body = scenario.mail_server.mails[0].get_body(("html",)).get_content()
    (url,) = re.findall(r'href="(https://[^"]+/d/[^"]+)"', body)
    page = (await scenario.client.get(url)).text
    form = re.findall(r'name="form" value="([^"]+)"', page)
    assert (await scenario.client.post(url, data={"form": form})).status_code == 200
    words = await scenario.ledger.events()
    (word,) = [one for one in words if one.name == "Consent Updated"]
    said = msgspec.json.decode(word.properties)
    assert (said["method"], said["wording_version"]) == ("double_opt_in", "2026-03")


@pytest.mark.integration
async def test_who_has_said_no_since_or_is_left_alone_is_not_asked(scenario: Any) -> None:
    before = clock.now() - timedelta(hours=1)
    no_to_all = waits(purpose="all", state="withdrawn", lacks=None, asked_at=None)
    await told(scenario, "p1", waits(asked_at=before), no_to_all)
    assert await asked(scenario) == []
    for number, what in enumerate(("processing", "marketing")):
        one = f"r{number}"
        state = sections([("user_id", one)], {}, [], [waits(f"{one}@example.com")])
        await scenario.topics.told(one, 1, {**state, "restraints": [what]})
    assert await asked(scenario) == []
    no = waits(state="withdrawn", at=before, lacks=None)
    await told(scenario, "p2", no)
    assert len(await asked(scenario)) == 1, "who comes back is asked"


@pytest.mark.integration
async def test_a_request_that_a_no_has_ended_is_in_nobodys_way(scenario: Any) -> None:
    """Its link counts no more, so who signs up again needs another."""
    await told(scenario, "p1", waits())
    no = waits(state="withdrawn", at=clock.now(), lacks=None, asked_at=None)
    await told(scenario, "p1", no, version=2)
    assert len(await asked(scenario)) == 1
    again = waits(state="withdrawn", at=no.at, lacks=None, asked_at=clock.now())
    await told(scenario, "p1", again, version=3)
    await told(scenario, "p1", again, version=3)
    assert len(await asked(scenario)) == 2


@pytest.mark.integration
async def test_a_flood_of_words_is_no_flood_of_mails(scenario: Any) -> None:
    for number in range(MOST + 3):
        await told(scenario, f"p{number}", waits(purpose=f"x_{number}"))
    assert len(await asked(scenario)) == MOST, "at one address"
    for number in range(MOST_ASKED + 3):
        await told(scenario, f"q{number}", waits(f"{number}@example.com"))
    assert len(await asked(scenario)) == MOST_ASKED, "of a workspace"


def test_what_was_said_yesterday_asks_nobody() -> None:
    now = clock.now()
    old = waits(asked_at=now - timedelta(hours=25))
    others = [waits(channel="sms"), waits(asked_at=None)]
    assert asked_of([old, *others], now) == []
    (one,) = asked_of([waits("ADA@example.com", asked_at=now)], now)
    assert one == Asked(ADA, "promotion", now, "2026-03")


@given(
    st.lists(
        st.builds(
            Earlier,
            st.sampled_from(["promotion", "x_a"]),
            st.integers(-9, 9).map(lambda one: clock.now() + timedelta(hours=one)),
            st.booleans(),
        ),
        max_size=MOST,
    )
)
def test_nobody_is_asked_twice_of_one_word(earlier: list[Earlier]) -> None:
    asked_ = Asked(ADA, "promotion", clock.now())
    answer = Earlier("promotion", clock.now() + timedelta(hours=10), is_open=False)
    assert not may_ask(asked_, [*earlier, answer])
    assert not may_ask(asked_, [*earlier, Earlier("promotion", asked_.at, is_open=True)])
    assert may_ask(asked_, [])
    assert may_ask(asked_, earlier) <= (len(earlier) < MOST)
