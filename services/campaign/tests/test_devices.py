"""Which push message goes to which device, and by whom."""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from services.campaign.tests.test_channel_campaigns import entered, person, said, started
from services.campaign.tests.test_providers import added, change
from services.campaign.tests.vendors.pushing import Apns, Fcm, PushService
from services.campaign.tests.vendors.server import Vendor

from rapport_campaign.domain.devices import device_of, is_subscription, suits, taker_of

APPLE, GOOGLE = "ab" * 32, "dX3:APA91bF_device-1"
BROWSER = json.dumps({"endpoint": "https://push.example/1", "keys": {"p256dh": "B", "auth": "A"}})


def test_devices_are_told_by_the_form_of_their_address() -> None:
    assert [device_of(one) for one in (APPLE, GOOGLE, BROWSER)] == ["apple", "firebase", "browser"]
    assert device_of("HTTPS://push.example/1") == "browser"
    assert [taker_of("push", one) for one in (APPLE, GOOGLE)] == ["apns", "fcm"]
    assert taker_of("sms", "+4915112345678") is None
    assert is_subscription(BROWSER)
    for lacking in ("{}", "https://push.example/1", '{"endpoint": "x"}', "[1]", "\ud800"):
        assert not is_subscription(lacking), lacking


def test_a_browser_is_no_phone() -> None:
    assert [suits("push", one) for one in (APPLE, GOOGLE, BROWSER)] == [True, True, False]
    assert [suits("web_push", one) for one in (APPLE, GOOGLE, BROWSER)] == [False, False, True]
    assert not suits("push", "https://push.example/1")
    assert suits("sms", "+4915112345678")


@pytest.fixture
async def vendors() -> AsyncIterator[tuple[Apns, Fcm, PushService]]:
    found = Apns(), Fcm(), PushService()
    for one in found:
        await one.start()
    yield found
    for one in found:
        await one.stop()


PUSH: dict[str, Any] = {"channel": "push", "content": {"title": "Shop", "text": "Hello"}}


def owner(*devices: str, channel: str = "push") -> dict[str, Any]:
    """Somebody with devices, who has agreed to be told by each."""
    words = [said("granted", channel, one) for one in devices]
    return person(words, [(channel, one) for one in devices])


async def states(scenario: Any, path: str) -> dict[str, tuple[str, str | None]]:
    found = (await scenario.client.get(f"{path}/messages")).json()["items"]
    return {one["profile_id"]: (one["state"], one["reason"]) for one in found}


def addresses(vendor: Vendor) -> list[str]:
    return sorted(address for address, _ in vendor.taken)


async def whole(scenario: Any, devices: Sequence[str], **changes: Any) -> str:
    """A campaign to one person for each device, sent."""
    path = await started(scenario, **{**PUSH, **changes})
    for number, device in enumerate(devices):
        await entered(scenario, owner(device), f"p{number}")
    assert await scenario.turn()
    return path


@pytest.mark.integration
async def test_each_device_is_told_by_who_knows_it(
    scenario: Any, vendors: tuple[Apns, Fcm, PushService]
) -> None:
    """With accounts that share what there is, and with one that is to take over."""
    apns, fcm, _ = vendors
    first = await added(scenario.client, apns, "Apple", priority=1, per_second=1000, burst=1000)
    second = await added(scenario.client, fcm, "Google", priority=1)
    devices = [GOOGLE, APPLE, f"{GOOGLE}2", f"{GOOGLE}3", "cd" * 32]
    path = await whole(scenario, devices)
    assert set((await states(scenario, path)).values()) == {("sent", None)}
    assert addresses(apns) == [APPLE, "cd" * 32]
    assert addresses(fcm) == [GOOGLE, f"{GOOGLE}2", f"{GOOGLE}3"]
    # Who sends to the one takes nothing over from who sends to the other.
    await change(scenario.client, second, state="paused")
    path = await whole(scenario, [GOOGLE, APPLE])
    found = await states(scenario, path)
    assert found == {
        "p0": ("planned", "no account of a provider sends by this channel"),
        "p1": ("sent", None),
    }
    assert first["vendor"] == "apns"
    assert await scenario.ledger.query("SELECT * FROM campaign.suppressed_address") == []


@pytest.mark.integration
async def test_a_device_that_no_account_is_for_is_not_dead(
    scenario: Any, vendors: tuple[Apns, Fcm, PushService]
) -> None:
    apns, _, _ = vendors
    await added(scenario.client, apns, "Apple")
    path = await whole(scenario, [GOOGLE, APPLE])
    found = await states(scenario, path)
    assert found == {
        "p0": ("failed", "no account here sends to such a device (fcm does)"),
        "p1": ("sent", None),
    }
    apns.code = "DeviceTokenNotForTopic"
    path = await whole(scenario, [APPLE])
    assert (await states(scenario, path))["p0"][0] == "failed"
    assert await scenario.ledger.query("SELECT * FROM campaign.suppressed_address") == []


@pytest.mark.integration
async def test_a_browser_and_a_device_of_one_person_get_their_own(
    scenario: Any, vendors: tuple[Apns, Fcm, PushService]
) -> None:
    """Both are said of by one word; a no to it holds for both."""
    _, fcm, browsers = vendors
    await added(scenario.client, fcm, "Google")
    await added(scenario.client, browsers, "Browsers")
    browser = browsers.address
    for channel in ("web_push", "push", "browser_push"):
        both = owner(GOOGLE, browser, channel=channel)
        for of, vendor, address in (("push", fcm, GOOGLE), ("web_push", browsers, browser)):
            vendor.taken.clear()
            path = await started(scenario, **{**PUSH, "channel": of})
            await entered(scenario, both, f"{channel}-{of}")
            assert await scenario.turn()
            assert set((await states(scenario, path)).values()) == {("sent", None)}
            assert addresses(vendor) == [address]
    refuses = person(
        [said("granted", "push", browser), said("withdrawn", "web_push", browser)],
        [("push", browser)],
    )
    path = await started(scenario, **{**PUSH, "channel": "web_push"})
    await entered(scenario, refuses, "no")
    await scenario.turn()
    assert list((await states(scenario, path)).values()) == [("suppressed", "consent withdrawn")]
