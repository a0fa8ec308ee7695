"""The encodings that trackers wrap their fields in: base64, epoch milliseconds, addresses of pages.

Each function bounds what it gives, and gives None for what it can't read.
"""

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_QUERY_FIELDS = 200
UNITS = (1, 10**3, 10**6, 10**9)
FARTHEST = 10**11
"""Seconds since 1970 in the year 5138: larger numbers are of a smaller unit."""

CAMPAIGN = {
    "utm_source": "source",
    "utm_medium": "medium",
    "utm_campaign": "name",
    "utm_term": "term",
    "utm_content": "content",
}
"""The names of Segment's `context.campaign` by those of the query."""

_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_SPACES = b" \t\r\n"


def base64_bytes(text: bytes | str) -> bytes | None:
    """What is encoded: RFC 4648's alphabet or the one for URLs, with or without the padding."""
    try:
        data = text.encode("ascii") if isinstance(text, str) else text
        plain = data.translate(_URL_SAFE, _SPACES).rstrip(b"=")
        return base64.b64decode(plain + b"=" * (-len(plain) % 4), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return None


def base64_text(text: bytes | str) -> str | None:
    """The UTF-8 text that is encoded."""
    found = base64_bytes(text)
    try:
        return None if found is None else found.decode()
    except UnicodeDecodeError:
        return None


def epoch_iso(milliseconds: Any) -> str | None:
    """ISO 8601 in UTC of milliseconds since 1970, a number or its digits."""
    try:
        if isinstance(milliseconds, bool):
            return None
        moment = EPOCH + timedelta(milliseconds=float(milliseconds))
    except (TypeError, ValueError, OverflowError):
        return None
    return moment.isoformat()


def instant_iso(stamp: Any) -> str | None:
    """ISO 8601 in UTC of a number since 1970, or its digits, whatever its unit.

    Seconds, milli-, micro- and nanoseconds are told apart by their magnitude: in each unit the
    years 1973 to 5138 have other numbers.
    """
    try:
        if isinstance(stamp, bool):
            return None
        number = float(stamp)
        unit = next((one for one in UNITS if abs(number) < FARTHEST * one), None)
        return None if unit is None else (EPOCH + timedelta(seconds=number / unit)).isoformat()
    except (TypeError, ValueError, OverflowError):
        return None


def page_of(url: str) -> dict[str, str]:
    """The parts of an address as Segment's `context.page` names them."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return {"url": url}
    found = {"url": url, "path": parts.path, "search": "?" + parts.query if parts.query else ""}
    return {name: value for name, value in found.items() if value}


def campaign_of(url: str) -> dict[str, str]:
    """Segment's `context.campaign` from the utm parameters of an address."""
    try:
        query = urlsplit(url).query
        if "utm_" not in query:
            return {}
        fields = parse_qsl(query, max_num_fields=MAX_QUERY_FIELDS)
    except ValueError:
        return {}
    return {CAMPAIGN[name]: value for name, value in fields if name in CAMPAIGN and value}


def form_of(query: bytes | str) -> Mapping[str, str]:
    """The fields of a query or form; of those named twice the first, beyond 200 none."""
    text = query.decode("utf-8", "replace") if isinstance(query, bytes) else query
    found: dict[str, str] = {}
    for pair in text.split("&", MAX_QUERY_FIELDS)[:MAX_QUERY_FIELDS]:
        name, _, value = pair.partition("=")
        found.setdefault(unquote(name), unquote(value.replace("+", " ")))
    return found


def with_member(raw: msgspec.Raw, name: str, value: Any) -> msgspec.Raw:
    """The JSON object with one more member, at its end: there it wins over one of its name."""
    head = bytes(raw).rstrip().removesuffix(b"}").rstrip()
    comma = b"" if head.endswith(b"{") else b","
    member = msgspec.json.encode({name: value})[1:]
    return msgspec.Raw(head + comma + member)
