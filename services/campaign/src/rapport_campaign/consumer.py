"""Which topic goes to which handler."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.handlers.activity import on_activity
from rapport_campaign.handlers.asking import Asking
from rapport_campaign.handlers.definition import on_definition
from rapport_campaign.handlers.membership import on_membership
from rapport_campaign.handlers.needs import on_needs
from rapport_campaign.handlers.opt_ins import OptIns
from rapport_campaign.handlers.products import take_in
from rapport_campaign.handlers.requests import on_requests
from rapport_common.events.topics import (
    CONSENT_NEEDS,
    MESSAGE_REQUESTS,
    PROFILE_ACTIVITY,
    SEGMENT_DEFINITION,
    SEGMENT_MEMBERSHIP,
)
from rapport_common.kafka.batch import Handler, Record, Subscription


def subscriptions(
    opt_ins: OptIns, most_asked: int, restored_at: datetime | None = None
) -> list[Subscription]:
    """{topic: handler}; `most_asked`: so many mails ask by themselves in an hour.

    `restored_at`: what happened before calls for no mail.
    """
    asking = Asking(opt_ins, most_asked, restored_at)
    return [
        Subscription(PROFILE_ACTIVITY, _on_activity(asking, opt_ins.event_key)),
        Subscription(SEGMENT_MEMBERSHIP, partial(on_membership, restored_at=restored_at)),
        Subscription(SEGMENT_DEFINITION, on_definition),
        Subscription(CONSENT_NEEDS, on_needs),
        Subscription(MESSAGE_REQUESTS, partial(on_requests, restored_at=restored_at)),
    ]


def _on_activity(asking: Asking, key: bytes) -> Handler:
    async def handle(batch: Sequence[Record], tx: AsyncConnection) -> None:
        await asking.ask(tx, await on_activity(batch, tx))
        await take_in(tx, batch, key)

    return handle
