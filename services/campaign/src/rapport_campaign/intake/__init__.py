"""Where mails come back: a server that takes them, and who looks into a mailbox."""

from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_campaign.handlers.outcomes import Outcomes
from rapport_campaign.intake.mailbox import Looker
from rapport_campaign.intake.server import Bounds, Intake
from rapport_campaign.intake.taking import Taker
from rapport_campaign.settings import Settings
from rapport_common.mail.mailboxes import Mailbox
from rapport_common.publisher import Publisher
from rapport_common.runtime import Worker
from rapport_common.settings import key_bytes


def intakes(engine: AsyncEngine, publisher: Publisher, settings: Settings) -> list[Worker]:
    """The workers by which mails come back, as the settings name them; there may be none."""
    taker = Taker(engine, Outcomes(publisher, key_bytes(settings.link_key)))
    found: list[Worker] = []
    if settings.intake_port:
        found.append(Intake(taker, bounds(settings)))
    if url := settings.mailbox_url.get_secret_value():
        found.append(Looker(taker, Mailbox.of(url), settings.mailbox_seconds))
    return found


def bounds(settings: Settings) -> Bounds:
    """Where the server listens, and what it takes at most."""
    return Bounds(
        host=settings.intake_host or settings.host,
        port=settings.intake_port,
        domains=settings.returning_domains(),
        hostname=settings.greeting,
        protocol=settings.intake_protocol,
        connections=settings.intake_connections,
        size=settings.intake_bytes,
    )
