"""How keys and values from the log are shown: as JSON where they are JSON, else in base64."""

import base64
import json
from typing import Any

import msgspec


def shown_value(value: bytes | None) -> Any:
    """A record's value as JSON can carry it, whatever bytes it is."""
    raw = value or b""
    try:
        found = msgspec.json.decode(raw)
        # What the answer's encoder does: halves of characters and deep nesting fail only here.
        json.dumps(found, allow_nan=False, ensure_ascii=False).encode()
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return {"base64": base64.b64encode(raw).decode()}
    return found


def shown_key(key: bytes | None) -> str:
    """A record's key: its text where it is printable, else hexadecimal."""
    raw = key or b""
    try:
        found = raw.decode()
    except UnicodeDecodeError:
        return raw.hex()
    return found if found.isprintable() else raw.hex()
