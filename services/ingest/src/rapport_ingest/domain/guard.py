"""Who may send with a source's key: allowed origins and networks; and where a request is from."""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from rapport_common.errors import ForbiddenError
from rapport_ingest.domain.source import SourcePolicy

Network = IPv4Network | IPv6Network

ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<any>\*\.)?"
    r"(?P<host>[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
)
DEFAULT_PORTS = {("http", "80"), ("https", "443")}
MAX_HOPS = 20
"""So many entries of a forwarding header are looked at, from the nearest proxy on."""


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


def network(text: str) -> Network:
    """A network in CIDR form, or a single address. ValueError says what is wrong."""
    try:
        return ip_network(text.strip())
    except ValueError as error:
        message = f"'{text}' is not a network. Write 203.0.113.0/24, 2001:db8::/32 or an address."
        raise ValueError(f"{message} ({error})") from error


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """An address; one of IPv4 that comes over an IPv6 socket is one of IPv4. None: it is none."""
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


class Proxies:
    """The proxies in front of us, whose word on a request's address is taken."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = [network(one) for one in networks]

    def client(self, peer: str | None, headers: Sequence[tuple[bytes, bytes]]) -> str | None:
        """Whose request it is: the nearest address in the forwarding headers that is no proxy's.

        Each proxy adds the address it got the request from on the right, so what lies beyond
        the first address we don't trust may be made up. None: a proxy did not say, or `Forwarded`
        (RFC 7239) and `X-Forwarded-For` say different things: our proxy wrote one of them, and
        the client may have made up the other.
        """
        if not self._trusts(peer):
            return peer
        plain = self._nearest(_listed(headers, b"x-forwarded-for"), peer)
        standard = self._nearest([_for_of(one) for one in _listed(headers, b"forwarded")], peer)
        if standard in {peer, plain}:
            return plain
        return standard if plain == peer else None

    def _nearest(self, hops: Sequence[str], peer: str | None) -> str | None:
        last = peer
        for hop in reversed(hops[-MAX_HOPS:]):
            found = parse_address(_without_port(hop))
            if found is None:
                return None
            last = str(found)
            if not self._trusts(last):
                return last
        return last

    def _trusts(self, address: str | None) -> bool:
        found = parse_address(address or "")
        return found is not None and any(found in one for one in self._networks)


def _listed(headers: Sequence[tuple[bytes, bytes]], name: bytes) -> list[str]:
    """The members of a header that may come in several lines (RFC 9110, section 5.3)."""
    whole = ",".join(value.decode("latin-1") for key, value in headers if key == name)
    return [one.strip() for one in whole.split(",") if one.strip()]


def _for_of(element: str) -> str:
    """The `for` of one element of `Forwarded`; "" where it has none."""
    for pair in element.split(";"):
        name, _, value = pair.partition("=")
        if name.strip().lower() == "for":
            return value.strip().strip('"')
    return ""


def _without_port(node: str) -> str:
    """`[2001:db8::1]:4711` and `192.0.2.1:4711` without port and brackets."""
    if node.startswith("["):
        return node[1:].partition("]")[0]
    return node.partition(":")[0] if node.count(":") == 1 else node
