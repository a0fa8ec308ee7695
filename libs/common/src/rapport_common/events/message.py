"""The record on `message.requests`: one transactional message to one person."""

from datetime import datetime
from typing import Literal

import msgspec

from rapport_common.events.envelope import empty_object


class MessageRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Asks campaign for one message; `request_id` makes it at most one.

    `purpose`: a `survey` goes to nobody who has said no to surveys, and says how to; it may have
    `unsubscribe_url` in its texts. By another `channel` than e-mail `text` is said, and the person
    has to be reached at `to` by it still.
    `reply_to` is where answers go (empty: to campaign); `references` are the ids of the mails that
    it goes on with, in their form `<…>`, the last one the one that it answers.
    """

    workspace: str
    request_id: str
    profile_id: str
    to: str
    subject: str
    html: str
    text: str
    requested_at: datetime
    data: msgspec.Raw = msgspec.field(default_factory=empty_object)
    purpose: Literal["service", "survey"] = "service"
    channel: Literal["email", "sms"] = "email"
    reply_to: str = ""
    references: list[str] = []
