"""Mails on one open connection: answers in, commands and outcomes out. No I/O and no clock.

With PIPELINING (RFC 2920) the body of one mail and MAIL, RCPT and DATA of the next are one write,
and so are the answers to them. At any moment one body at most is unanswered: what begins the next
body is an answer (354) that comes after the one to the body before.
"""

from collections import deque
from enum import Enum, auto

from rapport_campaign.domain.delivery import Outcome
from rapport_campaign.smtp import verdicts
from rapport_campaign.smtp.envelope import Letter, UnsendableError, Wording, worded
from rapport_campaign.smtp.extensions import Offers
from rapport_campaign.smtp.replies import CLOSING, BrokenReplyError, Reply, ReplyReader

# Many servers close a connection after a hundred mails, some in the middle of the next one.
MAILS_PER_CONNECTION = 100
GO_AHEAD = 354
PIECE = 64 * 1024


class Step(Enum):
    """What an answer is awaited to; DOT ends a mail that nobody gets."""

    RSET = auto()
    MAIL = auto()
    RCPT = auto()
    DATA = auto()
    BODY = auto()
    DOT = auto()


class _Mail:
    """A letter on this connection. `is_first`: nothing was said on it before."""

    __slots__ = ("has_outcome", "has_recipient", "is_first", "letter", "wording")

    def __init__(self, letter: Letter, wording: Wording, *, is_first: bool) -> None:
        self.letter = letter
        self.wording = wording
        self.is_first = is_first
        self.has_recipient = False
        self.has_outcome = False


class Session:
    """One conversation. Each letter that was added is in `ended` or in `returned` once.

    `ended` has letters with their outcomes, `returned` those that were never begun and may be
    handed over elsewhere; who drives this empties both. `over` says why nothing more can be said.
    `halves` grows when a mail's half begins: time-outs count from there.
    """

    def __init__(self, offers: Offers, most: int = MAILS_PER_CONNECTION) -> None:
        self._offers = offers
        self._left = most
        self._is_new = True
        self._reader = ReplyReader()
        self._output = bytearray()
        self._given = 0
        self._body_end = 0
        self._awaited: deque[tuple[Step, _Mail]] = deque()
        self._unsaid: deque[tuple[Step, bytes]] = deque()
        self._is_clean = True
        self.ended: list[tuple[Letter, Outcome]] = []
        self.returned: list[Letter] = []
        self.over: str | None = None
        self.halves = 0

    @property
    def is_usable(self) -> bool:
        """Whether it takes a letter, now or when the ones before are done."""
        return self.over is None and self._left > 0

    @property
    def is_idle(self) -> bool:
        """Whether no answer is awaited."""
        return not self._awaited

    @property
    def is_on_its_way(self) -> bool:
        """Whether a body is: what is awaited first is the answer to it."""
        return bool(self._awaited) and self._awaited[0][0] is Step.BODY

    @property
    def has_room(self) -> bool:
        """Whether a letter may be added now."""
        if not self.is_usable:
            return False
        if not self._awaited:
            return True
        last = len(self._awaited) == 1 and self._awaited[0][0] in (Step.BODY, Step.DOT)
        return last and self._offers.pipelining

    def add(self, letter: Letter) -> None:
        """Say what begins a letter; only while `has_room`."""
        if not self.has_room:
            raise ValueError("there is no room for a letter now")
        try:
            wording = worded(letter, self._offers)
        except UnsendableError as error:
            self.ended.append((letter, Outcome("failed", str(error))))
            return
        mail = _Mail(letter, wording, is_first=self._is_new)
        self._is_new = False
        self._left -= 1
        if not self._awaited:
            self.halves += 1
        if not self._is_clean:
            self._unsaid.append((Step.RSET, b"RSET\r\n"))
        self._unsaid.append((Step.MAIL, wording.mail))
        self._unsaid.append((Step.RCPT, wording.rcpt))
        self._unsaid.append((Step.DATA, b"DATA\r\n"))
        self._go_on(mail)

    def feed(self, data: bytes) -> None:
        """Take what the server says."""
        self._reader.feed(data)
        try:
            while self.over is None and (reply := self._reader.read()) is not None:
                self._answered(reply)
        except BrokenReplyError as error:
            self.lost(str(error))

    def output(self, most: int = PIECE) -> bytes:
        """What is to be written next, `most` bytes of it; nothing when all is, or it is over.

        A body is taken as ended when its end was given out here: ask for more only when what was
        given before has left.
        """
        if self.over is not None:
            return b""
        piece = bytes(self._output[:most])
        del self._output[:most]
        self._given += len(piece)
        return piece

    def lost(self, why: str, *, closed: bool = False, outcome: Outcome | None = None) -> None:
        """The end of the conversation, from whichever side.

        `closed`: the server has closed it, which it may do between two mails. Then the mail that
        was to begin is tried once more elsewhere, unless it was the first here or has ended a
        connection before. `outcome`: of the mail whose turn it is, when its body has not begun.
        """
        if self.over is not None:
            return
        self.over = why
        whose_turn = self._awaited[0][1] if self._awaited else None
        for mail in dict.fromkeys(mail for _, mail in self._awaited if not mail.has_outcome):
            if mail is not whose_turn:
                self.returned.append(mail.letter)
            elif self._awaited[0][0] is Step.BODY:
                self._end(mail, self._broken_off(why))
            elif closed and not (mail.is_first or mail.letter.suspect):
                mail.letter.suspect = True
                self.returned.append(mail.letter)
            else:
                self._end(mail, outcome or Outcome("retry", f"before the mail: {why}"))
        self._awaited.clear()
        self._unsaid.clear()

    def _broken_off(self, why: str) -> Outcome:
        if self._given < self._body_end:  # without its end no server may take it
            return Outcome("retry", f"before the end of the mail: {why}")
        return Outcome("uncertain", f"while the mail was on its way: {why}")

    def _go_on(self, mail: _Mail) -> None:
        """Say what comes next: all that is left, or a command where each is waited for."""
        while self._unsaid:
            step, line = self._unsaid.popleft()
            self._say(step, mail, line)
            if not self._offers.pipelining:
                return

    def _say(self, step: Step, mail: _Mail, line: bytes) -> None:
        self._output += line
        self._awaited.append((step, mail))

    def _end(self, mail: _Mail, outcome: Outcome) -> None:
        mail.has_outcome = True
        self.ended.append((mail.letter, outcome))

    def _answered(self, reply: Reply) -> None:
        if not self._awaited:
            self.lost(f"unasked: {reply}")
            return
        step, mail = self._awaited[0]
        if reply.code == CLOSING and step is not Step.BODY:
            outcome = Outcome("retry", str(reply))
            self.lost(str(reply), closed=True, outcome=outcome)
            return
        if step is Step.BODY and self._given < self._body_end:
            self._answered_early(mail, reply)
            return
        self._awaited.popleft()
        _HANDLERS[step](self, mail, reply)

    def _answered_early(self, mail: _Mail, reply: Reply) -> None:
        """An answer to a mail whose end the server can't have: a no is one, a yes is none."""
        if reply.is_no or reply.is_not_now:
            self._end(mail, verdicts.on_body(reply))
        self.lost(f"an answer came before the end of the mail: {reply}")

    def _on_rset(self, mail: _Mail, reply: Reply) -> None:
        if not reply.is_yes:
            self._confused(Step.RSET, mail, reply, closed=True)
            return
        self._is_clean = True
        self._go_on(mail)

    def _on_mail(self, mail: _Mail, reply: Reply) -> None:
        if reply.is_yes:
            self._go_on(mail)
        elif reply.is_no or reply.is_not_now:
            self._refuse(mail, verdicts.on_sender(reply, special=mail.wording.special))
        else:
            self._confused(Step.MAIL, mail, reply)

    def _on_rcpt(self, mail: _Mail, reply: Reply) -> None:
        if reply.is_yes:
            mail.has_recipient = True
            self._go_on(mail)
        elif mail.has_outcome:
            return
        elif reply.is_no or reply.is_not_now:
            self._refuse(mail, verdicts.on_mail(reply))
        else:
            self._confused(Step.RCPT, mail, reply)

    def _on_data(self, mail: _Mail, reply: Reply) -> None:
        if mail.has_outcome:
            self._on_data_of_nobody(mail, reply)
        elif reply.code == GO_AHEAD:
            self._say(Step.BODY, mail, mail.wording.body)
            self._body_end = self._given + len(self._output)
            self.halves += 1
        elif reply.is_no or reply.is_not_now:
            self._refuse(mail, verdicts.on_mail(reply))
        else:
            self._confused(Step.DATA, mail, reply)

    def _on_data_of_nobody(self, mail: _Mail, reply: Reply) -> None:
        """RFC 2920 §3.1: DATA may be taken though every recipient was refused."""
        if reply.code != GO_AHEAD:
            return
        if mail.has_recipient:  # who would get an empty mail
            self.lost("DATA was taken after MAIL was refused")
            return
        self._say(Step.DOT, mail, b".\r\n")

    def _on_body(self, mail: _Mail, reply: Reply) -> None:
        outcome = verdicts.on_body(reply)
        self._end(mail, outcome)
        self.halves += 1
        if outcome.result == "uncertain" or reply.code == CLOSING:
            # It is still this mail's turn: the next one is not to blame.
            self._awaited.appendleft((Step.BODY, mail))
            self.lost(str(reply))

    def _on_dot(self, _mail: _Mail, _reply: Reply) -> None:
        self.halves += 1

    def _refuse(self, mail: _Mail, outcome: Outcome) -> None:
        self._end(mail, outcome)
        self._unsaid.clear()
        # Part of the mail may stand: the next one begins by taking it back.
        self._is_clean = False

    def _confused(self, step: Step, mail: _Mail, reply: Reply, *, closed: bool = False) -> None:
        """The answer fits no question, so none after it can be trusted."""
        self._awaited.appendleft((step, mail))
        self.lost(f"{step.name} was answered by: {reply}", closed=closed)


_HANDLERS = {
    Step.RSET: Session._on_rset,  # noqa: SLF001 - the class's own table
    Step.MAIL: Session._on_mail,  # noqa: SLF001
    Step.RCPT: Session._on_rcpt,  # noqa: SLF001
    Step.DATA: Session._on_data,  # noqa: SLF001
    Step.BODY: Session._on_body,  # noqa: SLF001
    Step.DOT: Session._on_dot,  # noqa: SLF001
}
