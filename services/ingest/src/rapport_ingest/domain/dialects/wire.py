"""The encodings that trackers wrap their fields in: base64, Unix times, addresses of pages.

Each function bounds what it gives, and gives None for what it can't read.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from rapport_ingest.domain.moments import is_unix, iso_moment

MAX_QUERY_FIELDS = 200
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


def joined_pairs(text: bytes) -> bytes:
    """UTF-8 of what may be CESU-8 (Unicode TR 26), where an emoji is two surrogates of three bytes.

    Browser SDKs with an encoder of their own write so before base64. Half a pair becomes U+FFFD;
    what is neither stays as it is, for the reader to refuse.
    """
    if b"\xed" not in text:
        return text
    try:
        found = text.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return text
    return found.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def epoch_iso(stated: Any) -> str | None:
    """ISO 8601 in UTC of a Unix time in any unit, a number or its digits; else None."""
    if isinstance(stated, (int, float)) or (isinstance(stated, str) and is_unix(stated)):
        return iso_moment(stated)
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
