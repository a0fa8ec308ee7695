"""Bad input: a redemption twice, points for an order that was cancelled, or never was."""

import pytest
from services.profile.tests.loyal import cancelled, order, refund
from services.profile.tests.misfits import Shop
from services.profile.tests.test_loyalty_stored import declared, points, redeemed, settled

pytestmark = pytest.mark.integration


async def test_a_redemption_that_is_sent_twice_is_one(shop: Shop) -> None:
    await declared(shop.client)
    await shop.tell(order("1", total=100))
    answers = [await redeemed(shop.client, 60, key="till-1-receipt-7") for _ in range(3)]
    assert [one.status_code for one in answers] == [201, 201, 201]
    assert len({one.json()["id"] for one in answers}) == 1
    other = await redeemed(shop.client, 61, key="till-1-receipt-7")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    where = f"/v1/loyalty/redemptions/{answers[0].json()['id']}"
    for _ in range(3):
        assert (await shop.client.post(f"{where}/confirm")).json()["state"] == "confirmed"
    assert (await points(shop.client))["available"] == 40


async def test_more_than_there_is_and_nothing_and_less_than_nothing_are_refused(shop: Shop) -> None:
    await declared(shop.client)
    await shop.tell(order("1", total=100))
    assert (await redeemed(shop.client, 101)).json()["code"] == "insufficient_points"
    for number in (0, -5, 2**63, 10**400):
        assert (await redeemed(shop.client, number)).status_code == 422
    assert (await points(shop.client))["available"] == 100


async def test_an_order_that_is_cancelled_gives_no_points_in_any_order(shop: Shop) -> None:
    await declared(shop.client)
    await shop.tell(
        cancelled("2", on=1),
        order("1", total=100),
        cancelled("3", on=2),
        cancelled("9", "never made", on=2),
        refund("10", "never made", on=2, total=50),
        at_once=False,
    )
    await settled(shop.engine)
    assert (await points(shop.client))["available"] == 0
    assert (await redeemed(shop.client, 1)).json()["code"] == "insufficient_points"
    # Points that were spent before it was cancelled are owed.
    await shop.tell(order("4", "2", total=30))
    made = (await redeemed(shop.client, 30)).json()
    await shop.client.post(f"/v1/loyalty/redemptions/{made['id']}/confirm")
    await shop.tell(cancelled("5", "2", on=3))
    await settled(shop.engine)
    assert (await points(shop.client))["debt"] == 30
