"""What recipients do with the links of a mail."""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign import metrics
from rapport_campaign.domain import own_events
from rapport_campaign.domain.machines import BURST_LINKS, BURST_SECONDS, Label, Look, label
from rapport_campaign.domain.model import SURVEY, State
from rapport_campaign.domain.permission import granted_at
from rapport_campaign.domain.tokens import Token
from rapport_campaign.store import locks, outcomes, people, tracking
from rapport_campaign.store.outcomes import Kept
from rapport_campaign.store.tracking import Sent
from rapport_common import clock
from rapport_common.events.contact import normal_email
from rapport_common.events.envelope import Event, Identifier
from rapport_common.publisher import Publisher

UNSUBSCRIBED = "unsubscribed by link"
HUMAN = "human"
CLICK_EVENTS = 10
"""Clicks on one link of one message that become events; all are counted."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom a public link belongs to."""

    address: str
    is_test: bool
    of_surveys: bool = False


def _recipient(sent: Sent) -> Recipient:
    return Recipient(sent.to_address, sent.kind == "test", sent.refused == SURVEY)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks for a link or a picture: what the program calls itself, and from where it asks."""

    agent: str = ""
    address: str | None = None


NOBODY = Visitor()


class Tracker:
    """Records opens, clicks and unsubscribes, and tells the other services."""

    def __init__(self, publisher: Publisher, haste: float = 0) -> None:
        """Within `haste` seconds of its sending nobody has read a mail."""
        self.publisher = publisher
        self._haste = haste

    async def recipient(self, tx: AsyncConnection, token: Token) -> Recipient | None:
        """Whom a token was made for."""
        sent = await tracking.message(tx, token.workspace, token.send_key)
        return _recipient(sent) if sent else None

    async def unsubscribe(
        self, tx: AsyncConnection, token: Token, trace: str | None
    ) -> Recipient | None:
        """Stop promotions to the address at once; repeating it changes nothing.

        The links of a test send work and change nothing.
        """
        sent = await tracking.message(tx, token.workspace, token.send_key)
        if sent is None:
            return None
        if sent.kind != "test":
            await self._suppress(tx, sent, trace)
        return _recipient(sent)

    async def opened(
        self, tx: AsyncConnection, token: Token, trace: str | None, by: Visitor = NOBODY
    ) -> None:
        """Record the first time the pixel of a mail was loaded by a person, and by a machine."""
        sent = await tracking.message(tx, token.workspace, token.send_key)
        if sent is None or sent.kind == "test":
            return
        whose = label(_look(sent, by), self._haste)
        if not await self._keep(tx, sent, "opened", whose):
            return
        if whose == HUMAN:
            await tracking.touch(tx, sent, "opened_at")
        message_id = f"open-{sent.send_key}{_ending(whose)}"
        event = await self._event(tx, sent, own_events.OPENED, message_id, whose=whose)
        await self.publisher.publish(tx, [(event, trace or sent.traceparent)])
        metrics.TRACKED.labels("open").inc()

    async def target(self, tx: AsyncConnection, token: Token) -> str | None:
        """Where a link leads."""
        return await tracking.url(tx, token.workspace, token.link_id)

    async def clicked(
        self, tx: AsyncConnection, token: Token, trace: str | None, by: Visitor = NOBODY
    ) -> str | None:
        """Count a click; where the link leads, or None when there is no such link.

        The first ones on a link of a message are events; a scanner, or a person with a worn key,
        makes no more. Once all links are followed in a burst, its first click was no person's
        either.
        """
        url = await self.target(tx, token)
        sent = await tracking.message(tx, token.workspace, token.send_key)
        if url is None or sent is None or sent.kind == "test":
            return url
        number = await tracking.click(tx, sent, token.link_id)
        links = await tracking.links_lately(tx, sent, BURST_SECONDS)
        whose = label(_look(sent, by, links), self._haste)
        if whose == HUMAN:
            await tracking.touch(tx, sent, "clicked_at")
        elif links >= BURST_LINKS and await outcomes.retract(
            tx, sent, "clicked", HUMAN, BURST_SECONDS
        ):
            await tracking.untouch(tx, sent, "clicked_at")
        await self._keep(tx, sent, "clicked", whose)
        if number > CLICK_EVENTS:
            return url
        message_id = f"click-{sent.send_key}-{token.link_id}-{number}"
        event = await self._event(tx, sent, own_events.CLICKED, message_id, url, whose=whose)
        await self.publisher.publish(tx, [(event, trace or sent.traceparent)])
        metrics.TRACKED.labels("click").inc()
        return url

    async def _suppress(self, tx: AsyncConnection, sent: Sent, trace: str | None) -> None:
        address = normal_email(sent.to_address)
        key = (sent.workspace, address)
        await locks.own_addresses(tx, [key])
        stored = (await tracking.suppressions(tx, [key])).get(sent.workspace, {})
        state = await self._state(tx, sent)
        since = stored.get((address, sent.refused))
        agreed = granted_at(state, address, sent.refused)
        if since is not None and (agreed is None or agreed <= since):
            return
        now = clock.now()
        # What was agreed before is taken back, also when a clock that is ahead has stamped it.
        at = max(now, agreed or now)
        await tracking.suppress(tx, key, sent.profile_id, UNSUBSCRIBED, at, purpose=sent.refused)
        who = own_events.identity(state, address)
        event = own_events.withdrawn(
            sent.workspace, who, sent.send_key, address, now, purpose=sent.refused
        )
        await self.publisher.publish(tx, [(event, trace)])
        metrics.TRACKED.labels("unsubscribe").inc()

    async def _keep(
        self, tx: AsyncConnection, sent: Sent, kind: Literal["opened", "clicked"], whose: Label
    ) -> bool:
        """Keep the first open or click of a kind of visitor; whether it was that."""
        # Without the address: the message has it, and nobody asks for opens by address.
        row = Kept(kind, whose, whose, "", "", "link", None, clock.now())
        is_new = await outcomes.add(tx, sent, row)
        if is_new:
            metrics.OUTCOMES.labels(kind, whose).inc()
        return is_new

    async def _event(
        self,
        tx: AsyncConnection,
        sent: Sent,
        name: str,
        message_id: str,
        link: str | None = None,
        *,
        whose: Label,
    ) -> Event:
        """A person's, or one that says that it is a machine's."""
        by = {} if whose == HUMAN else {"machine": True, "by": whose}
        return own_events.event(
            workspace=sent.workspace,
            who=await self._who(tx, sent),
            name=name,
            message_id=message_id,
            at=clock.now(),
            properties={
                "campaign_id": sent.campaign_id,
                "send_key": sent.send_key,
                "link": link,
                **by,
            },
        )

    async def _who(self, tx: AsyncConnection, sent: Sent) -> Identifier:
        return own_events.identity(await self._state(tx, sent), sent.to_address)

    async def _state(self, tx: AsyncConnection, sent: Sent) -> State | None:
        key = (sent.workspace, sent.profile_id)
        now = (sent.workspace, (await people.resolve(tx, [key]))[key])
        person = (await people.load(tx, [now])).get(now)
        return person.state if person else None


def _look(sent: Sent, by: Visitor, links: int = 0) -> Look:
    since = (clock.now() - sent.sent_at).total_seconds() if sent.sent_at is not None else None
    return Look(by.agent, by.address, since, links)


def _ending(whose: Label) -> str:
    return "" if whose == HUMAN else f"-{whose}"
