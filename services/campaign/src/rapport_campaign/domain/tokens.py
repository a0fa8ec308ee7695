"""The signed tokens of public links: nothing can be reached that we did not hand out."""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from typing import Literal

from rapport_campaign.domain.macs import mac

Use = Literal["unsubscribe", "click", "open", "preferences", "form", "opt_in", "hook"]

_MARKS: dict[Use, bytes] = {
    "unsubscribe": b"u",
    "click": b"c",
    "open": b"o",
    "preferences": b"p",
    "form": b"f",
    "opt_in": b"d",
    "hook": b"h",
}
_MAC, _KEY, _LINK = 16, 32, 12
_MAX_LENGTH = 400
NO_LINK = "00" * _LINK


@dataclass(frozen=True, slots=True)
class Token:
    """What a link stands for: one message, and for a click the stored link (hex ids).

    Of a page of preferences the key may be that of a link that an operator has made, of a hook it
    is the hook's id.
    """

    workspace: str
    send_key: str
    link_id: str = NO_LINK


def sign(key: bytes, use: Use, token: Token) -> str:
    """The token as it stands in a URL. One made for another `use` does not fit."""
    payload = bytes.fromhex(token.send_key + token.link_id) + token.workspace.encode()
    return base64.urlsafe_b64encode(_mac(key, use, payload) + payload).rstrip(b"=").decode()


def read(key: bytes, use: Use, text: str) -> Token | None:
    """What a token stands for, or None when we never signed it for this use."""
    if len(text) > _MAX_LENGTH:
        return None
    try:
        raw = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (binascii.Error, UnicodeEncodeError):
        return None
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != text:
        # Base64 has several spellings of the same bytes; only ours counts.
        return None
    mac, payload = raw[:_MAC], raw[_MAC:]
    if len(payload) <= _KEY + _LINK or not hmac.compare_digest(mac, _mac(key, use, payload)):
        return None
    return Token(
        workspace=payload[_KEY + _LINK :].decode(),
        send_key=payload[:_KEY].hex(),
        link_id=payload[_KEY : _KEY + _LINK].hex(),
    )


def link_id(campaign_id: str, url: str) -> str:
    """The id under which a click target is stored: the same for the same target."""
    return hashlib.sha256(f"{campaign_id}\n{url}".encode()).hexdigest()[: 2 * _LINK]


def _mac(key: bytes, use: Use, payload: bytes) -> bytes:
    return mac(key, _MARKS[use] + payload)[:_MAC]
