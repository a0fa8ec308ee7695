"""Sockets, TLS and time-outs around `opening` and `session`."""

import asyncio
import ssl
import time
from contextlib import suppress
from typing import Protocol, cast

from typing_extensions import override

from rapport_campaign.domain.delivery import Outcome
from rapport_campaign.smtp.envelope import Letter
from rapport_campaign.smtp.opening import Opening, Server, UnreachableError
from rapport_campaign.smtp.session import Session

GOOD_BYE_SECONDS = 1.0
NO_TIME = Outcome("released", "not tried")


class Source(Protocol):
    """Where letters come from, and where they end: each by `ended` or by `put_back`."""

    def take(self) -> Letter | None:
        """The next letter; None when there is none, or none may be begun any more."""

    def put_back(self, letter: Letter) -> None:
        """It was not begun: whoever takes next gets it."""

    def ended(self, letter: Letter, outcome: Outcome) -> None:
        """What it came to."""


class Connection:
    """Hands letters over, as many at a time as the server allows; opens and re-opens itself."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._wire: _Wire | None = None
        self._context: ssl.SSLContext | None = None

    async def open(self, seconds: float = float("inf")) -> bool:
        """Connect unless connected; whether the connection is an old one.

        It takes `seconds` or the server's time-out at most. Raises UnreachableError.
        """
        if self._wire is not None and self._wire.is_usable:
            return True
        await self.close()
        wire = _Wire(self._server.timeout)
        try:
            async with asyncio.timeout(min(self._server.timeout, seconds)):
                await self._talk(wire)
        except (OSError, ValueError) as error:
            wire.drop()
            raise UnreachableError(_said(error)) from error
        except BaseException:
            wire.drop()
            raise
        if not wire.is_usable:
            raise UnreachableError("the server closes each connection at once")
        self._wire = wire
        return False

    async def hand_over(self, source: Source, until: float = float("inf")) -> str | None:
        """Hand over what the source gives; why it stopped before the source was empty.

        No body is begun after `until`, by `time.monotonic`. Only between the end of a body and
        the server's answer to it can an outcome be unknown: everything before is definite, and
        so is any answer (RFC 5321 §4.2.5: after a 4yz or 5yz to the mail itself the server has
        not taken it).
        """
        try:
            while (letter := source.take()) is not None:
                try:
                    await self.open(until - time.monotonic())
                except UnreachableError as error:
                    reason = f"mail server not reachable: {error}"
                    source.ended(letter, Outcome("released", reason))
                    return reason
                refused = await self._opened().work(letter, source, until)
                if refused is not None:
                    return refused
        except BaseException:
            self.drop()
            raise
        return None

    async def close(self) -> None:
        """Say good-bye, briefly."""
        wire, self._wire = self._wire, None
        if wire is not None:
            await wire.quit()

    def drop(self) -> None:
        """Forget the connection without a word."""
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.drop()

    def _opened(self) -> "_Wire":
        if self._wire is None:
            raise UnreachableError("the connection is closed")
        return self._wire

    async def _talk(self, wire: "_Wire") -> None:
        server, loop = self._server, asyncio.get_running_loop()
        if server.tls != "none" and self._context is None:
            self._context = ssl.create_default_context()
        opening = Opening(server)
        opened = wire.begin(opening)
        await loop.create_connection(
            lambda: wire, server.host, server.port, ssl=self._context if _at_once(server) else None
        )
        await opened
        if opening.state == "handshake":
            opened = wire.begin(opening)
            await wire.encrypt(cast("ssl.SSLContext", self._context), server.host)
            await opened


class _Wire(asyncio.Protocol):
    """One socket. Everything happens where bytes come in: a mail costs no task and no future."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._opening: Opening | None = None
        self._session: Session | None = None
        self._source: Source | None = None
        self._until = float("inf")
        self._refused: str | None = None
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._halves = 0
        self._deadline = float("inf")
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = 0.0
        self._may_write = True

    @property
    def is_usable(self) -> bool:
        return self._session is not None and self._session.is_usable

    def begin(self, opening: Opening) -> asyncio.Future[None]:
        """Done when the opening has got as far as it gets by itself; fails with the connection."""
        self._opening = opening
        self._done = self._loop.create_future()
        return self._done

    async def encrypt(self, context: ssl.SSLContext, host: str) -> None:
        """Go on in TLS (RFC 3207)."""
        if self._transport is None or self._opening is None:
            raise UnreachableError("the server closed the connection")
        transport = await self._loop.start_tls(self._transport, self, context, server_hostname=host)
        self._use(cast("asyncio.Transport", transport))
        self._opening.secured()
        self._write(self._opening.output())

    async def work(self, letter: Letter, source: Source, until: float) -> str | None:
        """Hand over this letter and what the source gives, until it gives nothing or it is over.

        Gives why no other mail need be tried, when the server says so.
        """
        if self._session is None:
            raise UnreachableError("the connection is not open")
        self._source, self._until, self._refused = source, until, None
        self._done = self._loop.create_future()
        self._session.add(letter)
        self._go_on()
        try:
            await self._done
        finally:
            self._source = None
        return self._refused

    async def quit(self) -> None:
        """Say QUIT, and wait a moment for the server to close."""
        transport, session = self._transport, self._session
        if transport is not None and session is not None and session.over is None:
            session.lost("we close the connection")
            self._done = self._loop.create_future()
            transport.write(b"QUIT\r\n")
            with suppress(OSError):
                async with asyncio.timeout(GOOD_BYE_SECONDS):
                    await self._done
        self.drop()

    def drop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._session is not None:
            self._session.lost("we dropped the connection")
        if self._transport is not None:
            self._transport.abort()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._use(cast("asyncio.Transport", transport))

    @override
    def data_received(self, data: bytes) -> None:
        if self._session is None:
            self._open(data)
        elif self._session.over is None:
            self._session.feed(data)
            self._go_on()
        elif self._source is None and not self._done.done():
            self._done.set_result(None)  # the answer to QUIT

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        why = f"the server closed the connection: {_said(exc)}" if exc else None
        why = why or "the server closed the connection"
        if self._session is not None:
            self._session.lost(why, closed=True)
            self._go_on()
        if not self._done.done():
            self._done.set_exception(ConnectionError(why))
            self._done.exception()  # nobody may be waiting any more

    @override
    def pause_writing(self) -> None:
        self._may_write = False

    @override
    def resume_writing(self) -> None:
        self._may_write = True
        self._flush()

    def _use(self, transport: asyncio.Transport) -> None:
        # Nothing more is written while anything waits here: a body's end is the last to leave.
        transport.set_write_buffer_limits(high=1, low=0)
        self._transport = transport

    def _open(self, data: bytes) -> None:
        opening = self._opening
        if opening is None or self._transport is None:
            return
        try:
            opening.feed(data)
        except UnreachableError as error:
            self._fail(error)
            return
        self._write(opening.output())
        if opening.state == "open":
            self._session = Session(opening.offers)
        if opening.state == "handshake":
            # What else comes unencrypted is read by TLS, which refuses it.
            self._transport.pause_reading()
        if opening.state != "talking":
            self._done.set_result(None)

    def _fail(self, error: Exception) -> None:
        self.drop()
        if not self._done.done():
            self._done.set_exception(error)

    def _go_on(self) -> None:
        try:
            self._advance()
        except Exception as error:  # noqa: BLE001 - who waits hears of it, the loop would only log it
            self._fail(error)

    def _advance(self) -> None:
        """After anything has happened: tell outcomes, take letters, write, look at the clock."""
        session, source = self._session, self._source
        if session is None or source is None:
            if session is not None and session.over is not None:
                self._hang_up()
            return
        self._tell(session, source)
        while self._refused is None and session.has_room and (letter := source.take()):
            session.add(letter)
            self._tell(session, source)
        self._flush()
        if session.over is not None:
            self._hang_up()
        elif not session.is_idle:
            self._look_at_the_clock(session)
            return
        if not self._done.done():
            self._done.set_result(None)

    def _tell(self, session: Session, source: Source) -> None:
        for letter, outcome in session.ended:
            if outcome.result == "released":
                self._refused = outcome.reason
            source.ended(letter, outcome)
        for letter in session.returned:
            source.put_back(letter)
        session.ended.clear()
        session.returned.clear()

    def _hang_up(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()

    def _flush(self) -> None:
        while self._session is not None and self._may_write:
            piece = self._session.output()
            if not piece:
                return
            self._write(piece)

    def _write(self, data: bytes) -> None:
        if data and self._transport is not None:
            self._transport.write(data)

    def _look_at_the_clock(self, session: Session) -> None:
        """Each half has its own time; what begins a body besides must be done by `until`."""
        if session.halves == self._halves:
            return
        self._halves = session.halves
        deadline = time.monotonic() + self._timeout
        self._deadline = deadline if session.is_on_its_way else min(deadline, self._until)
        # The timer of a half before rings, sees that it is too early, and is set anew: else each
        # mail would cost two.
        if self._timer is None or self._rings_at > self._deadline:
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_at = self._deadline
        self._timer = self._loop.call_later(self._deadline - time.monotonic(), self._rings)

    def _rings(self) -> None:
        self._timer = None
        session = self._session
        if session is None or session.is_idle or session.over is not None:
            return
        if time.monotonic() < self._deadline:
            self._set_timer()
            return
        outcome = NO_TIME if self._deadline >= self._until else None
        session.lost(f"no answer within {self._timeout:g} s", outcome=outcome)
        self._go_on()


def _at_once(server: Server) -> bool:
    return server.tls == "tls"


def _said(error: BaseException) -> str:
    return f"{type(error).__name__} {error}".strip()
