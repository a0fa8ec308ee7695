"""A mail server that takes what is for our addresses and nothing else, by SMTP or LMTP.

It says 250 when what the mail says is committed; while the database is away it says 451, and
the other side keeps the mail. How much, how many and how long are bounded.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session
from typing_extensions import override

from rapport_common import logging
from rapport_common.db import is_retriable
from rapport_common.mail.putting_off import TooManyMailsError

log = logging.get(__name__)

MOST_RECIPIENTS = 50
IDLE_SECONDS = 60.0
CONNECTION_SECONDS = 300.0
MOST_COMMANDS = 200
MAILS_PER_CONNECTION = 4
"""Of the largest size."""
LINE = 64 * 1024
"""Bytes: what is enclosed in a bounce has had no mail server shorten its lines."""
AWAY = "451 4.3.0 The database is away; try again later"
TOO_MANY = "451 4.7.1 Too many mails of this sender or to this case; try again later"
FULL = b"421 4.3.2 Too many connections, try again later\r\n"


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where it listens, and what it takes at most. `domains` are ours."""

    host: str
    port: int
    domains: frozenset[str]
    hostname: str
    protocol: Literal["smtp", "lmtp"] = "smtp"
    connections: int = 50
    size: int = 10 * 2**20


class Reception(Protocol):
    """Who knows which addresses are ours, and takes what is for them."""

    async def leads_to(self, address: str, domains: frozenset[str]) -> tuple[bool, Any]:
        """Whether an address (in lower case) is ours, and what it leads to."""

    async def take(self, raw: bytes, sender: str, to: Sequence[Any]) -> None:
        """Commit a mail; `to` is what its recipients lead to, where they lead to something."""


class MailServer:
    """The worker that listens."""

    name = "intake"

    def __init__(self, reception: Reception, bounds: Bounds) -> None:
        self._reception = reception
        self._bounds = bounds
        self._open: set[SMTP] = set()
        self.port = 0
        self.listening = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until `stop`; who has not got an answer by then keeps the mail."""
        loop = asyncio.get_running_loop()
        # The next process of a deploy listens beside the last one.
        server = await loop.create_server(
            self._protocol, self._bounds.host, self._bounds.port, reuse_port=True
        )
        self.port = server.sockets[0].getsockname()[1]
        self.listening.set()
        try:
            await stop.wait()
        finally:
            server.close()
            for one in list(self._open):
                if one.transport is not None:
                    one.transport.close()

    @property
    def open_connections(self) -> int:
        """How many there are."""
        return len(self._open)

    def _protocol(self) -> asyncio.Protocol:
        if len(self._open) >= self._bounds.connections:
            return _Full()
        kind = _Lmtp if self._bounds.protocol == "lmtp" else _Smtp
        made = kind(
            _Door(self._reception, self._bounds),
            data_size_limit=self._bounds.size,
            enable_SMTPUTF8=True,
            hostname=self._bounds.hostname,
            ident="Rapport",
            timeout=IDLE_SECONDS,
            command_call_limit={"*": MOST_COMMANDS},
        )
        made.open_ones = self._open
        made.most_bytes = MAILS_PER_CONNECTION * self._bounds.size
        return made


class _Full(asyncio.Protocol):
    """One connection too many."""

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.WriteTransport):
            transport.write(FULL)
        transport.close()


class _Counted(SMTP):
    """Is counted while it is open; so long, and so many bytes, at most.

    Bytes are counted here, since a line without an end is kept whole by who reads it.
    """

    line_length_limit = LINE
    open_ones: set[SMTP]
    most_bytes: int = 0
    _end: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.open_ones.add(self)
        loop = asyncio.get_running_loop()
        self._end = loop.call_later(CONNECTION_SECONDS, transport.close)
        super().connection_made(transport)

    @override
    def data_received(self, data: bytes) -> None:
        self.most_bytes -= len(data)
        if self.most_bytes >= 0:
            super().data_received(data)
        elif self.transport is not None:
            self.transport.close()

    @override
    def connection_lost(self, error: Exception | None) -> None:
        self.open_ones.discard(self)
        if self._end is not None:
            self._end.cancel()
        super().connection_lost(error)


class _Smtp(_Counted):
    pass


class _Lmtp(_Counted, LMTP):
    pass


class _Door:
    """What the server asks; the names are aiosmtpd's."""

    def __init__(self, reception: Reception, bounds: Bounds) -> None:
        self._reception = reception
        self._bounds = bounds
        self._places: dict[str, Any] = {}

    async def handle_RCPT(  # noqa: N802
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        """Only what is for an address of ours is taken."""
        if len(envelope.rcpt_tos) >= MOST_RECIPIENTS:
            return "452 4.5.3 Too many recipients"
        try:
            is_ours = await self._knows(address)
        except Exception as error:
            if not is_retriable(error):
                raise
            log.warning("a mail is to be sent again, the database is away", error=error)
            return AWAY
        if not is_ours:
            return "550 5.1.1 No such address here"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Commit what it says, then say so: once by SMTP, for each recipient by LMTP."""
        content = envelope.content or b""
        raw = content.encode("utf-8", "replace") if isinstance(content, str) else content
        places = [self._places.get(one) for one in envelope.rcpt_tos]
        to = [one for one in places if one is not None]
        answer = await self._taken(raw, envelope.mail_from or "", to)
        times = len(envelope.rcpt_tos) if isinstance(server, LMTP) else 1
        return "\r\n".join([answer] * times)

    async def handle_exception(self, error: Exception) -> str:
        """Nobody loses a mail by an error of ours."""
        log.error("a mail could not be taken", error=error, exc_info=error)
        return "451 4.3.0 Something is wrong here; try again later"

    async def _knows(self, address: str) -> bool:
        is_ours, place = await self._reception.leads_to(address.lower(), self._bounds.domains)
        if is_ours:
            self._places[address] = place
        return is_ours

    async def _taken(self, raw: bytes, sender: str, to: Sequence[Any]) -> str:
        try:
            await self._reception.take(raw, sender, to)
        except TooManyMailsError:
            return TOO_MANY
        except Exception as error:
            if not is_retriable(error):
                raise
            log.warning("a mail is to be sent again, the database is away", error=error)
            return AWAY
        return "250 2.0.0 It is kept"
