"""Several mail servers: how they are listed, that one that is away rests, and that one that dies
takes nothing with it but what it had in its hands.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from aiosmtpd.smtp import SMTP
from pydantic import ValidationError
from services.campaign.tests.conftest import quick_settings
from services.campaign.tests.mail_server import MailServer
from tests.support.waiting import HANG_SECONDS, between_looks
from typing_extensions import override

from rapport_campaign import metrics
from rapport_campaign.domain.mail_servers import MailServer as Listed
from rapport_campaign.domain.mail_servers import mail_servers
from rapport_campaign.handlers.outlets import LONGEST_REST, Outlet, outlets_of
from rapport_campaign.smtp import Server


def test_a_list_of_servers() -> None:
    found = mail_servers(
        " smtp+starttls://us%40er:p%2Fw@mx1.example.com:2525?connections=2&pace=0.5\n"
        "smtps://mx2.example.com smtp://127.0.0.1?pace=10 "
    )
    assert found == [
        Listed("mx1.example.com", 2525, "starttls", "us@er", "p/w", connections=2, pace=0.5),
        Listed("mx2.example.com", 465, "tls"),
        Listed("127.0.0.1", 25, pace=10),
    ]
    made = outlets_of(found, timeout=HANG_SECONDS, greeting="shop.example", connections=4)
    assert [(one.name, one.connections, one.pace) for one in made] == [
        ("mx1.example.com:2525", 2, 0.5),
        ("mx2.example.com:465", 4, 0.0),
        ("127.0.0.1:25", 4, 10.0),
    ]
    assert made[0].server == Server(
        "mx1.example.com", 2525, HANG_SECONDS, "us@er", "p/w", "starttls", "shop.example"
    )
    assert mail_servers(" \n") == []


@pytest.mark.parametrize(
    "said",
    [
        "mx.example.com",
        "imap://mx.example.com",
        "smtp://:25",
        "smtp://u:secret@mx:99999",
        "smtp://u:secret@mx?pace=x",
        "smtp://u:secret@mx?pace=-1",
        "smtp://u:secret@mx?pace=inf",
        "smtp://u:secret@mx?connections=65",
        "smtp://u:secret@mx?pool=a",
        "smtp://u:secret@mx:25 smtps://mx:25",
    ],
)
def test_what_is_no_list_is_told_without_its_secrets(said: str) -> None:
    with pytest.raises(ValueError, match="mail server") as caught:
        mail_servers(said)
    assert "secret" not in str(caught.value)
    with pytest.raises(ValidationError) as refused:
        quick_settings(25, smtp_servers=said)
    # What is printed when a service does not start.
    (error,) = refused.value.errors(include_input=False)
    assert error["loc"] == ("smtp_servers",)
    assert "secret" not in error["msg"]


def test_who_is_away_rests_longer_each_time_and_who_answers_does_not() -> None:
    at = [100.0]
    one = Outlet(Server("mx", 25), 1, now=lambda: at[0])
    rests = []
    for _ in range(9):
        one.failed()
        began = at[0]
        while one.is_resting:
            at[0] += 0.5
        rests.append(at[0] - began)
    assert rests == [1, 2, 4, 8, 16, 32, LONGEST_REST, LONGEST_REST, LONGEST_REST]
    assert metrics.SERVER_AWAY.labels("mx:25")._value.get() == 1
    one.failed()
    one.answered()
    assert not one.is_resting
    assert metrics.SERVER_AWAY.labels("mx:25")._value.get() == 0


def test_a_pace_is_kept_and_not_made_up_for() -> None:
    at = [100.0]
    one = Outlet(Server("mx", 25), 1, pace=4, now=lambda: at[0])
    taken = []
    for _ in range(40):
        if one.wait == 0:
            one.takes()
            taken.append(at[0] - 100)
        at[0] += 0.125
    assert taken == [number / 4 for number in range(20)]
    at[0] += 60
    one.takes()
    assert one.wait == 0.25


class Mortal(MailServer):
    """A mail server that can die with all of its connections."""

    def __init__(self) -> None:
        super().__init__()
        self.talking: list[SMTP] = []

    @override
    def _protocol(self) -> SMTP:
        self.talking.append(one := super()._protocol())
        return one

    async def die(self) -> None:
        await self.stop()
        for one in self.talking:
            if one.transport is not None:
                cast("asyncio.Transport", one.transport).abort()


@pytest.fixture
async def two() -> AsyncIterator[list[Mortal]]:
    servers = [Mortal(), Mortal()]
    for one in servers:
        await one.start()
    yield servers
    for one in servers:
        await one.stop()


def listed(servers: list[Mortal], more: str = "?connections=2") -> str:
    return " ".join(f"smtp://127.0.0.1:{one.port}{more}" for one in servers)


async def planned(scenario: Any, number: int) -> None:
    await scenario.started()
    for one in range(number):
        await scenario.topics.person(f"p{one}", f"user{one}@example.com")
        await scenario.topics.entered(f"p{one}")


@pytest.mark.integration
async def test_both_are_used_and_one_that_is_away_costs_nobody_an_attempt(
    scenario: Any, two: list[Mortal]
) -> None:
    await planned(scenario, 16)
    async with scenario.sending(smtp_servers=listed(two), sender_lanes=1):
        assert await scenario.settled() == {"sent": 16}
    assert all(one.mails for one in two)
    await two[0].die()
    for one in range(16, 32):
        await scenario.topics.person(f"p{one}", f"user{one}@example.com")
        await scenario.topics.entered(f"p{one}")
    async with scenario.sending(smtp_servers=listed(two), sender_lanes=1):
        assert await scenario.settled() == {"sent": 32}
    assert all(row["attempt"] == 1 for row in await scenario.ledger.rows())
    keys = two[0].send_keys() + two[1].send_keys()
    assert (len(keys), set(keys.values())) == (32, {1})
    assert metrics.SERVER_AWAY.labels(f"127.0.0.1:{two[0].port}")._value.get() == 1
    taken = metrics.SERVER_MAILS.labels(f"127.0.0.1:{two[1].port}", "sent")._value.get()
    assert taken == len(two[1].mails)


@pytest.mark.integration
async def test_a_server_that_dies_leaves_open_only_what_it_had_in_its_hands(
    scenario: Any, two: list[Mortal]
) -> None:
    """It has a mail on each of its two connections, and does not say so; of the next on each it has
    heard, which is nothing.
    """
    mortal, other = two
    mortal.pause = HANG_SECONDS
    await planned(scenario, 24)
    settings = {"smtp_servers": listed(two), "sender_lanes": 1, "sender_batch": 24}
    async with scenario.sending(**settings), asyncio.timeout(HANG_SECONDS):
        while len(mortal.mails) < 2 or len(other.mails) < 20:
            await between_looks()
        await mortal.die()
        assert await scenario.settled() == {"sent": 22, "uncertain": 2}
    rows = {row["send_key"]: row["state"] for row in await scenario.ledger.rows()}
    assert {key for key, state in rows.items() if state == "uncertain"} == set(mortal.send_keys())
    assert {key for key, state in rows.items() if state == "sent"} == set(other.send_keys())
    assert set(other.send_keys().values()) == {1}


@pytest.mark.integration
async def test_while_all_are_away_nothing_is_marked(scenario: Any, two: list[Mortal]) -> None:
    await planned(scenario, 3)
    for one in two:
        await one.die()
    async with scenario.sending(smtp_servers=listed(two), sender_lanes=1):
        async with asyncio.timeout(HANG_SECONDS):
            while metrics.UNREACHABLE._value.get() != 1:
                await between_looks()
        assert await scenario.ledger.states() == {"planned": 3}
        await two[1].start(two[1].port)
        assert await scenario.settled() == {"sent": 3}
    assert all(row["attempt"] == 1 for row in await scenario.ledger.rows())


@pytest.mark.integration
async def test_a_server_with_a_pace_waits_within_the_batch(
    scenario: Any, two: list[Mortal]
) -> None:
    """It is one claim for all of them: nothing goes back into the plan for a pace."""
    await planned(scenario, 6)
    async with scenario.sending(smtp_servers=listed(two[:1], "?pace=50"), sender_lanes=1):
        assert await scenario.settled() == {"sent": 6}
    assert all(row["attempt"] == 1 for row in await scenario.ledger.rows())
    assert len(two[0].mails) == 6


def test_one_server_is_the_one_of_the_plain_settings() -> None:
    settings = quick_settings(2525, smtp_host="mx.example.com", smtp_tls="starttls")
    (only,) = settings.mail_servers()
    assert (only.name, only.tls) == ("mx.example.com:2525", "starttls")
