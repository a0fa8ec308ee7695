"""Where a workspace may have something posted to: the internet, and never what is beside us.

Whoever may name an address could else have us ask what only we can reach: a database's port, the
metadata of a cloud's machine, another service (OWASP: server-side request forgery).
"""

import re
from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from urllib.parse import urlsplit

Network = IPv4Network | IPv6Network
MAX_URL = 2000
_HEXADECIMAL = re.compile(r"0x[0-9a-f]*")
_HOST = re.compile(r"(?!.{254})[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?")
_TRANSLATED = IPv6Network("64:ff9b::/96")
"""Behind these addresses are those of IPv4 (RFC 6052), private ones too."""
_NEVER = (
    # Translated in a network of one's own (RFC 8215), compatible with IPv4, translated (RFC 2765),
    # and local to a site: some versions of Python take them for the internet.
    IPv6Network("64:ff9b:1::/48"),
    IPv6Network("::/96"),
    IPv6Network("::ffff:0:0:0/96"),
    IPv6Network("fec0::/10"),
)


class UnusableUrlError(ValueError):
    """Nothing is posted to such an address; its text says why."""


def networks(text: str) -> list[Network]:
    """Networks (CIDR) with commas between them; ValueError for what is none."""
    return [ip_network(one.strip()) for one in text.split(",") if one.strip()]


def is_allowed(address: str, own: Sequence[Network] = ()) -> bool:
    """Whether an IP address is on the internet, or in a network that the operator allows."""
    found = ip_address(address.partition("%")[0])
    inner = _inner(found)
    if any(one in network for one in (found, inner) for network in own):
        return True
    if isinstance(found, IPv6Address) and any(found in network for network in _NEVER):
        return False
    return all(one.is_global and not one.is_multicast for one in (found, inner))


def _inner(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The address of IPv4 that one of IPv6 leads to; else the same."""
    if isinstance(address, IPv4Address):
        return address
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo[1] if address.teredo else None
    return address.ipv4_mapped or address.sixtofour or teredo or address


def require_usable(url: str, own: Sequence[Network] = ()) -> None:
    """Raise UnusableUrlError for what is no address that can be posted to.

    It is looked up when something is posted, each time: a name may lead elsewhere by then.
    """
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or " " in url:
        message = f"must be at most {MAX_URL} visible characters of ASCII"
        raise UnusableUrlError(message)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        message = "is no URL"
        raise UnusableUrlError(message) from error
    if not host or port == 0:
        message = "must have a host: https://shop.example.com/hook"
        raise UnusableUrlError(message)
    if parts.username is not None or parts.password is not None or parts.fragment:
        message = "must have no password and no fragment: posts are signed"
        raise UnusableUrlError(message)
    literal = _literal(host)
    if literal is None and _is_number(host):
        message = "has a number as its host: write an address in full, as 203.0.113.7"
        raise UnusableUrlError(message)
    if literal is None and ("[" in parts.netloc or _HOST.fullmatch(host) is None):
        message = "has no host that there can be: https://shop.example.com/hook"
        raise UnusableUrlError(message)
    if literal is not None and not is_allowed(literal, own):
        message = "leads to a private network; the setting RAPPORT_WEBHOOK_NETWORKS allows it"
        raise UnusableUrlError(message)
    is_own = literal is not None and any(ip_address(literal) in one for one in own)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_own):
        message = "must begin with https://"
        raise UnusableUrlError(message)


def _is_number(host: str) -> bool:
    """Whether a host ends in a number: `127.1`, `2130706433` and `0x7f.1` are all 127.0.0.1 to
    some (WHATWG URL, "ends in a number"), and a name that cannot be to others.
    """
    last = host.removesuffix(".").rpartition(".")[2]
    return last.isdecimal() or _HEXADECIMAL.fullmatch(last) is not None


def _literal(host: str) -> str | None:
    try:
        return str(ip_address(host))
    except ValueError:
        return None
