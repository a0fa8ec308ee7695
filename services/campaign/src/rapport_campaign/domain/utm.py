"""Where a visit comes from, told by the address that is followed: the parameters `utm_…`."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

import msgspec

NAMES = ("source", "medium", "campaign", "content")
_MOST_PARAMETERS = 200


@dataclass(frozen=True, slots=True)
class Utm:
    """What is added to links; only to those of `domains`, or below one."""

    source: str
    medium: str
    domains: tuple[str, ...]
    campaign: str | None = None
    content: str | None = None

    @property
    def parameters(self) -> dict[str, str]:
        """Each by its name in an address."""
        told = {name: getattr(self, name) for name in NAMES}
        return {f"utm_{name}": text for name, text in told.items() if text}


@lru_cache(maxsize=256)
def read(kept: str) -> Utm | None:
    """As it is kept with a campaign (JSON); None for `{}`."""
    found = msgspec.json.decode(kept)
    return msgspec.convert(found, Utm) if found else None


def with_utm(url: str, utm: Utm) -> str:
    """The address with what it does not say yet; one that is of no allowed domain stays.

    What stands in it is left as it is, in its order and spelling.
    """
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        return url
    if parts.scheme.lower() not in {"http", "https"} or not _is_below(host, utm.domains):
        return url
    missing = _missing(parts.query, utm.parameters)
    if not missing:
        return url
    added = "&".join(f"{name}={quote(text, safe='')}" for name, text in missing.items())
    query = f"{parts.query}&{added}" if parts.query else added
    return urlunsplit(parts._replace(query=query))


def _is_below(host: str, domains: tuple[str, ...]) -> bool:
    return any(host == one or host.endswith(f".{one}") for one in domains)


def _missing(query: str, wanted: Mapping[str, str]) -> dict[str, str]:
    try:
        said = parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        # So many that nobody reads them: it is left alone.
        return {}
    names = {name.lower() for name, _ in said}
    return {name: text for name, text in wanted.items() if name not in names}
