"""Which DNS servers are asked, as an operator writes them."""

from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

PORT = 53


def servers(setting: str) -> tuple[tuple[str, int], ...]:
    """Addresses with commas between: `192.0.2.1`, `192.0.2.1:5353`, `[2001:db8::1]:53`; ValueError
    for what is none.
    """
    return tuple(_servers(setting))


def _servers(setting: str) -> Iterator[tuple[str, int]]:
    for place in setting.split(","):
        if place.strip():
            found = urlsplit(f"//{place.strip()}")
            yield str(ip_address(found.hostname or "")), found.port or PORT
