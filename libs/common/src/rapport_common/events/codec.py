"""Records to and from the bytes on the wire."""

import re

import msgspec


class _Owned(msgspec.Struct):
    """What every record has: whose it is."""

    workspace: str


_encoder = msgspec.json.Encoder()
_owned = msgspec.json.Decoder(_Owned)
SLUG_LENGTH = 63
UNREADABLE = (msgspec.MsgspecError, UnicodeError, ArithmeticError, RecursionError)
"""What a reader of JSON raises for bytes that it does not take: no JSON, or of another type; not
UTF-8; a number beyond all numbers; brackets a thousand deep."""
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def encode(record: msgspec.Struct) -> bytes:
    """A record as it travels: one JSON object."""
    return _encoder.encode(record)


def workspace_of(value: bytes | None) -> str | None:
    """The workspace that an encoded record names; None when it can't be read."""
    try:
        found = _owned.decode(value or b"").workspace
    except UNREADABLE:
        return None
    return found if found and len(found) <= SLUG_LENGTH and found.isprintable() else None


def holds_nul(raw: bytes | memoryview) -> bool:
    """Whether JSON as it stands has the character NUL, which Postgres can't store, in any string.

    Asked of the bytes: of two members with one name a reader sees the last, and the first goes on.
    """
    data = bytes(raw)
    return b"\\u0000" in data and _NUL.search(data) is not None
