"""People are forgotten: nothing is sent to them from then on, and what is kept of them goes."""

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.handlers.activity import on_activity
from rapport_campaign.handlers.ledger import count
from rapport_campaign.store import privacy as store
from rapport_campaign.store.access import parts
from rapport_campaign.tables import SCHEMA
from rapport_common.events.privacy import PrivacyRecord
from rapport_common.privacy.ending import ended
from rapport_common.privacy.eraser import Eraser
from rapport_common.privacy.subject import Recogniser


def eraser(event_key: bytes) -> Eraser:
    """Who does it; `event_key`: addresses are known again under it."""
    known = Recogniser(event_key)
    return Eraser(SCHEMA, store.sweeps(known), parts(known), at_once=suppress)


async def suppress(tx: AsyncConnection, record: PrivacyRecord) -> None:
    """Nothing goes to these profiles any more, what is queued included.

    Whoever plans or claims a message for one of them holds its row until the commit: this waits for
    them, and they for this.
    """
    if not record.profiles:
        return
    await on_activity(ended(record), tx)
    profiles = [one.profile_id for one in record.profiles]
    stopped = await store.stop_messages(tx, record.workspace, profiles)
    await count(tx, stopped)
