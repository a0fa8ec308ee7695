"""The workers that take complaints by mail: a server, and who looks into a mailbox."""

import re

from rapport_common.composition import ServiceProcess
from rapport_common.door import Bounds
from rapport_common.mail import server
from rapport_common.mail.looking import Looker
from rapport_common.mail.mailboxes import Mailbox
from rapport_common.publisher import Publisher
from rapport_common.runtime import Worker
from rapport_common.settings import key_bytes
from rapport_feedback.handlers.arriving import Arriving
from rapport_feedback.handlers.cases import Cases
from rapport_feedback.handlers.mails import Mails
from rapport_feedback.settings import Settings

UPLOADS = re.compile(r"/v1/cases/[^/]+/attachments|/complain/[^/]+")
"""Where a body may be as long as files are: it is written to the disk as it comes."""


def take_in(
    process: ServiceProcess, cases: Cases, publisher: Publisher, settings: Settings
) -> None:
    """Let a process take complaints by mail, and files."""
    mails = Mails(process.engine, Arriving(cases, publisher), key_bytes(settings.link_key))
    process.workers += intakes(mails, settings)
    process.bounds = Bounds(streams=(UPLOADS,))


def intakes(mails: Mails, settings: Settings) -> list[Worker]:
    """As the settings name them; there may be none."""
    found: list[Worker] = []
    if settings.complaint_port:
        found.append(server.MailServer(mails, bounds(settings)))
    if url := settings.complaint_mailbox.get_secret_value():
        found.append(
            Looker(
                mails.take_from_box,
                Mailbox.of(url),
                settings.complaint_mailbox_seconds,
                settings.complaint_bytes,
            )
        )
    return found


def bounds(settings: Settings) -> server.Bounds:
    """Where the server listens, and what it takes at most; which addresses are ours is data."""
    return server.Bounds(
        host=settings.complaint_host or settings.host,
        port=settings.complaint_port,
        domains=frozenset(),
        hostname=settings.complaint_greeting,
        protocol=settings.complaint_protocol,
        connections=settings.complaint_connections,
        size=settings.complaint_bytes,
    )
