"""What a browser must read in an answer before a page of another origin may read it (Fetch)."""

from collections.abc import Sequence

_ANYBODY = ((b"access-control-allow-origin", b"*"),)


def cors(origin: bytes | None) -> Sequence[tuple[bytes, bytes]]:
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
