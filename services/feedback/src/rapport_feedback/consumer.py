"""What feedback reads from Kafka, and who handles it."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.events.topics import PROFILE_ACTIVITY, SEGMENT_MEMBERSHIP
from rapport_common.kafka.batch import Handler, Record, Subscription
from rapport_feedback.domain.replies import reply_of
from rapport_feedback.handlers.activity import on_activity
from rapport_feedback.handlers.membership import on_membership
from rapport_feedback.handlers.replies import Replies


def subscriptions(replies: Replies | None) -> list[Subscription]:
    """{topic: handler}; without `replies` answers to mails make no cases."""
    return [
        Subscription(PROFILE_ACTIVITY, _on_activity(replies)),
        Subscription(SEGMENT_MEMBERSHIP, on_membership),
    ]


def _on_activity(replies: Replies | None) -> Handler:
    async def handle(batch: Sequence[Record], tx: AsyncConnection) -> None:
        await on_activity(batch, tx)
        if replies is not None:
            told = (reply_of(record.value) for record in batch)
            await replies.take(tx, [one for one in told if one is not None])

    return handle
