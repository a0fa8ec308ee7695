"""Telling that messages were sent, by whoever finds it out later than their sender."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain import own_events
from rapport_campaign.domain.model import MessageKey
from rapport_campaign.store import ledger, people
from rapport_common.events.envelope import Event


async def sent_events(
    tx: AsyncConnection, keys: Sequence[MessageKey], at: datetime
) -> list[tuple[Event, str | None]]:
    """An event for each of these messages that has an address, with its trace."""
    rows = [row for row in await ledger.found(tx, keys) if row.to_address is not None]
    whose = [(row.workspace, row.profile_id) for row in rows]
    now_ids = await people.resolve(tx, whose)
    persons = await people.load(tx, [(key[0], now_ids[key]) for key in whose])
    told = []
    for row, key in zip(rows, whose, strict=True):
        person = persons.get((key[0], now_ids[key]))
        state = person.state if person is not None else None
        who = own_events.identity(state, row.to_address, row.channel)
        what = (row.workspace, who, row.send_key, row.campaign_id, at)
        told.append((own_events.sent(*what, channel=row.channel), row.traceparent))
    return told
