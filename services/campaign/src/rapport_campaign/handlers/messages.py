"""Single messages: asking for one, what became of it, and settling what nobody knows."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import msgspec
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.model import SERVICE, Content, NewMessage
from rapport_campaign.handlers.contacting import forget_unsent
from rapport_campaign.handlers.ledger import count, write_plan
from rapport_campaign.handlers.telling import sent_events
from rapport_campaign.store import contents, ledger, people, uncertain
from rapport_campaign.store.privacy import PRIVACY
from rapport_common import clock, tracing
from rapport_common.errors import NotFoundError
from rapport_common.publisher import Publisher

MOST = 1_000
"""Messages that are settled in one transaction."""

Settled = Literal["sent", "failed", "planned"]


class Meant(NamedTuple):
    """Which uncertain messages are meant: these, or all of a campaign."""

    send_keys: Sequence[str] | None = None
    campaign_id: str | None = None


async def ask(
    tx: AsyncConnection,
    workspace: str,
    *,
    profile_id: str | None,
    to: str,
    content: Content,
    request_id: str,
) -> str:
    """Plan one message to one address, ahead of all campaigns; its send key.

    One per `request_id`, for ever. NotFoundError for a profile that is not there (any more).
    """
    now_id = await _living(tx, workspace, profile_id) if profile_id else ""
    message = NewMessage(
        workspace=workspace,
        kind="request",
        purpose=SERVICE,
        campaign_id=None,
        occasion=f"api:{request_id}",
        profile_id=now_id,
        to_address=to,
        traceparent=tracing.current(),
    )
    new = await write_plan(tx, [message])
    await contents.add(tx, {one.key: content for one in new})
    await count(tx, new)
    return message.send_key


async def require(tx: AsyncConnection, workspace: str, send_key: str) -> Row[Any]:
    """A message, wherever it is; NotFoundError."""
    found = await ledger.find(tx, workspace, send_key) if "\0" not in send_key else None
    if found is None:
        message = f"There is no message {send_key!r} in workspace {workspace}."
        raise NotFoundError(message)
    return found


async def settle(
    tx: AsyncConnection,
    workspace: str,
    meant: Meant,
    *,
    state: Settled,
    reason: str,
    publisher: Publisher,
) -> list[str]:
    """Let uncertain messages be what somebody has found out: the send keys of those that were.

    At most `MOST`, the oldest first. `planned` sends once more what has surely not gone out.
    """
    chosen = await uncertain.choose(
        tx, workspace, send_keys=meant.send_keys, campaign_id=meant.campaign_id, limit=MOST
    )
    moved = await uncertain.settle(tx, workspace, chosen, state, reason)
    if state == "sent":
        told = [one.key for one in moved if one.kind != "test"]
        await publisher.publish(tx, await sent_events(tx, told, clock.now()))
    else:
        await forget_unsent(tx, {(row.workspace, row.send_key): row.profile_id for row in chosen})
    await count(tx, moved)
    return [one.send_key for one in moved]


async def _living(tx: AsyncConnection, workspace: str, profile_id: str) -> str:
    """Who a profile is now; nobody forgets them before the commit."""
    key = (workspace, profile_id)
    known = await people.load(tx, [key], lock=True)
    target = (workspace, (await people.resolve(tx, [key]))[key])
    if key not in known or await PRIVACY.erased(tx, {key, target}):
        message = f"There is no profile {profile_id} in workspace {workspace}."
        raise NotFoundError(message)
    return target[1]


def content_of(subject: str, html: str, text: str | None, data: dict[str, Any]) -> Content:
    """What a message says; `data` is any JSON object."""
    return Content(subject, html, text, msgspec.json.encode(data))
