"""Records to and from the bytes on the wire."""

import msgspec


class _Owned(msgspec.Struct):
    """What every record has: whose it is."""

    workspace: str


_encoder = msgspec.json.Encoder()
_owned = msgspec.json.Decoder(_Owned)
SLUG_LENGTH = 63


def encode(record: msgspec.Struct) -> bytes:
    """A record as it travels: one JSON object."""
    return _encoder.encode(record)


def workspace_of(value: bytes | None) -> str | None:
    """The workspace that an encoded record names; None when it can't be read."""
    try:
        found = _owned.decode(value or b"").workspace
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    return found if found and len(found) <= SLUG_LENGTH and found.isprintable() else None
