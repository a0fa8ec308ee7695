"""What a replay does first with a kept body: make the event of it anew, by the rules of now."""

import msgspec

from rapport_ingest.domain.dialects import cloudevents, webhook
from rapport_ingest.domain.source import Policy


def reopened(dialect: str, body: bytes, policy: Policy, message_id: str) -> bytes:
    """The event in Segment's shape; other dialects' bodies are that already.

    `message_id` is the one it was refused under. UnfitError says why there is still no event.
    """
    if dialect == webhook.Webhook.name:
        return bytes(webhook.reopen(msgspec.Raw(body), policy, message_id))
    if dialect == cloudevents.CloudEvents.name:
        return bytes(cloudevents.reopen(msgspec.Raw(body)))
    return body
