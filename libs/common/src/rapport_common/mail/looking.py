"""Looks into a mailbox for what has come in, by IMAP: for those who have no mail server of ours.

A mail is marked when what it says is committed, by a keyword of our own where the server has
room for one: what people have read is theirs. One that is read twice changes nothing.
"""

import asyncio
import imaplib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

from rapport_common import logging
from rapport_common.db import is_retriable
from rapport_common.mail.mailboxes import Mailbox
from rapport_common.mail.parts import MOST_BYTES
from rapport_common.mail.putting_off import TooManyMailsError

log = logging.get(__name__)

AT_ONCE: Final = 50
TIMEOUT: Final = 30.0
KEYWORD: Final = "RapportRead"
AWAY = (OSError, UnicodeError, imaplib.IMAP4.error)
"""What is wrong with a mailbox, or with what is told to it: names may be in ASCII only."""


class Box:
    """An open mailbox; each method blocks, and is for a thread."""

    def __init__(self, mailbox: Mailbox, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        kind = imaplib.IMAP4_SSL if mailbox.is_tls else imaplib.IMAP4
        self._imap = kind(mailbox.host, mailbox.port, timeout=TIMEOUT)
        try:
            self._open(mailbox)
        except BaseException:
            self._imap.shutdown()
            raise

    def _open(self, mailbox: Mailbox) -> None:
        self._imap.login(mailbox.user, mailbox.password)
        folder = mailbox.folder.replace("\\", "\\\\").replace('"', '\\"')
        self._told(self._imap.select(f'"{folder}"'))
        flags = b" ".join(filter(None, self._imap.response("PERMANENTFLAGS")[1] or [b""]))
        has_room = rb"\*" in flags
        self._flag = KEYWORD if has_room else r"(\Seen)"
        self._asked = f"UNKEYWORD {KEYWORD}" if has_room else "UNSEEN"

    def new(self) -> list[str]:
        """The uids of mails that are not marked, the oldest first; so many at most."""
        found = self._told(self._imap.uid("SEARCH", self._asked))
        listed = b" ".join(one for one in found if isinstance(one, bytes))
        return [one.decode("ascii", "replace") for one in listed.split()[:AT_ONCE]]

    def mail(self, uid: str) -> bytes | None:
        """The beginning of a mail; None for one that has gone."""
        found = self._told(self._imap.uid("FETCH", uid, f"(BODY.PEEK[]<0.{self._most_bytes}>)"))
        return next((bytes(one[1]) for one in found if isinstance(one, tuple)), None)

    def mark(self, uid: str) -> None:
        """It needs no other look."""
        self._told(self._imap.uid("STORE", uid, "+FLAGS.SILENT", self._flag))

    def close(self) -> None:
        """Say good-bye."""
        with suppress(*AWAY):
            self._imap.logout()

    @staticmethod
    def _told(answer: tuple[str, list[Any]]) -> list[Any]:
        if answer[0] != "OK":
            message = f"the mailbox says {answer[0]}: {str(answer[1])[:200]}"
            raise imaplib.IMAP4.error(message)
        return answer[1]


class Looker:
    """The worker that looks again and again."""

    name = "mailbox"

    def __init__(
        self,
        take: Callable[[bytes], Awaitable[object]],
        mailbox: Mailbox,
        seconds: float,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        """`take` commits a mail, of which it gets so many bytes at most."""
        self._take = take
        self._mailbox = mailbox
        self._seconds = seconds
        self._most_bytes = most_bytes

    async def run(self, stop: asyncio.Event) -> None:
        """Look until `stop`; while the mailbox or the database is away, later."""
        while not stop.is_set():
            try:
                while await self.turn() == AT_ONCE and not stop.is_set():
                    pass
            except Exception as error:
                if not isinstance(error, AWAY) and not is_retriable(error):
                    raise
                log.warning("the mailbox is looked into later", error=error)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._seconds):
                    await stop.wait()

    async def _taken(self, uid: str, raw: bytes) -> None:
        """Commit a mail; one that can't be is left in the mailbox for people, and ends nothing."""
        try:
            await self._take(raw)
        except TooManyMailsError:
            log.warning("a mail is left in the mailbox: too many of its kind", uid=uid)
        except Exception as error:
            if is_retriable(error):
                raise
            log.exception("a mail is left in the mailbox: it can't be taken", uid=uid, error=error)

    async def turn(self) -> int:
        """Look once; how many mails were new."""
        box = await asyncio.to_thread(Box, self._mailbox, self._most_bytes)
        try:
            uids = await asyncio.to_thread(box.new)
            for uid in uids:
                raw = await asyncio.to_thread(box.mail, uid)
                if raw is not None:
                    await self._taken(uid, raw)
                # Not before it is committed.
                await asyncio.to_thread(box.mark, uid)
            return len(uids)
        finally:
            await asyncio.to_thread(box.close)
