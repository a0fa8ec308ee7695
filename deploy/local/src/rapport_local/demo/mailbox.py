"""The demo's own mails, as they lie in the Maildir of the local mail catcher."""

from __future__ import annotations

import email
import email.policy
import re
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

CLOCK_GRAIN = 1.0  # seconds; file systems keep coarser times than clocks
LINK = re.compile(r'href="([^"]+/c/[^"]+)"')


@dataclass(frozen=True)
class Mail:
    """Whom a mail is for, and its source."""

    to: str
    source: bytes

    def first_link(self) -> str:
        """Return the first tracked link of the HTML part; raises ValueError when there is none."""
        message = email.message_from_bytes(self.source, policy=email.policy.default)
        part = message.get_body(preferencelist=("html",))
        found = LINK.search(str(part.get_content())) if part else None
        if found is None:
            no_link = "the mail has no tracked link"
            raise ValueError(no_link)
        return found[1].replace("&amp;", "&")


class Mailbox:
    """Mails from one sender's address since an instant (seconds since 1970); each is read once."""

    def __init__(self, maildir: Path, sender: str, *, since: float) -> None:
        self._maildir = maildir
        self._sender = sender
        self._since = since
        self._read: dict[str, Mail | None] = {}
        # Full parsing takes milliseconds a mail, and there are hundreds.
        self._parser = BytesHeaderParser()

    def mails(self) -> list[Mail]:
        """Return all of them, oldest first."""
        for path in sorted((self._maildir / "new").iterdir(), key=lambda path: path.name):
            if path.name not in self._read:
                self._read[path.name] = self._ours(path)
        return [mail for mail in self._read.values() if mail is not None]

    def to(self, address: str) -> list[Mail]:
        """Return those to one address."""
        return [mail for mail in self.mails() if mail.to == address]

    def _ours(self, path: Path) -> Mail | None:
        if path.stat().st_mtime < self._since - CLOCK_GRAIN:
            return None
        source = path.read_bytes()
        headers = self._parser.parsebytes(source)
        is_ours = self._sender in str(headers["From"])
        return Mail(str(headers["To"]), source) if is_ours else None
