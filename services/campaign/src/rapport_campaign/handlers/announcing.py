"""Posts to webhooks: written in the transaction of what they tell."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.announcements import body_of, of_state, scopes
from rapport_campaign.store import ledger
from rapport_campaign.store.moves import Move
from rapport_campaign.store.webhooks import WEBHOOKS
from rapport_common import clock
from rapport_common.webhooks.records import Told


async def announce(tx: AsyncConnection, moved: Sequence[Move], listening: Collection[str]) -> None:
    """Have it told that messages have ended, in this order; only of workspaces that listen."""
    ended = [one for one in moved if one.workspace in listening and of_state(one.after)]
    if not ended:
        return
    whose = {
        (row.workspace, row.send_key): row.profile_id
        for row in await ledger.found(tx, [one.key for one in ended])
    }
    now = clock.now()
    told = [_told(one, whose.get(one.key, ""), now) for one in ended]
    await WEBHOOKS.posts.insert(tx, told)


def _told(move: Move, profile_id: str, at: datetime) -> Told:
    event = of_state(move.after)
    assert event is not None  # noqa: S101 - those that have not ended are left out before
    body = body_of(
        event,
        at,
        send_key=move.send_key,
        kind=move.kind,
        channel=move.channel,
        profile_id=profile_id,
        campaign_id=move.campaign,
        # Other reasons are a server's words, which may name an address.
        reason=move.reason if event == "suppressed" else None,
    )
    facts = (event, ",".join(scopes(move.kind)))
    return Told(move.workspace, move.send_key, facts, body, profile_id)
