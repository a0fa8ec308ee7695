"""Connections over sockets: to aiosmtpd, and to servers that behave as none should."""

import asyncio
import ssl
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from services.campaign.tests.smtp_peer import Peer, Plan, letters
from tests.support.certificate import own_certificate
from tests.support.waiting import HANG_SECONDS
from typing_extensions import override

from rapport_campaign.domain.delivery import Outcome
from rapport_campaign.smtp import Connection, Letter, Server, UnreachableError
from rapport_campaign.smtp.connection import _Wire
from rapport_campaign.smtp.opening import Opening

HOST = "127.0.0.1"
OFFERS = b"250-peer\r\n250 PIPELINING\r\n"
NOTHING_LEFT = 10**9
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Letters:
    """A source; `results` by number of the letter, in the order in which they came."""

    def __init__(self, some: Iterable[Letter]) -> None:
        self.waiting = deque(some)
        self.outcomes: dict[int, Outcome] = {}
        self._numbers = {letter: number for number, letter in enumerate(self.waiting)}

    def take(self) -> Letter | None:
        return self.waiting.popleft() if self.waiting else None

    def put_back(self, letter: Letter) -> None:
        self.waiting.appendleft(letter)

    def ended(self, letter: Letter, outcome: Outcome) -> None:
        assert self._numbers[letter] not in self.outcomes
        self.outcomes[self._numbers[letter]] = outcome

    @property
    def results(self) -> dict[int, str]:
        return {number: one.result for number, one in self.outcomes.items()}


class Hostile:
    """Plays a script to each connection; `peer` is what it knows of mails."""

    def __init__(self, plans: int = 0) -> None:
        self.peer = Peer([Plan()] * plans)
        self.connections = 0
        self.reached = asyncio.Event()

    async def opens(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        # Another connection knows nothing of what the last one broke off.
        self.peer = Peer(self.peer.plans, self.peer.begun, self.peer.taken)
        writer.write(b"220 peer\r\n")
        await reader.readline()
        writer.write(OFFERS)

    async def serves(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        mails: int = NOTHING_LEFT,
        answers: int = NOTHING_LEFT,
    ) -> None:
        """Until so many mails, or so many bytes of answers, or the client's end."""
        until = len(self.peer.taken) + mails
        while len(self.peer.taken) < until and answers > 0 and (said := await reader.read(65536)):
            if said == b"QUIT\r\n":
                writer.write(b"221 bye\r\n")
                return
            answer = self.peer.hear(said)[:answers]
            answers -= len(answer)
            writer.write(answer)
            await writer.drain()

    async def silent(self, reader: asyncio.StreamReader) -> None:
        """Says nothing more until the client has gone."""
        self.reached.set()
        while await reader.read(65536):
            pass


@asynccontextmanager
async def listening(script: Script, **tls: Any) -> AsyncIterator[Server]:
    """A server that plays the script, and how to reach it."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await script(reader, writer)
        writer.close()

    server = await asyncio.start_server(client, HOST, 0, **tls)
    port = server.sockets[0].getsockname()[1]
    try:
        yield Server(HOST, port, HANG_SECONDS, tls="tls" if tls else "none")
    finally:
        server.close()


async def handed_over(server: Server, source: Letters) -> str | None:
    connection = Connection(server)
    try:
        return await connection.hand_over(source)
    finally:
        await connection.close()


def mails_to(*recipients: str) -> Letters:
    return Letters(
        Letter("a@shop.example", one, b"Subject: %d\r\n\r\n.dots\r\n..\r\n.\r\n" % number)
        for number, one in enumerate(recipients)
    )


@pytest.mark.parametrize("pipelining", [True, False])
async def test_aiosmtpd_is_understood(mail_server: Any, pipelining: bool) -> None:  # noqa: FBT001
    mail_server.pipelining = pipelining
    source = mails_to(
        "ada@x.example",
        "refuse@x.example",
        "jürgen@x.example",
        "later@x.example",
        "spam@x.example",
        "lost@x.example",
        "full@x.example",
        "taken@x.example",
        "a> x@x.example",
        "bob@x.example",
    )
    assert await handed_over(Server(HOST, mail_server.port, HANG_SECONDS), source) is None
    assert source.results == {
        0: "sent",
        1: "failed",
        2: "sent",
        3: "retry",
        4: "failed",
        5: "uncertain",
        6: "retry",
        7: "uncertain",
        8: "failed",
        9: "sent",
    }
    assert source.outcomes[1].reason == "550 5.1.1 no such user"
    assert [one["Subject"] for one in mail_server.mails] == ["0", "2", "7", "9"]
    assert {one.get_payload() for one in mail_server.mails} == {".dots\r\n..\r\n.\r\n"}
    assert mail_server.connections == 3


async def test_a_mail_that_drops_the_connection_is_tried_once_more(mail_server: Any) -> None:
    source = mails_to("ada@x.example", "drop-rcpt@x.example", "bob@x.example")
    await handed_over(Server(HOST, mail_server.port, HANG_SECONDS), source)
    assert source.results == {0: "sent", 1: "retry", 2: "sent"}
    assert mail_server.connections == 3


class Guarded:
    """What aiosmtpd asks for: a name and a password, in TLS only."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []

    def __call__(self, server: Any, session: Any, envelope: Any, how: str, who: Any) -> AuthResult:
        return AuthResult(success=who == LoginPassword(b"ada", "pä".encode()), handled=False)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        assert session.authenticated
        assert session.ssl is not None
        self.mails.append(envelope.content)
        return "250 2.0.0 kept"


@pytest.mark.parametrize("password", ["pä", "wrong"])
@pytest.mark.parametrize("way", ["PLAIN", "LOGIN"])
async def test_encrypted_and_logged_in_at_aiosmtpd(way: str, password: str) -> None:
    handler, context = Guarded(), own_certificate(HOST)

    def protocol() -> SMTP:
        return SMTP(
            handler,
            hostname="localhost",
            tls_context=context,
            require_starttls=True,
            authenticator=handler,
            auth_required=True,
            auth_exclude_mechanism=[one for one in ("PLAIN", "LOGIN") if one != way],
            timeout=HANG_SECONDS,
        )

    listener = await asyncio.get_running_loop().create_server(protocol, HOST, 0)
    port = listener.sockets[0].getsockname()[1]
    connection = Connection(
        Server(HOST, port, HANG_SECONDS, username="ada", password=password, tls="starttls")
    )
    connection._context = await trusting(context)
    source = Letters(letters(3))
    refused = await connection.hand_over(source)
    await connection.close()
    listener.close()
    if password == "wrong":
        assert refused is not None
        assert "535" in refused
        assert (source.results, len(handler.mails)) == ({0: "released"}, 0)
    else:
        assert (refused, set(source.results.values())) == (None, {"sent"})
        assert handler.mails == [b"mail 0\r\n", b"mail 1\r\n", b"mail 2\r\n"]


async def trusting(context: ssl.SSLContext) -> ssl.SSLContext:
    """What trusts the certificate of a server's context."""

    async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(nothing, ssl=context) as server:
        pem = await asyncio.to_thread(ssl.get_server_certificate, (HOST, server.port))
    trusting = ssl.create_default_context(cadata=pem)
    trusting.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return trusting


async def test_tls_from_the_first_byte() -> None:
    hostile, context = Hostile(5), own_certificate(HOST)

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hostile.opens(reader, writer)
        await hostile.serves(reader, writer)

    async with listening(script, ssl=context) as server:
        source = Letters(letters(5))
        refused = await handed_over(server, source)
        assert refused is not None
        assert "certificate" in refused
        assert source.results == {0: "released"}
        connection = Connection(server)
        connection._context = await trusting(context)
        assert await connection.hand_over(source) is None
        await connection.close()
    assert hostile.peer.taken == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "said", [b"220 go\r\n250-x\r\n250 AUTH PLAIN\r\n", b"220 go\r\n", b"454 no\r\n"]
)
async def test_what_is_said_in_the_clear_is_not_believed_in_tls(said: bytes) -> None:
    """Somebody on the way answers what is asked next, before TLS begins (RFC 3207 §4.2)."""
    heard = b""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        writer.write(b"220 a\r\n")
        await reader.readline()
        writer.write(b"250-a\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n")
        await reader.readline()
        writer.write(said)
        await writer.drain()
        writer.write(b"250-x\r\n250 AUTH PLAIN\r\n")
        writer.write_eof()
        heard = await reader.read()

    async with listening(script) as server:
        secret = Server(HOST, server.port, HANG_SECONDS, "ada", "s3cret", tls="starttls")
        with pytest.raises(UnreachableError):
            await Connection(secret).open()
    assert b"AUTH" not in heard


async def test_a_connection_has_a_hundred_mails() -> None:
    hostile = Hostile(250)

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hostile.opens(reader, writer)
        await hostile.serves(reader, writer)

    async with listening(script) as server:
        source = Letters(letters(250))
        await handed_over(server, source)
    assert (hostile.connections, hostile.peer.taken) == (3, list(range(250)))
    assert list(source.outcomes) == list(range(250))


@pytest.mark.parametrize("farewell", [b"", b"421 4.7.0 enough\r\n"])
async def test_a_server_that_closes_after_some_mails_loses_none(farewell: bytes) -> None:
    hostile = Hostile(17)

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hostile.opens(reader, writer)
        while len(hostile.peer.taken) < min(17, 5 * hostile.connections):
            said = await reader.read(65536)
            answer = hostile.peer.hear(said)
            if hostile.peer.taken and len(hostile.peer.taken) == 5 * hostile.connections:
                answer = answer[: answer.index(b"\r\n") + 2]  # to the body alone
            writer.write(answer)
        writer.write(farewell)

    async with listening(script) as server:
        source = Letters(letters(17))
        await handed_over(server, source)
    assert Counter(source.results.values()) == {"sent": 17}
    assert (hostile.connections, hostile.peer.taken) == (4, list(range(17)))


@pytest.mark.parametrize("answers", range(1, 240, 7))
async def test_a_server_that_breaks_off_anywhere_leaves_one_mail_open_at_most(answers: int) -> None:
    """The first connection ends after so many bytes of answers, the next one does not."""
    hostile = Hostile(6)

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hostile.opens(reader, writer)
        is_first = hostile.connections == 1
        await hostile.serves(reader, writer, answers=answers if is_first else NOTHING_LEFT)

    async with listening(script) as server:
        source = Letters(letters(6))
        await handed_over(server, source)
    counts = Counter(source.results.values())
    assert len(source.outcomes) == 6
    assert max(Counter(hostile.peer.taken).values(), default=1) == 1, "nothing twice"
    sent = {number for number, one in source.results.items() if one == "sent"}
    assert (
        sent
        <= set(hostile.peer.taken)
        <= sent | {number for number, one in source.results.items() if one == "uncertain"}
    )
    assert counts["failed"] == counts["released"] == 0
    assert counts["uncertain"] + counts["retry"] <= 1


async def test_a_mail_that_can_not_end_is_not_uncertain() -> None:
    hostile = Hostile()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hostile.opens(reader, writer)
        await reader.readuntil(b"DATA\r\n")
        writer.write(b"250 a\r\n250 b\r\n354 c\r\n")
        await reader.readexactly(1000)

    async with listening(script) as server:
        source = Letters([Letter("a@x.example", "b@x.example", b"x" * 40_000_000)])
        await handed_over(server, source)
    assert source.results == {0: "retry"}
    assert "before the end" in str(source.outcomes[0].reason)


async def test_a_large_mail_arrives_as_it_is() -> None:
    hostile, arrived = Hostile(), b""
    data = b"\r\n".join([b".", b"..x", b"y" * 70, b""] * 4_000) + b"\r\n"

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal arrived
        await hostile.opens(reader, writer)
        await reader.readuntil(b"DATA\r\n")
        writer.write(b"250 a\r\n250 b\r\n354 c\r\n")
        while (line := await reader.readline()) != b".\r\n":
            arrived += line.removeprefix(b".")
        writer.write(b"250 taken\r\n")

    async with listening(script) as server:
        source = Letters([Letter("a@x.example", "b@x.example", data)])
        await handed_over(server, source)
    assert source.results == {0: "sent"}
    assert arrived == data


@pytest.mark.parametrize(
    ("said", "result"),
    [
        (b"", "retry"),
        (b"250 a\r\n", "retry"),
        (b"250 a\r\n250 b\r\n", "retry"),
        (b"250 a\r\n250 b\r\n354-", "retry"),
        (b"250 a\r\n250 b\r\n354 c\r\n", "uncertain"),
    ],
)
async def test_a_server_that_falls_silent(said: bytes, result: str) -> None:
    """The clock is the test's: it strikes once the server has gone silent."""
    hostile = Hostile()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hostile.opens(reader, writer)
        await reader.readuntil(b"DATA\r\n")
        writer.write(said)
        if said.endswith(b"354 c\r\n"):
            await reader.readuntil(b"\r\n.\r\n")
        else:
            writer.write(b"25")  # an answer that does not end
        await hostile.silent(reader)

    async with listening(script) as server:
        connection, source = Connection(server), Letters(letters(1))
        working = asyncio.create_task(connection.hand_over(source))
        await hostile.reached.wait()
        wire = connection._wire
        assert wire is not None
        wire._rings()
        assert not working.done(), "it is too early"
        await heard(wire, said)
        wire._deadline = 0.0
        wire._rings()
        await working
        assert source.results == {0: result}
        assert "no answer within" in str(source.outcomes[0].reason)


async def heard(wire: Any, said: bytes) -> None:
    """Until the client has read so many answers."""
    if said.endswith(b"354 c\r\n"):
        assert wire._session.is_on_its_way
        return
    while len(wire._session._awaited) != 3 - said.count(b"\r\n"):
        await asyncio.sleep(0)


async def test_what_there_was_no_time_for_is_given_back() -> None:
    hostile = Hostile()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hostile.opens(reader, writer)
        await hostile.silent(reader)

    async with listening(script) as server:
        connection, source = Connection(server), Letters(letters(1))
        await connection.open()
        wire = connection._wire
        assert wire is not None
        working = asyncio.create_task(wire.work(source.waiting.popleft(), source, until=0.0))
        assert await working == "not tried"
    assert source.results == {0: "released"}


@pytest.mark.parametrize("script_of", ["greeting", "ehlo", "starttls"])
async def test_a_server_that_is_silent_before_the_first_mail_is_not_reachable(
    script_of: str,
) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if script_of != "greeting":
            writer.write(b"220 a\r\n")
            await reader.readline()
        if script_of == "starttls":
            writer.write(b"250-a\r\n250 STARTTLS\r\n")
            await reader.readline()
            writer.write(b"220 go\r\n")
        await reader.read()

    async with listening(script) as server:
        impatient = Server(HOST, server.port, 0.2, tls="starttls")
        source = Letters(letters(2))
        refused = await handed_over(impatient, source)
    assert refused is not None
    assert "TimeoutError" in refused
    assert (source.results, len(source.waiting)) == ({0: "released"}, 1)


async def test_an_idle_connection_that_was_closed_is_opened_again() -> None:
    hostile, closed = Hostile(2), asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hostile.opens(reader, writer)
        await hostile.serves(reader, writer, mails=1)
        writer.write(b"421 4.4.2 idle for too long\r\n")
        writer.close()
        await writer.wait_closed()
        closed.set()

    async with listening(script) as server:
        connection = Connection(server)
        first, second = letters(2)
        source = Letters([first, second])
        source.waiting.pop()
        assert await connection.hand_over(source) is None
        await closed.wait()
        source.waiting.append(second)
        assert await connection.hand_over(source) is None
        await connection.close()
    assert (source.results, hostile.connections) == ({0: "sent", 1: "sent"}, 2)


async def test_a_server_that_refuses_us_is_left_alone() -> None:
    hostile = Hostile()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hostile.opens(reader, writer)
        await reader.readuntil(b"DATA\r\n")
        writer.write(b"530 5.7.0 log in\r\n503 a\r\n503 b\r\n")
        await hostile.silent(reader)

    async with listening(script) as server:
        source = Letters(letters(3))
        assert await handed_over(server, source) == "530 5.7.0 log in"
    assert (source.results, len(source.waiting)) == ({0: "released"}, 2)


async def test_who_is_cancelled_leaves_no_connection() -> None:
    hostile = Hostile()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hostile.opens(reader, writer)
        await hostile.silent(reader)
        gone.set()

    gone = asyncio.Event()
    async with listening(script) as server:
        connection = Connection(server)
        working = asyncio.create_task(connection.hand_over(Letters(letters(1))))
        await hostile.reached.wait()
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
        await gone.wait()


async def test_a_server_that_closes_each_connection_at_once_holds_nobody_up() -> None:
    hostile = Hostile()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hostile.opens(reader, writer)

    async with listening(script) as server:
        source = Letters(letters(3))
        refused = await handed_over(server, source)
    # Whether it is seen before the first mail is said, or after, is chance.
    assert set(source.results.values()) <= {"retry", "released"}
    assert (refused is None) == (source.results == dict.fromkeys(range(3), "retry"))


async def test_an_error_of_who_gives_letters_reaches_who_waits() -> None:
    hostile = Hostile(3)

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hostile.opens(reader, writer)
        await hostile.serves(reader, writer)

    class Broken(Letters):
        @override
        def ended(self, letter: Letter, outcome: Outcome) -> None:
            raise LookupError("nobody knows this letter")

    async with listening(script) as server:
        with pytest.raises(LookupError, match="nobody knows"):
            await handed_over(server, Broken(letters(3)))


class Pipe(asyncio.Transport):
    """A transport that keeps what is done with it."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[str] = []

    @override
    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    @override
    def write(self, data: Any) -> None:
        self.done.append(bytes(data).decode().strip())

    @override
    def pause_reading(self) -> None:
        self.done.append("pauses")

    @override
    def abort(self) -> None:
        self.done.append("aborts")


async def test_between_starttls_and_tls_nothing_is_read() -> None:
    pipe, wire = Pipe(), _Wire(HANG_SECONDS)
    opened = wire.begin(Opening(Server(HOST, 25, tls="starttls")))
    wire.connection_made(pipe)
    wire.data_received(b"220 a\r\n")
    wire.data_received(b"250-a\r\n250 STARTTLS\r\n")
    wire.data_received(b"220 go\r\n")
    await opened
    assert pipe.done == ["EHLO localhost", "STARTTLS", "pauses"]
    wire.data_received(b"250 mine\r\n")
    assert pipe.done[-1] == "aborts", "who can't pause does not believe it, either"
