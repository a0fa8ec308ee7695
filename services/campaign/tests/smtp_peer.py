"""A mail server without sockets, which answers as its plans say, and a driver of conversations."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rapport_campaign.domain.delivery import Outcome
from rapport_campaign.smtp.envelope import Letter
from rapport_campaign.smtp.extensions import Offers
from rapport_campaign.smtp.session import Session

PIPELINING = Offers(pipelining=True)
ONE_BY_ONE = Offers()


@dataclass(frozen=True)
class Plan:
    """What a server answers to each part of one mail."""

    mail: bytes = b"250 ok\r\n"
    rcpt: bytes = b"250 ok\r\n"
    data: bytes = b"354 go\r\n"
    body: bytes = b"250 2.0.0 taken\r\n"


@dataclass
class Peer:
    """`begun` and `taken`: numbers of mails of whose body it has any, and that it says yes to."""

    plans: Sequence[Plan]
    begun: set[int] = field(default_factory=set)
    taken: list[int] = field(default_factory=list)
    empty: int = 0
    commands: list[bytes] = field(default_factory=list)
    _buffer: bytes = b""
    _number: int | None = None
    _has_recipient: bool = False
    _reads_body: bool = False

    def hear(self, data: bytes) -> bytes:
        """What it answers to what a client says."""
        self._buffer += data
        answers = b""
        while (answer := self._next()) is not None:
            answers += answer
        return answers

    def _next(self) -> bytes | None:
        if self._reads_body:
            return self._body()
        line, end, rest = self._buffer.partition(b"\r\n")
        if not end:
            return None
        self._buffer = rest
        self.commands.append(line)
        return self._command(line)

    def _command(self, line: bytes) -> bytes:
        if line == b"RSET":
            self._number, self._has_recipient = None, False
            return b"250 reset\r\n"
        if line.startswith(b"MAIL FROM:<"):
            if self._number is not None:
                return b"503 5.5.1 nested MAIL\r\n"
            number = int(line[11:].partition(b"@")[0])
            yes = self.plans[number].mail.startswith(b"2")
            self._number = number if yes else None
            return self.plans[number].mail
        if self._number is None:
            return b"503 5.5.1 MAIL first\r\n"
        plan = self.plans[self._number]
        if line.startswith(b"RCPT"):
            self._has_recipient = plan.rcpt.startswith(b"2")
            return plan.rcpt
        assert line == b"DATA", line
        self._reads_body = plan.data.startswith(b"354")
        return plan.data

    def _body(self) -> bytes | None:
        assert self._number is not None
        if self._has_recipient and self._buffer:
            self.begun.add(self._number)
        body, end, rest = (b"\r\n" + self._buffer).partition(b"\r\n.\r\n")
        if not end:
            return None
        self._buffer, number = rest, self._number
        had_recipient, self._has_recipient = self._has_recipient, False
        self._number, self._reads_body = None, False
        if not had_recipient:
            assert body == b"", "who gets a mail for nobody gets no text of one"
            self.empty += 1
            return b"554 5.5.1 no valid recipients\r\n"
        assert body.removeprefix(b"\r\n") == b"mail %d" % number
        if self.plans[number].body.startswith(b"2"):
            self.taken.append(number)
        return self.plans[number].body


@dataclass
class Talk:
    """What became of the letters, by number, and how much of the answers was heard."""

    outcomes: dict[int, Outcome]
    returned: list[int]
    waiting: list[int]
    heard: bytes
    session: Session
    writes: list[bytes]


def letters(count: int) -> list[Letter]:
    return [
        Letter(f"{number}@s.example", "r@r.example", b"mail %d\r\n" % number)
        for number in range(count)
    ]


def talk(
    peer: Peer,
    offers: Offers,
    pieces: Iterator[int],
    *,
    cut: int | None = None,
    most: int = 100,
) -> Talk:
    """Hand over a letter for each plan; answers come in pieces of so many bytes, `cut` in all."""
    session = Session(offers, most)
    waiting = deque(letters(len(peer.plans)))
    numbers = {letter: number for number, letter in enumerate(waiting)}
    answers, heard = b"", b""
    writes: list[bytes] = []
    while True:
        while session.has_room and waiting:
            session.add(waiting.popleft())
        while piece := session.output():
            writes.append(piece)
            answers += peer.hear(piece)
        if cut is not None and len(heard) >= cut:
            session.lost("dropped", closed=True)
        if session.over is not None or not answers:
            break
        size = next(pieces) if cut is None else min(next(pieces), cut - len(heard))
        session.feed(answers[:size])
        heard, answers = heard + answers[:size], answers[size:]
    told = [numbers[letter] for letter, _ in session.ended]
    assert len(told) == len(set(told)), "one letter with two outcomes"
    return Talk(
        {numbers[letter]: outcome for letter, outcome in session.ended},
        [numbers[letter] for letter in session.returned],
        [numbers[letter] for letter in waiting],
        heard,
        session,
        writes,
    )
