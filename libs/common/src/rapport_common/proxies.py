"""Where a request is from: behind proxies it is one of them that says so."""

from collections.abc import Iterable, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Network = IPv4Network | IPv6Network

MAX_HOPS = 20
"""So many entries of a forwarding header are looked at, from the nearest proxy on."""

_FORWARDING = (b"forwarded", b"x-forwarded-for", b"x-real-ip")


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

    def certain(self, peer: str | None, headers: Sequence[tuple[bytes, bytes]]) -> str | None:
        """The same, as a proof: None also where one forwards of whom nobody has said who it is."""
        if not self._trusts(peer) and any(name in _FORWARDING for name, _value in headers):
            return None
        return self.client(peer, headers)

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
        if not self._networks:
            return False
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
