"""The inbox that an app shows to its user, and the token by which it is asked for.

The workspace's server, which knows who is signed in, gets a token for a profile and hands it to the
app. Whoever has it sees that inbox until it ends, and nothing else.
"""

import base64
import binascii
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

MOST_ITEMS = 200
"""Of a person: the oldest go."""
MOST_HOURS = 720
_MARK = b"inbox\0"
_MAC, _UNTIL = 16, 8
_MAX_LENGTH = 800


@dataclass(frozen=True, slots=True)
class InboxItem:
    """One message in an app; after `expires_at` nobody sees it."""

    workspace: str
    item_id: str
    profile_id: str
    title: str
    body: str
    created_at: datetime
    url: str = ""
    data: Mapping[str, str] = field(default_factory=dict)
    expires_at: datetime | None = None
    read_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whose inbox a token opens, and until when (seconds since 1970)."""

    workspace: str
    profile_id: str
    until: int


def sign(key: bytes, bearer: Bearer) -> str:
    """The token, as it stands in a URL."""
    who = msgspec.json.encode((bearer.workspace, bearer.profile_id))
    payload = bearer.until.to_bytes(_UNTIL) + who
    return base64.urlsafe_b64encode(_mac(key, payload) + payload).rstrip(b"=").decode()


def read(key: bytes, text: str, now: float) -> Bearer | None:
    """Whose inbox a token opens; None for one that we never signed, or whose time is over."""
    if len(text) > _MAX_LENGTH:
        return None
    try:
        raw = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (binascii.Error, UnicodeEncodeError):
        return None
    mac, payload = raw[:_MAC], raw[_MAC:]
    if not hmac.compare_digest(mac, _mac(key, payload)):
        return None
    until = int.from_bytes(payload[:_UNTIL])
    workspace, profile_id = msgspec.json.decode(payload[_UNTIL:], type=tuple[str, str])
    return Bearer(workspace, profile_id, until) if now < until else None


def _mac(key: bytes, payload: bytes) -> bytes:
    return hmac.digest(key, _MARK + payload, "sha256")[:_MAC]
