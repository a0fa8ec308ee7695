"""The mail server where mails come back: which addresses are for us, and where they lead."""

from collections.abc import Sequence

from rapport_campaign.domain import returning
from rapport_campaign.handlers.outcomes import Place
from rapport_campaign.intake.taking import Taker
from rapport_common.mail.server import MOST_RECIPIENTS, Bounds, MailServer

__all__ = ["MOST_RECIPIENTS", "Bounds", "Intake"]


class Intake(MailServer):
    """The worker that listens."""

    def __init__(self, taker: Taker, bounds: Bounds) -> None:
        super().__init__(_Reception(taker), bounds)


class _Reception:
    """Only what leads to a message of ours is taken, and complaints."""

    def __init__(self, taker: Taker) -> None:
        self._taker = taker

    async def leads_to(self, address: str, domains: frozenset[str]) -> tuple[bool, Place | None]:
        """The message that an address of ours is of; None for that of complaints."""
        local, _, domain = address.rpartition("@")
        if local == returning.COMPLAINTS and domain in domains:
            return True, None
        said = returning.in_address(address, domains)
        place = await self._taker.place(said) if said is not None else None
        return place is not None, place

    async def take(self, raw: bytes, sender: str, to: Sequence[Place]) -> None:
        """Commit what it reports."""
        await self._taker.take(raw, "smtp", sender=sender, to=to)
