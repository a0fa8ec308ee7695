"""Addresses as clients make them of the host they were given."""

import re

_SLASHES = re.compile("/{2,}")


def plain(path: str) -> str:
    """The path with single slashes and none at its end.

    A host given as `https://in.example/` makes many SDKs post to `//v1/batch`; others end every
    address with a slash, or none.
    """
    return _SLASHES.sub("/", path).rstrip("/") or "/"
