"""What `message.requests` brings: a single message to one person, asked for by another service."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.model import Content, NewMessage
from rapport_campaign.domain.planning import BEFORE_BACKUP, happened_before, state_for
from rapport_campaign.domain.storable import require_storable
from rapport_campaign.handlers.ledger import count, write_plan
from rapport_campaign.store import contents as letters
from rapport_campaign.store import people
from rapport_campaign.store.privacy import PRIVACY
from rapport_common.events.message import MessageRequest
from rapport_common.follower.domain import Key
from rapport_common.kafka.batch import Record

MOST_ADDRESS, MOST_REFERENCES = 320, 10


async def on_requests(
    batch: Sequence[Record], tx: AsyncConnection, *, restored_at: datetime | None = None
) -> None:
    """Plan transactional messages, one per request id; none for somebody who was forgotten."""
    requests: list[tuple[MessageRequest, str | None]] = []
    for index, record in enumerate(batch):
        request: MessageRequest = record.value
        require_storable(index, *msgspec.structs.asdict(request).values())
        requests.append((request, record.traceparent))
    keys = [(one.workspace, one.profile_id) for one, _ in requests]
    # Held until the commit: whoever is forgotten meanwhile waits, and finds what is planned here.
    await people.load(tx, keys, lock=True)
    now_ids = await people.resolve(tx, keys)
    erased = await PRIVACY.erased(tx, {*keys, *((one[0], now_ids[one]) for one in keys)})
    wanted = {
        (message.workspace, message.send_key): (message, content)
        for message, content in (_requested(*one, now_ids, restored_at) for one in requests)
        if (message.workspace, message.profile_id) not in erased
    }
    new = await write_plan(tx, [message for message, _ in wanted.values()])
    await letters.add(tx, {one.key: wanted[one.key][1] for one in new})
    await count(tx, new)


def _requested(
    request: MessageRequest,
    traceparent: str | None,
    now_ids: dict[Key, str],
    restored_at: datetime | None,
) -> tuple[NewMessage, Content]:
    lost = happened_before(request.requested_at, restored_at)
    reason = BEFORE_BACKUP if lost else None
    message = NewMessage(
        workspace=request.workspace,
        kind="request",
        purpose=request.purpose,
        channel=request.channel,
        campaign_id=None,
        occasion=request.request_id,
        profile_id=now_ids[request.workspace, request.profile_id],
        to_address=request.to,
        state=state_for(reason),
        reason=reason,
        traceparent=traceparent,
    )
    data = bytes(request.data)
    content = Content(
        request.subject,
        request.html,
        request.text or None,
        data,
        request.reply_to[:MOST_ADDRESS],
        " ".join(request.references[-MOST_REFERENCES:]),
    )
    return message, content
