"""Reading the Maildir in which the local mail catcher keeps every mail."""

from __future__ import annotations

import email
import email.policy
from collections import Counter
from dataclasses import dataclass
from datetime import UTC
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from rapport_cli.errors import CliError

SEND_KEY = "X-Rapport-Send-Key"


@dataclass(frozen=True)
class Mail:
    """One mail; `number` counts from 1, oldest first, so a mail keeps its number."""

    number: int
    path: Path

    @property
    def id(self) -> str:
        """The file's name, which identifies the mail."""
        return self.path.name

    def message(self) -> EmailMessage:
        """Parse the file."""
        with self.path.open("rb") as file:
            return email.message_from_binary_file(file, policy=email.policy.default)

    def summary(self) -> dict[str, Any]:
        """Return number, id and the headers of a list."""
        message = self.message()
        headers = {name.lower(): message[name] for name in ("From", "To", "Subject")}
        found = {name: None if value is None else str(value) for name, value in headers.items()}
        date = message["Date"]
        sent = date.datetime.astimezone(UTC).isoformat() if date and date.datetime else None
        return {"number": self.number, "id": self.id, "date": sent, **found}


def mails(maildir: Path) -> list[Mail]:
    """Return all mails, oldest first; raises `no_maildir`."""
    if not (maildir / "new").is_dir():
        message = (
            f"There is no Maildir at {maildir}. Run this where `make up` was run, or set --maildir."
        )
        raise CliError("no_maildir", message)
    files = [path for folder in ("new", "cur") for path in _files(maildir / folder)]
    ordered = sorted(files, key=lambda path: path.name)
    return [Mail(number, path) for number, path in enumerate(ordered, start=1)]


def find(maildir: Path, wanted: str) -> Mail:
    """Return the mail with this number, id or Message-ID; raises `no_such_mail`."""
    found = mails(maildir)
    for mail in found:
        if wanted in {str(mail.number), mail.id}:
            return mail
    for mail in found:
        if str(mail.message()["Message-ID"]).strip("<>") == wanted.strip("<>"):
            return mail
    message = f"There is no mail '{wanted}' among {len(found)}. `rapport mail list` shows them."
    raise CliError("no_such_mail", message)


def send_keys(maildir: Path) -> Counter[str]:
    """Count the mails per send key; mails without one are not the platform's and left out."""
    return Counter(filter(None, (_send_key(mail.path) for mail in mails(maildir))))


def body_of(message: EmailMessage, *, html: bool) -> str:
    """Return the plain text part, or the HTML part; the other one where that is missing."""
    order = ("html", "plain") if html else ("plain", "html")
    part = message.get_body(preferencelist=order)
    return str(part.get_content()) if part else ""


def _files(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _send_key(path: Path) -> str | None:
    # Thousands of mails: look for one header only, without parsing the rest.
    wanted = f"{SEND_KEY}:".lower().encode()
    with path.open("rb") as file:
        for raw in file:
            if not raw.strip():
                return None
            if raw.lower().startswith(wanted):
                return raw.partition(b":")[2].strip().decode("ascii", "replace")
    return None
