"""The record on `message.requests`: one transactional message to one person."""

from datetime import datetime

import msgspec

from rapport_common.events.envelope import empty_object


class MessageRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Asks campaign for one message; `request_id` makes it at most one.

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
    reply_to: str = ""
    references: list[str] = []
