"""Double opt-in: a yes counts when the owner of the address has confirmed it by a link in a mail.

The request is told as an unconfirmed yes, the mail has a row in the ledger as every other, and the
link, used once before it ends, makes a confirmed one. Who confirms owns the mailbox; that it is the
person's own is for a trusted source to say, so an address is not verified by it.
"""

from datetime import datetime, timedelta

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign import metrics, pages
from rapport_campaign.domain import own_events, tokens
from rapport_campaign.domain.model import SERVICE, Content, NewMessage, State
from rapport_campaign.domain.preferences import Choice, Holder, Known, refused_since
from rapport_campaign.domain.tokens import Token
from rapport_campaign.handlers.ledger import count, write_plan
from rapport_campaign.handlers.preferences import known_of, name_of
from rapport_campaign.render.compose import Office
from rapport_campaign.store import contents, locks, people
from rapport_campaign.store import opt_ins as store
from rapport_campaign.store import preferences as words
from rapport_campaign.store.opt_ins import Fate, OptIn
from rapport_campaign.store.privacy import PRIVACY
from rapport_campaign.tables import SCHEMA
from rapport_common import clock, tracing
from rapport_common.brands import brand_of
from rapport_common.errors import NotFoundError
from rapport_common.events.consent import IP_OF_A_WORD
from rapport_common.events.contact import normal_email
from rapport_common.events.envelope import Event, identifier_digest
from rapport_common.publisher import Publisher

LIFETIME = timedelta(days=7)
"""So long a link can be used."""


class OptIns:
    """Asks, and takes in what is confirmed."""

    def __init__(self, publisher: Publisher, event_key: bytes, office: Office) -> None:
        """`publisher` writes to `events`; addresses on the internet are hashed under the key."""
        self._publisher = publisher
        self.event_key = event_key
        self._office = office

    async def ask(self, tx: AsyncConnection, made: OptIn, *, is_told: bool = False) -> None:
        """Send somebody a link by which they confirm; NotFoundError: they are forgotten.

        `is_told`: that there is an unconfirmed yes is known already.
        """
        key = (made.workspace, made.profile_id)
        # Held until the commit: whoever is forgotten meanwhile waits, and finds what is planned.
        await people.load(tx, [key], lock=True)
        target = (made.workspace, (await people.resolve(tx, [key]))[key])
        if await PRIVACY.erased(tx, {key, target}):
            message = f"Profile {made.profile_id} was forgotten: ask under the id of now."
            raise NotFoundError(message, details={"profile_id": made.profile_id})
        await store.add(tx, made)
        message_ = NewMessage(
            workspace=made.workspace,
            kind="opt_in",
            purpose=SERVICE,
            campaign_id=None,
            occasion=f"opt-in-{made.opt_in_id}",
            profile_id=target[1],
            to_address=made.address,
            traceparent=tracing.current(),
        )
        new = await write_plan(tx, [message_])
        letter = await self._letter(tx, made)
        await contents.add(tx, {one.key: letter for one in new})
        if not is_told:
            await self._publisher.tell(tx, await self._word(tx, made, None))
        await count(tx, new)

    async def _letter(self, tx: AsyncConnection, made: OptIn) -> Content:
        brand = await brand_of(tx, SCHEMA, made.workspace)
        topic = await name_of(tx, made.workspace, made.purpose, made.language)
        token = tokens.sign(self._office.link_key, "opt_in", Token(made.workspace, made.opt_in_id))
        url = f"{self._office.base_url}/d/{token}"
        data = {"url": url, "topic": topic, "brand": brand.name}
        return pages.opt_in_letter(made.language, data)

    async def state(
        self, tx: AsyncConnection, workspace: str, opt_in_id: str
    ) -> tuple[OptIn, Fate] | None:
        """A request and whether its link counts; None where there is none."""
        found = await store.find(tx, workspace, opt_in_id)
        return None if found is None else (found, await self.fate(tx, found))

    async def confirm(
        self, tx: AsyncConnection, workspace: str, opt_in_id: str, ip: str | None
    ) -> tuple[OptIn, Fate] | None:
        """Let a yes count, once; the request and what it is now, or None where there is none."""
        found = await store.find(tx, workspace, opt_in_id, lock=True)
        if found is None:
            return None
        holder = _holder(found)
        await locks.own_addresses(tx, [(workspace, holder.address)])
        fate = await self.fate(tx, found)
        if fate != "asked":
            return found, fate
        now = clock.now()
        await store.confirm(tx, workspace, opt_in_id, now)
        await words.say(tx, holder, [Choice(found.purpose, wanted=True)], now)
        hashed = None
        if ip:
            named = (IP_OF_A_WORD, ip)
            hashed = identifier_digest(self.event_key, workspace, named).hex()
        await self._publisher.tell(tx, await self._word(tx, found, hashed, confirmed=True))
        metrics.TRACKED.labels("opt_in").inc()
        return found, "confirmed"

    async def fate(self, tx: AsyncConnection, one: OptIn) -> Fate:
        """What became of a request, by all that was said at its address."""
        now = clock.now()
        if one.state(now) != "asked":
            return one.state(now)
        known, _state = await known_of(tx, _holder(one))
        return fate_of(one, known, now)

    async def _word(
        self, tx: AsyncConnection, one: OptIn, ip_hash: str | None, *, confirmed: bool = False
    ) -> Event:
        key = (one.workspace, one.profile_id)
        target = (one.workspace, (await people.resolve(tx, [key]))[key])
        person = (await people.load(tx, [target])).get(target)
        state: State | None = person.state if person is not None else None
        event = own_events.opted_in(
            *(one.workspace, own_events.identity(state, one.address), one.opt_in_id, clock.now()),
            {
                "contact_point": one.address,
                "purpose": one.purpose,
                "wording_version": one.wording_version,
                "ip_hash": ip_hash,
                "actor": None if confirmed else one.actor,
                "reason": None if confirmed else one.reason,
                "evidence": f"opt-in {one.opt_in_id}",
            },
        )
        if confirmed:
            return event
        asked = msgspec.structs.replace(event, trust="public")
        return msgspec.structs.replace(asked, message_id=f"asked-{one.opt_in_id}")


def fate_of(one: OptIn, known: Known, now: datetime) -> Fate:
    """What became of a request: a no at its address ends it, and who said it may be asked anew."""
    fate = one.state(now)
    if fate != "asked":
        return fate
    address = normal_email(one.address)
    return "ended" if refused_since(known, address, one.purpose, one.asked_at) else fate


def _holder(one: OptIn) -> Holder:
    return Holder(one.workspace, normal_email(one.address), one.profile_id)
