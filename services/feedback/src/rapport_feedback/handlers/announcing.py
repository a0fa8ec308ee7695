"""Posts to webhooks: written in the transaction of what they tell, settled by what came of them."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import override

from rapport_common import logging
from rapport_common.events.envelope import Event
from rapport_common.outside.webhooks import OLDEST, Answer, Verdict, after_failure, verdict
from rapport_common.publisher import Publisher
from rapport_feedback.domain.announcements import announced
from rapport_feedback.store import posts, webhooks
from rapport_feedback.store.posts import Post
from rapport_feedback.store.webhooks import Webhook

log = logging.get(__name__)

WANTS_NOTHING = "it answered 410: it wants nothing any more"
TURNED_OFF = f"it has taken nothing for {OLDEST.days} days"


class Announcing(Publisher):
    """Tells the others, and whoever listens by HTTP, in one transaction."""

    @override
    async def publish(
        self, tx: AsyncConnection, told: Iterable[tuple[msgspec.Struct, str | None]]
    ) -> None:
        listed = list(told)
        for record, _ in listed:
            found = announced(record) if isinstance(record, Event) else None
            if found is not None:
                await posts.insert(tx, found)
        await super().publish(tx, listed)


async def settle(
    tx: AsyncConnection,
    to: Webhook,
    post: Post,
    holder: UUID,
    answer: Answer,
    *,
    now: datetime,
    chance: float,
) -> Verdict:
    """Write down what became of a post; nothing if another process has it by now.

    Who takes nothing for days is turned off: an operator has to look.
    """
    found = verdict(answer)
    if found is Verdict.DELIVERED:
        status = answer.status or 0
        await posts.delivered(tx, to, post.post_id, holder, status=status, now=now)
        return found
    note = webhooks.away if found is Verdict.AWAY else webhooks.present
    failures, since = await note(tx, to, now)
    pause = after_failure(post.attempts + 1, failures, answer, chance)
    held = await posts.failed(
        tx,
        to,
        post.post_id,
        holder,
        error=answer.error or f"it answered {answer.status}",
        status=answer.status,
        try_at=None if pause.wait is None else now + pause.wait,
        now=now,
    )
    if held and pause.rest is not None:
        await webhooks.rest(tx, to, now + pause.rest)
    if held and (reason := _end(found, now - since)):
        await webhooks.end(tx, to, reason, now)
        log.warning(
            "webhook turned off", workspace=to.workspace, webhook=str(to.webhook_id), reason=reason
        )
    return found


def _end(found: Verdict, failing: timedelta) -> str | None:
    if found is Verdict.GONE:
        return WANTS_NOTHING
    return TURNED_OFF if failing >= OLDEST else None
