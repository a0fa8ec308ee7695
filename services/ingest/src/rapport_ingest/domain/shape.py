"""The limits on an event's shape: depth, keys, and characters that nothing can store."""

from typing import Any

from rapport_common.events.codec import holds_nul
from rapport_ingest.domain.reading import Refused
from rapport_ingest.domain.salvage import deeper_than

MAX_DEPTH = 64
MAX_KEYS = 1000
"""On all levels together. Amplitude's SDKs stop at as many (their change log, 3.2.0): more is a
loop that went wrong, or data used as names, and each name becomes an entry of every catalogue."""

MAX_KEY = 1024

_BACKSLASH, _QUOTE = b'\\"'
_AFTER_VALUES = {b",", b"}", b"]"}


def check_shape(data: bytes, fields: dict[str, Any]) -> None:
    """Raise Refused when the event, `data` as it came and `fields` decoded, breaks a limit."""
    # Counting is cheap, and most events have fewer brackets than levels are allowed.
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH and deeper_than(data, MAX_DEPTH):
        raise too_deep()
    if len(data) > MAX_KEY and _may_break_key_limits(data):
        _check_keys(fields)
    if _BACKSLASH in data and holds_nul(data):
        # A member that another one of the same name hides has no path.
        raise Refused("nul_character", nul_in(fields) or "", "The NUL character can't be stored.")


def too_deep() -> Refused:
    """The verdict on what is nested too deeply."""
    return Refused("too_deep", "", f"Nested deeper than {MAX_DEPTH} levels.")


def _may_break_key_limits(raw: bytes) -> bool:
    """A look that costs next to nothing, and that most events pass.

    So many keys need five bytes each. A key over the limit has more bytes than that between two
    quotes, and after it no comma or bracket: it goes from quote to quote, as far as it can.
    """
    if len(raw) > 5 * MAX_KEYS and raw.count(b":") > MAX_KEYS:
        return True
    if _BACKSLASH in raw:
        raw = raw.replace(b'\\"', b"..")  # no end of a key; the length stays
    at, last = -1, len(raw) - MAX_KEY - 1
    while at < last:
        following = raw.rfind(_QUOTE, at + 1, at + MAX_KEY + 2)
        if following < 0:
            following = raw.find(_QUOTE, at + MAX_KEY + 2)
            if raw[following + 1 : following + 2] not in _AFTER_VALUES:
                return True
        at = following
    return False


def _check_keys(fields: dict[str, Any]) -> None:
    count = 0
    waiting: list[tuple[str, Any]] = [("", fields)]
    while waiting:
        top, value = waiting.pop()
        if isinstance(value, list):
            waiting += [(top, one) for one in value]
        elif isinstance(value, dict):
            count += len(value)
            longest = max(map(len, value), default=0)
            if longest > MAX_KEY:
                reason = f"A key has {longest} characters; {MAX_KEY} is the most."
                raise Refused("key_too_long", top, reason)
            waiting += [(top or key, one) for key, one in value.items()]
    if count > MAX_KEYS:
        reason = f"The event has {count} keys on all levels; {MAX_KEYS} is the most."
        raise Refused("too_many_keys", "", reason)


def nul_in(value: Any, path: str = "") -> str | None:
    """The path of the first string with a NUL in it, which Postgres can't store."""
    if isinstance(value, str):
        return path if "\0" in value else None
    if isinstance(value, dict):
        members = [(f"{path}.{key}".lstrip("."), key, one) for key, one in value.items()]
    elif isinstance(value, list):
        members = [(f"{path}[{index}]", "", one) for index, one in enumerate(value)]
    else:
        return None
    for where, key, one in members:
        if "\0" in key:
            return where.replace("\0", "\ufffd")
        if (found := nul_in(one, where)) is not None:
            return found
    return None
