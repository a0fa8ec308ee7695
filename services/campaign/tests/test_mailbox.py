"""A mailbox that is looked into: what is reported there is heeded, each mail looked at once."""

import asyncio
import imaplib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from services.campaign.tests import bounce_mails as mails
from services.campaign.tests.conftest import publisher
from services.campaign.tests.imap_server import ImapServer
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.waiting import HANG_SECONDS, between_looks

from rapport_campaign.domain import returning
from rapport_campaign.handlers.outcomes import Outcomes
from rapport_campaign.intake.mailbox import Looker
from rapport_campaign.intake.taking import Taker
from rapport_common.mail.looking import Looker as CommonLooker
from rapport_common.mail.mailboxes import Mailbox
from rapport_common.mail.putting_off import TooManyMailsError
from rapport_common.testing.credentials import LINK_KEY


@pytest.mark.parametrize(
    ("url", "found"),
    [
        (
            "imaps://ada%40x.example:p%3Aw@mail.example/Bounces%2FAll",
            Mailbox("mail.example", 993, "ada@x.example", "p:w", "Bounces/All", is_tls=True),
        ),
        ("imap://ada@h:1143", Mailbox("h", 1143, "ada", "", "INBOX", is_tls=False)),
    ],
)
def test_a_mailbox_is_named_by_an_address(url: str, found: Mailbox) -> None:
    assert Mailbox.of(url) == found


@pytest.mark.parametrize("url", ["", "pop3://a:secret@h", "imap://secret", "imap://a:secret@h:x"])
def test_what_is_no_mailbox_is_told_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match="a mailbox is imaps://") as caught:
        Mailbox.of(url)
    assert "secret" not in str(caught.value)


@pytest.fixture
async def imap() -> AsyncIterator[ImapServer]:
    server = ImapServer()
    await server.start()
    yield server
    server.stop()


@pytest.fixture
def looker(engine: AsyncEngine, imap: ImapServer) -> Looker:
    taker = Taker(engine, Outcomes(publisher(), LINK_KEY))
    box = Mailbox("127.0.0.1", imap.port, "ada", "p w", 'Bou"nces', is_tls=False)
    return Looker(taker, box, seconds=0.01)


@pytest.fixture
async def sent(scenario: Any) -> str:
    await scenario.started()
    await scenario.topics.person("p1", "ada@example.com", user_id="u1")
    await scenario.topics.entered("p1")
    await scenario.turn()
    (row,) = await scenario.ledger.rows()
    return returning.signed(LINK_KEY, "acme", row["send_key"])


async def _kinds(scenario: Any) -> list[str]:
    rows = await scenario.ledger.query("SELECT kind, source FROM campaign.outcome")
    assert {one["source"] for one in rows} <= {"mailbox"}
    return [one["kind"] for one in rows]


@pytest.mark.integration
@pytest.mark.parametrize("keywords", [True, False])
async def test_each_mail_is_looked_at_once(
    scenario: Any, sent: str, imap: ImapServer, looker: Looker, *, keywords: bool
) -> None:
    """What people have not read is not read for them, where there is room for a mark of ours."""
    imap.keywords = keywords
    imap.put(mails.mail(mails.POSTFIX, sent))
    imap.put(b"Subject: of no concern\r\n\r\nx\r\n")
    assert [await looker.turn(), await looker.turn()] == [2, 0]
    assert await _kinds(scenario) == ["bounced"]
    marks = {flag for one in imap.mails.values() for flag in one.flags}
    assert marks == ({"RapportRead"} if keywords else {r"\Seen"})


@pytest.mark.integration
@pytest.mark.parametrize("error", [ValueError, UnicodeError, TooManyMailsError])
async def test_a_mail_that_can_not_be_taken_stays_there_and_keeps_no_other(
    imap: ImapServer, error: type[Exception]
) -> None:
    taken = []

    async def take(raw: bytes) -> None:
        if b"odd" in raw:
            raise error
        taken.append(raw)

    for subject in (b"odd", b"plain"):
        imap.put(b"Subject: " + subject + b"\r\n\r\nx\r\n")
    box = Mailbox("127.0.0.1", imap.port, "ada", "p w", 'Bou"nces', is_tls=False)
    looker = CommonLooker(take, box, seconds=0.01)
    assert [await looker.turn(), await looker.turn()] == [2, 0]
    assert len(taken) == 1
    assert len(imap.mails) == 2


@pytest.mark.integration
async def test_a_mail_that_was_not_marked_is_looked_at_again_and_changes_nothing(
    scenario: Any, sent: str, imap: ImapServer, looker: Looker
) -> None:
    imap.put(mails.mail(mails.POSTFIX, sent))
    imap.refused = {"UID STORE"}
    with pytest.raises(imaplib.IMAP4.error):
        await looker.turn()
    assert await _kinds(scenario) == ["bounced"]
    events = len(await scenario.ledger.events())
    imap.refused = set()
    assert await looker.turn() == 1
    assert await _kinds(scenario) == ["bounced"]
    assert len(await scenario.ledger.events()) == events


@pytest.mark.integration
async def test_while_the_mailbox_is_away_it_is_tried_again(
    scenario: Any, sent: str, imap: ImapServer, looker: Looker
) -> None:
    imap.put(mails.mail(mails.COMPLAINT, sent))
    imap.refused = {"LOGIN"}
    stop = asyncio.Event()
    task = asyncio.create_task(looker.run(stop))
    async with asyncio.timeout(HANG_SECONDS):
        while not imap.tried:
            await between_looks()
        imap.refused = set()
        while not await _kinds(scenario):
            await between_looks()
    stop.set()
    await asyncio.wait_for(task, HANG_SECONDS)
    assert await _kinds(scenario) == ["complained"]
