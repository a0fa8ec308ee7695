"""How a case came in, whose word on its writer counts, and what a mail may do to a case."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final, Literal
from uuid import UUID

from rapport_feedback.domain.cases import State
from rapport_feedback.domain.letters import Letter
from rapport_feedback.domain.naming import Contact

MAILS_AN_HOUR: Final = 20
"""Of one sender: who writes more is a machine that does not say so."""
OF_ONE_SENDER: Final = 5
"""Cases of one form that somebody's address is given for in a day."""

AfterClosing = Literal["reopen", "new_case", "keep"]
"""What an answer to a closed case does: opens it again, opens another one, or is kept with it."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Who a complaint says to be from; unless `verified` that is a claim, by which nobody is found.

    `contact` is known for sure by another way: who called is named by the call centre.
    """

    email: str | None = None
    phone: str | None = None
    name: str | None = None
    verified: bool = False
    contact: Contact | None = None

    def contact_of(self, case_id: UUID) -> Contact:
        """Whom the case is of: a claim is nobody but the case itself, so that no timeline but its
        own has it, and no open case of a stranger ends somebody's mails.
        """
        nobody = f"case:{case_id}"
        if self.verified and self.contact is not None:
            return self.contact
        return (
            Contact(email=self.email)
            if self.verified and self.email
            else Contact(None, None, nobody)
        )


@dataclass(frozen=True, slots=True)
class Arrival:
    """By which way a case came: `place` is the form's id, the address, the connector's name."""

    channel: str
    place: str
    writer: Writer
    at: datetime


def digest(place: str, email: str, subject: str, body: str, at: datetime) -> bytes:
    """The same for the same words of the same sender at one place on one day (UTC)."""
    said = "\0".join((place, at.date().isoformat(), email, subject, body))
    return sha256(said.encode("utf-8", "replace")).digest()


@dataclass(frozen=True, slots=True)
class Thread:
    """A case that a mail may be about: `signed` says that a word of ours leads there; `emails` are
    those of who it is from, claimed or known, also of cases that were merged into it; `claimed` is
    the one that the case itself claims. `closed_at`: since when it is closed, None while it is not.
    """

    case_id: UUID
    state: State
    emails: frozenset[str]
    signed: bool
    messages: int
    claimed: str | None = None
    closed_at: datetime | None = None

    def may_reopen(self, since: datetime) -> bool:
        """Whether an answer can open it again: not if it was closed before `since`."""
        return self.closed_at is None or self.closed_at >= since


@dataclass(frozen=True, slots=True)
class Course:
    """What becomes of a mail: `what` in a word; `moves` says that it counts as the customer's word,
    `verifies` that it is proved to be from who the case claims.
    """

    what: Literal["opened", "continued", "loop", "automatic", "too_many"]
    thread: Thread | None = None
    moves: bool = False
    verifies: bool = False


def course(
    letter: Letter,
    threads: Collection[Thread],
    after_closing: AfterClosing,
    most: int,
    reopens_since: datetime,
) -> Course:
    """What becomes of a mail that may be about one of `threads`, the surest first; a case takes so
    many mails at `most`, and is opened again if it was closed after `reopens_since`.

    A number in a subject, or the id of another mail, counts with the address of who wrote before
    only, and never against the word of the receiving server. What a machine says moves nothing. At
    a closed case nobody looks: what does not open it again is another case, unless those are kept.
    """
    if letter.loop:
        return Course("loop")
    found = next((one for one in threads if one.signed or _is_theirs(letter, one)), None)
    if found is None:
        return Course("automatic" if letter.automatic else "opened")
    theirs = _is_theirs(letter, found)
    is_known = theirs and (found.signed or letter.verdict == "pass")
    moves = is_known and not letter.automatic
    goes_on = moves and after_closing == "reopen" and found.may_reopen(reopens_since)
    is_kept = letter.automatic or after_closing == "keep" or goes_on
    if found.state is State.CLOSED and not is_kept:
        return Course("opened")
    if found.messages >= most:
        return Course("too_many", found)
    is_claimed = letter.sender == found.claimed and letter.verdict == "pass"
    return Course("continued", found, moves, is_claimed)


def _is_theirs(letter: Letter, thread: Thread) -> bool:
    return letter.verdict != "fail" and letter.sender in thread.emails
