"""The record on `message.requests`: one transactional message to one person."""

from datetime import datetime

import msgspec

from rapport_common.events.envelope import empty_object


class MessageRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Asks campaign for one message; `request_id` makes it at most one."""

    workspace: str
    request_id: str
    profile_id: str
    to: str
    subject: str
    html: str
    text: str
    requested_at: datetime
    data: msgspec.Raw = msgspec.field(default_factory=empty_object)
