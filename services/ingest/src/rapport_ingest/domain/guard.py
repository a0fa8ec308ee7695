"""Who may send with a source's key: allowed origins and networks."""

import re
from functools import lru_cache

from rapport_common.errors import ForbiddenError
from rapport_common.proxies import network, parse_address
from rapport_ingest.domain.source import SourcePolicy

ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<any>\*\.)?"
    r"(?P<host>[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
)
DEFAULT_PORTS = {("http", "80"), ("https", "443")}


class Guard:
    """The allow-lists of one source; ValueError for a policy that can't be followed."""

    def __init__(self, policy: SourcePolicy) -> None:
        shapes = [origin_shape(one) for one in policy.allowed_origins]
        self._origins = frozenset(head + tail for head, tail, any_below in shapes if not any_below)
        self._below = tuple((head, "." + tail) for head, tail, any_below in shapes if any_below)
        self._any_origin = not policy.allowed_origins
        self._networks = [network(one) for one in policy.allowed_ips]
        self._any_address = not self._networks
        # The same browsers and servers come again and again, and parsing an address takes long.
        self._knows_origin = lru_cache(maxsize=1024)(self._is_allowed_origin)
        self._knows_address = lru_cache(maxsize=4096)(self._is_allowed_address)

    def check(self, origin: bytes | None, address: str | None) -> None:
        """ForbiddenError unless a request from this origin and address may send.

        A request without an origin passes: servers and apps send none. So the list keeps other
        sites' pages from using a key that stands in a page; it does not keep a key secret.
        """
        if not self._any_origin and origin is not None and not self._knows_origin(origin):
            shown = origin.decode("latin-1")[:200]
            message = (
                f"This source takes no events from pages of {shown}. Its operator can add the "
                "origin to allowed_origins of the source's policy."
            )
            raise ForbiddenError(message, code="origin_not_allowed", details={"origin": shown})
        if not self._any_address and not self._knows_address(address):
            message = (
                f"This source takes no events from the address {address or 'of this request'}. Its "
                "operator can add the network to allowed_ips of the source's policy; behind a "
                "proxy RAPPORT_TRUSTED_PROXIES has to name the proxy."
            )
            raise ForbiddenError(message, code="address_not_allowed", details={"address": address})

    def _is_allowed_origin(self, origin: bytes) -> bool:
        sent = origin.decode("latin-1").lower()
        if sent in self._origins:
            return True
        return any(
            sent.startswith(head) and sent.endswith(tail) and len(sent) > len(head) + len(tail)
            for head, tail in self._below
        )

    def _is_allowed_address(self, address: str | None) -> bool:
        found = parse_address(address or "")
        return found is not None and any(found in one for one in self._networks)


def origin_shape(pattern: str) -> tuple[str, str, bool]:
    """(`scheme://`, `host[:port]`, whether any subdomain of it is meant) as browsers write them.

    The default port is left out (RFC 6454, section 6.2). ValueError says what is wrong.
    """
    match = ORIGIN.fullmatch(pattern.strip().lower())
    if match is None:
        message = (
            f"'{pattern}' is not an origin. Write scheme://host or scheme://host:port, as in "
            "https://shop.example, or https://*.shop.example for all its subdomains."
        )
        raise ValueError(message)
    scheme, host, port = match["scheme"], match["host"], match["port"]
    if port is None or (scheme, port) in DEFAULT_PORTS:
        return f"{scheme}://", host, match["any"] is not None
    return f"{scheme}://", f"{host}:{int(port)}", match["any"] is not None
