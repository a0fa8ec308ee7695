"""A mail server for tests: it keeps what it is given, and has moods."""

import asyncio
import email
from collections import Counter
from email.message import Message
from email.policy import default

from aiosmtpd.smtp import SMTP, Envelope, Session
from tests.support.waiting import HANG_SECONDS, pretend_slow


class MailServer:
    """A real SMTP server (aiosmtpd) whose moods a test sets; `mails` is its mailbox.

    Moods by recipient's local part before `+`: refuse, later, drop-rcpt, lost (drops with the
    mail unread), taken (keeps the mail, then drops), slow (keeps it and does not answer while it
    runs). It waits `pause` seconds after it has kept a mail and before it says so. `pipelining`:
    whether it offers that.
    """

    def __init__(self) -> None:
        self.mails: list[Message] = []
        self.port = 0
        self.connections = 0
        self.later_replies = 10**9
        self.pause = 0.0
        self.pipelining = True
        self._server: asyncio.Server | None = None
        self._stopped = asyncio.Event()

    async def start(self, port: int = 0) -> None:
        self._stopped.clear()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._stopped.set()
        if self._server is not None:
            self._server.close()
            self._server = None

    def _protocol(self) -> SMTP:
        self.connections += 1
        return SMTP(self, hostname="localhost", enable_SMTPUTF8=True, timeout=HANG_SECONDS)

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, name: str, answer: list[str]
    ) -> list[str]:
        """It reads line by line, so it can be told several; it does not say so by itself."""
        session.host_name = name
        return [answer[0], "250-PIPELINING", *answer[1:]] if self.pipelining else answer

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        mood = address.partition("@")[0].partition("+")[0]
        if mood == "refuse":
            return "550 5.1.1 no such user"
        if mood == "later" and self.later_replies > 0:
            self.later_replies -= 1
            return "451 4.7.1 greylisted"
        if mood == "drop-rcpt":
            _transport(server).close()
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        mood = envelope.rcpt_tos[0].partition("@")[0].partition("+")[0]
        if mood == "lost":
            _transport(server).close()
            return ""
        if mood == "spam":
            return "554 5.7.1 looks like spam"
        if mood == "full":
            return "452 4.3.1 mailbox full"
        self.mails.append(_parsed(envelope))
        if mood == "taken":
            _transport(server).close()
        if mood == "slow":
            await self._stopped.wait()
        await pretend_slow(self.pause)
        return "250 OK"

    def send_keys(self) -> Counter[str]:
        """How often each send is in the mailbox."""
        return Counter(str(one["X-Rapport-Send-Key"]) for one in self.mails)


def _transport(server: SMTP) -> asyncio.BaseTransport:
    assert server.transport is not None
    return server.transport


def _parsed(envelope: Envelope) -> Message:
    assert isinstance(envelope.content, bytes)
    found = email.message_from_bytes(envelope.content, policy=default)
    # As servers do that deliver for good (RFC 5321, 4.4).
    found["Return-Path"] = envelope.mail_from
    return found
