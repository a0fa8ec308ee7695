"""Mails to addresses for complaints: each once, to its case or to a new one."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import clock
from rapport_common.mail.putting_off import TooManyMailsError
from rapport_feedback import metrics
from rapport_feedback.domain import cases as rules
from rapport_feedback.domain.arrivals import MAILS_AN_HOUR, Arrival, Course, Thread, Writer, course
from rapport_feedback.domain.cases import State
from rapport_feedback.domain.letters import Letter, read_letter
from rapport_feedback.domain.replies import MOST_MESSAGES
from rapport_feedback.domain.threads import case_of, parted
from rapport_feedback.handlers.arriving import Arriving, Words
from rapport_feedback.handlers.attachments import attach_what_goes
from rapport_feedback.handlers.cases import CUSTOMER
from rapport_feedback.handlers.replies import ANSWERED
from rapport_feedback.store import arrivals as store
from rapport_feedback.store.arrivals import Address

READ_AT_ONCE = 2
"""Mails being read at a time, in threads: others have their turn beside a large one."""
HOUR = timedelta(hours=1)
NOT_KEPT = frozenset({"flood", "too_many"})
PROVED = "The receiving mail server vouches for the sender."
Place = tuple[Address, str]
"""An address of ours, and the word that was put to it, if any."""


class Mails:
    """Takes mails in; `key` signs the words that lead to threads."""

    def __init__(self, engine: AsyncEngine, arriving: Arriving, key: bytes) -> None:
        self._engine = engine
        self._arriving = arriving
        self._key = key
        self._reading = asyncio.Semaphore(READ_AT_ONCE)

    async def leads_to(self, address: str, _domains: frozenset[str]) -> tuple[bool, Place | None]:
        """Whether an address is declared, and by whom."""
        plain, word = parted(address)
        async with self._engine.begin() as tx:
            found = await store.address(tx, plain)
        return (True, (found, word)) if found else (False, None)

    async def take(self, raw: bytes, sender: str, to: Sequence[Place]) -> None:
        """Commit a mail that came for some addresses; TooManyMailsError where it is not kept."""
        await self._take(raw, sender, to)

    async def take_from_box(self, raw: bytes) -> None:
        """Commit a mail of a mailbox: its fields say which address it is for."""
        async with self._reading:
            letter = await asyncio.to_thread(read_letter, raw)
        places = [await self.leads_to(one, frozenset()) for one in letter.to[:20]]
        found = {place[0].address: place for is_ours, place in places if is_ours and place}
        if not found:
            metrics.MAILS.labels("unknown").inc()
        await self._take(raw, None, list(found.values()))

    async def _take(self, raw: bytes, sender: str | None, to: Sequence[Place]) -> None:
        for address, word in sorted(set_of(to), key=lambda one: one[0].workspace):
            async with self._reading:
                letter = await asyncio.to_thread(read_letter, raw, address.trusted, sender)
            async with self._engine.begin() as tx:
                result = await self.arrived(tx, address, word, letter, clock.now())
            metrics.MAILS.labels(result).inc()
            if result in NOT_KEPT:
                raise TooManyMailsError(result)

    async def arrived(
        self, tx: AsyncConnection, address: Address, word: str, letter: Letter, now: datetime
    ) -> str:
        """What became of a mail, in a word."""
        workspace = address.workspace
        if await store.is_kept(tx, workspace, letter.mark):
            return "again"
        of_sender = await store.mails_since(tx, workspace, letter.sender, now - HOUR)
        if of_sender >= MAILS_AN_HOUR:
            return "flood"
        threads = await self._threads(tx, workspace, word, letter)
        since = now - self._arriving.cases.levels.reopen
        then = course(letter, threads, address.after_closing, MOST_MESSAGES, since)
        if then.what == "opened":
            await self._open(tx, address, letter, now)
        elif then.what == "continued":
            await self._go_on(tx, address, then, letter, now)
        return then.what

    async def _threads(
        self, tx: AsyncConnection, workspace: str, word: str, letter: Letter
    ) -> list[Thread]:
        led = (case_of(self._key, workspace, one) for one in (word, *letter.words))
        signed = [one for one in led if one is not None]
        if signed or letter.answers or letter.numbers:
            return await store.threads(
                tx, workspace, cases=signed, numbers=letter.numbers, own_ids=letter.answers[:50]
            )
        return []

    async def _open(
        self, tx: AsyncConnection, address: Address, letter: Letter, now: datetime
    ) -> None:
        writer = Writer(
            email=letter.sender or None,
            name=letter.name or None,
            verified=letter.verdict == "pass" and bool(letter.sender),
        )
        made = await self._arriving.open(
            tx,
            address.workspace,
            Arrival("mail", address.address, writer, now),
            Words(letter.subject, letter.body),
        )
        place = (address.workspace, made.case_id)
        await store.add_mail(tx, *place, letter, now, opens=True)
        await attach_what_goes(tx, place, letter.files, "mail", now)

    async def _go_on(
        self, tx: AsyncConnection, address: Address, then: Course, letter: Letter, now: datetime
    ) -> None:
        if then.thread is None:
            return
        place = (address.workspace, then.thread.case_id)
        await store.add_mail(tx, *place, letter, now, opens=False)
        await attach_what_goes(tx, place, letter.files, "mail", now)
        cases = self._arriving.cases
        arrival = await store.arrival(tx, *place)
        if then.verifies and arrival and not arrival.writer.verified:
            await self._arriving.verify(tx, *place, None, actor="mail", note=PROVED, now=now)
        if not then.moves:
            return
        case = (await cases.get(tx, *place)).case
        to = None
        if case.state is State.WAITING_CUSTOMER:
            to = State.INVESTIGATING
        elif case.state is State.CLOSED and address.after_closing == "reopen":
            may = rules.allowed_from(case, cases.levels.reopen, now)
            to = State.REOPENED if State.REOPENED in may else None
        if to is not None:
            await cases.move(tx, *place, to, actor=CUSTOMER, note=ANSWERED, now=now)
            metrics.CASES.labels(to).inc()


def set_of(places: Sequence[Place]) -> list[Place]:
    """Each address once; one with a word says more."""
    found: dict[str, Place] = {}
    for address, word in places:
        if word or address.address not in found:
            found[address.address] = (address, word)
    return list(found.values())
