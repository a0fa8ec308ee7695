"""The address of a data feed: HTTPS, with places that a person's data are put into.

A place stands in a segment of the path or in the query, never before them: whatever somebody's data
are, it is the host that was declared which is asked, and below the folder that was meant.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from rapport_common.outside.addresses import MAX_URL, Network, UnusableUrlError, require_usable

PLACE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
MAX_VALUE = 200
MAX_ADDRESS = 1000
PERSON, CAMPAIGN = "person", "campaign"
_PATHS = re.compile(
    r"person\.(?:id|address|(?:traits|computed)(?:\.\w[\w-]*){1,5}|identifiers\.\w+)|campaign\.id"
)
_TOLD = "person.id, person.address, person.traits.…, person.computed.…, person.identifiers.…"


class AddressError(ValueError):
    """No address of a feed; the text says what to do."""


def host_of(address: str) -> str:
    """The host of an address, with its port if it has one of its own, in small letters."""
    parts = urlsplit(PLACE.sub("x", address))
    host = (parts.hostname or "").removesuffix(".")
    return f"{host}:{parts.port}" if parts.port not in {None, 443} else host


def places(address: str) -> list[str]:
    """What is put into an address, in its order."""
    return [one[1] for one in PLACE.finditer(address)]


def require_address(address: str, *, of_people: bool, own: Sequence[Network] = ()) -> None:
    """AddressError for what is none; `own`: private networks that may be asked.

    `of_people`: whether each person may have an address of their own.
    """
    if len(address) > MAX_ADDRESS:
        message = f"has more than {MAX_ADDRESS} characters"
        raise AddressError(message)
    bare = PLACE.sub("x", address)
    if "{" in bare or "}" in bare:
        message = "has braces that are no place such as {{ person.traits.city }}"
        raise AddressError(message)
    begin = _behind_host(address)
    for one in PLACE.finditer(address):
        if one.start() < begin:
            message = f"has {one[0]} in its host: places are for the path and the query"
            raise AddressError(message)
        if _PATHS.fullmatch(one[1]) is None:
            message = f"has {one[0]}, which is none of {_TOLD}, campaign.id"
            raise AddressError(message)
        if one[1].startswith(PERSON) and not of_people:
            message = f"has {one[0]}, and is asked once for all: make it a feed of the kind person"
            raise AddressError(message)
    try:
        require_usable(bare, own)
    except UnusableUrlError as error:
        raise AddressError(str(error)) from error
    if _climbs(bare):
        message = "has . or .. as a segment of its path"
        raise AddressError(message)


def filled(address: str, variables: Mapping[str, Any]) -> str | None:
    """The address for some data; None where a value is missing, or is none that can be put in."""
    parts: list[str] = []
    end = 0
    for one in PLACE.finditer(address):
        value = _text(_found(variables, one[1].split(".")))
        if value is None:
            return None
        parts += [address[end : one.start()], quote(value, safe="")]
        end = one.end()
    url = "".join([*parts, address[end:]])
    return None if len(url) > MAX_URL or _climbs(url) else url


def _behind_host(address: str) -> int:
    """Where path or query begin: nothing of the host is behind."""
    start = address.find("://") + 3
    ends = [found for sign in "/?" if (found := address.find(sign, start)) >= 0]
    return min(ends, default=len(address) + 1)


def _climbs(url: str) -> bool:
    """Whether a segment, as a server may read it, leads to another folder (RFC 3986, 5.2.4)."""
    return any(part in {".", ".."} for part in _segments(urlsplit(url).path))


def _segments(path: str) -> Iterator[str]:
    # A proxy and a server behind it may each undo the percents once.
    for _ in range(3):
        yield from (one.partition(";")[0] for one in re.split(r"[/\\]", path))
        path = unquote(path)


def _found(variables: Mapping[str, Any], path: Sequence[str]) -> Any:
    found: Any = variables
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        value = str(value)
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_VALUE:
        return None
    if any(not one.isprintable() for one in value):
        # Also halves of characters, which have no bytes.
        return None
    return value.strip()
