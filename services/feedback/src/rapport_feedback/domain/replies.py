"""Answers of people to mails, as cases take them: from campaign's event, bounded and cleaned."""

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from rapport_common.events.activity import ProfileActivity
from rapport_common.events.codec import UNREADABLE
from rapport_common.events.envelope import ANONYMOUS_ID, EMAIL, USER_ID
from rapport_feedback.domain.naming import Contact, named

REPLIED, CAMPAIGN = "Email Replied", "campaign"
MAX_SUBJECT, MAX_BODY = 200, 2000
MOST_MESSAGES = 200
"""Of a case: whoever writes more is a machine that does not say so."""

NO_SUBJECT, NO_TEXT = "(no subject)", "(no text)"
_said = msgspec.json.Decoder(dict[str, Any])
_LINES = frozenset("\n\t")
_UNREAD = frozenset({"Cc", "Cn", "Co", "Cs"})
_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They show what follows the other way round, also what is ours."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A person has answered a mail of ours: `send_key` says which. `message_id` is the same for the
    same answer, however often it comes.
    """

    workspace: str
    message_id: str
    send_key: str
    contact: Contact
    subject: str
    body: str
    at: datetime


def reply_of(told: ProfileActivity) -> Reply | None:
    """The answer that a record tells of; None for all others, and what is told once more."""
    event = told.event
    if event is None or told.republished:
        return None
    if (event.source, event.name) != (CAMPAIGN, REPLIED):
        return None
    try:
        said = _said.decode(event.properties)
    except UNREADABLE:
        return None
    address = said.get("contact_point")
    email = address if isinstance(address, str) else event.value(EMAIL)
    contact = named(event.value(USER_ID), email, event.value(ANONYMOUS_ID))
    send_key = said.get("send_key")
    if contact is None or not isinstance(send_key, str):
        return None
    return Reply(
        workspace=event.workspace,
        message_id=event.message_id,
        send_key=send_key,
        contact=contact,
        subject=" ".join(_clean(said.get("subject"), MAX_SUBJECT).split()) or NO_SUBJECT,
        body=_clean(said.get("text"), MAX_BODY) or NO_TEXT,
        at=event.timestamp,
    )


def _clean(text: object, most: int) -> str:
    """What a person can read: no control characters but lines, not too long.

    Spaces of all scripts stay, and what joins signs to one: a family of emoji is one picture.
    """
    if not isinstance(text, str):
        return ""
    plain = text[: 2 * most].replace("\r\n", "\n")
    return "".join(one for one in plain if one in _LINES or _is_read(one)).strip()[:most]


def _is_read(character: str) -> bool:
    return unicodedata.category(character) not in _UNREAD and character not in _TURNS
