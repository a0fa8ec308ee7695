"""Mails that come back, from the socket to what follows from them, against a real Postgres."""

import asyncio
import smtplib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from services.campaign.tests import bounce_mails as mails
from services.campaign.tests.conftest import OFFICE, publisher
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.waiting import HANG_SECONDS, between_looks

from rapport_campaign.domain import returning
from rapport_campaign.handlers.ledger import equations
from rapport_campaign.handlers.outcomes import Outcomes
from rapport_campaign.intake.server import MOST_RECIPIENTS, Bounds, Intake
from rapport_campaign.intake.taking import Taker
from rapport_campaign.renderer import Renderer
from rapport_common.testing.credentials import LINK_KEY

pytestmark = pytest.mark.integration
BOUNCES, REPLIES = "bounces.shop.example", "replies.shop.example"
Deliver = Callable[..., Any]


@pytest.fixture
def taker(engine: AsyncEngine) -> Taker:
    return Taker(engine, Outcomes(publisher(), LINK_KEY))


@pytest.fixture
async def sent(scenario: Any) -> str:
    """The token of a campaign's mail that was sent to Ada, who is p1."""
    await scenario.started()
    return await send(scenario, "p1", "ada@example.com")


async def send(scenario: Any, person: str, address: str) -> str:
    await scenario.topics.person(person, address, user_id=f"u-{person}")
    await scenario.topics.entered(person)
    await scenario.turn()
    (row,) = await scenario.ledger.rows(f"profile_id = '{person}' AND state = 'sent'")
    return returning.signed(LINK_KEY, "acme", row["send_key"])


async def _open(taker: Taker, **bounds: Any) -> AsyncIterator[Intake]:
    told = {"host": "127.0.0.1", "port": 0, "domains": frozenset({BOUNCES, REPLIES})}
    intake = Intake(taker, Bounds(hostname="mx.shop.example", **{**told, **bounds}))
    stop = asyncio.Event()
    task = asyncio.create_task(intake.run(stop))
    await asyncio.wait_for(intake.listening.wait(), HANG_SECONDS)
    yield intake
    stop.set()
    await asyncio.wait_for(task, HANG_SECONDS)


@pytest.fixture
async def intake(taker: Taker) -> AsyncIterator[Intake]:
    async for one in _open(taker, size=2**20, connections=2):
        yield one


@pytest.fixture
async def lmtp(taker: Taker) -> AsyncIterator[Intake]:
    async for one in _open(taker, protocol="lmtp"):
        yield one


def _deliver(port: int, to: list[str], mail: bytes) -> dict[str, tuple[int, bytes]]:
    with smtplib.SMTP("127.0.0.1", port, "mx.example.net", timeout=HANG_SECONDS) as client:
        return client.sendmail("", to, mail)


async def deliver(intake: Intake, to: str, mail: bytes) -> None:
    assert await asyncio.to_thread(_deliver, intake.port, [to], mail) == {}


async def outcomes(scenario: Any) -> list[tuple[str, str, str]]:
    rows = await scenario.ledger.query("SELECT * FROM campaign.outcome ORDER BY at, kind")
    return [(one["kind"], one["grade"], one["code"]) for one in rows]


async def suppressed(scenario: Any) -> list[tuple[str, str, str]]:
    rows = await scenario.ledger.query("SELECT * FROM campaign.suppressed_address")
    assert {(one["channel"], one["actor"]) for one in rows} <= {("email", "campaign")}
    return [(one["address"], one["purpose"], one["reason"]) for one in rows]


async def test_bounces_and_answers_have_addresses_of_their_own(scenario: Any) -> None:
    office = replace(OFFICE, bounce_domain=BOUNCES, reply_domain=REPLIES)
    renderer = Renderer(office, seconds=1)
    await scenario.started()
    await scenario.topics.person("p1", "ada@example.com")
    await scenario.topics.entered("p1")
    try:
        async with scenario.sending(renderer):
            await scenario.settled()
    finally:
        await renderer.close()
    (mail,), (row,) = scenario.mail_server.mails, await scenario.ledger.rows()
    token = returning.signed(LINK_KEY, "acme", row["send_key"])
    assert mail["Return-Path"] == f"b+{token}@{BOUNCES}"
    assert mail["Reply-To"] == f"r+{token}@{REPLIES}"
    assert mail["From"] == "The Shop <hello@shop.example>"


async def test_a_hard_bounce_ends_an_address_once(scenario: Any, sent: str, intake: Intake) -> None:
    """Told twice it changes nothing; nothing more is sent there."""
    for _ in range(2):
        await deliver(intake, f"b+{sent}@{BOUNCES}", mails.mail(mails.POSTFIX, sent))
    assert await outcomes(scenario) == [("bounced", "hard", "5.1.1")]
    assert await suppressed(scenario) == [("ada@example.com", "all", "hard bounce")]
    events = [one for one in await scenario.ledger.events() if one.name == "Email Bounced"]
    (event,) = events
    assert event.identifiers == [("user_id", "u-p1")]
    assert b'"class":"hard"' in bytes(event.properties)
    assert b'"consequence":"dead"' in bytes(event.properties), "profile knows by it"
    assert b'"code":"5.1.1"' in bytes(event.properties)
    await scenario.topics.entered("p1")
    await scenario.turn()
    assert await scenario.ledger.states() == {"sent": 1, "suppressed": 1}
    (row,) = await scenario.ledger.rows("state = 'suppressed'")
    assert row["reason"] == "on the suppression list"


async def test_soft_bounces_count_by_address_until_it_is_dead(
    scenario: Any, sent: str, taker: Taker
) -> None:
    """By the workspace's policy: here two messages."""
    answer = await scenario.client.patch("/v1/policy", json={"soft_bounces": 2})
    assert answer.status_code == 200, answer.text
    each = {"once_per_address_days": 0, "version": 0, "reason": "each person of an address"}
    assert (await scenario.client.put("/v1/contact-rules", json=each)).status_code == 200
    for extra in (b"", b"again\r\n"):
        assert await taker.take(mails.mail(mails.FULL + extra, sent), "smtp")
    assert await suppressed(scenario) == [], "one message, however often it bounces"
    await scenario.topics.entered("p1")
    await scenario.turn()
    tokens = {
        returning.signed(LINK_KEY, "acme", row["send_key"])
        for row in await scenario.ledger.rows("state = 'sent'")
    }
    (second,) = tokens - {sent}
    assert await taker.take(mails.mail(mails.REFUSED, second), "smtp")
    assert await suppressed(scenario) == [], "a mail that is not wanted is not the address's fault"
    assert await taker.take(mails.mail(mails.FULL, second), "smtp")
    assert [one[2] for one in await suppressed(scenario)] == ["soft bounces"]


async def test_an_address_that_is_refused_at_once_is_dead(scenario: Any, sent: str) -> None:
    """Unless it is we who are refused."""
    assert sent
    for person, address in (("p2", "refuse@example.com"), ("p3", "spam@example.com")):
        await scenario.topics.person(person, address, user_id=person)
        await scenario.topics.entered(person)
    await scenario.turn()
    assert await scenario.ledger.states() == {"sent": 1, "failed": 2}
    assert await outcomes(scenario) == [("bounced", "hard", "5.1.1")]
    assert await suppressed(scenario) == [("refuse@example.com", "all", "hard bounce")]
    assert [one.name for one in await scenario.ledger.events()][-1] == "Email Bounced"


async def test_a_complaint_ends_promotions(scenario: Any, sent: str, intake: Intake) -> None:
    """It comes to one address for all, and encloses the mail it is about."""
    await deliver(intake, f"complaints@{BOUNCES}", mails.mail(mails.COMPLAINT, sent))
    assert await outcomes(scenario) == [("complained", "", "abuse")]
    assert await suppressed(scenario) == [("ada@example.com", "promotion", "complaint")]
    assert (await scenario.ledger.events())[-1].name == "Email Complained"


async def test_an_answer_is_an_event_and_an_automatic_one_is_noted(
    scenario: Any, sent: str, intake: Intake
) -> None:
    await deliver(intake, f"r+{sent}@{REPLIES}", mails.mail(mails.ANSWER, sent))
    await deliver(intake, f"r+{sent}@{REPLIES}", mails.mail(mails.VACATION, sent))
    assert await outcomes(scenario) == [("replied", "", ""), ("auto_replied", "", "")]
    assert await suppressed(scenario) == []
    event = (await scenario.ledger.events())[-1]
    assert event.name == "Email Replied"
    assert "Danke, schön!" in bytes(event.properties).decode()


async def test_what_was_uncertain_is_settled_by_a_bounce(
    scenario: Any, sent: str, taker: Taker, engine: AsyncEngine
) -> None:
    """The server kept the mail and did not say so; all counts add up after it, too."""
    assert sent
    await scenario.topics.person("p2", "taken@example.com", user_id="u-p2")
    await scenario.topics.entered("p2")
    await scenario.turn()
    assert await scenario.ledger.states() == {"sent": 1, "uncertain": 1}
    (row,) = await scenario.ledger.rows("profile_id = 'p2'")
    token = returning.signed(LINK_KEY, "acme", row["send_key"])
    await taker.take(mails.mail(mails.ANSWER, token), "smtp")
    assert await scenario.ledger.states() == {"sent": 1, "uncertain": 1}, "it may be to another"
    await taker.take(mails.mail(mails.DELAYED, token), "smtp")
    (row,) = await scenario.ledger.rows("profile_id = 'p2'")
    assert (row["state"], row["reason"]) == ("sent", "nobody knew, until it was reported")
    assert row["sent_at"] is not None
    names = ["Email Sent", "Email Replied", "Email Sent"]
    assert [one.name for one in await scenario.ledger.events()] == names
    async with engine.begin() as tx:
        assert set((await equations(tx)).values()) == {0}


@pytest.mark.parametrize("place", ["b+{}x", "b+aaaa", "ada", "postmaster", "r+{}.{}"])
async def test_what_is_not_for_us_is_refused(intake: Intake, sent: str, place: str) -> None:
    for address in (f"{place.format(sent, sent)}@{BOUNCES}", f"b+{sent}@elsewhere.example"):
        with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
            await deliver(intake, address, b"Subject: x\r\n\r\nx\r\n")
        assert caught.value.recipients[address][0] == 550


async def test_a_forged_bounce_counts_for_nothing(scenario: Any, sent: str, taker: Taker) -> None:
    """Neither without a token, nor with one that another key has made, nor of no message."""
    (row,) = await scenario.ledger.rows()
    forged = returning.signed(b"x" * 32, "acme", row["send_key"])
    nobody = returning.signed(LINK_KEY, "acme", "ab" * 32)
    other = returning.signed(LINK_KEY, "other", row["send_key"])
    for token in ("x", forged, nobody, other):
        await taker.take(mails.mail(mails.POSTFIX, token), "smtp")
    assert await outcomes(scenario) == []
    assert await suppressed(scenario) == []
    assert sent


async def test_by_lmtp_each_recipient_has_its_answer(
    scenario: Any, sent: str, lmtp: Intake
) -> None:
    second = await send(scenario, "p2", "bob@example.com")

    reader, writer = await asyncio.open_connection("127.0.0.1", lmtp.port)
    to = [f"b+{sent}@{BOUNCES}", f"nobody@{BOUNCES}", f"b+{second}@{BOUNCES}"]
    commands = ["LHLO x", "MAIL FROM:<>", *(f"RCPT TO:<{one}>" for one in to), "DATA"]
    writer.write("".join(f"{one}\r\n" for one in commands).encode())
    writer.write(mails.mail(mails.POSTFIX, sent) + b".\r\nQUIT\r\n")
    lines = (await reader.read()).split(b"\r\n")
    writer.close()
    final = [one[:3] for one in lines if one[3:4] != b"-"]
    assert b" ".join(final) == b"220 250 250 250 550 250 354 250 250 221 "
    assert await outcomes(scenario) == [("bounced", "hard", "5.1.1")] * 2


async def test_a_mail_waits_while_the_database_is_away(
    taker: Taker, sent: str, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any, **__: Any) -> Any:
        raise ConnectionRefusedError

    monkeypatch.setattr(taker, "take", gone)
    with pytest.raises(smtplib.SMTPDataError) as caught:
        await deliver(intake, f"b+{sent}@{BOUNCES}", b"Subject: x\r\n\r\nx\r\n")
    assert caught.value.smtp_code == 451
    monkeypatch.setattr(taker, "place", gone)
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        await deliver(intake, f"b+{sent}@{BOUNCES}", b"Subject: x\r\n\r\nx\r\n")
    assert [one[0] for one in refused.value.recipients.values()] == [451]


async def test_an_error_of_ours_loses_no_mail(
    taker: Taker, sent: str, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*_: Any, **__: Any) -> Any:
        raise RuntimeError

    monkeypatch.setattr(taker, "take", wrong)
    with pytest.raises(smtplib.SMTPDataError) as caught:
        await deliver(intake, f"b+{sent}@{BOUNCES}", b"Subject: x\r\n\r\nx\r\n")
    assert caught.value.smtp_code == 451


async def test_mails_recipients_connections_and_lines_are_bounded(
    scenario: Any, sent: str, intake: Intake
) -> None:
    address = f"b+{sent}@{BOUNCES}"
    with pytest.raises(smtplib.SMTPException):
        await deliver(intake, address, b"x\r\n" * 2**19)
    # A line without an end: the connection is closed before it is kept.
    reader, writer = await asyncio.open_connection("127.0.0.1", intake.port)
    writer.write(f"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<{address}>\r\nDATA\r\n".encode())
    with pytest.raises(ConnectionError):
        await _write_for_ever(writer)
    writer.close()
    # Two connections are open; the third has to come again.
    others = [await asyncio.open_connection("127.0.0.1", intake.port) for _ in range(2)]
    for greeting, _ in others:
        assert (await greeting.readline()).startswith(b"220")
    reader, writer = await asyncio.open_connection("127.0.0.1", intake.port)
    assert (await reader.readline()).startswith(b"421")
    for _, open_one in [*others, (reader, writer)]:
        open_one.close()
    many = [address] * (MOST_RECIPIENTS + 1)
    await _until_closed(intake)
    refused = await asyncio.to_thread(_deliver, intake.port, many, b"Subject: x\r\n\r\nx\r\n")
    assert refused[address][0] == 452
    assert await outcomes(scenario) == [("replied", "", "")]


async def _write_for_ever(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x" * 2**16)
        await writer.drain()


async def _until_closed(intake: Intake) -> None:
    async with asyncio.timeout(HANG_SECONDS):
        while intake.open_connections:
            await between_looks()
