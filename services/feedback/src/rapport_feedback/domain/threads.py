"""Words that lead to something of ours and that nobody else can make: threads, forms, connectors.

In mails they are of lower-case letters and digits, for servers that change the case of what stands
before the `@`, and short enough for the 64 characters there (RFC 5321, 4.5.3.1.1).
"""

import base64
import binascii
import hmac
import re
from uuid import UUID

_ID, _MAC = 16, 10
_LENGTH = 42
"""Letters of a thread's word: 26 bytes in Base32."""
LONGEST_LOCAL = 64 - _LENGTH - 1
"""So long may be what stands before the `@` of an address to which a thread's word is put."""
MOST_WORDS = 20
_IN_TEXT = re.compile(rf"(?<![a-z0-9])c\.([a-z2-7]{{{_LENGTH}}})@", re.IGNORECASE)


def thread(key: bytes, workspace: str, case_id: UUID) -> str:
    """The word that leads to a case."""
    raw = case_id.bytes + _thread_mac(key, workspace, case_id.bytes)
    return base64.b32encode(raw).decode().rstrip("=").lower()


def case_of(key: bytes, workspace: str, word: str) -> UUID | None:
    """The case of a workspace that a word leads to; None unless we made it."""
    if len(word) != _LENGTH or not word.isascii():
        return None
    try:
        raw = base64.b32decode(word.upper() + "=" * (-_LENGTH % 8))
    except (binascii.Error, ValueError):
        return None
    is_ours = hmac.compare_digest(raw[_ID:], _thread_mac(key, workspace, raw[:_ID]))
    return UUID(bytes=raw[:_ID]) if is_ours else None


def reply_address(address: str, word: str) -> str:
    """Where answers in a thread go: `complaints+word@shop.example`."""
    local, _, domain = address.rpartition("@")
    return f"{local}+{word}@{domain}"


def parted(address: str) -> tuple[str, str]:
    """An address without what was put to it, and that: `complaints@shop.example`, `word`."""
    local, _, domain = address.lower().rpartition("@")
    plain, _, word = local.partition("+")
    return f"{plain}@{domain}", word


def reference(address: str, word: str) -> str:
    """An id for References, by which programs put answers in the thread."""
    return f"<c.{word}@{address.rpartition('@')[2]}>"


def words_in(text: str) -> list[str]:
    """What may be words of threads among the ids of a mail, each once; so many at most."""
    found = dict.fromkeys(one.lower() for one in _IN_TEXT.findall(text[: 64 * 1024]))
    return list(found)[:MOST_WORDS]


def place(key: bytes, purpose: str, workspace: str, name: str) -> str:
    """The word in a public address that leads to something of a workspace by its name."""
    raw = f"{workspace}\0{name}".encode()
    return base64.urlsafe_b64encode(_place_mac(key, purpose, raw) + raw).decode().rstrip("=")


def at_place(key: bytes, purpose: str, word: str) -> tuple[str, str] | None:
    """(workspace, name) that a word leads to; None unless we made it, for this, to the last bit."""
    try:
        padded = word.encode("ascii") + b"=" * (-len(word) % 4)
        raw = base64.b64decode(padded, altchars=b"-_", validate=True)
        workspace, _, name = raw[_ID:].decode().partition("\0")
    except (UnicodeError, binascii.Error, ValueError):
        return None
    if not hmac.compare_digest(raw[:_ID], _place_mac(key, purpose, raw[_ID:])):
        return None
    return (workspace, name) if place(key, purpose, workspace, name) == word else None


def _thread_mac(key: bytes, workspace: str, raw: bytes) -> bytes:
    return hmac.digest(key, b"thread" + raw + workspace.encode(), "sha256")[:_MAC]


def _place_mac(key: bytes, purpose: str, raw: bytes) -> bytes:
    return hmac.digest(key, f"place {purpose}\0".encode() + raw, "sha256")[:_ID]
