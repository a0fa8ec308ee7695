"""What is said before the first mail: greeting, EHLO, STARTTLS, AUTH. Bytes in, bytes out."""

from base64 import b64encode
from collections.abc import Generator
from dataclasses import dataclass
from typing import Literal

from rapport_campaign.smtp.extensions import Offers
from rapport_campaign.smtp.replies import CLOSING, BrokenReplyError, Reply, ReplyReader

GREETING, DONE, LOGGED_IN, GO_ON = 220, 250, 235, 334

Dialogue = Generator[bytes | None, Reply, Offers]
"""Gives what to say and takes what is answered; None: from here on it is encrypted."""


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


class Opening:
    """The state of it: `talking`, `handshake` (wants TLS now, then `secured()`), or `open`."""

    def __init__(self, server: Server) -> None:
        self._reader = ReplyReader()
        self._dialogue = _dialogue(server)
        self._output = b""
        self._secure = False
        self.state: Literal["talking", "handshake", "open"] = "talking"
        self.offers = Offers()
        next(self._dialogue)

    def feed(self, data: bytes) -> None:
        """Take what the server says; raises UnreachableError."""
        if self.state == "handshake":
            raise UnreachableError("the server spoke between its answer to STARTTLS and TLS")
        self._reader.feed(data)
        try:
            reply = self._reader.read()
        except BrokenReplyError as error:
            raise UnreachableError(str(error)) from error
        if reply is None:
            return
        if not self._reader.is_empty:
            # Before TLS, anybody on the way may have said it, to be believed after it.
            raise UnreachableError("the server spoke without being asked")
        self._answered(reply)

    def secured(self) -> None:
        """TLS is there: nothing that was said before counts (RFC 3207 §4.2)."""
        self._reader = ReplyReader()
        self.state = "talking"
        self._output += self._dialogue.send(Reply(GREETING, ())) or b""

    def output(self) -> bytes:
        """What is to be said now."""
        said, self._output = self._output, b""
        return said

    def _answered(self, reply: Reply) -> None:
        try:
            said = self._dialogue.send(reply)
        except StopIteration as end:
            self.offers = end.value
            self.state = "open"
            return
        except ValueError as error:  # a name that is no ASCII
            raise UnreachableError(str(error)) from error
        if said is None:
            self.state = "handshake"
        else:
            self._output += said


def _dialogue(server: Server) -> Dialogue:
    _require((yield b""), GREETING, "the connection")
    offers = yield from _hello(server)
    if server.tls == "starttls":
        if not offers.starttls:
            raise UnreachableError("the server offers no STARTTLS")
        _require((yield b"STARTTLS\r\n"), GREETING, "STARTTLS")
        yield None
        offers = yield from _hello(server)
    if server.username is not None:
        yield from _login(server.username, server.password or "", offers)
    return offers


def _hello(server: Server) -> Dialogue:
    name = server.greeting.encode("ascii")
    reply = yield b"EHLO %b\r\n" % name
    if reply.code == DONE:
        return Offers.of(reply)
    if not reply.is_no:
        raise UnreachableError(f"EHLO was refused: {reply}")
    # RFC 5321 §3.2: an old server; what needs an extension fails by its missing.
    _require((yield b"HELO %b\r\n" % name), DONE, "HELO")
    return Offers()


def _login(username: str, password: str, offers: Offers) -> Generator[bytes, Reply, None]:
    """By PLAIN, then by LOGIN, whichever is offered (RFC 4954); no error names the secret."""
    known = [
        (name, way)
        for name, way in (("PLAIN", _plain), ("LOGIN", _by_questions))
        if name in offers.mechanisms
    ]
    if not known:
        raise UnreachableError("the server offers neither AUTH PLAIN nor AUTH LOGIN")
    for _, way in known:
        reply = yield from way(username, password)
        if reply.code == LOGGED_IN:
            return
        if reply.code == CLOSING:
            break
    raise UnreachableError(f"AUTH was refused: {reply}")


def _plain(username: str, password: str) -> Generator[bytes, Reply, Reply]:
    secret = b64encode(f"\0{username}\0{password}".encode())
    reply = yield b"AUTH PLAIN %b\r\n" % secret
    if reply.code == GO_ON:  # it has not read what came with the command
        reply = yield b"%b\r\n" % secret
    return reply


def _by_questions(username: str, password: str) -> Generator[bytes, Reply, Reply]:
    reply = yield b"AUTH LOGIN\r\n"
    for secret in (username, password):  # whatever the words of the questions are
        if reply.code != GO_ON:
            break
        reply = yield b"%b\r\n" % b64encode(secret.encode())
    return reply


def _require(reply: Reply, code: int, what: str) -> None:
    if reply.code != code:
        raise UnreachableError(f"{what} was refused: {reply}")
