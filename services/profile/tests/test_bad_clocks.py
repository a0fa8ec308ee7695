"""Bad input: clocks that are wrong by an hour, a year, a century. Nobody's word is lost by it."""

from typing import Any

import pytest
from services.profile.tests.misfits import Shop
from services.profile.tests.people import event

pytestmark = pytest.mark.integration

HOUR, YEAR = 60, 366 * 24 * 60
"""In minutes."""


def city(name: str, value: str, **fields: Any) -> Any:
    return event(name, type="identify", user_id="A", traits={"city": value}, **fields)


@pytest.mark.parametrize("ahead", [HOUR, YEAR, 100 * YEAR])
async def test_a_clock_that_is_ahead_does_not_hold_against_what_is_said_later(
    shop: Shop, ahead: int
) -> None:
    """Received at minute 0 with a time of long after; what comes at minute 2 is the latest."""
    await shop.tell(city("1", "Ulm", at=ahead, received=0))
    await shop.tell(city("2", "Bonn", at=2 * HOUR, received=2 * HOUR))
    found = await shop.person("user_id", "A")
    assert found["traits"] == {"city": "Bonn"}
    assert found["computed"]["last_seen_at"] == "2026-01-01T02:00:00Z"
    await shop.is_settled("A")


@pytest.mark.parametrize("behind", [HOUR, YEAR, 100 * YEAR])
async def test_a_clock_that_is_behind_says_what_was_said_before(shop: Shop, behind: int) -> None:
    await shop.tell(city("1", "Bonn", at=0))
    await shop.tell(city("2", "Ulm", at=-behind, received=1))
    found = await shop.person("user_id", "A")
    assert found["traits"] == {"city": "Bonn"}
    assert found["computed"]["events"] == 2
    await shop.is_settled("A")


async def test_a_consent_from_a_clock_ahead_is_no_later_than_its_receipt(shop: Shop) -> None:
    """A withdrawal that is received after it holds."""
    said = {"channel": "email", "purpose": "promotion", "contact_point": "a@example.com"}
    fields: dict[str, Any] = {"name": "Consent Updated", "user_id": "A"}
    granted = event("1", said={**said, "state": "granted"}, at=YEAR, received=0, **fields)
    denied = event("2", said={**said, "state": "denied"}, at=1, received=1, **fields)
    await shop.tell(denied, granted, at_once=False)
    (one,) = (await shop.person("user_id", "A"))["consent"]
    assert one["state"] == "denied"
    await shop.is_settled("A")


async def test_who_is_who_does_not_depend_on_the_clocks(shop: Shop) -> None:
    """Two users at one tablet, of whom one lives a century ahead: neither gets the other."""
    await shop.tell(
        event("1", user_id="A", anonymous_id="t", at=100 * YEAR, received=0),
        event("2", user_id="B", anonymous_id="t", at=-100 * YEAR, received=0),
        event("3", anonymous_id="t", email="e@example.com", at=0),
    )
    assert await shop.values("anonymous_id", "t") == {"t"}
    await shop.is_settled("A", "B")
