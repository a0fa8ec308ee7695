"""The suppression list: by hand, by file, and at the moment of sending."""

from datetime import UTC, datetime
from typing import Any

import pytest

from rapport_campaign.domain.suppressions import (
    Entry,
    EntryError,
    has_address,
    of_channel,
    place_of,
    row_of,
)

ADA, BEN = "ada@example.com", "ben@example.com"
NOON = datetime(2026, 3, 18, 12, tzinfo=UTC)


async def added(scenario: Any, *addresses: str, **more: Any) -> int:
    body = {"addresses": [{"address": one} for one in addresses], "reason": "phoned", **more}
    answer = await scenario.client.post("/v1/suppressions/add", json=body)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["changed"])


async def removed(scenario: Any, *addresses: str) -> int:
    body = {"addresses": [{"address": one} for one in addresses], "reason": "a mistake"}
    answer = await scenario.client.post("/v1/suppressions/remove", json=body)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["changed"])


async def listed(scenario: Any, **asked: Any) -> list[dict[str, Any]]:
    answer = await scenario.client.get("/v1/suppressions", params=asked)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def sent_all(scenario: Any) -> dict[str, int]:
    while await scenario.turn():
        pass
    return dict(await scenario.ledger.states())


@pytest.mark.parametrize(
    ("channel", "address", "place"),
    [
        ("E-Mail", " ADA@Example.com", ("email", ADA)),
        ("sms", "+49 (0)170 123 45 67", ("sms", "+491701234567")),
        ("all", "tel:+49-170-1234567", ("all", "+491701234567")),
        ("all", ADA, ("all", ADA)),
    ],
)
def test_places_are_in_one_form(channel: str, address: str, place: tuple[str, str]) -> None:
    found = place_of(channel, address, " All")
    assert (found.channel, found.address, found.purpose) == (*place, "all")


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({"address": "nobody"}, "invalid_address"),
        ({"email": "a@b.example, c@d.example"}, "invalid_address"),
        ({"phone": "12"}, "invalid_address"),
        ({"email": "", "phone": " "}, "no_address"),
        ({"name": ADA}, "no_address"),
        ({"address": ADA, "channel": "pigeon"}, "unknown_channel"),
        ({"address": ADA, "purpose": "service"}, "unknown_purpose"),
        ({"address": 7}, "no_address"),
        ({"...": ADA}, "no_address"),
    ],
)
def test_a_row_that_is_no_place_says_why(row: dict[str, Any], code: str) -> None:
    with pytest.raises(EntryError) as refused:
        row_of(row)
    assert refused.value.code == code


def test_a_row_is_read_as_others_write_it() -> None:
    place, reason = row_of({"Email ": " Ada@Example.com", "REASON": "bounced\nhard", "x": "y"})
    assert (place.channel, place.address, place.purpose) == ("email", ADA, "all")
    assert reason == "bounced hard"
    assert row_of({"phone": "+49 170 1234567"})[0].channel == "sms"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"Email Address": ADA, "First Name": "Ada", "UNSUB_REASON": "NORMAL"}, "NORMAL"),
        ({"status": "5.1.1", "reason": "550 no", "email": ADA, "created": "1"}, "550 no"),
        ({"EmailAddress": ADA, "Reason": "BOUNCE", "LastUpdateTime": "2026"}, "BOUNCE"),
        ({"address": ADA, "code": "550", "error": "No such", "created_at": "x"}, "No such"),
        ({"EmailAddress": ADA, "SuppressionReason": "HardBounce"}, "HardBounce"),
        ({"E-Mail": ADA, "e_mail": BEN}, None),
    ],
)
def test_exports_of_others_are_read_by_their_columns(
    row: dict[str, str], reason: str | None
) -> None:
    place, found = row_of(row, "promotion")
    assert (place.address, place.purpose, found) == (ADA, "promotion", reason)
    assert has_address(row)
    assert not has_address(["name", "ä"])


@pytest.mark.integration
async def test_an_address_on_the_list_gets_nothing_until_it_is_taken_off(scenario: Any) -> None:
    assert await added(scenario, " ADA@example.com", ADA) == 1
    assert await added(scenario, ADA) == 0
    await added(scenario, BEN, purpose="promotion")
    for who, mail in (("p1", ADA), ("p2", BEN)):
        await scenario.topics.person(who, mail)
    promotion = await scenario.started()
    await scenario.started(purpose="service")
    for who in ("p1", "p2"):
        await scenario.topics.entered(who)
    await scenario.topics.requested("r1", to="Ada@Example.com")
    assert await sent_all(scenario) == {"suppressed": 4, "sent": 1}
    assert [str(one["To"]) for one in scenario.mail_server.mails] == [BEN]
    told = (await scenario.client.get("/v1/people/p1/why", params={"campaign": promotion})).json()
    assert told["sentence"].startswith("It was not sent: the address is on the suppression list")
    assert await removed(scenario, ADA, BEN) == 2
    assert await removed(scenario, ADA) == 0
    assert await listed(scenario) == []
    [ada, ben] = await listed(scenario, ended=True)
    assert (ada["ended_by"], ada["ended_because"], ben["purpose"]) == (
        "ada",
        "a mistake",
        "promotion",
    )
    await scenario.topics.requested("r2")
    assert (await sent_all(scenario))["sent"] == 2


@pytest.mark.integration
async def test_somebody_with_another_address_is_reached_there(scenario: Any) -> None:
    await added(scenario, ADA)
    await scenario.topics.person("p1", ADA, "ada@work.example")
    await scenario.started()
    await scenario.topics.entered("p1")
    assert await sent_all(scenario) == {"sent": 1}
    assert [str(one["To"]) for one in scenario.mail_server.mails] == ["ada@work.example"]


@pytest.mark.integration
async def test_workspaces_and_scopes_are_apart(scenario: Any) -> None:
    await added(scenario, ADA)
    async with scenario.client_of("other") as other:
        assert (await other.get("/v1/suppressions")).json()["items"] == []
    async with scenario.client_of(scopes=("campaigns:read",)) as reader:
        body = {"addresses": [{"address": ADA}], "reason": "x"}
        for word in ("add", "remove"):
            answer = await reader.post(f"/v1/suppressions/{word}", json=body)
            assert answer.status_code == 403
    wrong = {"addresses": [{"address": ADA}, {"address": "x"}], "reason": "x"}
    refused = await scenario.client.post("/v1/suppressions/add", json=wrong)
    assert (refused.status_code, refused.json()["details"]["field"]) == (
        422,
        "addresses.1.address",
    )


def test_of_an_address_that_entry_counts_which_stops_more() -> None:
    def entry(channel: str, purpose: str) -> Entry:
        return Entry(
            place_of(channel, ADA if channel != "sms" else "+491701234567", purpose), "x", "y", NOON
        )

    both = [entry("email", "promotion"), entry("all", "all"), entry("sms", "all")]
    for order in (both, both[::-1]):
        found = of_channel(order, "email")
        assert {one: each.place.purpose for one, each in found.items()} == {ADA: "all"}
    assert [*of_channel(both, "sms")] == [ADA, "+491701234567"]
