"""Addresses that lead back to one message: where it bounces to, where it is answered, its id.

A token names the workspace by a mark and the message by half of its send key, under a MAC. It is of
lower-case letters and digits, for mail servers that change the case of what stands before the `@`,
and short enough for the 64 characters that they take there (RFC 5321, 4.5.3.1.1).
"""

import base64
import binascii
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass

from rapport_campaign.domain.macs import mac

BOUNCE, REPLY, MESSAGE = "b+", "r+", "m."
"""What stands before a token in the envelope's sender, in Reply-To, and in Message-ID."""
COMPLAINTS = "complaints"
"""Where providers of mailboxes send complaints to: the mail that they enclose has its token."""

HALF = 16
"""Bytes of a send key that a token has."""
_MARK, _KEY, _MAC = 5, HALF, 12
_LENGTH = -(-(_MARK + _KEY + _MAC) * 8 // 5)
_TOKEN = re.compile(rf"(?<![a-z0-9])[bmr][+.]([a-z0-9]{{{_LENGTH}}})(?:@|%40)", re.IGNORECASE)
_ADDRESS = re.compile(rf"[br]\+([a-z0-9]{{{_LENGTH}}})")
MOST_CANDIDATES = 20


@dataclass(frozen=True, slots=True)
class Returned:
    """What a token says, before it is known to be ours: `key` is the first half of a send key."""

    mark: str
    key: str
    mac: str


def mark_of(key: bytes, workspace: str) -> str:
    """By what a token names a workspace, in hexadecimal digits: nobody else can tell which it is.

    Two may have the same one: the MAC knows.
    """
    return mac(key, b"w" + workspace.encode())[:_MARK].hex()


def signed(key: bytes, workspace: str, send_key: str) -> str:
    """The token of a message."""
    half = send_key[: 2 * _KEY]
    raw = bytes.fromhex(mark_of(key, workspace) + half) + _mac(key, workspace, half)
    return base64.b32encode(raw).decode().rstrip("=").lower()


def read(token: str) -> Returned | None:
    """What a token says; None for what is none."""
    if len(token) != _LENGTH:
        return None
    try:
        raw = base64.b32decode(token.upper() + "=" * (-len(token) % 8))
    except (binascii.Error, ValueError):
        return None
    named = _MARK + _KEY
    return Returned(raw[:_MARK].hex(), raw[_MARK:named].hex(), raw[named:].hex())


def is_of(key: bytes, workspace: str, said: Returned) -> bool:
    """Whether a token is one that we have made, for a message of this workspace."""
    is_signed = hmac.compare_digest(_mac(key, workspace, said.key).hex(), said.mac)
    return is_signed and said.mark == mark_of(key, workspace)


def in_address(address: str, domains: Iterable[str]) -> Returned | None:
    """The token of an address for bounces or replies at one of our domains."""
    local, _, domain = address.lower().rpartition("@")
    found = _ADDRESS.fullmatch(local)
    return read(found[1]) if found and domain in domains else None


def in_text(text: str) -> list[Returned]:
    """All that may be tokens in a text, each once, in their order; so many at most."""
    found: dict[Returned, None] = {}
    for match in _TOKEN.finditer(text):
        said = read(match[1].lower())
        if said is not None:
            found[said] = None
        if len(found) >= MOST_CANDIDATES:
            break
    return list(found)


def _mac(key: bytes, workspace: str, half: str) -> bytes:
    return mac(key, b"b" + bytes.fromhex(half) + workspace.encode())[:_MAC]
