"""Records to and from the bytes on the wire."""

import msgspec

_encoder = msgspec.json.Encoder()


def encode(record: msgspec.Struct) -> bytes:
    """A record as it travels: one JSON object."""
    return _encoder.encode(record)
