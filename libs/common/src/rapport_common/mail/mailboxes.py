"""A mailbox that is looked into, as a setting names it."""

from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote, urlsplit

_PORTS = {"imap": 143, "imaps": 993}


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Where it is, and who may look into it. `is_tls`: from the first byte."""

    host: str
    port: int
    user: str
    password: str
    folder: str
    is_tls: bool

    @classmethod
    def of(cls, url: str) -> Self:
        """Read `imaps://user:password@host:993/INBOX`; ValueError without what is secret in it."""
        wrong = "a mailbox is imaps://user:password@host/folder, what is special in it as %40"
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ValueError(wrong) from None
        if parts.scheme not in _PORTS or not parts.hostname or not parts.username:
            raise ValueError(wrong)
        return cls(
            host=parts.hostname,
            port=port or _PORTS[parts.scheme],
            user=unquote(parts.username),
            password=unquote(parts.password or ""),
            folder=unquote(parts.path.strip("/")) or "INBOX",
            is_tls=parts.scheme == "imaps",
        )
