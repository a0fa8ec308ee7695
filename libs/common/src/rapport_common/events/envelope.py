"""The record on `events`: one immutable fact about one person."""

from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, Literal

import msgspec

EventType = Literal["track", "identify", "page", "screen", "group", "alias"]
Trust = Literal["trusted", "public"]
"""Of a source: its key is kept on a server, or stands where everybody can read and use it."""

EMPTY_OBJECT = msgspec.Raw(b"{}")
SHA256_BLOCK = 64

USER_ID = "user_id"
EMAIL = "email"
ANONYMOUS_ID = "anonymous_id"


def empty_object() -> msgspec.Raw:
    """The JSON object without members; a factory because a schema can't show a raw default."""
    return EMPTY_OBJECT


Identifier = tuple[str, str]
"""(kind, value), for example ("email", "ada@example.com")."""


class Client(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The device an event came from, as far as its user agent, locale and address tell.

    `ip` is anonymised as the source's policy says; `language` and `region` are the parts of a
    BCP 47 tag (`de`, `AT`); `bot` is true for crawlers and scripted browsers.
    """

    ip: str | None = None
    browser: str | None = None
    browser_version: str | None = None
    os: str | None = None
    os_version: str | None = None
    device: str | None = None
    bot: bool = False
    language: str | None = None
    region: str | None = None


class Provenance(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """From whom data that is not our own came, and the ground (Article 6(1) GDPR) for using it."""

    party: Literal["first", "second", "third"] = "first"
    provider: str | None = None
    legal_basis: str | None = None


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A validated event; identified by (workspace, source, message_id).

    `identifiers` are (kind, value) in the one form of their kind, each once, the strongest first:
    who it is about. `previous_id` is an alias's former id: an anonymous id, unless it is known as
    a user id.

    `properties`, `traits` and `context` are JSON objects kept as the bytes that came in: only
    who needs a value decodes it.

    `sequence` is the event's place among those that came with it (index in a batch, row of a
    file): of two with one timestamp the later place counts. `trust` is that of the source when it
    was received; what a public one says of consent and addresses is not yet so. `currency` is the
    source's declared one, set where the event has an amount and names none. `historic`: it tells
    of the past (an import), so nobody is to be written to because of it. `implausible_time`: what
    it said of its time could not be (before 1990, a day or more ahead); `timestamp` is then that
    of the receipt.
    """

    workspace: str
    source: str
    message_id: str
    type: EventType
    timestamp: datetime
    received_at: datetime
    identifiers: list[Identifier]
    name: str | None = None
    previous_id: str | None = None
    group_id: str | None = None
    properties: msgspec.Raw = msgspec.field(default_factory=empty_object)
    traits: msgspec.Raw = msgspec.field(default_factory=empty_object)
    context: msgspec.Raw = msgspec.field(default_factory=empty_object)
    client: Client | None = None
    provenance: Provenance | None = None
    sequence: int = 0
    trust: Trust = "trusted"
    currency: str | None = None
    historic: bool = False
    implausible_time: bool = False

    def strongest(self) -> Identifier:
        """What names the person best; an empty anonymous id when nothing does."""
        return self.identifiers[0] if self.identifiers else (ANONYMOUS_ID, "")

    def value(self, kind: str) -> str | None:
        """Its first identifier of a kind."""
        # No generator: each event is asked several times.
        for one, value in self.identifiers:
            if one == kind:
                return value
        return None


@lru_cache(maxsize=16_384)
def partition_key(key: bytes, workspace: str, identifier: Identifier) -> bytes:
    """The Kafka key of an event: 16 bytes of HMAC-SHA256, so no address shows in the log.

    Kept for the people who were active last: one visit is many events.
    """
    return identifier_digest(key, workspace, identifier)


def identifier_digest(key: bytes, workspace: str, identifier: Identifier) -> bytes:
    """16 bytes of HMAC-SHA256 under the installation's identity key: what stands for a person."""
    kind, value = identifier
    inner, outer = _keyed(key)
    first, second = inner.copy(), outer.copy()
    first.update(f"{workspace}\0{kind}\0{value}".encode())
    second.update(first.digest())
    digest: bytes = second.digest()
    return digest[:16]


@lru_cache(maxsize=16)
def _keyed(key: bytes) -> tuple[Any, Any]:
    """HMAC's two hashes (RFC 2104) with the key already in them: half the cost of `hmac.digest`."""
    block = (sha256(key).digest() if len(key) > SHA256_BLOCK else key).ljust(SHA256_BLOCK, b"\0")
    return sha256(bytes(one ^ 0x36 for one in block)), sha256(bytes(one ^ 0x5C for one in block))
