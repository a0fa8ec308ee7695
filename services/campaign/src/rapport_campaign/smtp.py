"""One kept-open connection to the mail server, and what each answer of it means."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

import aiosmtplib
from aiosmtplib import (
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPServerDisconnected,
)

from rapport_campaign.domain.delivery import Outcome
from rapport_common import logging

log = logging.get(__name__)

# Many servers close a connection after a hundred mails, some in the middle of the next one.
MAILS_PER_CONNECTION = 100
GOOD_BYE_SECONDS = 1.0
CLOSING = 421
REFUSED = range(500, 600)
REFUSED_FOR_NOW = range(400, 500)
TAKEN = range(200, 300)
# Answers to MAIL that are about this mail or its sender; the other 5xx are about us: not
# authenticated, out of sequence.
ABOUT_THE_MAIL = range(550, 560)


class UnreachableError(Exception):
    """The server can't be talked to, whatever the mail: no mail has been handed over."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where and how to reach the mail server; `timeout` in seconds bounds each half of a mail.

    `greeting` is the name that EHLO tells: many servers refuse `localhost`.
    """

    host: str
    port: int
    timeout: float = 30
    username: str | None = None
    password: str | None = None
    tls: str = "none"
    greeting: str = "localhost"


class Connection:
    """Hands mails over one at a time; opens and re-opens itself."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._client: aiosmtplib.SMTP | None = None
        self._mails = 0

    async def open(self) -> bool:
        """Connect unless connected; whether the connection is an old one.

        Raises UnreachableError.
        """
        if self._client is not None and self._client.is_connected:
            if self._mails < MAILS_PER_CONNECTION:
                return True
            await self.close()
        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.username,
            password=server.password,
            # Asking the resolver for our own name can take seconds.
            local_hostname=server.greeting,
            timeout=server.timeout,
            use_tls=server.tls == "tls",
            start_tls=server.tls == "starttls",
        )
        try:
            async with asyncio.timeout(server.timeout):
                await client.connect()
                await client.ehlo()
        except (SMTPException, OSError, ValueError) as error:
            client.close()
            raise UnreachableError(_said(error)) from error
        self._client, self._mails = client, 0
        return False

    async def deliver(self, sender: str, recipient: str, data: bytes) -> Outcome:
        """Hand one mail over.

        Only between the DATA command and the server's last answer can the outcome be unknown:
        everything before is definite, and so is any answer (RFC 5321 §4.2.5: after a 4yz or 5yz
        to the mail itself the server has not taken it).
        """
        try:
            refused = await self._envelope(sender, recipient)
        except UnreachableError as error:
            return Outcome("released", f"mail server not reachable: {error}")
        if refused is not None:
            return refused
        self._mails += 1
        return await self._body(data)

    async def close(self) -> None:
        """Say good-bye, briefly."""
        client, self._client = self._client, None
        if client is None:
            return
        with suppress(SMTPException, OSError, TimeoutError):
            async with asyncio.timeout(GOOD_BYE_SECONDS):
                await client.quit()
        client.close()

    def drop(self) -> None:
        """Forget the connection without a word."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    async def _envelope(self, sender: str, recipient: str) -> Outcome | None:
        """MAIL and RCPT; None when the server wants the mail. A stale connection is replaced."""
        for _ in range(2):
            stale = await self.open()
            try:
                async with asyncio.timeout(self._server.timeout):
                    await self._address(sender, recipient)
                return None
            except SMTPResponseException as error:
                return await self._refusal(error)
            except (UnicodeEncodeError, ValueError, aiosmtplib.SMTPNotSupported) as error:
                self.drop()
                return Outcome("failed", f"the address can't be used: {_said(error)}")
            except (SMTPException, OSError) as error:
                self.drop()
                if not (stale and isinstance(error, SMTPServerDisconnected)):
                    return Outcome("retry", f"before the mail: {_said(error)}")
        return Outcome("retry", "the server closes each connection at once")

    async def _address(self, sender: str, recipient: str) -> None:
        client = self._opened()
        utf8 = not (sender.isascii() and recipient.isascii())
        if utf8 and not client.supports_extension("smtputf8"):
            message = "the server does not take addresses outside ASCII"
            raise aiosmtplib.SMTPNotSupported(message)
        encoding = "utf-8" if utf8 else "ascii"
        await client.mail(sender, options=["SMTPUTF8"] if utf8 else [], encoding=encoding)
        await client.rcpt(recipient, encoding=encoding)

    async def _refusal(self, error: SMTPResponseException) -> Outcome:
        """What a refusal of MAIL or RCPT means; the connection is kept when it can be."""
        await self._reset(error.code)
        reason = f"{error.code} {error.message}"
        if isinstance(error, SMTPRecipientRefused) and error.code in REFUSED:
            return Outcome("failed", reason)
        if isinstance(error, SMTPSenderRefused) and error.code in ABOUT_THE_MAIL:
            return Outcome("failed", reason)
        if error.code in REFUSED_FOR_NOW:
            return Outcome("retry", reason)
        return Outcome("released", reason)

    async def _body(self, data: bytes) -> Outcome:
        try:
            async with asyncio.timeout(self._server.timeout):
                await self._opened().data(data)
        except SMTPDataError as error:
            await self._reset(error.code)
            reason = f"{error.code} {error.message}"
            if error.code in TAKEN:
                return Outcome("sent", reason)
            if error.code in REFUSED:
                return Outcome("failed", reason)
            if error.code in REFUSED_FOR_NOW:
                return Outcome("retry", reason)
            return Outcome("uncertain", reason)
        except (SMTPException, OSError) as error:
            self.drop()
            return Outcome("uncertain", f"while the mail was on its way: {_said(error)}")
        except BaseException:
            self.drop()
            raise
        return Outcome("sent")

    async def _reset(self, code: int) -> None:
        if code == CLOSING:
            self.drop()
            return
        try:
            async with asyncio.timeout(self._server.timeout):
                await self._opened().rset()
        except (SMTPException, OSError):
            self.drop()

    def _opened(self) -> aiosmtplib.SMTP:
        if self._client is None:
            message = "the connection is closed"
            raise SMTPServerDisconnected(message)
        return self._client


def _said(error: BaseException) -> str:
    return f"{type(error).__name__} {error}".strip()
