"""What a browser must read in an answer before a page of another origin may read it (Fetch)."""

from collections.abc import Mapping, Sequence

Headers = Sequence[tuple[bytes, bytes]]

ALLOWED_HEADERS = (
    b"authorization, content-type, content-encoding, x-retry-count, anonymousid, x-write-key"
)
DAY = b"86400"

_ANYBODY = ((b"access-control-allow-origin", b"*"),)


def cors(origin: bytes | None) -> Headers:
    """The headers of an answer to a page of `origin`; any page may send.

    Snowplow's tracker and beacons send in credentials mode, in which a browser takes neither
    `*` nor a missing `Allow-Credentials`. That gives nothing away: no answer of ours depends
    on a cookie. `Retry-After` is exposed because SDKs wait as it says.
    """
    if origin is None:
        return _ANYBODY
    return (
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-expose-headers", b"retry-after"),
        (b"vary", b"origin"),
    )


def preflight(asked: Mapping[bytes, bytes], methods: Sequence[str]) -> Headers:
    """What a browser is told before it sends: any page may, with our headers and its own."""
    wanted = asked.get(b"access-control-request-headers", b"")
    return (
        *cors(asked.get(b"origin")),
        (b"access-control-allow-methods", ", ".join((*methods, "OPTIONS")).encode()),
        (b"access-control-allow-headers", ALLOWED_HEADERS + (b", " + wanted if wanted else b"")),
        (b"access-control-max-age", DAY),
    )
