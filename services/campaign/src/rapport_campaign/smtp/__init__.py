"""Hands mails to a mail server: SMTP of our own, which pipelines (ADR 72).

Pure, bytes in and bytes out: `replies`, `extensions`, `envelope`, `opening`, `session`, `verdicts`.
What reads, writes and looks at the clock: `connection`.
"""

from rapport_campaign.smtp.connection import Connection
from rapport_campaign.smtp.envelope import Letter
from rapport_campaign.smtp.opening import Server, UnreachableError

__all__ = ["Connection", "Letter", "Server", "UnreachableError"]
