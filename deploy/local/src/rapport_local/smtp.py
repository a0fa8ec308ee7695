"""The mail catcher: an SMTP server in a process of its own that delivers to a Maildir only."""

from __future__ import annotations

import os
import smtplib
import sys
from typing import TYPE_CHECKING

from typing_extensions import override

from rapport_local.ports import HOST, free_port
from rapport_local.process import Program
from rapport_local.server import Server

if TYPE_CHECKING:
    from pathlib import Path

COMPLETED = 250  # SMTP's "requested action taken"


class MailCatcher(Server):
    """Takes every mail sent to its port and keeps it in the Maildir `mail`; forwards nothing."""

    def __init__(self, mail: Path, *, port: int | None = None, log: Path | None = None) -> None:
        super().__init__("smtp", port or free_port(), log or mail.with_name("smtp.log"))
        self.mail = mail

    @override
    def prepare(self) -> None:
        """Make the Maildir."""
        super().prepare()
        for folder in ("tmp", "new", "cur"):
            (self.mail / folder).mkdir(parents=True, exist_ok=True)

    @override
    def program(self) -> Program:
        """Return the catcher's command."""
        argv = (sys.executable, "-m", "rapport_local.catcher", str(self.port), str(self.mail))
        return Program(argv=argv, env=dict(os.environ))

    @override
    def ready(self) -> bool:
        """Talk SMTP to it."""
        try:
            with smtplib.SMTP(HOST, self.port, local_hostname="localhost", timeout=1) as client:
                return client.noop()[0] == COMPLETED
        except (OSError, smtplib.SMTPException):
            return False

    def messages(self) -> list[Path]:
        """Return the files of the mails received so far, oldest first."""
        return sorted((self.mail / "new").iterdir(), key=lambda path: path.name)
