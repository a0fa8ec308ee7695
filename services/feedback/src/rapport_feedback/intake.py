"""The workers that take complaints by mail: a server, and who looks into a mailbox."""

from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.mail.looking import Looker
from rapport_common.mail.mailboxes import Mailbox
from rapport_common.mail.server import Bounds, MailServer
from rapport_common.runtime import Worker
from rapport_common.settings import key_bytes
from rapport_feedback.handlers.arriving import Arriving
from rapport_feedback.handlers.mails import Mails
from rapport_feedback.settings import Settings


def intakes(engine: AsyncEngine, arriving: Arriving, settings: Settings) -> list[Worker]:
    """As the settings name them; there may be none."""
    mails = Mails(engine, arriving, key_bytes(settings.link_key))
    found: list[Worker] = []
    if settings.complaint_port:
        found.append(MailServer(mails, bounds(settings)))
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


def bounds(settings: Settings) -> Bounds:
    """Where the server listens, and what it takes at most; which addresses are ours is data."""
    return Bounds(
        host=settings.complaint_host or settings.host,
        port=settings.complaint_port,
        domains=frozenset(),
        hostname=settings.complaint_greeting,
        protocol=settings.complaint_protocol,
        connections=settings.complaint_connections,
        size=settings.complaint_bytes,
    )
