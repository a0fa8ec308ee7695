"""Posts to webhooks: written in the transaction of what they tell, settled by what came of them."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.announcements import body_of, of_state, scopes
from rapport_campaign.store import ledger, posts, webhooks
from rapport_campaign.store.moves import Move
from rapport_campaign.store.posts import Announcement, Post
from rapport_campaign.store.webhooks import Webhook
from rapport_common import clock, logging
from rapport_common.outside.webhooks import OLDEST, Answer, Verdict, after_failure, verdict

log = logging.get(__name__)

WANTS_NOTHING = "it answered 410: it wants nothing any more"
TURNED_OFF = f"it has taken nothing for {OLDEST.days} days"


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
    await posts.insert(tx, [_announcement(one, whose.get(one.key, ""), now) for one in ended])


def _announcement(move: Move, profile_id: str, at: datetime) -> Announcement:
    told = of_state(move.after)
    assert told is not None  # noqa: S101 - those that have not ended are left out before
    body = body_of(
        told,
        at,
        send_key=move.send_key,
        kind=move.kind,
        channel=move.channel,
        profile_id=profile_id,
        campaign_id=move.campaign,
        # Other reasons are a server's words, which may name an address.
        reason=move.reason if told == "suppressed" else None,
    )
    wanted = scopes(move.kind)
    return Announcement(move.workspace, move.send_key, profile_id, told, wanted, body)


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
