"""Mail servers as a setting lists them."""

import re
from dataclasses import dataclass, replace
from typing import Literal, Self
from urllib.parse import parse_qsl, unquote, urlsplit

Tls = Literal["none", "starttls", "tls"]

_SCHEMES: dict[str, tuple[Tls, int]] = {
    "smtp": ("none", 25),
    "smtp+starttls": ("starttls", 587),
    "smtps": ("tls", 465),
}
MOST_CONNECTIONS = 64
DEFAULT_POOL = "default"
_POOL = re.compile(r"([a-z][a-z0-9-]{0,30})=(.+)")


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where it is and how hard it may be used; `connections` of each lane, 0 for as many as usual.

    `pace`: mails a second that one process hands to it at most, 0 for any number. `pool`: which of
    the installation's it is in.
    """

    host: str
    port: int
    tls: Tls = "none"
    username: str | None = None
    password: str | None = None
    connections: int = 0
    pace: float = 0.0
    pool: str = DEFAULT_POOL

    @property
    def name(self) -> str:
        """Its place: what it is called in metrics and logs."""
        return f"{self.host}:{self.port}"

    @classmethod
    def of(cls, url: str) -> Self:
        """Read `smtp+starttls://user:password@host:port?connections=2&pace=50`.

        ValueError without what is secret in it.
        """
        wrong = (
            "a mail server is smtp://, smtp+starttls:// or smtps://, then user:password@host:port, "
            "what is special in it as %40; after a ? there may be connections= and pace="
        )
        try:
            parts = urlsplit(url)
            port = parts.port
            more = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
            connections, pace = int(more.pop("connections", "0")), float(more.pop("pace", "0"))
        except ValueError:
            raise ValueError(wrong) from None
        is_bounded = 0 <= connections <= MOST_CONNECTIONS and 0 <= pace < float("inf")
        if parts.scheme not in _SCHEMES or not parts.hostname or more or not is_bounded:
            raise ValueError(wrong)
        tls, usual = _SCHEMES[parts.scheme]
        return cls(
            host=parts.hostname,
            port=port or usual,
            tls=tls,
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            connections=connections,
            pace=pace,
        )


def mail_servers(text: str) -> list[MailServer]:
    """The servers of a list with blanks between them; ValueError for one that is there twice.

    `name=` before one begins the pool of that name; those before are in the pool `default`.
    """
    found, pool = [], DEFAULT_POOL
    for one in text.split():
        named = _POOL.fullmatch(one)
        pool, url = (named[1], named[2]) if named else (pool, one)
        found.append(replace(MailServer.of(url), pool=pool))
    names = [one.name for one in found]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"the mail server {name} is listed twice")
    return found
