"""Posts to webhooks: written in the transaction of what they tell."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.events.membership import Membership
from rapport_common.webhooks.records import Told
from rapport_segment.domain.webhooks import body_of
from rapport_segment.store.webhooks import WEBHOOKS


async def announce(tx: AsyncConnection, records: Sequence[Membership]) -> None:
    """Have these told to the webhooks of their workspaces, in this order."""
    if not records:
        return
    heard = await WEBHOOKS.listening(tx, {one.workspace for one in records})
    await WEBHOOKS.posts.insert(
        tx, [_told(record) for record in records if record.workspace in heard]
    )


def _told(record: Membership) -> Told:
    facts, body = (record.segment_id,), body_of(record).decode()
    return Told(record.workspace, record.profile_id, facts, body, record.profile_id)
