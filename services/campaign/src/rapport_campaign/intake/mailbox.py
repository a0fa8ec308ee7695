"""Looks into a mailbox for what has come back."""

from rapport_campaign.intake.taking import Taker
from rapport_common.mail import looking
from rapport_common.mail.mailboxes import Mailbox


class Looker(looking.Looker):
    """The worker that looks again and again."""

    def __init__(self, taker: Taker, mailbox: Mailbox, seconds: float) -> None:
        async def take(raw: bytes) -> None:
            await taker.take(raw, "mailbox")

        super().__init__(take, mailbox, seconds)
