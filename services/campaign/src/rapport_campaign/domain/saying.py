"""The content of a message by a channel, of its parts by name."""

from collections.abc import Mapping

import msgspec

from rapport_campaign.domain.parcels import (
    INBOX,
    Channel,
    Content,
    Notification,
    Post,
    Templated,
    Text,
)
from rapport_campaign.domain.tasks import TASKS

NEEDED: Mapping[Channel, str] = {
    "sms": "text",
    "push": "title",
    "web_push": "title",
    "inbox": "title",
    "phone": "text",
    "store": "text",
    "wechat": "template",
    "whatsapp": "template",
}
"""The part without which there is nothing to send; of an SMS a template does as well."""


def lacking(channel: Channel, parts: Mapping[str, str]) -> str | None:
    """The part that a content lacks; None where it has all."""
    needed = NEEDED.get(channel)
    if needed is None or parts.get(needed, "").strip():
        return None
    return None if channel == "sms" and parts.get("template", "").strip() else needed


def content_of(channel: Channel, parts: Mapping[str, str], values: Mapping[str, str]) -> Content:
    """What is sent: `values` are those of a template, or what an app or a program is given."""

    def part(name: str) -> str:
        return parts.get(name, "")

    if channel == "sms":
        return Text(part("text"), part("template"), values)
    if channel in {"push", "web_push", INBOX, *TASKS}:
        return Notification(part("title"), part("text"), part("url"), values)
    if channel == "webhook":
        return Post(part("type") or "message", msgspec.json.encode(dict(values)))
    return Templated(part("template"), part("language") or "en", values, part("url"))
