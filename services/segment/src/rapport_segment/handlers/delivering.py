"""Posts to webhooks: written in the transaction of what they tell, settled by what came of them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.events.membership import Membership
from rapport_common.outside.webhooks import Answer, Verdict, after_failure, verdict
from rapport_segment.store import deliveries, webhooks
from rapport_segment.store.deliveries import Delivery
from rapport_segment.store.webhooks import Webhook

WANTS_NOTHING = "it answered 410: it wants nothing any more"


async def announce(tx: AsyncConnection, records: Sequence[Membership]) -> None:
    """Have these told to the webhooks of their workspaces, in this order."""
    if not records:
        return
    heard = await webhooks.with_webhooks(tx, {one.workspace for one in records})
    told = [one for one in records if one.workspace in heard]
    if told:
        await deliveries.insert(tx, told)


async def settle(
    tx: AsyncConnection,
    to: Webhook,
    delivery: Delivery,
    holder: UUID,
    answer: Answer,
    *,
    now: datetime,
    chance: float,
) -> Verdict:
    """Write down what became of a post; nothing if another process has it by now."""
    found = verdict(answer)
    if found is Verdict.DELIVERED:
        await deliveries.delivered(tx, to, delivery.post_id, holder, now)
        return found
    failures = await deliveries.away(tx, to, now) if found is Verdict.AWAY else 0
    pause = after_failure(delivery.attempts + 1, failures, answer, chance)
    held = await deliveries.failed(
        tx,
        to,
        delivery.post_id,
        holder,
        error=answer.error or f"it answered {answer.status}",
        status=answer.status,
        try_at=None if pause.wait is None else now + pause.wait,
        now=now,
    )
    if found is Verdict.REFUSED:
        await deliveries.present(tx, to)
    if held and found is Verdict.GONE:
        await deliveries.end(tx, to, WANTS_NOTHING, now)
    if held and pause.rest is not None:
        await deliveries.rest(tx, to, now + pause.rest)
    return found
