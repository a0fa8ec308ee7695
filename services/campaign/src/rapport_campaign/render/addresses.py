"""What the address of a link is, as browsers read it."""

from urllib.parse import quote, urlsplit

_TABS_AND_LINE_ENDS = str.maketrans("", "", "\t\n\r")
EDGE = "".join(map(chr, range(0x21)))
"""C0 controls and the space: they are no part of an address (URL standard, 4.4)."""
MAX_URL = 2048
# Everything RFC 3986 allows in a URL; the rest is percent-encoded.
_URL_SAFE = "!#$%&'()*+,/:;=?@[]~"
_REFUSED = ("javascript:", "vbscript:", "data:")


def web_address(text: str) -> str | None:
    """An http or https address in ASCII that is safe in a Location header, or None."""
    bare = text.strip(EDGE).translate(_TABS_AND_LINE_ENDS)
    address = quote(bare, safe=_URL_SAFE, errors="replace")
    try:
        parts = urlsplit(address)
        known = parts.scheme.lower() in {"http", "https"} and parts.hostname
    except ValueError:
        return None
    return address if known and len(address) <= MAX_URL else None


def is_refused(text: str) -> bool:
    """Whether an address would run something, or be a page of its own."""
    bare = text.strip(EDGE).translate(_TABS_AND_LINE_ENDS)
    return bare.lower().startswith(_REFUSED)
