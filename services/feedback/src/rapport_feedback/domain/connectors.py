"""What a post of somebody else's system says of a complaint, by a mapping that is data."""

import hmac
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from rapport_common.events.contact import email_address, phone_number
from rapport_feedback.domain.letters import MOST_BODY, MOST_SUBJECT, NO_SUBJECT, clean

TOLERANCE_SECONDS: Final = 300
FIELDS: Final = (
    *("id", "message_id", "subject", "body", "email", "phone", "name", "user_id"),
    *("order_id", "product", "category"),
)
"""What a mapping can say where it is found."""
MOST_ID, MOST_WORD = 200, 100

LIBRARY: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "call_centre": (
        "calls, as most systems of call centres post them; the agent has asked who it is",
        {
            "channel": "call_centre",
            "trusted": True,
            "mapping": {
                "id": ["/call/id", "/call_id", "/id"],
                "subject": ["/call/reason", "/disposition", "/subject"],
                "body": ["/call/notes", "/notes", "/summary"],
                "phone": ["/call/from", "/caller", "/phone"],
                "user_id": ["/customer/id", "/customer_id"],
                "email": ["/customer/email"],
                "name": ["/customer/name"],
            },
        },
    ),
    "social": (
        "public posts and mentions: one case for a thread, a message for each post in it",
        {
            "channel": "social",
            "mapping": {
                "id": ["/conversation_id", "/thread_id", "/post/id"],
                "message_id": ["/post/id", "/id"],
                "body": ["/post/text", "/text", "/message"],
                "name": ["/author/name", "/author/username", "/user/screen_name"],
            },
        },
    ),
    "chat": (
        "conversations of a chat: one case for a conversation, a message for each line of it",
        {
            "channel": "chat",
            "mapping": {
                "id": ["/conversation/id", "/conversation_id", "/session"],
                "message_id": ["/message/id", "/id"],
                "subject": ["/conversation/subject", "/topic"],
                "body": ["/message/content", "/content", "/text"],
                "email": ["/sender/email", "/contact/email"],
                "name": ["/sender/name", "/contact/name"],
            },
        },
    ),
}


class UnmappedError(ValueError):
    """A post lacks what a case needs: the message says which part of the mapping found nothing."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a post says, bounded and cleaned; None and empty: nothing."""

    id: str
    message_id: str
    subject: str
    body: str
    email: str | None
    phone: str | None
    name: str | None
    user_id: str | None
    order_id: str
    product: str
    category: str


def told(mapping: Mapping[str, Sequence[str]], post: object) -> Told:
    """Read a post; UnmappedError without an id of the case, or without words."""
    said = {name: _first(post, mapping.get(name, ())) for name in FIELDS}
    if not said["id"]:
        raise UnmappedError(f"/mapping/id: nothing is at {', '.join(mapping.get('id', ()))}")
    body = clean(said["body"], MOST_BODY).strip()
    if not body:
        raise UnmappedError(f"/mapping/body: nothing is at {', '.join(mapping.get('body', ()))}")
    subject = " ".join(clean(said["subject"] or body, MOST_SUBJECT).split())
    name = " ".join(clean(said["name"], MOST_ID).split())
    phone = said["phone"][:MOST_WORD]
    own_id = _id(said["id"])
    # What names no message is known again by its words.
    words = sha256(f"{own_id}\0{subject}\0{body}".encode("utf-8", "replace")).hexdigest()
    return Told(
        id=own_id,
        message_id=_id(said["message_id"]) or words,
        subject=subject[:MOST_SUBJECT] or NO_SUBJECT,
        body=body,
        email=email_address(said["email"]) if said["email"] else None,
        phone=(phone_number(phone) or _word(phone, MOST_WORD) or None) if phone else None,
        name=name or None,
        # What a longer one begins with may be somebody else.
        user_id=(len(said["user_id"]) <= MOST_ID and _word(said["user_id"], MOST_ID)) or None,
        **{one: _word(said[one], MOST_WORD) for one in ("order_id", "product", "category")},
    )


def _id(text: str) -> str:
    """An id of others as it is kept: a long one by its hash, as what it begins with is no id."""
    if len(text) <= MOST_ID:
        return _word(text, MOST_ID)
    return sha256(text.encode("utf-8", "replace")).hexdigest()


def _word(text: str, most: int) -> str:
    return " ".join(clean(text, most).split())


def _first(post: object, pointers: Sequence[str]) -> str:
    """What is at the first of some JSON Pointers (RFC 6901) where a text or a number is."""
    for pointer in pointers:
        found = _at(post, pointer)
        if isinstance(found, str) and found.strip():
            return found
        if isinstance(found, int) and not isinstance(found, bool):
            return str(found)
    return ""


def _at(post: object, pointer: str) -> object:
    found = post
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping):
            found = found.get(key)
        elif (
            isinstance(found, list) and key.isascii() and key.isdigit() and len(key) < len("10000")
        ):
            found = found[int(key)] if int(key) < len(found) else None
        else:
            return None
    return found


def secret_of(key: bytes, workspace: str, name: str, generation: int) -> bytes:
    """The secret of a connector: it is made again whenever it is needed, and kept nowhere."""
    said = f"connector\0{workspace}\0{name}\0{generation}".encode()
    return hmac.digest(key, said, "sha256")


def shown_secret(secret: bytes) -> str:
    """A secret as Standard Webhooks writes it."""
    return f"whsec_{b64encode(secret).decode()}"


def is_signed(secret: bytes, headers: Mapping[str, str], body: bytes, now: float) -> bool:
    """Whether a post is signed as Standard Webhooks has it, not longer ago than five minutes.

    `now` in seconds since 1970.
    """
    own_id, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not own_id or not at.isascii() or not at.isdigit() or len(at) > len("99999999999"):
        return False
    if abs(now - int(at)) > TOLERANCE_SECONDS:
        return False
    made = b64encode(hmac.digest(secret, f"{own_id}.{at}.".encode() + body, "sha256")).decode()
    given = headers.get("webhook-signature", "")[:1000].split(" ")
    return any(hmac.compare_digest(f"v1,{made}".encode(), one.encode()) for one in given)
