"""Sender domains are looked at again each day; one look that sees nothing ends nothing."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from services.campaign.tests.conftest import quick_settings
from services.campaign.tests.test_sender_domain_routes import PATH, keys_of, verified
from sqlalchemy import text

from rapport_campaign.domain.sender_domains import LOOK_AGAIN, LOOK_SOON, MISSES
from rapport_campaign.domains import LEASE, Looker
from rapport_campaign.handlers.sender_domains import means_of
from rapport_common import clock

pytestmark = pytest.mark.integration
LATER = 1.2


class Days:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.late = timedelta(0)

    def __call__(self) -> datetime:
        return clock.now() + self.late


@pytest.fixture
def days() -> Days:
    return Days()


@pytest.fixture
def looker(scenario: Any, days: Days) -> Looker:
    settings = quick_settings(1, dns_servers=f"127.0.0.1:{scenario.dns.port}")
    return Looker(scenario.engine, means_of(settings), now=days)


async def shown(scenario: Any) -> dict[str, Any]:
    found: dict[str, Any] = (await scenario.client.get(f"{PATH}/shop.example")).json()
    return found


def keys(one: dict[str, Any]) -> set[str]:
    return {key["key"] for key in keys_of(one) if key["algorithm"] == "rsa"}


async def test_a_record_that_is_gone_for_good_is_told_and_comes_back_by_itself(
    scenario: Any, looker: Looker, days: Days
) -> None:
    await verified(scenario)
    assert await looker.turn() == 0, "it was looked at just now"
    published = dict(scenario.dns.texts)
    scenario.dns.texts.clear()
    days.late += LOOK_AGAIN * LATER
    for number in range(1, MISSES):
        assert await looker.turn() == 1
        one = await shown(scenario)
        assert (one["state"], one["misses"], keys(one)) == ("verified", number, {"active"})
        assert "no TXT record" in one["reason"]
        assert await looker.turn() == 0
        days.late += LOOK_SOON * LATER
    assert await looker.turn() == 1
    one = await shown(scenario)
    assert (one["state"], one["misses"], keys(one)) == ("failed", MISSES, {"waiting"})
    scenario.dns.texts.update(published)
    days.late += LOOK_AGAIN * LATER
    assert await looker.turn() == 1
    one = await shown(scenario)
    assert (one["state"], one["misses"], one["reason"]) == ("verified", 0, None)


async def test_a_record_that_was_away_once_and_a_resolver_that_is_silent(
    scenario: Any, looker: Looker, days: Days
) -> None:
    await verified(scenario)
    published = dict(scenario.dns.texts)
    scenario.dns.texts.clear()
    days.late += LOOK_AGAIN * LATER
    await looker.turn()
    scenario.dns.texts.update(published)
    days.late += LOOK_SOON * LATER
    await looker.turn()
    assert ((await shown(scenario))["misses"], (await shown(scenario))["reason"]) == (0, None)
    scenario.dns.failing.update(published)
    days.late += LOOK_AGAIN * LATER
    assert await looker.turn() == 1
    one = await shown(scenario)
    assert (one["state"], one["misses"]) == ("verified", 0)


async def test_two_processes_look_at_a_domain_once_and_who_dies_leaves_it(
    scenario: Any, looker: Looker, days: Days, monkeypatch: pytest.MonkeyPatch
) -> None:
    await verified(scenario)
    days.late += LOOK_AGAIN * LATER

    async def dies(*_: Any) -> Any:
        message = "killed"
        raise RuntimeError(message)

    with monkeypatch.context() as patched:
        patched.setattr("rapport_campaign.domains.look", dies)
        with pytest.raises(RuntimeError, match="killed"):
            await looker.turn()
    assert await looker.turn() == 0, "it is in somebody's hands"
    days.late += LEASE * LATER
    assert await looker.turn() == 1
    async with scenario.engine.begin() as tx:
        await tx.execute(text("UPDATE campaign.sender_domain SET state = 'unchecked'"))
    days.late += LOOK_AGAIN * LATER
    assert await looker.turn() == 0, "nobody has asked for a first look"
